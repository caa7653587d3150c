# SPDX-License-Identifier: MIT
"""Python programs that were written for Windows: ``ctypes.windll``, Windows's sizes, and modules
that see Windows.

``memsection run --windows script.py`` runs a script that sees Windows, with the packages that
``--as-windows`` names; ``install`` gives the whole process ``mmap`` and ``ctypes.windll`` and
nothing else.  On Windows the genuine modules do all of this, and nothing here changes them.
"""

from __future__ import annotations

import sys

__all__ = ["install"]


def install() -> None:
    """Give this process ``mmap.mmap`` with tag names, ``ctypes.windll`` and its kin, and Windows's
    ``wintypes``.

    Everybody in the process sees them from now on.  What cannot be changed for all are the sizes of
    ``c_long`` and ``c_wchar``, and what ``sys.platform`` says: for these a program is run by
    ``memsection run --windows``.

    On Windows it does nothing but give ``mmap`` Linux's parameters.
    """
    import mmap

    from memsection.compat import mmap as ours

    for name, value in vars(ours).items():
        if name.isupper() or name == "mmap":
            setattr(mmap, name, value)
    if sys.platform != "win32":
        _install_ctypes()


def _install_ctypes() -> None:
    import ctypes
    from ctypes import wintypes

    from memsection.compat.windows import last_error, library

    names = {
        "WinDLL": library.WinDLL,
        "OleDLL": library.WinDLL,
        "windll": library.LibraryLoader(library.WinDLL),
        "oledll": library.LibraryLoader(library.WinDLL),
        "WINFUNCTYPE": library.function_type(library.NativeText),
        **{name: getattr(last_error, name) for name in last_error.__all__},
    }
    for name, value in names.items():
        setattr(ctypes, name, value)
    # wintypes is for Windows's declarations alone, so that everybody may have the right sizes.
    for kind, names_of_kind in (
        (ctypes.c_uint32, ("DWORD", "ULONG", "LCID", "LCTYPE", "LGRPID", "COLORREF")),
        (ctypes.c_int32, ("LONG", "BOOL", "HRESULT")),
    ):
        for name in names_of_kind:
            setattr(wintypes, name, kind)
            for prefix in ("P", "LP"):
                if hasattr(wintypes, prefix + name):
                    setattr(wintypes, prefix + name, ctypes.POINTER(kind))
