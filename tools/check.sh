#!/bin/sh
# SPDX-License-Identifier: MIT
# What has to be clean before a commit: lint, import contracts, types on both systems, invariants, unit tests.
# With PYTHON set its environment is used, otherwise .venv is made; with CHECK_ONLY set no tests are run.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${PYTHON:-}" ]; then
    sh tools/setup.sh dev
    PYTHON=$PWD/.venv/bin/python
fi
step() {
    echo "== $*" >&2
    "$@"
}
bin=$(dirname "$PYTHON")
step "$PYTHON" -m ruff check src tests tools bench examples
step "$PYTHON" -m ruff format --check src tests tools bench examples setup.py
# shellcheck disable=SC2046  # no name has a blank
step "$bin/clang-format" --dry-run -Werror $(find src tests bench -name "*.[ch]")
step env PYTHONPATH=src "$bin/lint-imports" --no-cache
step "$PYTHON" -m mypy --platform linux
step "$PYTHON" -m mypy --platform win32
step "$PYTHON" -m mypy --strict tests/typing/must_check.py tests/typing/must_not_check.py
step "$PYTHON" -m pyright --pythonpath "$PYTHON"
step "$PYTHON" tools/check_snippets.py
step "$PYTHON" tools/check_invariants.py
step "$PYTHON" tools/check_shape.py
[ ! -e tools/check_sync_tags.py ] || step "$PYTHON" tools/check_sync_tags.py
step "$PYTHON" -m pytest -q tests/unit/test_site.py
[ -n "${CHECK_ONLY:-}" ] || step "$PYTHON" -m pytest -q tests/unit tests/cli
