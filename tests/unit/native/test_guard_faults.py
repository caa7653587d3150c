# SPDX-License-Identifier: MIT
"""``_native.guard``: files cut under a view, reserved pages touched first, and faults that are
somebody else's.

Whatever installs handlers or may die runs in a process of its own.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.linux_only("faults become errors by signals")

PRELUDE = """
import ctypes, faulthandler, gc, mmap, os, resource, signal, sys, tempfile, threading
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from memsection._native import guard
from memsection._native.view import View
from memsection.vocabulary.errors import InPageError
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
R, W, PAGE = mmap.PROT_READ, mmap.PROT_WRITE, mmap.PAGESIZE

def map(fd, size, prot=R | W, flags=mmap.MAP_SHARED, offset=0):
    address = libc.mmap(None, size, prot, flags, fd, offset)
    assert address != ctypes.c_void_p(-1).value, os.strerror(ctypes.get_errno())
    return address

def file(pages, fill=b"x"):
    f = tempfile.TemporaryFile()
    f.write(fill * (pages * PAGE))
    f.flush()
    return f

def guarded(f, size, prot=R | W, offset=0, asked=True):
    "A guarded view of the file, and its guard."
    address = map(f.fileno(), size, prot, offset=offset)
    g = guard.add(address, size, prot, f.fileno() if asked else -1, offset)
    def release():
        g.remove()
        assert libc.munmap(address, size) == 0
    return View(address, size, readonly=not prot & W, release=release, check=g.check), g

def maps():
    with open("/proc/self/maps") as lines:
        return sum(1 for _ in lines)
"""


def run(*parts: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the parts after the prelude in a new process; its exit status (negative: the signal) is
    as expected."""
    code = PRELUDE + "\n".join(textwrap.dedent(part) for part in parts)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    return done


CUT = """
view, g = guarded(f := file(64), 64 * PAGE)
"""


def test_a_memoryview_over_a_cut_file_reads_zeros_and_then_the_view_raises() -> None:
    run(
        CUT,
        """
        lent = memoryview(view)
        os.ftruncate(f.fileno(), 3 * PAGE)
        assert bytes(lent[:2 * PAGE]) == b"x" * (2 * PAGE)
        assert g.fault is None
        assert bytes(lent[10 * PAGE:11 * PAGE]) == bytes(PAGE)
        assert g.fault == 3 * PAGE
        try:
            memoryview(view)
        except InPageError as error:
            assert isinstance(error, BufferError) and str(3 * PAGE) in str(error), error
        else:
            sys.exit("no error")
        lent.release()
        view.close()
        assert g.fault == 3 * PAGE
    """,
    )


def test_a_write_under_a_cut_file_does_not_kill() -> None:
    run(
        CUT,
        """
        lent = memoryview(view)
        os.ftruncate(f.fileno(), 0)
        lent[:] = b"y" * len(lent)
        assert g.fault == 0 and os.fstat(f.fileno()).st_size == 0
    """,
    )


def test_numpy_sums_over_a_cut_file() -> None:
    run(
        CUT,
        """
        import numpy as np
        array = np.frombuffer(view, np.uint8)
        os.ftruncate(f.fileno(), PAGE)
        assert array.sum() == PAGE * ord("x") and g.fault == PAGE
    """,
    )


def test_a_read_only_view_of_a_cut_file_stays_read_only() -> None:
    run("""
        view, g = guarded(f := file(4), 4 * PAGE, R)
        view_address = view.address
        lent = memoryview(view)
        os.ftruncate(f.fileno(), 0)
        assert lent[0] == 0
        address = f"{view_address:x}-"
        with open("/proc/self/maps") as lines:
            assert [line.split()[1] for line in lines if line.startswith(address)] == ["r--p"]
    """)


def test_the_whole_tail_is_replaced_by_one_mapping() -> None:
    run("""
        view, g = guarded(f := file(4096), 4096 * PAGE)
        lent = memoryview(view)
        os.ftruncate(f.fileno(), PAGE)
        before = maps()
        assert not any(lent[page * PAGE] for page in range(4095, 0, -7))
        assert maps() <= before + 1
    """)


def test_a_cut_that_nobody_touched_is_noticed_before_memory_is_lent() -> None:
    run(
        CUT,
        """
        os.ftruncate(f.fileno(), 60 * PAGE + 1)
        try:
            view[0]
        except InPageError as error:
            assert str(60 * PAGE) in str(error)
        else:
            sys.exit("no error")
        assert g.fault is None and view.exports == 0
        os.ftruncate(f.fileno(), 64 * PAGE)
        assert view[0] == ord("x")
    """,
    )


def test_a_cut_inside_the_last_page_is_noticed() -> None:
    run("""
        f = file(1)
        os.ftruncate(f.fileno(), 1000)
        view, g = guarded(f, 1000)
        assert view[999] == ord("x")
        os.ftruncate(f.fileno(), 999)
        try:
            view[0]
        except InPageError:
            sys.exit(0)
        sys.exit("no error")
    """)


def test_a_view_inside_a_file_counts_from_its_own_beginning() -> None:
    run("""
        view, g = guarded(f := file(64), 16 * PAGE, offset=16 * PAGE)
        lent = memoryview(view)
        os.ftruncate(f.fileno(), 40 * PAGE)
        assert view[0] == ord("x")
        os.ftruncate(f.fileno(), 20 * PAGE)
        assert lent[4 * PAGE - 1] == ord("x") and lent[9 * PAGE] == 0 and g.fault == 4 * PAGE
    """)


def test_without_a_descriptor_each_page_is_replaced_as_it_is_touched() -> None:
    run("""
        view, g = guarded(f := file(64), 64 * PAGE, asked=False)
        lent = memoryview(view)
        os.ftruncate(f.fileno(), PAGE)
        assert lent[9 * PAGE] == 0 and g.fault == 9 * PAGE
        assert lent[5 * PAGE] == 0 and g.fault == 5 * PAGE
        assert lent[0] == ord("x")
    """)


def test_a_descriptor_that_means_another_file_by_now_is_not_believed() -> None:
    run("""
        view, g = guarded(f := file(8), 8 * PAGE)
        lent = memoryview(view)
        os.ftruncate(f.fileno(), 4 * PAGE)
        keep = f.fileno()
        empty = file(0)
        for name in os.listdir("/proc/self/fd"):
            fd = int(name)
            if fd > 2 and fd not in (keep, empty.fileno()):
                try:
                    os.dup2(empty.fileno(), fd)
                except OSError:
                    pass
        assert lent[7 * PAGE] == 0
        assert lent[0] == ord("x") and lent[4 * PAGE - 1] == ord("x")
    """)


def test_eight_threads_fault_at_once() -> None:
    run("""
        import numpy as np
        threading.stack_size(64 * 1024)
        views = [guarded(file(256), 256 * PAGE) for _ in range(8)]
        files = []
        view, g = guarded(f := file(2048), 2048 * PAGE)
        array = np.frombuffer(view, np.uint8)
        start = threading.Barrier(9)
        sums = []
        def work(n):
            start.wait()
            sums.append(int(array[n * PAGE::8 * PAGE].sum()))
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for t in threads: t.start()
        os.ftruncate(f.fileno(), 0)
        start.wait()
        for t in threads: t.join()
        assert sums == [0] * 8 and g.fault == 0, (sums, g.fault)
        assert all(v[0] == ord("x") for v, _ in views)
    """)


def test_views_come_and_go_while_others_fault() -> None:
    run("""
        stop = False
        def churn():
            f = file(4)
            while not stop:
                view, g = guarded(f, 4 * PAGE)
                assert view[PAGE] == ord("x")
                view.close()
        threads = [threading.Thread(target=churn) for _ in range(3)]
        for t in threads: t.start()
        for _ in range(300):
            view, g = guarded(f := file(4), 4 * PAGE)
            lent = memoryview(view)
            os.ftruncate(f.fileno(), PAGE)
            assert lent[2 * PAGE] == 0 and g.fault == PAGE
            lent.release(); view.close(); f.close()
        stop = True
        for t in threads: t.join()
    """)


def test_a_forked_child_survives_a_cut_too() -> None:
    run(
        CUT,
        """
        lent = memoryview(view)
        child = os.fork()
        if child == 0:
            os.ftruncate(f.fileno(), PAGE)
            ok = lent[5 * PAGE] == 0 and g.fault == PAGE
            own, own_guard = guarded(e := file(2), 2 * PAGE)
            inner = memoryview(own)
            os.ftruncate(e.fileno(), 0)
            ok = ok and inner[0] == 0
            inner.release(); own.close(); lent.release(); view.close()
            os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert g.fault is None and lent[5 * PAGE] == 0 and g.fault == PAGE
    """,
    )


@pytest.mark.parametrize("order", ["before", "after", "both"])
def test_the_fault_handler_of_python_before_or_after_changes_nothing(order: str) -> None:
    run(
        ("faulthandler.enable()\n" if order != "after" else "")
        + CUT
        + ("faulthandler.disable(); faulthandler.enable()\n" if order != "before" else "")
        + """
lent = memoryview(view)
os.ftruncate(f.fileno(), PAGE)
assert lent[5 * PAGE] == 0 and g.fault == PAGE
"""
    )


@pytest.mark.parametrize("order", ["before", "after", "both", "toggled"])
def test_a_fault_that_is_not_ours_dies_with_the_report_of_the_fault_handler(order: str) -> None:
    before = "faulthandler.enable()\n" if order in ("before", "both") else ""
    after = {
        "before": "",
        "after": "faulthandler.enable()\n",
        "both": "faulthandler.disable();faulthandler.enable()\n",
        "toggled": "for _ in range(40): faulthandler.enable(); guard.ensure(); "
        "faulthandler.disable()\n"
        "faulthandler.enable()\n",
    }[order]
    done = run(
        before
        + CUT
        + after
        + """
view[0]
other = file(2)
lost = map(other.fileno(), 2 * PAGE)
os.ftruncate(other.fileno(), 0)
ctypes.string_at(lost, 1)
""",
        status=-signal.SIGBUS,
    )
    assert "Fatal Python error: Bus error" in done.stderr and "string_at" in done.stderr


def test_a_fault_that_is_not_ours_dies_of_the_same_signal_without_any_other_handler() -> None:
    done = run(
        CUT,
        """
        other = file(2)
        lost = map(other.fileno(), 2 * PAGE)
        os.ftruncate(other.fileno(), 0)
        ctypes.string_at(lost, 1)
    """,
        status=-signal.SIGBUS,
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    "kill", ["os.kill(os.getpid(), signal.SIGBUS)", "signal.raise_signal(signal.SIGBUS)"]
)
def test_a_bus_error_that_somebody_sent_still_kills(kill: str) -> None:
    run(CUT + kill, status=-signal.SIGBUS)


def test_an_ignored_signal_that_somebody_sent_is_still_ignored() -> None:
    run(
        "signal.signal(signal.SIGBUS, signal.SIG_IGN)\n"
        + CUT
        + "os.kill(os.getpid(), signal.SIGBUS)\nview[0]\n"
    )


def test_a_handler_installed_later_is_called_for_what_is_not_ours() -> None:
    run(
        CUT,
        """
        seen = []
        signal.signal(signal.SIGBUS, lambda number, frame: seen.append(number))
        assert not guard.ensure()  # on top again already
        os.kill(os.getpid(), signal.SIGBUS)
        assert seen == [signal.SIGBUS]
        lent = memoryview(view)
        os.ftruncate(f.fileno(), 0)
        assert lent[0] == 0 and seen == [signal.SIGBUS]
    """,
    )


LATER = {
    "faulthandler": "faulthandler.enable()",
    "faulthandler, by its old name": "enable()",
    "faulthandler, again": "faulthandler.disable(); faulthandler.enable()",
    "a handler in Python": "signal.signal(signal.SIGBUS, lambda number, frame: 1 / 0)",
    "a handler in Python, by its old name": "old(signal.SIGBUS, lambda number, frame: 1 / 0)",
    "the default action": "signal.signal(signal.SIGBUS, signal.SIG_DFL)",
    "ignoring it": "signal.signal(signal.SIGBUS, signal.SIG_IGN)",
}


@pytest.mark.parametrize("thread", [False, True], ids=["main thread", "another thread"])
@pytest.mark.parametrize("later", LATER)
def test_memory_that_was_lent_before_others_installed_handlers_is_guarded(
    later: str, thread: bool
) -> None:
    run(
        "from faulthandler import enable\nfrom signal import signal as old\n"
        + CUT
        + "lent = memoryview(view)\n"
        + LATER[later]
        + """
os.ftruncate(f.fileno(), PAGE)
seen = []
def look(): seen.append((lent[5 * PAGE], lent[2 * PAGE]))
"""
        + ("one = threading.Thread(target=look); one.start(); one.join()" if thread else "look()")
        + """
assert seen == [(0, 0)] and g.fault == PAGE
try:
    view[0]
except InPageError:
    pass
else:
    raise AssertionError("nobody was told")
"""
    )


@pytest.mark.parametrize("thread", [False, True], ids=["main thread", "another thread"])
def test_the_fault_handler_installed_later_by_c_reports_once_and_the_process_lives(
    thread: bool,
) -> None:
    # As a program does that embeds Python: the interpreter's own functions are followed, this one
    # is not.
    done = run(
        "from faulthandler import enable\n"
        + CUT
        + "lent = memoryview(view)\nenable()\n"
        + """
os.ftruncate(f.fileno(), PAGE)
seen = []
def look(): seen.append(lent[5 * PAGE])
"""
        + ("one = threading.Thread(target=look); one.start(); one.join()" if thread else "look()")
        + """
assert seen == [0] and g.fault == PAGE
"""
    )
    assert done.stderr.count("Fatal Python error: Bus error") == 1


def test_raising_the_signal_with_a_fault_handler_on_top_still_kills() -> None:
    run(
        "from faulthandler import enable\n"
        + CUT
        + "lent = memoryview(view)\nenable()\nsignal.raise_signal(signal.SIGBUS)\n"
        + "signal.raise_signal(signal.SIGBUS)\n",
        status=-signal.SIGBUS,
    )


def test_the_followed_functions_do_what_they_did() -> None:
    run(
        CUT,
        """
        def handler(number, frame): pass
        assert signal.signal(signal.SIGBUS, handler) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGBUS) is handler and signal.signal(signal.SIGBUS, signal.SIG_DFL) is handler
        assert signal.signal(signal.SIGTERM, handler) == signal.SIG_DFL
        for wrong in (lambda: signal.signal(12345, handler), lambda: signal.signal(signal.SIGBUS, "no handler")):
            try:
                wrong()
            except (ValueError, TypeError):
                pass
            else:
                raise AssertionError("accepted")
        faulthandler.enable(file=sys.stderr, all_threads=False)
        assert faulthandler.is_enabled() and faulthandler.disable() and not faulthandler.is_enabled()
    """,
    )


@pytest.mark.sentence(33)
@pytest.mark.parametrize(
    ("prepare", "status"),
    [
        (
            "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
            -getattr(signal, "SIGBUS", 7),
        ),
        ("signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - {signal.SIGBUS})", 0),
        ("libc.signal(int(signal.SIGBUS), None)", -getattr(signal, "SIGBUS", 7)),
        ("libc.signal(int(signal.SIGBUS), None); memoryview(view)", 0),
    ],
)
def test_who_blocks_the_signal_or_takes_it_back_in_c_is_ended_by_a_cut(
    prepare: str, status: int
) -> None:
    run(
        CUT
        + "lent = memoryview(view)\n"
        + prepare
        + """
os.ftruncate(f.fileno(), PAGE)
lent[5 * PAGE]
""",
        status=status,
    )


def test_removal_comes_before_unmapping_and_frees_the_slot() -> None:
    run("""
        f = file(1)
        for _ in range(70000):
            g = guard.add(address, PAGE, R, f.fileno()) if "address" in globals() else None
            address = map(f.fileno(), PAGE, R) if g is None else address
            if g: g.remove(); g.remove()
        g = guard.add(address, PAGE, R, f.fileno())
        del g
        g = guard.add(address, PAGE, R)
        assert g.fault is None
    """)


def test_guards_of_one_file_share_one_descriptor_and_close_it_with_the_last() -> None:
    run("""
        f = file(1)
        count = lambda: len(os.listdir("/proc/self/fd"))
        before = count()
        views = [guarded(f, PAGE) for _ in range(50)]
        assert count() == before + 1, count()
        views[7][0].close()
        del views
        gc.collect()
        assert count() == before, count()
    """)


def test_the_descriptor_of_a_guard_keeps_no_lock_of_the_callers() -> None:
    run("""
        import fcntl
        f = file(1)
        mine = os.open(f"/proc/self/fd/{f.fileno()}", os.O_RDWR)
        fcntl.flock(mine, fcntl.LOCK_SH)
        address = map(f.fileno(), PAGE)
        g = guard.add(address, PAGE, R | W, mine)
        os.close(mine)
        fcntl.flock(f.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    """)


@pytest.mark.parametrize(
    "arguments",
    [
        "0, PAGE, R",
        "map(f.fileno(), PAGE) + 1, PAGE, R",
        "map(f.fileno(), PAGE), 0, R",
        "map(f.fileno(), PAGE), 2**64 - 1, R",
        "map(f.fileno(), PAGE), PAGE, R, 9999",
    ],
)
def test_what_cannot_be_a_mapping_of_a_file_is_refused(arguments: str) -> None:
    run(f"""
        f = file(1)
        try:
            guard.add({arguments})
        except OSError:
            sys.exit(0)
        sys.exit("accepted")
    """)


# ---------------------------------------------------------------- reserved sections

RESERVED = """
PAGES = 256
body = os.memfd_create("reserved")
os.ftruncate(body, (PAGES + 8) * PAGE)
table = map(body, PAGE, offset=PAGES * PAGE)
bits = (ctypes.c_uint8 * PAGE).from_address(table)
def commit(first, count=1):
    for page in range(first, first + count):
        bits[page // 8] |= 1 << page % 8
def reserved(prot=R | W, first=0, pages=PAGES):
    address = map(body, pages * PAGE, 0, offset=first * PAGE)
    g = guard.add_reserved(address, pages * PAGE, prot, table, first)
    def release():
        g.remove()
        assert libc.munmap(address, pages * PAGE) == 0
    return View(address, pages * PAGE, readonly=not prot & W, release=release, check=g.check), g
"""


def test_the_first_touch_opens_a_committed_page_in_every_view() -> None:
    run(
        RESERVED,
        """
        one, g = reserved()
        two, _ = reserved(first=16, pages=32)
        a, b = memoryview(one), memoryview(two)
        commit(17, 3)
        a[17 * PAGE] = 7
        assert b[PAGE] == 7 and a[19 * PAGE + 9] == 0
        commit(255)
        a[256 * PAGE - 1] = 1
        assert g.fault is None
    """,
    )


@pytest.mark.parametrize(
    ("act", "handler"),
    [("a[16 * PAGE]", True), ("a[20 * PAGE] = 1", True), ("a[20 * PAGE]", False)],
)
def test_a_page_that_is_not_committed_kills_with_the_usual_report(act: str, handler: bool) -> None:
    done = run(
        ("faulthandler.enable()\n" if handler else "")
        + RESERVED
        + "one, g = reserved()\na = memoryview(one)\n"
        "commit(17, 3)\na[18 * PAGE]\n" + act,
        status=-signal.SIGSEGV,
    )
    assert ("Segmentation fault" in done.stderr) == handler


def test_writing_to_a_committed_page_of_a_read_only_view_kills_instead_of_looping() -> None:
    run(
        RESERVED + "one, g = reserved(R)\ncommit(0, 4)\nctypes.memset(one.address, 1, 1)\n",
        status=-signal.SIGSEGV,
    )


def test_a_write_through_a_null_pointer_still_kills() -> None:
    done = run(
        "faulthandler.enable()\n" + RESERVED + "one, g = reserved()\nctypes.memset(8, 1, 1)\n",
        status=-signal.SIGSEGV,
    )
    assert "Segmentation fault" in done.stderr


def test_system_calls_get_committed_pages_that_nobody_touched() -> None:
    run(
        RESERVED,
        """
        one, g = reserved()
        source = file(4)
        source.seek(0)
        early = memoryview(one)
        commit(3, 40)
        try:
            source.readinto(early[3 * PAGE:7 * PAGE])
        except OSError as error:
            assert error.errno == 14
        else:
            sys.exit("a closed page was written to by the system")
        source.seek(0)
        assert source.readinto(memoryview(one)[3 * PAGE:7 * PAGE]) == 4 * PAGE
        commit(100)
        guard.sync_reserved(g)
        source.seek(0)
        assert source.readinto(early[100 * PAGE:101 * PAGE]) == PAGE
    """,
    )


@pytest.mark.parametrize(
    ("first", "pages"), [(0, 256), (0, 33), (16, 100), (48, 17), (31, 66), (5, 1)]
)
def test_sync_opens_exactly_the_committed_pages(first: int, pages: int) -> None:
    run(
        RESERVED,
        f"""
        import random
        one, g = reserved(first={first}, pages={pages})
        for turn in range(4):
            if turn == 3: commit({first}, {pages})
            for _ in range(20): commit(random.randrange(256))
            g.sync()
            opened = set()
            with open("/proc/self/maps") as lines:
                for line in lines:
                    low, high = (int(part, 16) for part in line.split()[0].split("-"))
                    if line.split()[1].startswith("rw"):
                        opened |= set(range(max(low, one.address), min(high, one.address + len(one)), PAGE))
            expected = {{one.address + page * PAGE for page in range({pages})
                        if bits[({first} + page) // 8] >> ({first} + page) % 8 & 1}}
            assert opened == expected, turn
    """,
    )


def test_a_protection_that_the_program_set_is_not_undone() -> None:
    run(
        RESERVED,
        """
        one, g = reserved()
        commit(0, 8)
        g.sync()
        assert libc.mprotect(one.address + PAGE, PAGE, 0) == 0
        g.sync()
        a = memoryview(one)
        a[0] = a[2 * PAGE] = 1
        a[PAGE]
    """,
        status=-signal.SIGSEGV,
    )


def test_eight_threads_touch_the_same_new_pages_at_once() -> None:
    run(
        RESERVED,
        """
        import numpy as np
        for _ in range(30):
            one, g = reserved()
            array = np.frombuffer(one, np.uint8)
            start = threading.Barrier(8)
            ctypes.memset(table, 0, PAGE)
            def work():
                start.wait()
                commit(0, PAGES)
                array[::PAGE] = 1
            threads = [threading.Thread(target=work) for _ in range(8)]
            for t in threads: t.start()
            for t in threads: t.join()
            assert array[::PAGE].sum() == PAGES
    """,
    )


def test_bits_that_change_all_the_time_neither_crash_nor_hang() -> None:
    run(
        RESERVED,
        """
        ctypes.memset(table, 0x55, 32)
        child = os.fork()
        if child == 0:
            libc.prctl(1, signal.SIGKILL)   # PR_SET_PDEATHSIG
            while os.getppid() != 1:
                ctypes.memset(table, 0xFF, 32); ctypes.memset(table, 0x55, 32)
        for _ in range(100):
            one, g = reserved()
            a = memoryview(one)
            for page in range(0, PAGES, 2):
                a[page * PAGE] = 1
            g.sync()
            a.release(); one.close()
        os.kill(child, signal.SIGKILL); os.waitpid(child, 0)
    """,
    )


def test_a_bitmap_in_a_file_that_was_cut_reads_as_nothing_committed() -> None:
    done = run(
        "faulthandler.enable()\n" + RESERVED,
        """
one, g = reserved()
watch = guard.add(table, PAGE, R | W, body, PAGES * PAGE)
a = memoryview(one)
commit(0, 4)
a[0] = 1
os.ftruncate(body, 8 * PAGE)
print(watch.fault, flush=True)
a[5 * PAGE]
""",
        status=-signal.SIGSEGV,
    )
    assert done.stdout == "None\n" and "Segmentation fault" in done.stderr


def test_a_view_of_a_reserved_section_works_after_fork() -> None:
    run(
        RESERVED,
        """
        one, g = reserved()
        a = memoryview(one)
        child = os.fork()
        if child == 0:
            commit(0, 8)
            a[PAGE] = 9
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert a[PAGE] == 9
    """,
    )
