# SPDX-License-Identifier: MIT
# A part of ends.pyx: channels of objects.  What is sent and received every time is done here; what
# lies beside a pickle, and everything unusual, is the codec's business (memsection.channels.object_codec).

from cpython.memoryview cimport PyMemoryView_Check, PyMemoryView_GET_BUFFER

cdef enum:
    OUT_OF_BAND = 4096  # bytes from which on a buffer of an object is kept out of its pickle
    CACHE_LINE = 64
    WITH_BUFFERS = 1    # format of a message that has a table, a pickle, and buffers; 0: a pickle

cdef struct pickle_table:
    uint64_t length, count  # bytes of the pickle, and how many buffers there are

cdef struct buffer_row:
    uint64_t at, length
    uint64_t readonly       # of the lowest byte only the lowest bit counts

cdef object _dumps = None, _loads = None, _no_pickle = None, _importer = None


def connect_pickle(importer):
    """What imports pickle: an error of this library's where there is no descriptor left to do it with."""
    global _importer
    _importer = importer


cdef int import_pickle() except -1:
    """At the first message, because a program may need it for nothing else."""
    global _dumps, _loads, _no_pickle
    pickle = _importer()
    _loads, _no_pickle = pickle.loads, (pickle.UnpicklingError, EOFError, UnicodeDecodeError)
    _dumps = pickle.dumps
    return 0


cdef class OutOfBand:
    """What pickle asks about each buffer of an object: those that are large stay out of it."""

    cdef list buffers

    def __call__(self, buffer):
        try:
            raw = buffer.raw()
        except BufferError:
            return True     # it has gaps: in the pickle
        if not PyMemoryView_Check(raw) or PyMemoryView_GET_BUFFER(raw).len < OUT_OF_BAND:
            return True
        if self.buffers is None:
            self.buffers = []
        self.buffers.append(raw)
        return False


def pickle_value(value):
    """The pickle of a value, and the larger buffers that are not in it; None without any."""
    cdef OutOfBand beside = OutOfBand.__new__(OutOfBand)
    if _dumps is None:
        import_pickle()
    data = _dumps(value, 5, buffer_callback=beside)
    return data, beside.buffers


cdef object load_value(object codec, bytes data, list buffers):
    """The value of a pickle, with what lay beside it if that is anything."""
    if _dumps is None:
        import_pickle()
    try:
        return _loads(data) if buffers is None else _loads(data, buffers=buffers)
    except _no_pickle as error:
        raise codec.no_pickle(error) from error


cdef uint64_t next_line(uint64_t at) noexcept:
    return (at + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE


cdef uint64_t laid_out_length(bytes data, list buffers, uint64_t *counted) except? 0:
    """Bytes of a message of a pickle and what lies beside it, and bytes that count."""
    cdef uint64_t at = next_line(sizeof(pickle_table) + len(buffers) * sizeof(buffer_row) + PyBytes_GET_SIZE(data))
    counted[0] = PyBytes_GET_SIZE(data)
    for raw in buffers:
        counted[0] += PyMemoryView_GET_BUFFER(raw).len
        at = next_line(at + PyMemoryView_GET_BUFFER(raw).len)
    return at


cdef int lay_out(unsigned char *bytes, bytes data, list buffers) except -1:
    """Write such a message; nothing of what was there before stays."""
    cdef pickle_table table
    cdef buffer_row row
    cdef Py_buffer *source
    cdef uint64_t head = sizeof(table), at
    table.length, table.count = PyBytes_GET_SIZE(data), len(buffers)
    memcpy(bytes, &table, sizeof(table))
    at = head + table.count * sizeof(row)
    memcpy(bytes + at, PyBytes_AS_STRING(data), table.length)
    at += table.length
    for raw in buffers:
        memset(bytes + at, 0, next_line(at) - at)
        at = next_line(at)
        source = PyMemoryView_GET_BUFFER(raw)
        row.at, row.length, row.readonly = at, source.len, source.readonly != 0
        memcpy(bytes + head, &row, sizeof(row))
        head += sizeof(row)
        copy(bytes + at, source.buf, source.len)
        at += source.len
    memset(bytes + at, 0, next_line(at) - at)
    return 0


cdef tuple unpack_message(const unsigned char *bytes, uint64_t length):
    """The pickle and private copies of the buffers of such a message, which anybody may have
    written and may still write: each number is read once, and then checked.  None: it makes no
    sense."""
    cdef pickle_table table
    cdef buffer_row row
    cdef uint64_t i, head
    cdef list buffers = []
    if length < sizeof(table):
        return None
    memcpy(&table, bytes, sizeof(table))
    if table.count > (length - sizeof(table)) // sizeof(row):
        return None
    head = sizeof(table) + table.count * sizeof(row)
    if table.length > length - head:
        return None
    for i in range(table.count):
        memcpy(&row, bytes + sizeof(table) + i * sizeof(row), sizeof(row))
        if row.at > length or row.length > length - row.at:
            return None
        made = PyByteArray_FromStringAndSize(NULL, row.length)
        advise(PyByteArray_AS_STRING(made), row.length)
        copy(PyByteArray_AS_STRING(made), bytes + row.at, row.length)
        buffers.append(memoryview(made).toreadonly() if row.readonly & 0xff else made)
    return PyBytes_FromStringAndSize(<const char *>bytes + head, table.length), buffers
