# SPDX-License-Identifier: MIT
"""Who, holding what, tries what, and what is to be expected: asked of the library and of the
kernel, as other users."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from support.users import CAP_SYS_PTRACE, Program

Start = Callable[..., Program]
OWNER, FRIEND, STRANGER = 12345, 12346, 12347
TEAM = 12400
OK, DENIED, NOT_FOUND = 0, 5, 2
FRIENDS_READ = f"D:(A;;GA;;;S-1-22-1-{OWNER})(A;;GR;;;S-1-22-1-{FRIEND})"
PRIVATE, PUBLIC, NOBODY = "None", "'D:NO_ACCESS_CONTROL'", "'D:'"

# (descriptor, who, tries, expects); the owner made Global\table with that descriptor.
WHO_MAY_OPEN = [
    (PRIVATE, "owner", "rw", OK),
    (PRIVATE, "friend", "r", DENIED),
    (PRIVATE, "root", "r", DENIED),  # root is checked like everybody
    (PRIVATE, "root without capabilities", "r", DENIED),
    (PUBLIC, "friend", "rw", OK),
    (PUBLIC, "stranger", "rw", OK),
    (PUBLIC, "root without capabilities", "rw", OK),
    (NOBODY, "owner", "r", DENIED),
    (NOBODY, "owner", memsection_access := "0x60000", OK),  # READ_CONTROL and WRITE_DAC
    (NOBODY, "friend", memsection_access, DENIED),
    (repr(FRIENDS_READ), "owner", "rw", OK),
    (repr(FRIENDS_READ), "friend", "r", OK),
    (repr(FRIENDS_READ), "friend", "rw", DENIED),
    (repr(FRIENDS_READ), "stranger", "r", DENIED),
    (repr(FRIENDS_READ), "root", "r", DENIED),
    ("'D:(A;;GR;;;WD)'", "owner", "rw", DENIED),
    ("'D:(A;;GR;;;WD)'", "owner", "r", OK),
    ("'D:(A;;GR;;;WD)'", "stranger", "r", OK),
    ("'D:(A;;GR;;;WD)'", "stranger", "rw", DENIED),
    ("'D:(A;;GW;;;WD)'", "stranger", "0x2", OK),
    ("'D:(A;;GW;;;WD)'", "stranger", "r", DENIED),
    (f"'D:(A;;GR;;;S-1-22-2-{TEAM})'", "friend", "r", DENIED),
    (f"'D:(A;;GR;;;S-1-22-2-{TEAM})'", "member", "r", OK),
    (f"'D:(A;;GR;;;S-1-22-2-{TEAM})'", "member", "rw", DENIED),
    (f"'D:(D;;GA;;;S-1-22-1-{FRIEND})(A;;GA;;;WD)'", "friend", "r", DENIED),
    (f"'D:(D;;GA;;;S-1-22-1-{FRIEND})(A;;GA;;;WD)'", "stranger", "rw", OK),
    ("'D:(A;;GA;;;BA)'", "root", "rw", OK),
    ("'D:(A;;GA;;;BA)'", "root without capabilities", "rw", OK),
    ("'D:(A;;GA;;;BA)'", "stranger", "r", DENIED),
    (f"Security(users={{{FRIEND}: 'r'}}, groups={{{TEAM}: 'rw'}})", "friend", "r", OK),
    (f"Security(users={{{FRIEND}: 'r'}}, groups={{{TEAM}: 'rw'}})", "member", "rw", OK),
    (f"Security(users={{{FRIEND}: 'r'}}, groups={{{TEAM}: 'rw'}})", "friend in the team", "r", OK),
    (
        f"Security(users={{{FRIEND}: 'r'}}, groups={{{TEAM}: 'rw'}})",
        "friend in the team",
        "rw",
        DENIED,
    ),
    (f"Security(users={{{FRIEND}: ''}}, everyone='r')", "friend", "r", DENIED),
    (f"Security(users={{{FRIEND}: ''}}, everyone='r')", "stranger", "r", OK),
    ("Security(users={'daemon': 'r'})", "daemon", "r", OK),  # a user with an account
    ("Security(users={'daemon': 'r'})", "stranger", "r", DENIED),
]


@pytest.fixture(scope="module")
def people(shared_root: str) -> object:
    """One program for each kind of caller."""
    from support import users

    callers = {
        "owner": users.start(OWNER, root=shared_root),
        "friend": users.start(FRIEND, root=shared_root),
        "friend in the team": users.start(FRIEND, groups=(TEAM,), root=shared_root),
        "member": users.start(STRANGER, groups=(TEAM,), root=shared_root),
        "stranger": users.start(STRANGER, root=shared_root),
        "daemon": users.start(1, root=shared_root),
        "root": users.start(0, root=shared_root),
        "root without capabilities": users.start(0, capabilities=0, root=shared_root),
        "debugger": users.start(STRANGER, capabilities=1 << CAP_SYS_PTRACE, root=shared_root),
    }
    yield callers
    for caller in callers.values():
        assert caller.end() == 0


@pytest.fixture(scope="module")
def shared_root() -> object:
    """One namespace for the table."""
    import os
    import shutil
    import tempfile

    path = tempfile.mkdtemp(prefix=f"memsection-test-{os.getpid()}-", dir="/dev/shm")
    os.chmod(path, 0o1777)
    yield path
    left = [f"{directory}/{file}" for directory, _, files in os.walk(path) for file in files]
    shutil.rmtree(path)
    assert not left, "left behind"


def outcome(program: Program, code: str) -> int:
    """The Win32 error of some statements, 0 for success."""
    from support.users import Refused

    try:
        program.run(code)
    except Refused as refused:
        assert refused.winerror is not None, refused
        return refused.winerror
    return OK


@pytest.mark.sentence(2)
@pytest.mark.sentence(4)
@pytest.mark.sentence(20)
@pytest.mark.invariant("R1")
@pytest.mark.parametrize("kind", ["section", "event"])
@pytest.mark.parametrize(("descriptor", "who", "tries", "expects"), WHO_MAY_OPEN)
def test_who_may_open(
    people: dict[str, Program], kind: str, descriptor: str, who: str, tries: str, expects: int
) -> None:
    owner = people["owner"]
    if kind == "section":
        owner.run(f"made = Section.create('Global\\\\table', 4096, security={descriptor})")
        access = tries if tries.startswith("0x") else repr(tries)
        attempt = f"Section.open('Global\\\\table', access={access}).close()"
    else:
        owner.run(f"made = Event.create('Global\\\\table', security={descriptor})")
        access = {"r": "0x1", "rw": "0x3"}.get(tries, tries)  # QUERY_STATE, MODIFY_STATE besides
        attempt = f"win32.CloseHandle(win32.OpenEvent({access}, False, 'Global\\\\table'))"
    try:
        assert outcome(people[who], attempt) == expects
    finally:
        owner.run("made.close()")


# (what it is, statements that must be refused); the friend holds a read-only handle `s` of the
# owner's section.
REGAINS = [
    ("map it for writing", "s.map(access='rw')"),
    ("duplicate it with more access", "s.duplicate('rw')"),
    (
        "duplicate it with more access, the Win32 way",
        "win32.DuplicateHandle(-1, s.handle, -1, 0x2, False, 0)",
    ),
    ("open it again by name", "Section.open('Global\\\\regain', access='rw')"),
    ("create it again", "Section.create('Global\\\\regain', 4096, exist_ok=True)"),
    ("set its security", "s.security = 'D:NO_ACCESS_CONTROL'"),
    ("seal it", "s.seal()"),
    (
        "map its descriptor for writing",
        "mmap.mmap(s.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_WRITE)",
    ),
    ("open its descriptor again", "os.open(f'/proc/self/fd/{s.fileno()}', os.O_RDWR)"),
    ("write through its descriptor", "os.pwrite(s.fileno(), b'x', 0)"),
    ("open its file", "os.open(file, os.O_RDWR)"),
    ("cut its file", "os.truncate(file, 0)"),
    ("change the mode", "os.fchmod(s.fileno(), 0o777)"),
    ("change the owner", f"os.fchown(s.fileno(), {FRIEND}, {FRIEND})"),
    ("change the access list", "os.removexattr(s.fileno(), 'system.posix_acl_access')"),
    ("remove the name", "os.unlink(file)"),
    ("move the name", "os.rename(file, file + 'x')"),
    ("take the owner's handle", "Section.from_process(pid, handle)"),
    ("look into the owner's handle table", "Process(pid).sections()"),
    ("open the owner's descriptor", "os.open(f'/proc/{pid}/fd/{handle // 4}', os.O_RDONLY)"),
    (
        "make a mapped view writable",
        "v = s.map(); a = ctypes.addressof((ctypes.c_char * 1).from_buffer(v))",
    ),
    (
        "protect a mapped view differently",
        "v = win32.MapViewOfFile(s.handle, 4, 0, 0, 0); win32.VirtualProtect(v, 4096, 4)",
    ),
    (
        "change the protection of its pages",
        "a = win32.MapViewOfFile(s.handle, 4, 0, 0, 0)\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.mprotect(ctypes.c_void_p(a), 4096, 3): raise OSError(ctypes.get_errno(), "
        "'mprotect')",
    ),
]


@pytest.mark.sentence(9)
@pytest.mark.invariant("S1")
@pytest.mark.parametrize(("what", "code"), REGAINS, ids=[what for what, _ in REGAINS])
def test_who_holds_a_read_only_handle_cannot_write(
    people: dict[str, Program], shared_root: str, what: str, code: str
) -> None:
    owner, friend = people["owner"], people["friend"]
    owner.run(
        f"made = Section.create('Global\\\\regain', 4096, security={FRIENDS_READ!r})\n"
        "view = made.map(); view[:5] = b'safe!'"
    )
    try:
        friend.run(
            "s = Section.open('Global\\\\regain', access='r')",
            file=f"{shared_root}/memsection.regain",
            pid=owner.pid,
            handle=owner.value("made.handle"),
        )
        refused = friend.refusal(code)
        assert (
            refused.winerror in (DENIED, 87, 6)
            or refused.errno in (errno.EACCES, errno.EPERM, errno.EBADF)
            or refused.kind == "TypeError"
        ), refused
        assert owner.value("bytes(view[:5])") == b"safe!"
        # and the rights that were given are still there
        assert friend.value("bytes(s.map()[:5])") == b"safe!"
    finally:
        friend.run("s.close()")
        owner.run("view.close(); made.close()")


def test_the_same_tries_succeed_for_the_owner(people: dict[str, Program], shared_root: str) -> None:
    """So that the refusals above are about rights, and not about how they were tried."""
    owner = people["owner"]
    owner.run(
        f"s = Section.create('Global\\\\regain', 4096, security={FRIENDS_READ!r})",
        file=f"{shared_root}/memsection.regain",
    )
    owner.run(
        "s.map(access='rw').close(); s.duplicate('rw').close()\n"
        "mmap.mmap(s.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_WRITE | mmap.PROT_READ).close()\n"
        "os.close(os.open(f'/proc/self/fd/{s.fileno()}', os.O_RDWR)); os.close(os.open(file, "
        "os.O_RDWR))\n"
        "os.fchmod(s.fileno(), 0o600); os.unlink(file); s.close()"
    )


@pytest.mark.sentence(1)
def test_local_names_of_another_user_do_not_exist(people: dict[str, Program]) -> None:
    people["owner"].run("made = Section.create('only mine', 4096, security='D:NO_ACCESS_CONTROL')")
    try:
        for who in ("friend", "stranger", "root"):
            assert outcome(people[who], "Section.open('only mine', access='r')") == NOT_FOUND
    finally:
        people["owner"].run("made.close()")


@pytest.mark.sentence(1)
def test_another_users_objects_are_not_reached_by_handle_value_or_search(
    people: dict[str, Program],
) -> None:
    owner, stranger = people["owner"], people["stranger"]
    owner.run("made = Section.create(size=4096)")
    facts = {"pid": owner.pid, "handle": owner.value("made.handle")}
    stranger.run("", **facts)
    try:
        assert outcome(stranger, "Section.from_process(pid, handle)") == DENIED
        assert outcome(stranger, "Process(pid).sections()") == DENIED
        assert outcome(stranger, "win32.OpenProcess(0x40, False, pid)") == DENIED
        for right in ("TERMINATE", "SUSPEND_RESUME", "QUERY_INFORMATION", "ALL_ACCESS"):
            call = f"win32.OpenThread(win32.THREAD_{right}, False, pid)"
            assert outcome(stranger, call) == DENIED
    finally:
        owner.run("made.close()")


@pytest.mark.sentence(21)
def test_the_debug_privilege_reaches_them_while_it_is_on(people: dict[str, Program]) -> None:
    owner, debugger = people["owner"], people["debugger"]
    owner.run("made = Section.create(size=4096); view = made.map(); view[:2] = b'hi'")
    debugger.run("", pid=owner.pid, handle=owner.value("made.handle"))
    try:
        assert outcome(debugger, "Section.from_process(pid, handle)") == DENIED
        debugger.run("with debug_privilege(): taken = Section.from_process(pid, handle)")
        assert debugger.value("bytes(taken.map()[:2])") == b"hi"
        debugger.run(
            "with debug_privilege(): found = [held.handle for held in Process(pid).sections()]"
        )
        assert debugger.value("handle in found")
        assert outcome(debugger, "Section.from_process(pid, handle)") == DENIED
        debugger.run("taken.close()")
    finally:
        owner.run("view.close(); made.close()")


@pytest.mark.sentence(21)
@pytest.mark.parametrize("who", ["stranger", "root without capabilities"])
def test_the_debug_privilege_is_refused_to_who_does_not_have_it(
    people: dict[str, Program], who: str
) -> None:
    refused = people[who].refusal("with debug_privilege(): pass")
    assert refused.winerror == 1314  # ERROR_PRIVILEGE_NOT_HELD


@pytest.mark.sentence(10)
def test_a_descriptor_received_from_another_user_cannot_be_opened_for_writing(
    people: dict[str, Program], shared_root: str
) -> None:
    owner, friend = people["owner"], people["friend"]
    owner.run(
        "import socket\nmade = Section.create(size=4096); view = made.map(); reader = "
        "made.duplicate('r')\n"
        "listener = socket.socket(socket.AF_UNIX); listener.bind(path); os.chmod(path, 0o777); "
        "listener.listen()",
        path=f"{shared_root}/socket",
    )
    friend.run(
        "import socket\nsock = socket.socket(socket.AF_UNIX); sock.connect(path)",
        path=f"{shared_root}/socket",
    )
    owner.run("peer, _ = listener.accept(); socket.send_fds(peer, [b'x'], [reader.fileno()])")
    try:
        friend.run("_, (fd,), _, _ = socket.recv_fds(sock, 1, 1)")
        assert friend.refusal("os.open(f'/proc/self/fd/{fd}', os.O_RDWR)").errno == errno.EACCES
        assert (
            friend.refusal("mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_WRITE)").errno
            == errno.EACCES
        )
        friend.run("got = Section.from_fd(fd); view = got.map()")
        owner.run("view[:2] = b'ok'")
        assert friend.value("bytes(view[:2])") == b"ok"
        assert outcome(friend, "got.map(access='rw')") == DENIED
        friend.run("view.close(); got.close(); os.close(fd); sock.close()")
    finally:
        owner.run(
            "peer.close(); listener.close(); os.unlink(path); reader.close(); view.close(); "
            "made.close()",
            path=f"{shared_root}/socket",
        )


def test_changed_security_holds_for_the_next_open_and_not_for_handles_that_exist(
    people: dict[str, Program],
) -> None:
    owner, friend = people["owner"], people["friend"]
    owner.run("made = Section.create('Global\\\\changing', 4096)")
    try:
        assert outcome(friend, "Section.open('Global\\\\changing', access='r')") == DENIED
        owner.run(f"made.security = {FRIENDS_READ!r}")
        friend.run("s = Section.open('Global\\\\changing', access='r')")
        owner.run("made.security = 'D:'")
        assert outcome(friend, "Section.open('Global\\\\changing', access='r')") == DENIED
        friend.run("s.map().close(); s.close()")
    finally:
        owner.run("made.close()")


def test_only_the_owner_or_who_was_granted_it_changes_the_security(
    people: dict[str, Program],
) -> None:
    owner = people["owner"]
    owner.run("made = Section.create('Global\\\\theirs', 4096, security='D:(A;;GRGW;;;WD)')")
    try:
        for who in ("friend", "root"):
            people[who].run("s = Section.open('Global\\\\theirs', access='rw')")
            assert outcome(people[who], "s.security = 'D:NO_ACCESS_CONTROL'") == DENIED
            people[who].run("s.close()")
    finally:
        owner.run("made.close()")


@pytest.mark.sentence(22)
def test_nobody_gives_an_object_to_another_owner_without_the_privilege(
    people: dict[str, Program],
) -> None:
    assert (
        outcome(people["stranger"], f"Section.create(size=4096, security='O:S-1-22-1-{OWNER}')")
        == 1307
    )
    people["root"].run(
        f"made = Section.create('Global\\\\gift', 4096, "
        f"security='O:S-1-22-1-{OWNER}D:(A;;GA;;;OW)')"
    )
    try:
        people["owner"].run("got = Section.open('Global\\\\gift'); got.map().close(); got.close()")
        assert outcome(people["root"], "Section.open('Global\\\\gift')") == DENIED
    finally:
        people["root"].run("made.close()")
