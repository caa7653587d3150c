#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes .venv with memsection and what it needs.  On Debian and its kin it also installs what the system itself lacks;
# everywhere else it says what that is.  Running it again is cheap: it does nothing when nothing changed.
#
#   sh tools/setup.sh [EXTRA]      an extra of pyproject.toml: cli (the default), test, dev, docs
set -eu
cd "$(dirname "$0")/.."
extra=${1:-cli}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
fi

packages=
command -v gcc >/dev/null 2>&1 || packages="$packages gcc"
[ -e /usr/include/stdlib.h ] || packages="$packages libc6-dev"
if [ -z "$python" ]; then
    packages="$packages python3 python3-venv python3-dev"
else
    "$python" -c 'import venv, ensurepip' 2>/dev/null || packages="$packages python3-venv"
    "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || packages="$packages python3-dev"
fi
if [ -n "$packages" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "setup: missing here:$packages; install them and run this again" >&2
        exit 1
    fi
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    echo "setup: installing$packages" >&2
    $as_root apt-get update -qq
    # shellcheck disable=SC2086  # a list of packages
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $packages >/dev/null
    python=${python:-python3}
fi

# What the installation was made from; the same again means there is nothing to do.
stamp=.venv/.made-from
sources=$(find pyproject.toml setup.py src/memsection \( -name '*.toml' -o -name setup.py -o -name '*.pyx' -o -name '*.pxd' \
    -o -name '*.pxi' -o -name '*.[ch]' \) | LC_ALL=C sort | xargs cat | cksum)
wanted="$extra $("$python" -V) $sources"
if [ -x .venv/bin/python ] && .venv/bin/python -c 'import memsection' 2>/dev/null &&
    grep -qxF "$wanted" "$stamp" 2>/dev/null; then
    exit 0
fi
[ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null || "$python" -m venv --clear .venv
echo "setup: building and installing memsection[$extra] into .venv" >&2
# Without the byte code that pip makes one file after the other: it is made below, by all processors.
PIP_COMPILE=0 .venv/bin/python -m pip install -q -e ".[$extra]"
# Else each program of a test compiles what it imports anew where Python is told to write no byte code.  A package may
# hold what is for another Python, which does no harm.
.venv/bin/python -m compileall -q -j 0 src
.venv/bin/python -m compileall -qq -j 0 -x '/tests?/' .venv/lib || :
grep -qF "$sources" "$stamp" 2>/dev/null || : > "$stamp"
echo "$wanted" >> "$stamp"
