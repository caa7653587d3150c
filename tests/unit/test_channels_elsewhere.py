# SPDX-License-Identifier: MIT
"""Where there are no channels, importing them says so."""

from __future__ import annotations

import importlib
import sys

import pytest


def test_importing_channels_on_another_system_says_where_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("memsection.channels")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ImportError, match="on Linux only so far"):
        importlib.import_module("memsection.channels")
