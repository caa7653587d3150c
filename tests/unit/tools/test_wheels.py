# SPDX-License-Identifier: MIT
"""The wheel for Windows is a whole wheel, and nothing is built in Wine without what building
takes."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.linux_only("the wheel for Windows is made on Linux")


@pytest.fixture
def windows_wheel(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    spec = importlib.util.spec_from_file_location(
        "windows_wheel", ROOT / "tools" / "windows_wheel.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def packed(
    windows_wheel: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> zipfile.ZipFile:
    linux = tmp_path / "memsection-9.9-cp311-cp311-manylinux_2_34_x86_64.whl"
    with zipfile.ZipFile(linux, "w") as archive:
        archive.writestr("memsection/__init__.py", "x = 1\n")
        archive.writestr("memsection/_native/view.cpython-311-x86_64-linux-gnu.so", b"ELF")
        archive.writestr(
            "memsection-9.9.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n"
            "Tag: cp311-cp311-manylinux_2_34_x86_64\nTag: cp311-cp311-linux_x86_64\n",
        )
        archive.writestr("memsection-9.9.dist-info/RECORD", "old\n")
    module = tmp_path / "src" / "memsection" / "_native" / "view.cp311-win_amd64.pyd"
    module.parent.mkdir(parents=True)
    module.write_bytes(b"MZ")
    monkeypatch.setattr(windows_wheel.wine, "ROOT", tmp_path)
    target = tmp_path / "dist"
    target.mkdir()
    return zipfile.ZipFile(windows_wheel.pack(linux, [module], target))


def test_the_wheel_for_windows_has_its_core_and_nothing_of_linuxs(packed: zipfile.ZipFile) -> None:
    assert Path(str(packed.filename)).name == "memsection-9.9-cp311-cp311-win_amd64.whl"
    assert sorted(packed.namelist()) == [
        "memsection-9.9.dist-info/RECORD",
        "memsection-9.9.dist-info/WHEEL",
        "memsection/__init__.py",
        "memsection/_native/view.cp311-win_amd64.pyd",
    ]
    tags = [
        line
        for line in packed.read("memsection-9.9.dist-info/WHEEL").decode().splitlines()
        if "Tag" in line
    ]
    assert tags == ["Tag: cp311-cp311-win_amd64"]


def test_the_record_of_the_wheel_for_windows_names_each_file_with_its_digest(
    packed: zipfile.ZipFile,
) -> None:
    rows = list(csv.reader(io.StringIO(packed.read("memsection-9.9.dist-info/RECORD").decode())))
    assert sorted(row[0] for row in rows) == sorted(packed.namelist())
    for name, digest, size in rows:
        if name.endswith("/RECORD"):
            continue
        data = packed.read(name)
        expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        assert (digest, size) == (f"sha256={expected}", str(len(data)))


def test_setting_up_wine_without_cython_says_what_to_run_first(tmp_path: Path) -> None:
    script = (
        f"import sys; sys.path[:0] = [{str(ROOT / 'tools')!r}]; sys.modules['Cython'] = None\n"
        "import wine; wine.build()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "sh tools/setup.sh dev" in done.stderr and "Cython" in done.stderr


def test_the_continuous_integration_builds_the_wheels() -> None:
    assert "sh tools/wheels.sh .venv/bin/python" in (ROOT / ".ci" / "run").read_text().splitlines()
