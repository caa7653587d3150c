# SPDX-License-Identifier: MIT
"""Programs written for Windows run unchanged: ctypes.windll, Windows's sizes, modules that see
Windows, pywin32's names."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.workers import until

from memsection import Event, Section
from memsection import win32 as w

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "windows_programs"
COMMAND = [sys.executable, "-W", "error", "-m", "memsection.compat.windows"]

linux_only = pytest.mark.linux_only("on Windows the genuine modules do this")


def run(
    script: str | Path,
    *words: str,
    chosen: tuple[str, ...] = (),
    fails: bool = False,
    **options: object,
) -> str:
    """What a script prints that sees Windows; what it complains of if it has to fail."""
    packages = [word for package in chosen for word in ("--as-windows", package)]
    done = subprocess.run(
        [*COMMAND, *packages, str(script), *words],
        capture_output=True,
        text=True,
        timeout=100,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
        **options,
    )  # type: ignore[call-overload]
    assert (done.returncode != 0) == fails, done.stderr
    assert fails or not done.stderr, done.stderr
    return str(done.stderr if fails else done.stdout)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "script.py"


@pytest.mark.parametrize("program", sorted(path.stem for path in PROGRAMS.glob("*.txt")))
def test_a_program_prints_what_it_prints_on_windows(program: str) -> None:
    expected = (PROGRAMS / f"{program}.txt").read_text("utf-8").splitlines()
    assert run(PROGRAMS / f"{program}.py").splitlines() == expected


# ---------------------------------------------------------------------- who sees Windows


@linux_only
def test_chosen_modules_see_windows_and_nobody_else(script: Path) -> None:
    look = (
        "import sys, os, ctypes, mmap, platform\n"
        "def found(): return (sys.platform, os.name, hasattr(ctypes, 'windll'), "
        "ctypes.sizeof(ctypes.c_long), "
        "platform.system(), mmap.ALLOCATIONGRANULARITY)\n"
    )
    package = script.parent / "chosen"
    package.mkdir()
    (package / "__init__.py").write_text(look + "from chosen import inner\n")
    (package / "inner.py").write_text(look)
    (script.parent / "other.py").write_text(look)
    script.write_text(
        look + "import chosen, chosen.inner, other, subprocess, asyncio\n"
        "for one in (found, chosen.found, chosen.inner.found, other.found): print(*one())\n"
        "print(subprocess.run([sys.executable, '-c', 'import sys; print(sys.platform)'], "
        "capture_output=True, text=True).stdout.strip())\n"
        "async def main(): return 5\n"
        "print(asyncio.run(main()), __name__, os.path.basename(__file__), sys.argv[1:])\n"
    )
    windows, linux = "win32 nt True 4 Windows 65536", "linux posix False 8 Linux 4096"
    assert run(script, "a", "--b", chosen=("chosen",)).splitlines() == [
        windows,
        windows,
        windows,
        linux,
        "linux",
        "5 __main__ script.py ['a', '--b']",
    ]


@linux_only
@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ("no_such_package", "no module"),
        ("ctypes", "imported already"),
        ("_elementtree", "no source"),
    ],
)
def test_what_cannot_be_chosen_is_an_error(script: Path, chosen: str, says: str) -> None:
    script.write_text("")
    assert says in run(script, chosen=(chosen,), fails=True)


def test_a_script_that_is_not_there_is_an_error(script: Path) -> None:
    assert "no script" in run(script, fails=True)


def test_the_command_line_runs_a_script(script: Path) -> None:
    script.write_text("import sys; print(sys.platform, sys.argv[1:]); sys.exit(3)")
    done = subprocess.run(
        [sys.executable, "-m", "memsection", "run", "--windows", str(script), "--one", "two"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (3, "win32 ['--one', 'two']", "")
    for words in (
        ["--windows", "--size", "5", str(script)],
        ["--as-windows", "package", str(script)],
        ["--windows", str(script.parent / "none.py")],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "memsection", "run", *words],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode in (1, 2) and "--windows" in done.stderr


@linux_only
def test_a_test_module_that_believes_it_is_on_windows_passes(script: Path) -> None:
    (script.parent / "believing_tests.py").write_text(
        (HERE / "cpython_mmap_3_11.py").read_text("utf-8")
    )
    script.write_text(
        "import believing_tests as tests, unittest\n"
        "assert tests.sys.platform == 'win32' and tests.os.name == 'nt'\n"
        "cases = unittest.defaultTestLoader.loadTestsFromTestCase(tests.MmapTests)\n"
        "with open('report', 'w') as report: result = "
        "unittest.TextTestRunner(stream=report).run(cases)\n"
        "print(result.testsRun, result.wasSuccessful(), len(result.skipped))\n"
    )
    assert run(script, chosen=("believing_tests",), cwd=script.parent) == "42 True 0\n", (
        script.parent / "report"
    ).read_text()


# ---------------------------------------------------------------------- foreign functions


@linux_only
def test_ctrl_c_ends_a_wait_in_a_foreign_function(script: Path) -> None:
    script.write_text(
        "import ctypes\n"
        "event = ctypes.windll.kernel32.CreateEventW(None, True, False, None)\n"
        "print('waiting', flush=True)\n"
        "try: print(ctypes.windll.kernel32.WaitForSingleObject(event, 60000))\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    with subprocess.Popen([*COMMAND, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "waiting\n"
        time.sleep(0.1)  # it may not be in the call yet; then the signal finds it before
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"


@linux_only
def test_install_is_for_the_whole_process() -> None:
    code = (
        "from memsection.compat import windows; windows.install(); import ctypes, mmap, sys\n"
        "from ctypes import wintypes\n"
        "m = mmap.mmap(-1, 100, tagname='Local\\\\installed'); m[:2] = b'ab'\n"
        "k = ctypes.WinDLL('kernel32', use_last_error=True); k.OpenFileMappingW.restype = "
        "wintypes.HANDLE\n"
        "h = k.OpenFileMappingW(4, False, 'Local\\\\installed'); k.MapViewOfFile.restype = "
        "ctypes.c_void_p\n"
        "a = k.MapViewOfFile(wintypes.HANDLE(h), 4, 0, 0, ctypes.c_size_t(0)); "
        "print(ctypes.string_at(a, 2))\n"
        "print(k.OpenFileMappingW(4, False, 'Local\\\\none'), ctypes.get_last_error(), "
        "sys.platform, "
        "ctypes.sizeof(wintypes.DWORD))\n"
        "print(wintypes.BOOL(5).value, ctypes.windll.kernel32.GetCurrentProcessId() > 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["b'ab'", "None 2 linux 4", "5 True"]


@linux_only
def test_every_function_of_the_faces_is_there() -> None:
    from memsection import nt
    from memsection.compat.windows.declarations import LIBRARIES

    declared = {name for table in LIBRARIES.values() for name in table}
    win32 = {
        name
        for name, value in vars(w).items()
        if callable(value) and name[0].isupper() and not isinstance(value, type)
    }
    services = {
        name
        for name, value in vars(nt).items()
        if name.startswith(("Nt", "Zw")) and not isinstance(value, type) and callable(value)
    }
    missing = {name for name in win32 if not declared & {name, name + "W"}} | services - declared
    assert not missing, "declare them in memsection.compat.windows.declarations"


@linux_only
def test_files_tokens_and_named_objects_as_c_has_them(tmp_path: Path) -> None:
    from memsection.compat.windows.sizes import WinDLL

    kernel32, ntdll, advapi32, psapi = map(WinDLL, ("kernel32", "ntdll", "advapi32", "psapi"))
    P = ctypes.c_size_t
    # NtCreateFile, and the name of what is mapped
    name = str(tmp_path / "file")
    units = name.encode("utf-16-le")
    letters = ctypes.create_string_buffer(units)
    string = struct.pack("<HH4xQ", len(units), len(units), ctypes.addressof(letters))
    held = ctypes.create_string_buffer(string)
    attributes = struct.pack("<I4xqQI4xQQ", 48, 0, ctypes.addressof(held), 0x40, 0, 0)
    file, block = ctypes.c_ssize_t(), (P * 2)()
    assert (
        ntdll.NtCreateFile(
            ctypes.byref(file), 0xC0100000, attributes, block, None, 0, 3, 5, 0x60, None, 0
        )
        == 0
    )
    assert list(block) == [0, 2] and os.path.exists(name)  # FILE_CREATED
    assert kernel32.WriteFile(file, b"x" * 5000, 5000, None, None) == 1
    section = kernel32.CreateFileMappingW(file, None, 2, 0, 0, None)
    kernel32.MapViewOfFile.restype = P
    view = kernel32.MapViewOfFile(section, 4, 0, 0, 0)
    found = ctypes.create_string_buffer(2 * 300)
    for function in (psapi.GetMappedFileNameW, kernel32.K32GetMappedFileNameW):
        length = function(-1, P(view), found, 300)
        assert found.raw[: 2 * length].decode("utf-16-le") == name
    assert (
        psapi.GetMappedFileNameW(-1, P(view), found, 3),
        ctypes.c_uint16.from_buffer(found, 4).value,
    ) == (2, 0)
    # an object by its name
    with Section.create("named-by-c", 4096) as named:
        owner, dacl, out = P(), P(), P()
        wide = ctypes.create_string_buffer("named-by-c\0".encode("utf-16-le"))
        # SE_KERNEL_OBJECT
        arguments = (6, 5, ctypes.byref(owner), None, ctypes.byref(dacl), None, ctypes.byref(out))
        assert advapi32.GetNamedSecurityInfoW(wide, *arguments) == 0
        assert owner.value > out.value and dacl.value > out.value
        assert advapi32.SetNamedSecurityInfoW(wide, 6, 4, None, None, dacl, None) == 0
        assert (
            advapi32.GetNamedSecurityInfoW(
                ctypes.create_string_buffer(b"n\0o\0n\0e\0\0\0"), *arguments
            )
            == 2
        )
        assert named.security
    # tokens
    token, copy, size = ctypes.c_ssize_t(), ctypes.c_ssize_t(), ctypes.c_uint32()
    assert ntdll.NtOpenProcessToken(-1, 0x2A, ctypes.byref(token)) == 0
    quality = ctypes.create_string_buffer(struct.pack("<IIBB2x", 12, 2, 0, 0))
    attributes = struct.pack("<I4xqQI4xQQ", 48, 0, 0, 0, 0, ctypes.addressof(quality))
    assert ntdll.NtDuplicateToken(token, 8, attributes, 0, 2, ctypes.byref(copy)) == 0
    for what, least in ((1, 24), (2, 8), (3, 4), (4, 16), (5, 16), (8, 4), (10, 56), (20, 4)):
        assert (
            ntdll.NtQueryInformationToken(token, what, None, 0, ctypes.byref(size)) & 0xFFFFFFFF
            == 0xC0000023
        )
        assert size.value >= least
        room = ctypes.create_string_buffer(size.value)
        assert ntdll.NtQueryInformationToken(token, what, room, size, ctypes.byref(size)) == 0
        if what == 2:
            count, place = struct.unpack_from("<I4xQ", room.raw)
            assert not count or ctypes.addressof(room) < place < ctypes.addressof(room) + size.value
    room = ctypes.create_string_buffer(64)
    try:  # SeDebugPrivilege, which who has it needs again
        assert ntdll.NtAdjustPrivilegesToken(
            token, 0, struct.pack("<IQI", 1, 20, 0), 64, room, None
        ) in (0, 0x106)
    finally:
        assert ntdll.NtAdjustPrivilegesToken(token, 0, room, 0, None, None) == 0
    plain, granted, result, room = (
        P(),
        ctypes.c_uint32(),
        ctypes.c_uint32(),
        ctypes.create_string_buffer(20),
    )
    text = b"O:WDG:WDD:(A;;0x3;;;WD)"
    assert (
        advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorA(
            text, 1, ctypes.byref(plain), None
        )
        == 1
    )
    mapping = struct.pack("<4I", 1, 2, 4, 7)
    for wanted, expected in ((1, (1, 0)), (4, (0, 0xC0000022))):
        size.value = 20
        assert (
            ntdll.NtAccessCheck(
                plain,
                copy,
                wanted,
                mapping,
                room,
                ctypes.byref(size),
                ctypes.byref(granted),
                ctypes.byref(result),
            )
            == 0
        )
        assert (granted.value, result.value) == expected
    kernel32.UnmapViewOfFile(P(view))
    for handle in (copy, token, section, file):
        assert kernel32.CloseHandle(handle) == 1


@linux_only
def test_functions_got_by_name_take_the_handles_of_pywin32(script: Path) -> None:
    script.write_text(BY_NAME)
    assert run(script).splitlines() == [
        "1 0 True",
        "1 0 True",
        "1 0 True",
        "1 0 True",
        "AttributeError SetEvents",
    ]


BY_NAME = """
import ctypes, win32event
from ctypes import wintypes
kernel32 = ctypes.windll.kernel32
event = win32event.CreateEvent(None, False, False, None)
prototype = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HANDLE)
address = ctypes.cast(kernel32.SetEvent, ctypes.c_void_p).value  # what GetProcAddress gives
for function in (getattr(kernel32, "SetEvent"), kernel32["SetEvent"], prototype(("SetEvent", kernel32)), prototype(address)):
    for handle in (int(event), event.handle):
        done = function(handle)
    print(done, win32event.WaitForSingleObject(event, 0), win32event.WaitForSingleObject(event, 0) == 258)
try:
    kernel32["SetEvents"]
except AttributeError as error:
    print("AttributeError", "SetEvents" if "SetEvents" in str(error) else error)
event.Close()
"""


@linux_only
def test_hostile_pointers_that_can_be_told_are_errors() -> None:
    from memsection.compat.windows.sizes import WinDLL

    kernel32, ntdll = WinDLL("kernel32", use_last_error=True), WinDLL("ntdll")
    event = kernel32.CreateEventW(None, True, False, None)
    assert kernel32.GetHandleInformation(event, None) == 0
    assert kernel32.WaitForMultipleObjects(3, None, False, 0) & 0xFFFFFFFF == w.WAIT_FAILED
    one = ctypes.byref(ctypes.c_ssize_t(event))
    assert kernel32.WaitForMultipleObjects(100_000, one, False, 0) & 0xFFFFFFFF == w.WAIT_FAILED
    assert kernel32.VirtualQuery(0, ctypes.byref(ctypes.c_int()), 4) == 0
    assert (
        ntdll.NtQueryEvent(event, 0, ctypes.byref(ctypes.c_int()), 4, None) & 0xFFFFFFFF
        == 0xC0000004
    )
    assert kernel32.CloseHandle(event) == 1
    for library in (kernel32, ntdll):
        with pytest.raises(ValueError, match="access violation"):
            library.RtlMoveMemory(None, b"bytes", ctypes.c_size_t(5))


# ---------------------------------------------------------------------- pywin32's names


CHILD = """
import subprocess, sys
start = lambda *words, **options: subprocess.run(
    [sys.executable, *words], capture_output=True, text=True, timeout=60, **options).stdout.split()
print(*start("child.py", "an argument", "-c"))
print(*start("-u", "-W", "ignore", "-m", "package.module", "x"))
print(*start("-m", "package"))
print(*start("-c", "import sys, os; print(sys.platform, os.name, sys.argv)", "more"))
print(*start("-ucimport sys; print(sys.platform, sys.argv)"))
print(*start("-", "y", input="import sys; print(sys.platform, sys.argv)"))
print(start("-V"))
print(subprocess.run([sys.executable, "missing.py"], capture_output=True, text=True).returncode != 0)
print(subprocess.run([sys.executable, "-c", "raise SystemExit(7)"]).returncode)
"""


@linux_only
def test_children_see_windows_where_that_is_asked_for(script: Path) -> None:
    look = "import sys, ctypes; print(sys.platform, hasattr(ctypes, 'windll'), sys.argv[1:], "
    place = script.parent
    (place / "package").mkdir()
    (place / "package" / "__init__.py").write_text("")
    (place / "package" / "__main__.py").write_text(look + "__name__, __package__)")
    (place / "package" / "module.py").write_text(look + "__package__, sys.flags.dev_mode)")
    (place / "child.py").write_text(
        look + "__name__)\nimport subprocess\n"
        "print(subprocess.run([sys.executable, '-c', 'import os; print(os.name)'], "
        "capture_output=True, text=True).stdout)"
    )
    script.write_text(CHILD)
    assert run("--children", script.name, cwd=place).splitlines() == [
        "win32 True ['an argument', '-c'] __main__ nt",
        "win32 True ['x'] package False",
        "win32 True [] __main__ package",
        "win32 nt ['-c', 'more']",
        "win32 ['-c']",
        "win32 ['-', 'y']",
        f"['Python', '{platform.python_version()}']",
        "True",
        "7",
    ]


@linux_only
def test_children_see_the_system_where_nothing_is_asked_for(script: Path) -> None:
    script.write_text(
        "import subprocess, sys\n"
        "print(subprocess.run([sys.executable, '-c', 'import sys; print(sys.platform)'], "
        "capture_output=True, text=True).stdout.strip())"
    )
    assert run(script).strip() == "linux"


TIMERS = r"""
import pywintypes, win32api, win32event, winerror
timer = win32event.CreateWaitableTimer(None, True, "Local\\ticks")
print(int(timer) > 0, win32event.WaitForSingleObject(timer, 0))
again = win32event.OpenWaitableTimer(win32event.SYNCHRONIZE, False, "Local\\ticks")
win32event.SetWaitableTimer(timer, -10, 0, None, None, False)
print(win32event.WaitForSingleObject(again, 20000), win32event.WaitForSingleObject(again, 0))
for what in (lambda: win32event.SetWaitableTimer(again, -10, 0, None, None, False),
             lambda: win32event.CreateEvent(None, 0, 0, "Local\\ticks"),
             lambda: win32event.CreateWaitableTimerEx(None, None, 8, win32event.TIMER_ALL_ACCESS),
             lambda: win32event.SetWaitableTimer(timer, -10, -1, None, None, False)):
    try: what(); print("nothing")
    except pywintypes.error as e: print(e.winerror, e.funcname)
try: win32event.SetWaitableTimer(timer, -10, 0, print, None, False)
except TypeError as e: print("no routine")
pulse = win32event.CreateWaitableTimerEx(None, None, 0, win32event.TIMER_ALL_ACCESS)
win32event.SetWaitableTimer(pulse, -1, 5, None, None, False)
print([win32event.WaitForMultipleObjects([pulse], True, 20000) for _ in range(3)])
win32event.CancelWaitableTimer(pulse)
"""


@linux_only
def test_timers_of_pywin32_are_objects_of_their_own(script: Path) -> None:
    script.write_text(TIMERS)
    assert run(script).splitlines() == [
        "True 258",
        "0 0",
        "5 SetWaitableTimer",
        "6 CreateEvent",
        "87 CreateWaitableTimerEx",
        "87 SetWaitableTimer",
        "no routine",
        "[0, 0, 0]",
    ]


SACLS = r"""
import pywintypes, win32event, win32security as s
everybody = s.ConvertStringSidToSid("S-1-1-0")
allowed, audited = s.ACL(), s.ACL()
allowed.AddAccessAllowedAceEx(s.ACL_REVISION, 0, 0x1F0003, everybody)
audited.AddAuditAccessAce(s.ACL_REVISION, 0x1F0003, everybody, True, False)
audited.AddAuditAccessAceEx(s.ACL_REVISION, 0, 2, everybody, False, True)
made = s.SECURITY_DESCRIPTOR()
made.SetSecurityDescriptorDacl(True, allowed, False); made.SetSecurityDescriptorSacl(True, audited, False)
text = lambda one: s.ConvertSecurityDescriptorToStringSecurityDescriptor(one, 1, 15)
print(text(made), hex(made.GetSecurityDescriptorControl()[0]))
back = s.SECURITY_DESCRIPTOR(bytes(made)).GetSecurityDescriptorSacl()
print(back.GetAceCount(), *[back.GetAce(n)[:2] for n in range(2)])
made.SetSecurityDescriptorDacl(False, None, False); print(text(made))
made.SetSecurityDescriptorSacl(False, None, False); print(repr(text(made)), made.GetSecurityDescriptorSacl())
event = win32event.CreateEvent(None, 0, 0, "Local\\audited")
for what in (lambda: s.SetSecurityInfo(event, s.SE_KERNEL_OBJECT, s.SACL_SECURITY_INFORMATION, None, None, None, audited),
             lambda: s.GetSecurityInfo(event, s.SE_KERNEL_OBJECT, s.SACL_SECURITY_INFORMATION),
             lambda: s.SetNamedSecurityInfo("Local\\audited", s.SE_KERNEL_OBJECT, s.SACL_SECURITY_INFORMATION, None, None,
                                            None, audited)):
    try: what(); print("nothing")
    except pywintypes.error as e: print(e.winerror, e.funcname)
s.SetNamedSecurityInfo("Local\\audited", s.SE_KERNEL_OBJECT, s.DACL_SECURITY_INFORMATION, None, None, allowed, None)
print(text(s.GetNamedSecurityInfo("Local\\audited", s.SE_KERNEL_OBJECT, s.DACL_SECURITY_INFORMATION)))
"""


@linux_only
def test_lists_of_what_is_recorded_are_kept_or_refused_and_never_dropped(script: Path) -> None:
    script.write_text(SACLS)
    assert run(script).splitlines() == [
        "D:(A;;0x1f0003;;;WD)S:(AU;SA;0x1f0003;;;WD)(AU;FA;DC;;;WD) 0x8014",
        "2 ((2, 64), 2031619) ((2, 128), 2)",
        "S:(AU;SA;0x1f0003;;;WD)(AU;FA;DC;;;WD)",
        "'' None",
        "1314 SetSecurityInfo",
        "5 GetSecurityInfo",
        "1314 SetNamedSecurityInfo",
        "D:(A;;0x1f0003;;;WD)",
    ]


LISTS = r"""
import ctypes
from ctypes import byref, wintypes
advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
acl = ctypes.create_string_buffer(64); advapi32.InitializeAcl(acl, 64, 2)
for what, size in ((1, 4), (1, 3), (1, 0), (2, 12), (2, 11), (3, 12), (0, 12)):
    ctypes.set_last_error(0); found = ctypes.create_string_buffer(16)
    print(what, size, advapi32.GetAclInformation(acl, found, size, what), ctypes.get_last_error())
convert = advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW
for text in "S:P", "S:PAI", "D:P", "D:PAI", "D:S:P":
    made = ctypes.c_void_p(); convert(text, 1, byref(made), None)
    print(text, hex(ctypes.c_uint16.from_address(made.value + 2).value))
"""


@linux_only
def test_what_is_as_on_windows_where_wine_differs(script: Path) -> None:
    """A short buffer is 122, which Wine says is 87; what protects a SACL is a bit of its own, for
    which Wine takes that of the DACL."""
    script.write_text(LISTS)
    assert run(script).splitlines() == [
        "1 4 1 0",
        "1 3 0 122",
        "1 0 0 122",
        "2 12 1 0",
        "2 11 0 122",
        "3 12 0 87",
        "0 12 0 87",
        "S:P 0xa010",
        "S:PAI 0xa810",
        "D:P 0x9004",
        "D:PAI 0x9404",
        "D:S:P 0xa014",
    ]


@linux_only
def test_the_names_of_pywin32_are_importable(script: Path) -> None:
    script.write_text(PYWIN32)
    assert run(script, cwd=script.parent).splitlines() == [
        "True True",
        "2 OpenEvent The system cannot find the file specified.",
        "0 258",
        "0",
        "0 258",
        "True",
        "True b'hello'",
        "6",
        "D:(A;;GA;;;WD)",
        "S-1-1-0 True",
        "7",
        "error CloseHandle",
    ]


PYWIN32 = r"""
import mmapfile, pywintypes, win32api, win32con, win32event, win32file, win32process, win32security, winerror, os, sys
one = win32event.CreateMutex(None, False, "Local\\single"); first = win32api.GetLastError() != winerror.ERROR_ALREADY_EXISTS
two = win32event.CreateMutex(None, False, "Local\\single")
print(first, win32api.GetLastError() == winerror.ERROR_ALREADY_EXISTS)
try: win32event.OpenEvent(win32event.SYNCHRONIZE, False, "Local\\missing")
except pywintypes.error as e: print(*e.args)
event = win32event.CreateEvent(None, 0, 0, None); win32event.SetEvent(event)
print(win32event.WaitForSingleObject(event, win32event.INFINITE), win32event.WaitForSingleObject(event, 0))
print(win32event.WaitForMultipleObjects([two, event], False, 1000))
timer = win32event.CreateWaitableTimer(None, 0, None); win32event.SetWaitableTimer(timer, -1000, 0, None, None, 0)
print(win32event.WaitForSingleObject(timer, 5000), end=" ")
win32event.SetWaitableTimer(timer, -100_000_000, 0, None, None, 0); win32event.CancelWaitableTimer(timer)
print(win32event.WaitForSingleObject(timer, 10))
copy = win32api.DuplicateHandle(win32api.GetCurrentProcess(), event, win32api.GetCurrentProcess(), 0, 0, 2)
print(copy.Detach() > 0)
a = mmapfile.mmapfile(None, "pywin32-map", 4096); b = mmapfile.mmapfile(File=None, Name="pywin32-map", MaximumSize=1)
a.write(b"hello"); print(a.size() == b.size(), b.read(5)); a.close(); b.close()
f = win32file.CreateFile("file", win32con.GENERIC_READ | win32con.GENERIC_WRITE, 0, None, win32con.CREATE_NEW, 0, None)
win32file.WriteFile(f, b"words!"); print(win32file.GetFileSize(f)); f.Close(); f.Close()
sa = pywintypes.SECURITY_ATTRIBUTES()
sa.SECURITY_DESCRIPTOR = win32security.ConvertStringSecurityDescriptorToSecurityDescriptor("D:(A;;GA;;;WD)", 1)
print(win32security.ConvertSecurityDescriptorToStringSecurityDescriptor(sa.SECURITY_DESCRIPTOR, 1, 4))
shared = win32event.CreateEvent(sa, 1, 0, None)
everybody = win32security.CreateWellKnownSid(win32security.WinWorldSid, None)
null = pywintypes.SECURITY_ATTRIBUTES(); null.SetSecurityDescriptorDacl(1, None, 0)
print(win32security.ConvertSidToStringSid(everybody), bool(win32event.CreateEvent(null, 1, 0, None)))
process, thread, pid, tid = win32process.CreateProcess(None, f'"{sys.executable}" -c "raise SystemExit(7)"', None, None, 0,
                                                       0, None, None, win32process.STARTUPINFO())
win32event.WaitForSingleObject(process, 20000); print(win32process.GetExitCodeProcess(process))
try: win32api.CloseHandle(12345678)
except win32api.error as e: print(type(e).__name__, e.funcname)
"""


@linux_only
def test_an_installed_pywin32_is_never_hidden(script: Path) -> None:
    (script.parent / "win32event.py").write_text("WHO = 'the real one'")
    script.write_text(
        "import win32event, win32api; print(win32event.WHO, 'memsection' in win32api.__file__)"
    )
    assert run(script) == "the real one True\n"


# ------------------------------------------------------------------ clients from PyPI, as they are


@pytest.fixture
def sim() -> Iterator[None]:
    """A sim; pyirsdk asks the port 32034 whether it runs.  Its names are those of true sims, which
    other tests use, too."""
    from support.names import own_names

    with (
        own_names(),
        subprocess.Popen(
            [sys.executable, str(PROGRAMS / "publisher.py"), "32034"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        yield
        process.stdin.close()


@linux_only
def test_pyirsdk_reads_a_sim(script: Path, sim: None) -> None:
    script.write_text(
        "import irsdk, time\n"
        "ir = irsdk.IRSDK(); print(ir.startup(), ir.is_connected)\n"
        "ir.freeze_var_buffer_latest(); print(ir['Speed'], ir['Lap'], ir['WeekendInfo'])\n"
        "before = ir['RPM']; deadline = time.monotonic() + 60\n"
        "while ir['RPM'] == before and time.monotonic() < deadline: ir.freeze_var_buffer_latest()\n"
        "print(ir['RPM'] > before); ir.shutdown()\n"
    )
    assert run(script, chosen=("irsdk",)).splitlines() == [
        "True True",
        "55.0 3 {'TrackName': 'spa', 'TrackID': 7}",
        "True",
    ]


@linux_only
def test_pyaccsharedmemory_reads_a_sim(script: Path, sim: None) -> None:
    script.write_text(
        "import pyaccsharedmemory, time\n"
        "reader = pyaccsharedmemory.accSharedMemory(); found = None; deadline = time.monotonic() + "
        "20\n"
        "while found is None and time.monotonic() < deadline:\n"
        "    found = reader.read_shared_memory(); time.sleep(.02)\n"
        "print(found.Physics.packed_id > 0, 6000 <= found.Physics.rpm < 6100); reader.close()\n"
    )
    assert run(script, chosen=("pyaccsharedmemory",)).splitlines()[0] == "True True"


@linux_only
def test_names_are_those_of_memsection(script: Path) -> None:
    script.write_text(
        "import ctypes, mmap, sys\n"
        "m = mmap.mmap(-1, 4096, 'Local\\\\both'); k = ctypes.windll.kernel32\n"
        "e = k.OpenEventW(0x1F0003, False, 'Local\\\\told'); m[:3] = b'abc'; k.SetEvent(e); "
        "sys.stdin.read()\n"
    )
    with (
        Event.create("Local\\told") as event,
        subprocess.Popen([*COMMAND, str(script)], stdin=subprocess.PIPE) as process,
    ):
        event.wait(60)
        with Section.open("Local\\both") as section, section.map() as view:
            assert bytes(view[:3]) == b"abc"
        assert process.stdin is not None
        process.stdin.close()
        until(lambda: process.poll() is not None, "the script ends")
