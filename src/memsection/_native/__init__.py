# SPDX-License-Identifier: MIT
"""The compiled core: memory as buffers, faults, atomics, waits.  It knows no object types and no
names.

Each module is a thin Cython door to plain C that is compiled and tested alone under sanitizers.
``setup.py`` says which exist on every system, on Linux only and on Windows only.
"""
