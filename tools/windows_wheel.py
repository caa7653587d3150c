#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the wheel for Windows, and tries it in a fresh environment of the Windows Python in Wine.

    .venv/bin/python tools/windows_wheel.py LINUX_WHEEL DIRECTORY

What is not compiled is the same on every system, and is taken from a Linux wheel; the compiled core
is cross-built by tools/wine.py, for the Python that it has (3.11).  The wheel is put into the
directory once it was seen working: installed there by pip, used in two processes
(tools/try_wheel.py), and uninstalled again.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import wine

TAG = "cp311-cp311-win_amd64"


def content(linux_wheel: Path, modules: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """The files of the wheel and what is in them; all but the record of them."""
    with zipfile.ZipFile(linux_wheel) as archive:
        for name in archive.namelist():
            if name.endswith(("/", ".so", ".dist-info/RECORD")):
                continue
            data = archive.read(name)
            if name.endswith(".dist-info/WHEEL"):
                lines = [
                    line
                    for line in data.decode().splitlines()
                    if line and not line.startswith("Tag:")
                ]
                data = "\n".join([*lines, f"Tag: {TAG}", ""]).encode()
            yield name, data
    for module in modules:
        yield module.relative_to(wine.ROOT / "src").as_posix(), module.read_bytes()


def pack(linux_wheel: Path, modules: Sequence[Path], directory: Path) -> Path:
    """Write the wheel into a directory."""
    project, version = linux_wheel.name.split("-")[:2]
    target, record_name = (
        directory / f"{project}-{version}-{TAG}.whl",
        f"{project}-{version}.dist-info/RECORD",
    )
    record = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content(linux_wheel, modules):
            archive.writestr(name, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(data)}")
        archive.writestr(record_name, "\n".join([*record, f"{record_name},,", ""]))
    return target


def _in_wine(program: Path, *arguments: str, script: bytes = b"") -> None:
    """Run a Windows program without a look at the checkout; end with what it says when it fails."""
    environment = {
        name: value for name, value in wine.environment().items() if name != "PYTHONPATH"
    }
    done = subprocess.run(
        [*wine.loader(), str(program), *arguments],
        input=script,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=program.parent,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise SystemExit(
            f"windows_wheel: {program.name} {' '.join(arguments)} ended with {done.returncode}:\n"
            f"{done.stdout.decode('utf-8', 'replace')}"
        )


def try_out(wheel: Path, directory: Path) -> None:
    """Install a wheel in a fresh environment under a directory, use it, and uninstall it."""
    fresh = directory / "fresh"
    inside = fresh / "Scripts" / "python.exe"
    _in_wine(wine.python(), "-m", "venv", "--without-pip", wine.windows_path(fresh))
    pip = ("-m", "pip", "--python", wine.windows_path(inside), "--disable-pip-version-check")
    _in_wine(wine.python(), *pip, "install", "--no-index", wine.windows_path(wheel))
    assert (fresh / "Scripts" / "memsection.exe").exists(), "the command is not installed"
    _in_wine(
        inside,
        "-W",
        "error",
        "-",
        wine.windows_path(fresh),
        script=(wine.ROOT / "tools" / "try_wheel.py").read_bytes(),
    )
    _in_wine(wine.python(), *pip, "uninstall", "-y", "memsection")
    left = [str(path) for path in (fresh / "Lib" / "site-packages").rglob("*memsection*")]
    assert not left, f"pip left behind: {left}"


def main(words: Sequence[str]) -> int:
    """The command line of the docstring above."""
    if len(words) != 2:
        print(__doc__)
        return 2
    wine.setup()
    with tempfile.TemporaryDirectory() as work, wine.session():
        wheel = pack(Path(words[0]), wine.build(), Path(work))
        try_out(wheel, Path(work))
        Path(words[1]).mkdir(parents=True, exist_ok=True)
        shutil.copy(wheel, words[1])
    print(f"built and tried {wheel.name}, {(Path(words[1]) / wheel.name).stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
