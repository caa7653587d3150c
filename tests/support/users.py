# SPDX-License-Identifier: MIT
"""Programs of other users: processes that run statements as any user id, with chosen groups and
capabilities.

It needs root, as CI has.  The process imports the library first and then becomes the user, for
good: real, effective and saved ids, groups and capabilities; so it does not matter whether that
user could read the interpreter.
"""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

TESTS = Path(__file__).resolve().parent.parent
SOURCE = TESTS.parent / "src"
CAP_DAC_OVERRIDE, CAP_SYS_PTRACE = 1, 19
PATIENCE = 90  #: seconds until a program that does not answer counts as hanging


class Refused(Exception):
    """What a statement raised in the other program: its type's name, its words, and the numbers it
    carries."""

    def __init__(
        self, kind: str, text: str, winerror: int | None, ntstatus: int | None, errno: int | None
    ) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind, self.text, self.winerror, self.ntstatus, self.errno = (
            kind,
            text,
            winerror,
            ntstatus,
            errno,
        )


class Program:
    """A process that runs what it is told, as somebody."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.pid = process.pid

    def run(self, code: str, **names: Any) -> None:
        """Run statements; names are given to them first.  Raises Refused with what they raised."""
        self._ask("exec", code, names)

    def value(self, expression: str, **names: Any) -> Any:
        """The value of an expression, which must survive pickling."""
        return self._ask("eval", expression, names)

    def refusal(self, code: str, **names: Any) -> Refused:
        """What statements raise; that they raise nothing is a failure of the test."""
        try:
            self._ask("exec", code, names)
        except Refused as refused:
            return refused
        pytest.fail(f"nothing was raised by: {code}")

    def enter(self, root: str) -> None:
        """Use another namespace from now on (MEMSECTION_ROOT)."""
        self.run(
            "from memsection.nt.linux.names import namespace as _namespace\n"
            "os.environ['MEMSECTION_ROOT'] = _root; _namespace.reset(); _names = set(globals())",
            _root=root,
        )

    def leave(self) -> None:
        """Forget what statements named since ``enter``: objects, open files."""
        self.run(
            "for _name in set(globals()) - _names: del globals()[_name]\n"
            "import gc, warnings\n"
            "with warnings.catch_warnings(): warnings.simplefilter('ignore'); gc.collect()"
        )

    def end(self) -> int:
        """Let the program come to its end."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            code = self.process.wait(PATIENCE)
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
        return code

    def kill(self) -> None:
        """End the program as kill -9 does."""
        self.process.kill()
        self.end()

    def _ask(self, mode: str, code: str, names: dict[str, Any]) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(base64.b64encode(pickle.dumps((mode, code, names))) + b"\n")
        self.process.stdin.flush()
        answer = self._line()
        if not answer:
            pytest.fail(f"the program ended (exit status {self.process.wait(PATIENCE)}) at: {code}")
        ok, value = pickle.loads(base64.b64decode(answer))
        if not ok:
            raise Refused(*value)
        return value

    def _line(self) -> bytes:
        import select

        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.process.kill()
            pytest.fail(f"the program did not answer for {PATIENCE} s")
        return self.process.stdout.readline()


def lacking(what: str, why: str) -> NoReturn:
    """Skip a test for the want of something; a failure where ``MEMSECTION_REQUIRE`` says that it
    must be there."""
    if what in os.environ.get("MEMSECTION_REQUIRE", "").split(","):
        pytest.fail(f"{why} (MEMSECTION_REQUIRE)")
    pytest.skip(why)


def start(
    uid: int = 0,
    *,
    gid: int | None = None,
    groups: tuple[int, ...] = (),
    capabilities: int | None = None,
    root: str | None = None,
    before: str = "",
    prefix: tuple[str, ...] = (),
    variables: dict[str, str] | None = None,
) -> Program:
    """Start a program as a user.

    Args:
        uid: Its user.
        gid: Its group; the number of the user when omitted.
        groups: Its other groups.
        capabilities: What it keeps as *permitted* capabilities (a bit mask); all of root's for user
            0 when omitted, none for others.
        root: MEMSECTION_ROOT for it.
        before: Statements to run as root, before it becomes the user.
        prefix: A command to start it through (``unshare ...``).
        variables: More environment variables.
    """
    if os.geteuid() != 0:
        lacking("root", "needs root to become other users")
    environment = {**os.environ, "PYTHONPATH": f"{SOURCE}:{TESTS}"}
    if root is not None:
        environment["MEMSECTION_ROOT"] = root
    environment |= variables or {}
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", "from support.users import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd="/",
    )
    program = Program(process)
    program._ask(
        "become",
        before,
        {
            "uid": uid,
            "gid": uid if gid is None else gid,
            "groups": groups,
            "capabilities": capabilities,
        },
    )
    return program


@contextmanager
def programs() -> Iterator[Any]:
    """A function like ``start`` whose programs end with the block; one that ends badly fails the
    test."""
    with ExitStack() as stack:

        def begin(*args: Any, **options: Any) -> Program:
            program = start(*args, **options)
            stack.callback(program.end)
            return program

        yield begin


# ------------------------------------------------------------------ in the program


def serve() -> None:
    """The program's side: answer statement after statement until the input ends."""
    _import_everything()
    answer_all("fcntl")


def answer_all(*modules: str) -> None:
    """Answer statement after statement until the input ends."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what statements print must not come between the answers
    space: dict[str, Any] = {"os": os}
    exec(
        f"import {', '.join(('mmap, time, struct, ctypes, signal, memsection', *modules))}\n"
        "from memsection import nt, win32",
        space,
    )
    import memsection

    for name in memsection.__all__:
        space[name] = getattr(memsection, name)
    for line in sys.stdin.buffer:
        mode, code, names = pickle.loads(base64.b64decode(line))
        try:
            answer = (True, _do(mode, code, names, space))
        except BaseException as failure:
            answer = (
                False,
                (
                    type(failure).__name__,
                    str(failure),
                    getattr(failure, "winerror", None),
                    getattr(failure, "ntstatus", None),
                    getattr(failure, "errno", None),
                ),
            )
        output.write(base64.b64encode(pickle.dumps(answer)) + b"\n")
        output.flush()


def _import_everything() -> None:
    """What the library may import later, now: the user need not be able to read the interpreter's
    files."""
    import importlib
    import pkgutil

    packages = [
        importlib.import_module(name)
        for name in (
            "memsection.nt",
            "memsection.api",
            "memsection.win32",
            "memsection.channels",
            "memsection.content",
            "memsection.vocabulary",
            "encodings",
        )
    ]
    for package in packages:
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if ".windows" not in module.name and not module.name.startswith(
                ("encodings.mbcs", "encodings.oem")
            ):
                importlib.import_module(module.name)
    for name in (
        "grp",
        "pwd",
        "inspect",
        "linecache",
        "tempfile",
        "resource",
        "subprocess",
        "hashlib",
        "asyncio",
    ):
        importlib.import_module(name)


def _do(mode: str, code: str, names: dict[str, Any], space: dict[str, Any]) -> Any:
    if mode == "become":
        exec(code, space)
        _become(**names)
        return None
    space.update(names)
    if mode == "exec":
        exec(code, space)
        return None
    return eval(code, space)


def _become(uid: int, gid: int, groups: tuple[int, ...], capabilities: int | None) -> None:
    import ctypes

    from memsection._native import system

    libc = ctypes.CDLL(None, use_errno=True)
    if capabilities is not None:
        libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if capabilities is not None:
        system.set_capabilities(0, capabilities, 0)
    # Changing ids makes a process undumpable and its /proc files root's; a program that was started
    # by the user (exec after the change) is not like that (prctl(2), PR_SET_DUMPABLE).
    libc.prctl(4, 1, 0, 0, 0)
