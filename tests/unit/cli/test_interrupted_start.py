# SPDX-License-Identifier: MIT
"""Ctrl-C while the command line loads."""

from __future__ import annotations

import sys

import pytest

from memsection import cli


class _Interrupts:
    """Finds no module; while the command line is looked for, Ctrl-C comes."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "memsection.cli.app":
            raise KeyboardInterrupt


def test_an_interrupt_while_it_loads_ends_it_as_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "memsection.cli.app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Interrupts(), *sys.meta_path])
    assert cli.main() == 130
