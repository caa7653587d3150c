#!/bin/sh
# SPDX-License-Identifier: MIT
# Sets everything up and passes all tests, side by side: as many at a time as there are processors, and one more, because
# tests often wait; those of a file one after the other.  Arguments go to pytest; -n 0 runs all one after the other.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh test
# Else each worker compiles each file of the tests, and each program that they start what it imports of them.
unset PYTHONDONTWRITEBYTECODE
exec .venv/bin/python -m pytest -n "$(($(nproc) + 1))" --dist loadfile "$@"
