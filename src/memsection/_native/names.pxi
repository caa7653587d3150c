# SPDX-License-Identifier: MIT
# The part of protocol.pyx that gives names, finds them, and says what their files hint at.

# ---------------------------------------------------------------------- Local names

cdef inline ms_name _name(int directory, bytes file, bytes text, uint32_t checksum):
    cdef ms_name name
    name.directory, name.file, name.text = directory, file, text
    name.length, name.checksum = PyBytes_GET_SIZE(text), checksum
    return name


cdef inline bytes _hints(const ms_locator *head):
    return PyBytes_FromStringAndSize(<const char *>head.hints, MS_HINTS * sizeof(ms_hint))


def make_locator(int directory, uint32_t kind, uint64_t device, uint64_t inode,
                 uint64_t pid_namespace, bytes name not None, uint32_t checksum, uint32_t pid,
                 uint32_t fd):
    """A locator that has no name yet, written and locked; its descriptor."""
    cdef ms_name wanted = _name(directory, b"", name, checksum)
    cdef ms_hint creator
    creator.pid, creator.fd = pid, fd
    return _note(ms_name_make_locator(&wanted, kind, device, inode, pid_namespace, creator))


def link(int fd, int directory, bytes file not None):
    """Give a file without a name this one (N2)."""
    _check_by_path(ms_name_link(fd, directory, file), fd)


def publish(int directory, bytes file not None, uint32_t kind, uint64_t device, uint64_t inode,
            uint64_t pid_namespace, bytes name not None, uint32_t checksum, uint32_t pid,
            uint32_t fd):
    """Give a complete body its Local name (N2); the descriptor of its locator."""
    cdef ms_name wanted = _name(directory, file, name, checksum)
    cdef ms_hint creator
    cdef int failure, locator
    creator.pid, creator.fd = pid, fd
    locator = _note(ms_name_make_locator(&wanted, kind, device, inode, pid_namespace, creator))
    failure = ms_name_link(locator, directory, file)
    if failure:
        close_fd(locator)
        _check_by_path(failure, locator)
    return locator


def find(int directory, bytes file not None, bytes name not None, uint32_t checksum,
         uint64_t pid_namespace, uint32_t uid, bint writable):
    """The living body of a Local name by its locator's hints; both are locked where it is found.

    Returns:
        (outcome, body, locator, device, inode, size, pid and descriptor that led there, whether
        the body's descriptor may write, hints); with PLANTED the second is the file's owner.
    """
    cdef ms_name wanted = _name(directory, file, name, checksum)
    cdef ms_found_body found
    cdef int outcome = _check(ms_name_find(&wanted, uid, pid_namespace, writable, &found))
    if outcome != MS_FOUND:
        return (outcome, found.locator.owner if outcome == MS_PLANTED else -1, -1, 0, 0, 0, 0, 0,
                False, b"")
    note_fd(found.body)
    note_fd(found.locator.fd)
    return (outcome, found.body, found.locator.fd, found.file.device, found.file.inode,
            found.file.size, found.source.pid, found.source.fd, found.is_writable != 0,
            _hints(&found.locator.head))


def open_locator(int directory, bytes file not None, bytes name not None, uint32_t checksum,
                 uint32_t uid, bint alone):
    """A locator, checked and locked: exclusively if ``alone`` and nobody else has it.

    Returns:
        (outcome, descriptor, device, inode, PID namespace, hints, whether the lock is exclusive);
        with PLANTED the second is the file's owner, with GONE and BUSY -1.
    """
    cdef ms_name wanted = _name(directory, file, name, checksum)
    cdef ms_located locator
    cdef int outcome = _check(ms_name_open_locator(&wanted, uid, alone, &locator))
    if outcome == MS_FOUND:
        note_fd(locator.fd)
        return (outcome, locator.fd, locator.head.device, locator.head.inode,
                locator.head.pid_namespace, _hints(&locator.head), locator.is_exclusive != 0)
    if outcome == MS_DAMAGED:
        note_fd(locator.fd)
        return (outcome, locator.fd, 0, 0, 0, b"", locator.is_exclusive != 0)
    return (outcome, locator.owner if outcome == MS_PLANTED else -1, 0, 0, 0, b"", False)


def open_body(uint32_t pid, uint32_t fd, uint64_t device, uint64_t inode, bint writable):
    """The body through a descriptor of any process; -1 unless it is that very file."""
    cdef ms_file file
    cdef int body = ms_body_open(pid, fd, device, inode, writable, &file)
    if body == -ENOENT:
        return -1
    return _note(body)


def hold_found(int body, int locator, int directory, bytes file not None, bint is_exclusive):
    """Whether a body just opened is alive (L4): FOUND, with its shared lock, GONE, SWEPT, BUSY."""
    return _check(ms_name_hold(body, locator, is_exclusive, directory, file))


def sweep(int locator, int directory, bytes file not None):
    """Remove a locator whose body nobody has, unless somebody holds it (L6); whether it is gone."""
    return _check(ms_name_sweep(locator, directory, file)) != 0


def leave_hint(int locator, bytes hints not None, int slot, uint32_t pid, uint32_t fd):
    """Say in a locator where this process has the body, unless ``hints`` says so."""
    cdef ms_hint mine
    cdef ms_hint[16] known
    mine.pid, mine.fd = pid, fd
    memset(known, 0, sizeof(known))
    memcpy(known, PyBytes_AS_STRING(hints), min(<size_t>PyBytes_GET_SIZE(hints), sizeof(known)))
    if 0 <= slot < MS_HINTS:
        ms_name_leave_hint(locator, known, slot, mine)


def hints_of(bytes hints not None):
    """The (process id, descriptor) pairs of a locator."""
    cdef Py_ssize_t at
    cdef ms_hint one
    found = []
    for at in range(0, PyBytes_GET_SIZE(hints) - <Py_ssize_t>sizeof(one) + 1, sizeof(one)):
        memcpy(&one, PyBytes_AS_STRING(hints) + at, sizeof(one))
        if one.pid:
            found.append((one.pid, one.fd))
    return found


# ---------------------------------------------------------------------- Global names

def find_body(int directory, bytes file not None, bint writable):
    """The body that is the file of a Global name, not locked yet.

    Returns:
        (outcome, descriptor, device, inode, size, user, links, whether it may write).
    """
    cdef ms_file status
    cdef int body = -1, is_writable = 0
    cdef int outcome = _check(ms_name_find_body(directory, file, writable, &body, &status,
                                                  &is_writable))
    if outcome == MS_FOUND:
        note_fd(body)
    return (outcome, body, status.device, status.inode, status.size, status.uid, status.links,
            is_writable != 0)


def hold_body(int fd, int directory, bytes file not None):
    """Whether it is alive: FOUND, with its shared lock, GONE, SWEPT, BUSY."""
    return _check(ms_name_hold_body(fd, directory, file))


def is_free(int directory, str file not None):
    """Whether nobody has a lock on a file; None where it cannot be opened for reading."""
    cdef bytes name = file.encode("utf-8", "surrogateescape")
    cdef int result = ms_name_is_free(directory, name)
    return None if result < 0 else result != 0


def exists(int directory, bytes file not None):
    """Whether anything has this name in a directory."""
    return _check(ms_name_exists(directory, file)) != 0
