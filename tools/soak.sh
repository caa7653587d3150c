#!/bin/sh
# SPDX-License-Identifier: MIT
# The long storms: every program in tests/soak one after the other, then a table of their figures.  Status 1 when one of
# the figures that must be 0 is not.  Some programs become other users and need root.
#
#   sh tools/soak.sh [SECONDS]          seconds for each program (or SECONDS_EACH); half an hour for all when omitted
#   sh tools/soak.sh SECONDS NAME...    these programs alone
#
# STORM_PYTHON='python3 tools/wine.py python' has the storm of rwlock_kills on Windows, in Wine.
# PYTHON names another interpreter, which has memsection and what the tests need.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-${SECONDS_EACH:-}}
[ $# = 0 ] || shift
if [ -z "${PYTHON:-}" ]; then
    sh tools/setup.sh test
    PYTHON=$PWD/.venv/bin/python
fi
if [ $# = 0 ]; then
    for program in tests/soak/*.py; do
        name=${program##*/}
        set -- "$@" "${name%.py}"
    done
fi
[ -n "$seconds" ] || seconds=$((1800 / $# + 1))
table=$(mktemp)
trap 'rm -f "$table"' EXIT
trap 'exit 130' INT TERM
failed=0
for name in "$@"; do
    echo "== $name, $seconds s" >&2
    if line=$("$PYTHON" "tests/soak/$name.py" --seconds "$seconds"); then
        verdict=ok
    else
        verdict=FAILED failed=1
    fi
    line=$(echo "$line" | grep "^$name: " || echo "$name: ended without figures")
    printf '%-7s %s\n' "$verdict" "$line" | tee -a "$table" >&2
done
echo
echo "$(nproc) processors, Linux $(uname -r), $("$PYTHON" -V), $(git rev-parse --short HEAD 2>/dev/null || echo 'no commit'), $seconds s each"
cat "$table"
exit $failed
