# SPDX-License-Identifier: MIT
"""The commit check: which limits are found where, with the kernel's files replaced by written
ones."""

from __future__ import annotations

import pytest

from memsection.nt.linux.bodies import commit
from memsection.vocabulary import status as st
from memsection.vocabulary.errors import NtError

MIB = 1 << 20
MEMINFO = "MemTotal: 1048576 kB\nMemAvailable: 524288 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"
V1_MOUNT = "30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
V2_MOUNT = "31 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The kernel's files, as the test writes them."""
    written = {"/proc/meminfo": MEMINFO, "/proc/self/cgroup": "", "/proc/self/mountinfo": ""}
    monkeypatch.setattr(commit, "read", written.get)
    return written


def refused(size: int) -> str:
    with pytest.raises(NtError) as caught:
        commit.check(size)
    assert caught.value.status == st.COMMITMENT_LIMIT
    return caught.value.detail


def test_what_the_machine_has_can_be_had(files: dict[str, str]) -> None:
    commit.check(500 * MIB)


def test_more_than_the_machine_has_is_refused_with_all_that_one_wants_to_know(
    files: dict[str, str],
) -> None:
    said = refused(600 * MIB)
    assert (
        "asked for 600.0 MiB (629145600 bytes)" in said and "this machine's memory and swap" in said
    )
    assert "512.0 MiB (536870912 bytes) can be had" in said and "commit=False" in said


def test_swap_can_be_had_too(files: dict[str, str]) -> None:
    files["/proc/meminfo"] = MEMINFO.replace("SwapFree: 0 kB", "SwapFree: 524288 kB")
    commit.check(900 * MIB)


def test_strict_accounting_counts_what_was_promised(files: dict[str, str]) -> None:
    files["/proc/meminfo"] += "CommitLimit: 307200 kB\nCommitted_AS: 204800 kB\n"
    commit.check(200 * MIB)
    files["/proc/sys/vm/overcommit_memory"] = "2\n"
    assert "vm.overcommit_memory=2" in refused(200 * MIB)


def test_a_limit_of_version_1_counts_without_cached_files(files: dict[str, str]) -> None:
    files |= {
        "/proc/self/mountinfo": V1_MOUNT,
        "/proc/self/cgroup": "5:memory:/jobs/one\n0::/\n",
        "/sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes": f"{100 * MIB}\n",
        "/sys/fs/cgroup/memory/jobs/one/memory.usage_in_bytes": f"{60 * MIB}\n",
        "/sys/fs/cgroup/memory/jobs/one/memory.stat": f"cache 1\ntotal_inactive_file {20 * MIB}\n",
    }
    commit.check(50 * MIB)
    assert "cgroup /sys/fs/cgroup/memory/jobs/one allows 100.0 MiB" in refused(65 * MIB)


def test_the_limit_of_a_group_above_counts_too(files: dict[str, str]) -> None:
    files |= {
        "/proc/self/mountinfo": V2_MOUNT,
        "/proc/self/cgroup": "0::/system/unit\n",
        "/sys/fs/cgroup/system/unit/memory.max": "max\n",
        "/sys/fs/cgroup/system/memory.max": f"{80 * MIB}\n",
        "/sys/fs/cgroup/system/memory.current": f"{30 * MIB}\n",
    }
    commit.check(40 * MIB)
    assert "cgroup /sys/fs/cgroup/system allows" in refused(60 * MIB)


@pytest.mark.parametrize(
    ("mount", "path", "directory"),
    [
        # a container that sees its part of the tree
        ("/docker/abc", "/docker/abc", "/sys/fs/cgroup/memory"),
        ("/docker/abc", "/docker/abc/inner", "/sys/fs/cgroup/memory/inner"),
        ("/docker/abc", "/elsewhere", "/sys/fs/cgroup/memory"),
        ("/", "/../escape", "/sys/fs/cgroup/memory/escape"),
    ],
)
def test_a_path_counts_from_the_root_of_the_mount(
    files: dict[str, str], mount: str, path: str, directory: str
) -> None:
    files |= {
        "/proc/self/mountinfo": V1_MOUNT.replace(" / /sys", f" {mount} /sys"),
        "/proc/self/cgroup": f"5:cpu,memory:{path}\n",
        f"{directory}/memory.limit_in_bytes": f"{10 * MIB}\n",
    }
    assert f"cgroup {directory} allows" in refused(20 * MIB)


def test_no_limit_is_no_limit(files: dict[str, str]) -> None:
    files |= {
        "/proc/self/mountinfo": V1_MOUNT,
        "/proc/self/cgroup": "5:memory:/a\n",
        "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n",
    }
    commit.check(400 * MIB)


def test_small_sizes_are_looked_at_again_when_together_they_come_to_something(
    files: dict[str, str],
) -> None:
    commit.check(100 * MIB)  # 512 MiB are free: small sizes may take a sixteenth of what is left
    files["/proc/meminfo"] = MEMINFO.replace("524288", "2048")
    for _ in range(25):
        commit.check(MIB)
    assert "can be had now" in refused(2 * MIB)


def test_where_little_is_free_each_small_size_is_looked_at(files: dict[str, str]) -> None:
    files["/proc/meminfo"] = MEMINFO.replace("524288", "8192")
    commit.check(5 * MIB)
    files["/proc/meminfo"] = MEMINFO.replace("524288", "2048")
    assert "can be had now" in refused(2 * MIB)


@pytest.mark.parametrize("text", ["", "garbage", "MemTotal:\n:\nx: y z\n".replace("y", "1")])
def test_files_that_say_something_else_are_no_limit(files: dict[str, str], text: str) -> None:
    files |= {
        "/proc/meminfo": text,
        "/proc/self/mountinfo": V2_MOUNT,
        "/proc/self/cgroup": "0::/\n",
        "/sys/fs/cgroup/memory.max": "unheard of\n",
    }
    commit.check(500 * MIB)
