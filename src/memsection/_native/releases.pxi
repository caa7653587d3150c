# SPDX-License-Identifier: MIT
# A part of sync.pyx: the end of a block whose lock has a ``release`` of a subclass's own.

cdef extern from * nogil:
    """
    /* The ends of blocks of this thread that a subclass's own release is to come to, and whether it has. */
    struct ms_releasing {
        struct ms_releasing *outer;
        void *door;
        int done;
    };
    static __thread struct ms_releasing *ms_innermost;
    static void ms_releasing_begin(struct ms_releasing *one, void *door) {
        *one = (struct ms_releasing){ms_innermost, door, 0};
        ms_innermost = one;
    }
    static void ms_releasing_end(struct ms_releasing *one) { ms_innermost = one->outer; }
    static void ms_released(void *door) {
        for (struct ms_releasing *one = ms_innermost; one; one = one->outer)
            if (one->door == door && !one->done) {
                one->done = 1;
                return;
            }
    }
    """
    struct ms_releasing:
        int done
    void ms_releasing_begin(ms_releasing *, void *)
    void ms_releasing_end(ms_releasing *)
    void ms_released(void *)


cdef object _semaphore_released(WaitableBase door, n):
    before = _methods["semaphore_release"](door, n)
    ms_released(<void *><PyObject *>door)
    return before


cdef int _release_by_own(WaitableBase door) except -1:
    """Call a subclass's own ``release``.  One that raises, or is interrupted, before it has given back what the block took
    has that done here; what else it did is its own."""
    cdef ms_releasing here
    ms_releasing_begin(&here, <void *><PyObject *>door)
    try:
        door.release()
    except BaseException:
        if not here.done:
            for kind in type(door).__mro__:
                release = kind.__dict__.get("release")
                if release is _mutex_release or release is _semaphore_release:
                    try:
                        ledger.finish(release, door)
                    except BaseException:
                        pass    # something is raised already
                    break
        raise
    finally:
        ms_releasing_end(&here)
    return 0
