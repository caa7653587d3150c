"""PAGE_GUARD: pages that tell of their first touch."""


def told_once(k):
    """A page with PAGE_GUARD refuses the first access, and is an ordinary page from then on."""
    section = k.CreateFileMapping(k.INVALID_HANDLE_VALUE, None, k.PAGE_READWRITE, 0, 0x2000, None)
    view = k.MapViewOfFile(section, k.FILE_MAP_WRITE, 0, 0, 0)
    k.write(view, b"guarded")
    k.VirtualProtect(view, 0x1000, k.PAGE_READWRITE | k.PAGE_GUARD)
    k.VirtualQuery(view)
    try:
        k.read(view, 7)
    except OSError:
        pass
    k.VirtualQuery(view)
    k.read(view, 7)
