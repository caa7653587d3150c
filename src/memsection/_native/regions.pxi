# SPDX-License-Identifier: MIT
"""The mapped regions of this process: how one is mapped, the table of them, and how one goes; ``records`` includes it.

The lock and the records are those of that file.
"""

regions_by_base = {}    #: first address: region
bases = []              #: their first addresses, in order
cdef dict _regions = regions_by_base
cdef list _bases = bases


def view_descriptor(HandleRecord handle not None, bint writable):
    """The descriptor that views of a handle's object are mapped through: one without a lock (L5)."""
    cdef ObjectRecord obj = handle.obj
    cdef int *own = &obj.view_rw if writable else &obj.view_ro
    if handle.data_fd >= 0:
        return handle.data_fd
    if own[0] < 0:
        tables_lock.take()
        try:
            if own[0] < 0:
                own[0] = reopen_fd(handle.fd, writable)
        except PermissionError:
            # What was granted stays, though the descriptor now says otherwise, or the debug
            # privilege got the handle.  The view then keeps the handle's own lock, and with it the
            # name, until it is unmapped.
            return handle.fd
        finally:
            tables_lock.leave()
    return own[0]


def map_region(kind, ObjectRecord obj not None, int fd, uint64_t size, uint32_t protection,
               int prot, int flags, uint64_t offset, bint writable):
    """A view of an object as a region of this kind, which is not in the table yet.

    The pages of a body that was made here, and that nobody has touched, are had at once where one
    call is faster than the faults.
    """
    cdef bint populates = (obj.fresh and writable and prot != PROT_NONE
                           and POPULATE_FROM <= size <= POPULATE_TO)
    cdef uint64_t base = map_range(fd, size, prot, flags, offset, populates)
    obj.fresh = False
    return kind(base, size, protection, obj, offset, writable, flags & MAP_SHARED != 0)


def add(RegionRecord region not None):
    """Enter a region into the table; its mapping is the table's, and a view of its object."""
    tables_lock.take()
    try:
        insort(_bases, region.base)
        _regions[region.base] = region
        if region.obj is not None:
            (<ObjectRecord>region.obj).views += 1
        note(remove, region)
        drop_range(region.base, region.size)
        if region.bitmap:
            drop_range(region.bitmap, region.bitmap_size)
    finally:
        tables_lock.leave()


def remove(RegionRecord region not None):
    """Take a region from the table and unmap it.

    False when that was done already: what is at its address now belongs to somebody else, and is
    left alone (M2).
    """
    cdef ObjectRecord obj = region.obj
    tables_lock.take()
    try:
        if _regions.get(region.base) is not region:
            return False
        del _regions[region.base]
        _bases.pop(bisect_left(_bases, region.base))
        if region.guard is not None:
            region.guard.remove()
        view = _view_over(region)
        if view is not None:
            view._end()
        # It can fail only where the system has no more mappings and this one had grown together
        # with another one's pages; there is nothing that could be done about it.
        unmap_range(region.base, region.size, True)
        if region.bitmap:
            unmap_range(region.bitmap, region.bitmap_size, False)
        if obj is not None:
            obj.views -= 1
            if obj.views == 0 and not obj.handles:
                _by_identity.pop(obj.identity, None)
                obj.shut_views()
        return True
    finally:
        tables_lock.leave()


cdef object _view_over(RegionRecord region):
    """The view, as a buffer, that the region is mapped for; None where there is none, or it is gone."""
    return region.buffer() if region.buffer is not None else None


def unmap(RegionRecord region not None):
    """Unmap a view by its address; a buffer over it is closed with that, and what is lent of it keeps the memory
    mapped until the last user of it goes, as when the buffer itself is closed.

    False when it was closed or unmapped already.
    """
    cdef int users
    tables_lock.take()
    try:
        view = _view_over(region)
        if view is not None and _regions.get(region.base) is region:
            users = view._end()
            if users != 1:
                return users == 0
        return remove(region)
    finally:
        tables_lock.leave()


def release_part(RegionRecord region not None, uint64_t start, uint64_t size, list rest):
    """Unmap a part of private memory; what is left of its region are those of ``rest`` from now on.

    False when the region was removed already.  OSError when the kernel splits it no more: then
    nothing has changed.
    """
    cdef int result
    cdef RegionRecord one
    tables_lock.take()
    try:
        if _regions.get(region.base) is not region:
            return False
        result = unmap_range(start, size, False)
        if result < 0:
            raise OSError(-result, "unmap a part of an allocation")
        del _regions[region.base]
        _bases.pop(bisect_left(_bases, region.base))
        for one in rest:
            insort(_bases, one.base)
            _regions[one.base] = one
        return True
    finally:
        tables_lock.leave()
