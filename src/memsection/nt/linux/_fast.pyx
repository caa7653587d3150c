# SPDX-License-Identifier: MIT
# cython: auto_pickle=False
"""The fast path: opening, creating, mapping, unmapping and closing when nothing about it is unusual.

It does what ``handles``, ``names``, ``types.section`` and ``views`` do, system call for system call, in one step of native
code; they are the reference.  It decides nothing: at the first thing that is not as expected it undoes what it did and
leaves the whole operation to them (a function then gives None, a service calls the slow one), so every error, every
repair and every wait is theirs.  It also holds the records that both ways share.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memcpy, memset

from memsection._native.ledger cimport close_fd, note_fd
from memsection._native.records cimport HandleRecord, ObjectRecord, tables_lock as _lock

from memsection._native import ledger, records

cdef extern from * nogil:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <fcntl.h>
    #include <sys/file.h>
    #include <sys/mman.h>
    #include <sys/stat.h>
    #include <sys/types.h>
    #include <time.h>
    #include <unistd.h>
    #define MS_FLAGS (O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

    typedef struct { uint64_t device, inode, size, links; uint32_t uid, gid; int regular; } ms_file;

    static void ms_file_of(const struct stat *st, ms_file *out) {
        out->device = st->st_dev; out->inode = st->st_ino; out->size = (uint64_t)st->st_size;
        out->links = st->st_nlink; out->uid = st->st_uid; out->gid = st->st_gid; out->regular = S_ISREG(st->st_mode);
    }
    static int ms_fstat(int fd, ms_file *out) {
        struct stat st;
        if (fstat(fd, &st)) return -1;
        ms_file_of(&st, out);
        return 0;
    }
    static int ms_stat(const char *path, ms_file *out) {
        struct stat st;
        if (stat(path, &st)) return -1;
        ms_file_of(&st, out);
        return 0;
    }
    static int ms_reopen(int fd, int mode) {
        char path[40];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        return open(path, mode | MS_FLAGS);
    }
    /* Gives an unnamed file its name.  By the descriptor itself where the kernel lets its owner do that (from 6.10 on, or
     * with CAP_DAC_READ_SEARCH), else by the way that needs no right (open(2), O_TMPFILE). */
    static int ms_link(int fd, int directory, const char *name) {
        static int by_path;
        if (!__atomic_load_n(&by_path, __ATOMIC_RELAXED)) {
            if (linkat(fd, "", directory, name, AT_EMPTY_PATH) == 0) return 0;
            if (errno != ENOENT && errno != EPERM) return -1;
        }
        char path[40];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW)) return -1;
        __atomic_store_n(&by_path, 1, __ATOMIC_RELAXED);
        return 0;
    }
    static int ms_exists(int directory, const char *name) {
        struct stat st;
        return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    }
    static uint64_t ms_now(void) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    }
    """
    ctypedef struct ms_file:
        uint64_t device, inode, size, links
        uint32_t uid, gid
        int regular
    int ms_fstat(int, ms_file *)
    int ms_stat(const char *, ms_file *)
    int ms_reopen(int, int)
    int ms_link(int, int, const char *)
    int ms_exists(int, const char *)
    uint64_t ms_now()
    int c_open "open"(const char *, int, ...)
    int c_openat "openat"(int, const char *, int, ...)
    int c_fcntl "fcntl"(int, int, ...)
    int c_flock "flock"(int, int)
    int c_fchmod "fchmod"(int, unsigned int)
    int c_fallocate "fallocate"(int, int, int64_t, int64_t)
    int c_memfd "memfd_create"(const char *, unsigned int)
    int c_unlinkat "unlinkat"(int, const char *, int)
    int64_t c_lseek "lseek"(int, int64_t, int)
    Py_ssize_t c_pread "pread"(int, void *, size_t, int64_t)
    Py_ssize_t c_pwrite "pwrite"(int, const void *, size_t, int64_t)
    int c_getpid "getpid"()
    uint32_t c_geteuid "geteuid"()
    uint32_t c_getegid "getegid"()
    int c_getgroups "getgroups"(int, uint32_t *)
    enum:
        O_RDONLY, O_RDWR, O_CLOEXEC, O_NOFOLLOW, O_TMPFILE, MS_FLAGS, F_SETFD, F_ADD_SEALS, F_SEAL_GROW, F_SEAL_SHRINK
        LOCK_SH, LOCK_EX, LOCK_UN, LOCK_NB, MFD_CLOEXEC, MFD_ALLOW_SEALING, SEEK_SET, SEEK_CUR


cdef extern from *:
    """
    /* Whether this is the only thread of the interpreter. */
    static int ms_is_alone(void) {
        PyThreadState *me = PyThreadState_Get();
        return PyInterpreterState_ThreadHead(PyThreadState_GetInterpreter(me)) == me && !PyThreadState_Next(me);
    }
    /* A new object of a type, without the look-up of __new__ and without __init__. */
    static PyObject *ms_new(PyTypeObject *type, PyObject *nothing) { return type->tp_new(type, nothing, NULL); }
    """
    object ms_new(type, tuple)
    int ms_is_alone()


# ---------------------------------------------------------------------- records, shared with the Python code

cdef class PlaceRecord:
    """The fields of ``namespace.Place``."""

    cdef public object directory, file, full, leaf
    cdef public int dirfd
    cdef public bint gone
    cdef public str key
    cdef public uint32_t uid, checksum
    cdef public bytes path, name
    cdef public uint64_t generation


cdef class FactsRecord:
    """The fields of ``control_page.Facts``."""

    cdef public uint32_t type, flags, protection, attributes, creator_pid, creator_uid, area_pages, bitmap_pages
    cdef public uint64_t size, created_ns, body_size
    cdef public object file_identity, name_at, path_at
    cdef public bytes descriptor, page


# ---------------------------------------------------------------------- what the Python modules lend

cdef dict _table, _by_identity, _by_place
cdef object _place_of, _grant, _remove_name, _close_unused, _read_facts, _pid_namespace
cdef object _template, _check_commit, _section_kind, _first_name, _translated, _doubt, _look_again, _sweep
cdef list _doubtful
cdef dict _later
cdef unsigned int _named_creations = 0
cdef int _named_process = 0     # the process whose first named object was announced
cdef type _Handle, _Object, _Facts
cdef object _slow_close, _slow_open, _slow_create
cdef bint _on = False
cdef long long _root = -1

cdef dict _places = {}          # name as given, relative to the directory of names: PlaceRecord
cdef dict _verdicts = {}        # (descriptor, desired access, type): granted access
cdef dict _bodies = {}          # identity: FactsRecord, of bodies of other processes; compared with the page at each use
cdef dict _templates = {}       # protection: (facts, image of the control page, mode, uid, gid)
cdef uint64_t _generation = 1   # of the namespace's directories
cdef uint64_t _namespace_of_pids = 0
cdef uint64_t _unchecked = 0    # bytes created that ``commit`` was not told of yet
cdef uint32_t _uid = 0, _gid = 0
cdef int _group_count = -1      # -1: nobody was looked at yet
cdef uint32_t[64] _groups
cdef uint64_t _caller = 0       # counts the changes of all these

cdef enum:
    PAGE = 4096
    GRANULARITY = 65536
    MOST_REMEMBERED = 256
    LOCATOR_NAME = 192          # the layout of locators (namespace) and of control pages (control_page); checked by connect
    LOCATOR_HINTS = 64
    HINTS = 16
    IMAGE_DESCRIPTOR = 256
    IMAGE_NAME = 1536
    LONGEST_NAME = 256
    SEC_COMMIT = 0x08000000
    LARGEST = 4 << 20           # of what is created here: larger ones are not worth it, and are checked one by one
    CHECKED_TOGETHER = 1 << 20
    CREATIONS_PER_SWEEP = 16
    OBJ_INHERIT = 0x02
    OBJ_OPENIF = 0x80
    OBJ_PERMANENT = 0x10
    OBJ_EXCLUSIVE = 0x20
    OBJ_CASE_INSENSITIVE = 0x40

cdef uint64_t TAG = <uint64_t>1 << 62
cdef uint64_t REVOKED = <uint64_t>1 << 61
cdef uint64_t UNUSUAL_ACCESS = 0xF2000000   # generic rights, MAXIMUM_ALLOWED
cdef uint64_t SYNCHRONIZE = 0x00100000
cdef uint64_t _section_rights = 0
cdef uint64_t UNUSUAL_KIND = 0xD1800000     # SEC_NOCACHE, SEC_WRITECOMBINE, SEC_LARGE_PAGES, SEC_IMAGE, SEC_FILE

cdef unsigned char[256] _needs  # by page protection, the rights that a view needs; 0xFF for no protection


def connect(dict lent):
    """Take the tables and functions of the Python modules; from here on the fast path is open, unless it is switched off."""
    global _table, _by_identity, _by_place, _place_of, _grant, _remove_name
    global _close_unused, _read_facts, _pid_namespace, _template, _check_commit, _section_kind, _first_name
    global _doubtful, _later, _doubt, _look_again, _sweep
    _doubtful, _later, _doubt, _look_again, _sweep = lent["closing"]
    global _Handle, _Object, _Facts, _on, _root, _section_rights, _translated
    global _slow_close, _slow_open, _slow_create
    _table, _by_identity, _by_place = lent["table"], lent["by_identity"], lent["by_place"]
    _place_of, _grant, _remove_name = lent["place_of"], lent["grant"], lent["remove_name"]
    # These open files of their own, also where no operation around them is whole.
    _place_of, _remove_name, _look_again, _sweep = (ledger.whole(_place_of), ledger.whole(_remove_name),
                                                    ledger.whole(_look_again), ledger.whole(_sweep))
    _close_unused, _read_facts, _pid_namespace = lent["close_unused"], lent["read_facts"], lent["pid_namespace"]
    _translated = lent["translated"]
    _template, _check_commit, _first_name = lent["template"], lent["check_commit"], lent["arrange_exit_cleanup"]
    _section_kind, _root = lent["section"], lent["root"]
    _section_rights = _section_kind.valid
    _Handle, _Object, _Facts = lent["Handle"], lent["LocalObject"], lent["Facts"]
    _slow_close, _slow_open, _slow_create = lent["slow"]
    memset(_needs, 0xFF, 256)
    for protection, needed in lent["protections"]:
        _needs[protection] = needed
    if lent["layout"] != (LOCATOR_HINTS, HINTS, LOCATOR_NAME, IMAGE_DESCRIPTOR, IMAGE_NAME, PAGE, GRANULARITY):
        raise AssertionError("the layouts of namespace and control_page changed")
    _on = lent["on"]


def switch(bint on):
    """Open or close the fast path (tests run the same histories both ways); how it was."""
    global _on
    before = _on
    _on = on
    return before


def forget_places():
    """The directories of names are looked for again: what was remembered of them is of no use."""
    global _generation
    _generation += 1
    _places.clear()


def generation():
    """Of the directories that places are in now."""
    return _generation


cdef bint _known_caller() except -1:
    """Whether what is remembered is about this caller; if ids changed it is forgotten.  The kernel is asked each time."""
    global _uid, _gid, _group_count, _caller
    cdef uint32_t[64] groups
    cdef uint32_t uid = c_geteuid(), gid = c_getegid()
    cdef int count = c_getgroups(64, groups)
    if count < 0:
        return False
    if uid == _uid and gid == _gid and count == _group_count and memcmp(groups, _groups, count * sizeof(uint32_t)) == 0:
        return True
    _places.clear()
    _verdicts.clear()
    _templates.clear()
    _uid, _gid, _group_count = uid, gid, count
    _caller += 1
    memcpy(_groups, groups, sizeof(groups))
    return True


cdef PlaceRecord _place(attributes):
    """Where a plain name leads; None for every other, and for one with something wrong."""
    cdef PlaceRecord place
    name = attributes.ObjectName
    if type(name) is not str or attributes.RootDirectory != _root or attributes.Attributes & OBJ_CASE_INSENSITIVE:
        return None
    place = _places.get(name)
    if place is None:
        try:
            place = _place_of(attributes)
        except Exception:
            return None
        if place is None or place.uid != _uid or place.generation != _generation:
            return None
        if len(_places) >= MOST_REMEMBERED:
            _places.clear()
        _places[name] = place
    return place


cdef int64_t _verdict(bytes descriptor, uint64_t access, kind) except -2:
    """What ``rights.grant`` says (R1); -1 when it refuses."""
    key = (descriptor, access, kind)
    granted = _verdicts.get(key)
    if granted is None:
        try:
            granted = _grant(descriptor, access, kind)
        except Exception:
            return -1
        if len(_verdicts) >= MOST_REMEMBERED:
            _verdicts.clear()
        _verdicts[key] = granted
    return granted


cdef inline bint _live(int fd) noexcept:
    """Whether the descriptor still is a handle (H2)."""
    cdef int64_t where = c_lseek(fd, 0, SEEK_CUR)
    return where >= 0 and (<uint64_t>where & (TAG | REVOKED)) == TAG


cdef inline bint _writes_body(kind, uint64_t access):
    """``rights.needs_write`` (R2)."""
    return access & 2 != 0 if kind is _section_kind else access & (SYNCHRONIZE | 2) != 0


cdef bint _same_page(int fd, FactsRecord facts) noexcept:
    """Whether the control page says what it said when the facts were read: the descriptor too (R1)."""
    cdef char[PAGE] buffer
    cdef Py_ssize_t size = PyBytes_GET_SIZE(facts.page)
    return c_pread(fd, buffer, size, facts.body_size - PAGE) == size and memcmp(
        buffer, PyBytes_AS_STRING(facts.page), size) == 0


cdef HandleRecord _register(int fd, kind, uint64_t access, ObjectRecord obj):
    """``table.register``, of a descriptor that carries its tag already.  The lock is held."""
    cdef HandleRecord handle = ms_new(_Handle, ())
    cdef HandleRecord stale
    handle.fd, handle.data_fd, handle.value = fd, -1, fd * 4
    handle.kind, handle.access, handle.obj = kind, access, obj
    stale = _table.get(handle.value)
    if stale is not None:
        (<ObjectRecord>stale.obj).handles.discard(stale)
    _table[handle.value] = handle
    obj.handles.add(handle)
    _by_identity[obj.identity] = obj
    note_fd(fd)
    return handle


cdef ObjectRecord _new_object(kind, identity, FactsRecord facts, PlaceRecord place):
    cdef ObjectRecord obj = ms_new(_Object, ())
    obj.kind, obj.identity, obj.facts = kind, identity, facts
    obj.handles = set()
    obj.name = ""
    obj.locator_fd = obj.view_ro = obj.view_rw = -1
    if place is not None:
        _name_object(obj, place)
    return obj


cdef int _announce_name(int pid) except -1:
    """With a process's first named object ``at_exit`` arranges for its end."""
    global _named_process
    if _named_process != pid:
        _first_name()
        _named_process = pid
    return 0


cdef void _name_object(ObjectRecord obj, PlaceRecord place):
    obj.name, obj.directory, obj.place_key, obj.place = place.full, place.directory, place.key, place


# ---------------------------------------------------------------------- open

def open_(kind, access, attributes):
    """``create_open.open_`` where it is simple; None where it is not."""
    if not _on or attributes is None or not _lock.enter():
        return None
    try:
        return _open(kind, access, attributes)
    finally:
        _lock.leave()


def open_section(access, attributes):
    """NtOpenSection."""
    cdef HandleRecord handle
    if _later:
        _look_again()
    try:
        handle = open_(_section_kind, access, attributes)
    except Exception as problem:
        raise _translated(problem, "open") from problem
    return _slow_open(access, attributes) if handle is None else handle.value


cdef HandleRecord _open(kind, access, attributes):
    cdef PlaceRecord place
    cdef ObjectRecord obj
    cdef uint64_t desired
    if not _known_caller():
        return None
    place = _place(attributes)
    if place is None or type(access) is not int or not 0 < access <= 0xFFFFFFFF:
        return None
    desired = access
    obj = _by_place.get(place.key)
    if obj is not None:
        return _open_mine(kind, desired, obj, attributes.Attributes)
    if place.directory != "local" or desired & UNUSUAL_ACCESS:
        return None
    return _open_found(kind, desired, place, attributes.Attributes)


cdef HandleRecord _open_mine(kind, uint64_t desired, ObjectRecord obj, long long flags):
    """Another handle to an object that a handle of this process keeps alive, with its name (L1)."""
    cdef FactsRecord facts = obj.facts
    cdef HandleRecord mine = None
    cdef ms_file file
    cdef int64_t granted
    cdef int fd
    if obj.kind is not kind or facts is None or facts.page is None or facts.file_identity is not None:
        return None
    for mine in obj.handles:
        break
    if mine is None or not _live(mine.fd):
        return None
    if obj.directory != "local" and (ms_fstat(mine.fd, &file) or file.size != facts.body_size):
        return None  # only a memfd is sealed
    if not _same_page(mine.fd, facts):
        return None
    if obj.asked == desired and obj.asked_by == _caller and obj.asked_of is facts:
        granted = obj.granted
    else:
        granted = _verdict(facts.descriptor, desired, kind)
        if granted < 0:
            return None
        obj.asked, obj.asked_by, obj.asked_of, obj.granted = desired, _caller, facts, granted
    fd = ms_reopen(mine.fd, O_RDWR if _writes_body(kind, granted) else O_RDONLY)
    if fd < 0:
        return None
    if (c_flock(fd, LOCK_SH | LOCK_NB) or c_lseek(fd, TAG | <uint64_t>granted, SEEK_SET) < 0
            or flags & OBJ_INHERIT and c_fcntl(fd, F_SETFD, 0)):
        close_fd(fd)
        return None
    return _register(fd, kind, granted, obj)


cdef int _open_locator(PlaceRecord place, char *text):
    """The locator of a name, read, checked and locked; -1 unless everything is as it should be."""
    cdef ms_file file
    cdef Py_ssize_t name = PyBytes_GET_SIZE(place.name)
    cdef Py_ssize_t size = LOCATOR_NAME + name
    cdef int fd
    if name > LONGEST_NAME:
        return -1
    fd = c_openat(place.dirfd, place.path, O_RDWR | MS_FLAGS | O_NOFOLLOW)
    if fd < 0:
        return -1
    if (ms_fstat(fd, &file) == 0 and file.regular and file.uid == _uid and file.links > 0 and <Py_ssize_t>file.size == size
            and c_flock(fd, LOCK_SH | LOCK_NB) == 0 and c_pread(fd, text, size, 0) == size
            and memcmp(text, b"MSLOCAT\0\x01\0\0\0", 12) == 0 and (<uint32_t *>text)[10] == <uint32_t>name
            and (<uint32_t *>text)[11] == place.checksum and (<uint64_t *>text)[4] == _namespace_of_pids
            and (<uint64_t *>text)[3] != 0 and memcmp(text + LOCATOR_NAME, PyBytes_AS_STRING(place.name), name) == 0):
        return fd
    close_fd(fd)
    return -1


cdef int _open_body(const char *text, int mode, ms_file *file) noexcept:
    """The body through one of the locator's hints; -1 when none is right.  Hints may lie: it is that very file."""
    cdef const uint32_t *hints = <const uint32_t *>(text + LOCATOR_HINTS)
    cdef uint64_t device = (<const uint64_t *>text)[2]
    cdef uint64_t inode = (<const uint64_t *>text)[3]
    cdef char[48] path
    cdef int slot, fd
    for slot in range(HINTS):
        if hints[2 * slot] == 0:
            continue
        snprintf(path, sizeof(path), "/proc/%u/fd/%u", hints[2 * slot], hints[2 * slot + 1])
        # Looked at before it is opened: opening a stranger's device could do something.
        if ms_stat(path, file) or file.device != device or file.inode != inode or not file.regular:
            continue
        fd = c_open(path, mode | MS_FLAGS)
        if fd < 0:
            return -1
        if ms_fstat(fd, file) == 0 and file.device == device and file.inode == inode:
            return fd
        close_fd(fd)
    return -1


cdef FactsRecord _facts_of(int fd, tuple identity, uint64_t size):
    """The facts of a body: those remembered, if its page still says the same."""
    cdef FactsRecord facts = _bodies.get(identity)
    if facts is not None and facts.body_size == size and _same_page(fd, facts):
        return facts
    try:
        facts = _read_facts(fd)
    except Exception:
        return None
    if len(_bodies) >= MOST_REMEMBERED:
        _bodies.clear()
    if facts.page is not None:
        _bodies[identity] = facts
    return facts


cdef HandleRecord _open_found(kind, uint64_t desired, PlaceRecord place, long long flags):
    """A handle to an object that another process has (``find._find_local``)."""
    global _namespace_of_pids
    cdef char[LOCATOR_NAME + LONGEST_NAME] text
    cdef int locator = -1, body = -1
    cdef HandleRecord handle = None
    if _namespace_of_pids == 0:
        _namespace_of_pids = _pid_namespace()
    locator = _open_locator(place, text)
    if locator < 0:
        return None
    try:
        handle = _enter_found(kind, desired, place, flags, text, &locator, &body)
    finally:
        if body >= 0:
            close_fd(body)
        if locator >= 0:
            close_fd(locator)
    return handle


cdef HandleRecord _enter_found(kind, uint64_t desired, PlaceRecord place, long long flags, char *text, int *locator,
                               int *body):
    cdef ms_file file, link
    cdef FactsRecord facts
    cdef ObjectRecord obj
    cdef HandleRecord handle
    cdef int64_t granted
    cdef bint writes = _writes_body(kind, desired)
    body[0] = _open_body(text, O_RDWR if writes else O_RDONLY, &file)
    if body[0] < 0:
        return None
    # A free lock means that there is no handle anywhere: what was found is a view's, or on its way out (L4).
    if c_flock(body[0], LOCK_EX | LOCK_NB) == 0 or errno != EAGAIN:
        return None
    identity = (file.device, file.inode)
    facts = _facts_of(body[0], identity, file.size)
    if facts is None or facts.file_identity is not None or facts.type != kind.number:
        return None
    granted = _verdict(facts.descriptor, desired, kind)
    if granted < 0 or _writes_body(kind, granted) != writes:
        return None
    obj = _by_identity.get(identity)
    if obj is not None and obj.kind is not kind:
        return None
    if obj is None:
        obj = _new_object(kind, identity, facts, None)
    _announce_name(c_getpid())
    # From the shared lock on there is no way back but through give_up: this may be the last handle by now (L3).
    if c_flock(body[0], LOCK_SH | LOCK_NB) or ms_fstat(locator[0], &link) or link.links == 0:
        return None
    try:
        if (c_lseek(body[0], TAG | <uint64_t>granted, SEEK_SET) < 0
                or flags & OBJ_INHERIT and c_fcntl(body[0], F_SETFD, 0)):
            raise OSError(errno, "lseek, fcntl")
        handle = _register(body[0], kind, granted, obj)
    except BaseException:
        fd, body[0] = body[0], -1
        _close_unused(fd, place)
        raise
    _name_object(obj, place)
    if obj.locator_fd < 0:
        obj.locator_fd = locator[0]
        locator[0] = -1
    _leave_hint(text, obj.locator_fd, body[0])
    body[0] = -1
    _by_place[place.key] = obj
    return handle


cdef void _leave_hint(const char *text, int locator, int fd) noexcept:
    """Say where this process has the body, unless the locator says so already."""
    cdef const uint32_t *hints = <const uint32_t *>(text + LOCATOR_HINTS)
    cdef uint32_t[2] mine
    cdef int slot
    mine[0], mine[1] = c_getpid(), fd
    for slot in range(HINTS):
        if hints[2 * slot] == mine[0] and hints[2 * slot + 1] == mine[1]:
            return
    c_pwrite(locator, mine, sizeof(mine), LOCATOR_HINTS + sizeof(mine) * (1 + mine[0] % (HINTS - 1)))


# ---------------------------------------------------------------------- create

def create_section(access, attributes, maximum_size, protection, kind, file, *, numa_node=None):
    """NtCreateSection."""
    global _named_creations
    cdef HandleRecord handle = None
    if attributes is not None:
        if _later:
            _look_again()
        name = attributes.ObjectName
        if type(name) is str and not (<str>name).startswith("Global\\"):
            if _named_creations % CREATIONS_PER_SWEEP == 0:
                _sweep("local")
            _named_creations += 1
    if (_on and kind == SEC_COMMIT and file == 0 and numa_node is None and type(maximum_size) is int
            and 0 < maximum_size < LARGEST and type(access) is int and 0 <= access <= 0xFFFFFFFF
            and type(protection) is int and 0 <= protection < 256 and _lock.enter()):
        try:
            handle = _create(access, attributes, maximum_size, protection)
        except Exception as problem:
            raise _translated(problem, "create section") from problem
        finally:
            _lock.leave()
    if handle is None:
        return _slow_create(access, attributes, maximum_size, protection, kind, file, numa_node=numa_node)
    return 0, handle.value


cdef HandleRecord _create(uint64_t access, attributes, uint64_t size, uint32_t protection):
    global _unchecked
    cdef PlaceRecord place = None
    cdef ms_file file
    cdef long long flags = 0
    cdef int fd = -1, locator = -1
    cdef bint done = False
    cdef tuple template
    cdef ObjectRecord obj
    cdef HandleRecord handle
    cdef char[PAGE] image
    # What a creator asks for it gets; but a read-only handle needs a descriptor of its own (R2).
    if access & ~_section_rights or not access & 2 or _needs[protection] == 0xFF or not _known_caller():
        return None
    if attributes is not None:
        if attributes.SecurityDescriptor is not None:
            return None
        flags = attributes.Attributes
        if flags & (OBJ_PERMANENT | OBJ_EXCLUSIVE):
            return None
        if attributes.ObjectName is not None:
            place = _place(attributes)
            if (place is None or place.directory != "local" or place.key in _by_place
                    or PyBytes_GET_SIZE(place.name) > LONGEST_NAME
                    or flags & OBJ_OPENIF and ms_exists(place.dirfd, place.path)):
                return None
        elif attributes.RootDirectory:
            return None
    size = (size + PAGE - 1) // PAGE * PAGE
    template = _templates.get(protection)
    if template is None:
        try:
            template = _templates[protection] = _template(protection)
        except Exception:
            return None
    if template[0] is None:
        return None
    _unchecked += size
    if _unchecked >= CHECKED_TOGETHER:
        try:
            _check_commit(_unchecked)
        except Exception:
            return None
        _unchecked = 0
    facts = _new_facts(template, size, place, image)
    try:
        fd = _new_body(template, size, facts, image, place)
        if fd < 0 or ms_fstat(fd, &file) or file.uid != template[3] or file.gid != template[4]:
            return None
        obj = _new_object(_section_kind, (file.device, file.inode), facts, place)
        obj.fresh = True
        if c_lseek(fd, TAG | access, SEEK_SET) < 0 or flags & OBJ_INHERIT and c_fcntl(fd, F_SETFD, 0):
            return None
        if place is not None:
            _announce_name(facts.creator_pid)
            locator = _publish(fd, facts.creator_pid, file.device, file.inode, place)
            if locator < 0:
                return None
            obj.locator_fd = locator
        # The name is there: from here on nothing is undone.
        done = True
        handle = _register(fd, _section_kind, access, obj)
        if place is not None:
            _by_place[place.key] = obj
        return handle
    finally:
        if not done and fd >= 0:
            close_fd(fd)


cdef FactsRecord _new_facts(tuple template, uint64_t size, PlaceRecord place, char *image):
    """The facts of a new section, and the control page that says them (``control_page.Draft.write``)."""
    cdef FactsRecord model = template[0]
    cdef FactsRecord facts = ms_new(_Facts, ())
    cdef bytes head = template[1]
    cdef Py_ssize_t length = PyBytes_GET_SIZE(head)
    cdef uint32_t name = 0
    facts.type, facts.flags, facts.protection, facts.attributes = model.type, 0, model.protection, model.attributes
    facts.area_pages, facts.bitmap_pages, facts.descriptor, facts.file_identity = 1, 0, model.descriptor, None
    facts.size, facts.body_size, facts.created_ns = size, size + PAGE, ms_now()
    facts.creator_pid, facts.creator_uid = c_getpid(), _uid
    memset(image, 0, IMAGE_NAME)
    memcpy(image, PyBytes_AS_STRING(head), length)
    if place is not None:
        name = PyBytes_GET_SIZE(place.name)
        memcpy(image + IMAGE_NAME, PyBytes_AS_STRING(place.name), name)
    (<uint32_t *>image)[7] = facts.creator_pid
    (<uint64_t *>image)[4] = size
    (<uint64_t *>image)[5] = facts.created_ns
    (<uint32_t *>image)[16] = _uid
    (<uint32_t *>image)[24] = name
    (<uint32_t *>image)[25] = IMAGE_NAME + name
    facts.name_at, facts.path_at = (IMAGE_NAME, name), (IMAGE_NAME + name, 0)
    facts.page = PyBytes_FromStringAndSize(image, length)
    return facts


cdef int _new_body(tuple template, uint64_t size, FactsRecord facts, const char *image, PlaceRecord place) except -2:
    """A body with its pages, its control page, its mode, its seals and its lock (N2, C1, S1); -1 if it cannot be had."""
    cdef size_t length = PyBytes_GET_SIZE(facts.page) if place is None else IMAGE_NAME + PyBytes_GET_SIZE(place.name)
    cdef unsigned int mode = template[2]
    cdef int fd = c_memfd("memsection", MFD_CLOEXEC | MFD_ALLOW_SEALING)
    cdef int failed
    if fd < 0:
        return -1
    with nogil:
        failed = c_fallocate(fd, 0, 0, size + PAGE)     # which sets its size too
    if (failed or c_pwrite(fd, image, length, size) != <Py_ssize_t>length or c_fchmod(fd, mode)
            or c_fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) or c_flock(fd, LOCK_SH | LOCK_NB)):
        close_fd(fd)
        return -1
    return fd


cdef int _publish(int fd, uint32_t pid, uint64_t device, uint64_t inode, PlaceRecord place) except -2:
    """Give a complete body its name (``create_open._publish``, N2): the locator's descriptor, -1 if the name is taken."""
    global _namespace_of_pids
    cdef char[LOCATOR_NAME + LONGEST_NAME] text
    cdef Py_ssize_t name = PyBytes_GET_SIZE(place.name)
    cdef int locator
    if _namespace_of_pids == 0:
        _namespace_of_pids = _pid_namespace()
    memset(text, 0, LOCATOR_NAME)
    memcpy(text, b"MSLOCAT\0\x01\0\0\0\x01\0\0\0", 16)
    (<uint64_t *>text)[2], (<uint64_t *>text)[3], (<uint64_t *>text)[4] = device, inode, _namespace_of_pids
    (<uint32_t *>text)[10], (<uint32_t *>text)[11] = name, place.checksum
    (<uint32_t *>text)[16], (<uint32_t *>text)[17] = pid, fd
    memcpy(text + LOCATOR_NAME, PyBytes_AS_STRING(place.name), name)
    locator = c_openat(place.dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0o600)
    if locator < 0:
        return -1
    if (c_pwrite(locator, text, LOCATOR_NAME + name, 0) != LOCATOR_NAME + name or c_flock(locator, LOCK_SH | LOCK_NB)
            or ms_link(locator, place.dirfd, place.path)):
        close_fd(locator)
        return -1
    return locator


# ---------------------------------------------------------------------- close

def close(handle):
    """NtClose."""
    cdef bint done = False
    if _on and type(handle) is int and _lock.enter():
        try:
            done = _close(_table.get(handle & ~3))
        except Exception as problem:
            raise _translated(problem, "close") from problem
        finally:
            _lock.leave()
    if not done:
        _slow_close(handle)
    elif _doubtful or _later:
        _look_again()


cdef bint _close(HandleRecord handle) except -1:
    cdef ObjectRecord obj
    cdef PlaceRecord place
    cdef int probe = -1
    cdef bint borrowed = True
    if handle is None or handle.protected or handle.data_fd >= 0:
        return False
    obj = handle.obj
    if obj.facts is None or not _live(handle.fd):  # without facts it is a process, a file, a token or the directory
        return False
    if len(obj.handles) > 1:
        _table.pop(handle.value, None)
        obj.handles.discard(handle)
        close_fd(handle.fd)
        return True
    place = obj.place
    if obj.state is not None:
        return False
    if obj.name:
        if place is None or place.generation != _generation or place.uid != c_geteuid():
            return False
        # A description of its own asks "was I last?" after the handle is closed (L3).
        probe = obj.view_ro if obj.view_ro >= 0 else obj.view_rw
        borrowed = probe >= 0
        if not borrowed:
            probe = ms_reopen(handle.fd, O_RDONLY)
            if probe < 0:
                return False
    _table.pop(handle.value, None)
    obj.handles.discard(handle)
    if obj.place_key is not None:
        _by_place.pop(obj.place_key, None)
        obj.place_key = None
    close_fd(handle.fd)
    interruption = None
    if probe >= 0:
        try:
            _remove_name_if_last(probe, obj, place)
        except BaseException as problem:
            interruption = problem      # raised when everything is closed
        if not borrowed:
            close_fd(probe)
    obj.shut_locator()
    if obj.views == 0:
        _forget_object(obj)
    if interruption is not None:
        raise interruption
    return True


cdef int _remove_name_if_last(int probe, ObjectRecord obj, PlaceRecord place) except -1:
    """``unlink.remove_name_if_last`` (L1, L3, L6)."""
    cdef ms_file link
    if c_flock(probe, LOCK_EX | LOCK_NB):
        if not ms_is_alone():
            ledger.finish(_doubt, probe, obj)
        return 0
    if obj.directory != "local" or obj.locator_fd < 0:
        ledger.finish(_remove_name, probe, obj)
        return 0
    if ms_fstat(obj.locator_fd, &link) == 0 and link.links > 0:
        c_unlinkat(place.dirfd, place.path, 0)
    if obj.views:  # else the probe is closed next, and its lock goes with it
        c_flock(probe, LOCK_UN)
    return 0


cdef void _forget_object(ObjectRecord obj):
    _by_identity.pop(obj.identity, None)
    obj.shut_views()


def forget_in_child():
    """In a forked child: what was remembered of the process is its parent's."""
    global _namespace_of_pids, _named_creations
    _namespace_of_pids = 0
    _named_creations = 0
