# SPDX-License-Identifier: MIT
"""Which directory the names of this user are in: a fact of the machine, the same for every process
of it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.workers import worker

from memsection import Error, Section
from memsection.nt.linux.names import namespace
from memsection.nt.linux.system import syscalls as sys_

needs_mounts = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount another /dev/shm")


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """No MEMSECTION_ROOT, and nothing known yet."""
    monkeypatch.delenv("MEMSECTION_ROOT", raising=False)
    namespace.reset()
    yield monkeypatch
    monkeypatch.undo()
    namespace.reset()


def failing(problem: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(problem, os.strerror(problem))

    return fail


@pytest.mark.invariant("N1")
@pytest.mark.parametrize(
    "problem", [errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EACCES, errno.EIO, errno.EMFILE]
)
def test_a_directory_that_cannot_be_made_is_an_error_and_no_other_directory(
    unset: pytest.MonkeyPatch, problem: int
) -> None:
    unset.setattr(sys_, "mkdir", failing(problem))
    with pytest.raises(Error, match="cannot be made"):
        Section.create("root-test", 4096)
    assert not namespace.known_directories


@pytest.mark.invariant("N1")
@needs_mounts
def test_no_inode_left_in_dev_shm_is_an_error_and_never_another_object_of_that_name() -> None:
    full = (
        'mount -t tmpfs -o mode=1777,nr_inodes=2 tmpfs /dev/shm && touch /dev/shm/last && exec "$@"'
    )
    with worker("unshare", "-m", "sh", "-c", full, "sh") as program:
        program.run("os.environ.pop('MEMSECTION_ROOT', None)")
        refused = program.refusal("Section.create('one', 4096)")
        assert refused.winerror == 112 and "no inode is left" in refused.text
        program.run("os.unlink('/dev/shm/last'); os.mkdir('/dev/shm/x'); os.rmdir('/dev/shm/x')")


@needs_mounts
@pytest.mark.parametrize("kind", ["Section.create(name, 4096)", "Event.create(name)"])
def test_a_global_name_without_an_inode_names_inodes_and_how_to_get_more(kind: str) -> None:
    script = 'mount -t tmpfs -o mode=1777,nr_inodes=8,size=1g tmpfs /dev/shm && exec "$@"'
    with worker("unshare", "-m", "sh", "-c", script, "sh") as program:
        program.run("os.environ.pop('MEMSECTION_ROOT', None); first = Event.create('Global\\\\a')")
        with pytest.raises(Exception, match="No space left"):
            program.run("for n in range(9): open(f'/dev/shm/{n}', 'x').close()")
        refused = program.refusal(kind.replace("name", "'Global\\\\one'"))
        assert refused.winerror == 112 and "no inode is left in /dev/shm" in refused.text
        assert "df -i /dev/shm" in refused.text and "nr_inodes=" in refused.text


@needs_mounts
@pytest.mark.parametrize(
    ("mount", "used"),
    [
        ("mount -t tmpfs -o mode=1777 tmpfs /dev/shm", "/dev/shm"),
        ("mount -t tmpfs -o mode=0755 tmpfs /dev/shm", "/tmp"),
        ("mount -t tmpfs -o mode=0777 tmpfs /dev/shm", "/tmp"),
        ("mount -t tmpfs -o ro,mode=1777 tmpfs /dev/shm", "/tmp"),
        ("mount -t ramfs -o mode=1777 ramfs /dev/shm", "/tmp"),
        ("mount -t tmpfs tmpfs /dev && mkdir -p /dev && mknod -m 666 /dev/null c 1 3", "/tmp"),
    ],
)
def test_the_root_is_dev_shm_where_it_is_what_it_is_everywhere(mount: str, used: str) -> None:
    script = f'mount -t tmpfs -o mode=1777 tmpfs /tmp && {mount} && exec "$@"'
    with worker("unshare", "-m", "sh", "-c", script, "sh") as program:
        program.run(
            "os.environ.pop('MEMSECTION_ROOT', None)\nfrom memsection.nt.linux.names import "
            "namespace"
        )
        program.run("with Section.create('one', 4096): path = namespace.path_of('local')")
        assert program.value("path") == f"{used}/memsection-{os.geteuid()}"
        assert stat.S_IMODE(program.value("os.stat(path).st_mode")) == 0o700
