# SPDX-License-Identifier: MIT
"""The constants of the Nt-named face are those of the vocabulary, and every service has both of its
names."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from memsection import nt
from memsection.vocabulary import access, status
from memsection.vocabulary.privileges import PRIVILEGES

TOOL = Path(__file__).parents[3] / "tools" / "nt_constants.py"


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nt_constants", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_writing_the_constants_again_gives_the_same_file() -> None:
    tool = _tool()
    assert tool.TARGET.read_text(encoding="utf-8") == tool.text(), (
        "run: python tools/nt_constants.py"
    )


def test_every_constant_of_the_vocabulary_is_one_of_the_face() -> None:
    for group in _tool().constants().values():
        assert {name: getattr(nt, name) for name in group} == group
    assert nt.SECTION_MAP_READ == access.SECTION_MAP_READ
    assert nt.STATUS_ACCESS_DENIED == status.ACCESS_DENIED


def test_every_service_has_its_zw_name() -> None:
    services = {name[2:] for name in vars(nt) if name.startswith("Nt") and name != "NtError"}
    assert services == {name[2:] for name in vars(nt) if name.startswith("Zw")}
    assert all(getattr(nt, f"Nt{name}") is getattr(nt, f"Zw{name}") for name in services)


def test_the_number_of_the_debug_privilege_is_that_of_the_table() -> None:
    assert nt.SE_DEBUG_PRIVILEGE == PRIVILEGES["SeDebugPrivilege"]
