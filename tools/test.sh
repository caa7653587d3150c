#!/bin/sh
# SPDX-License-Identifier: MIT
# Sets everything up and passes all tests.  Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh test
exec .venv/bin/python -m pytest "$@"
