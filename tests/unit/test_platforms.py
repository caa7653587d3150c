# SPDX-License-Identifier: MIT
"""The tables of what is tested on one system alone."""

from __future__ import annotations

import pytest
from support import platforms


@pytest.mark.parametrize("table", [platforms.LINUX_ONLY, platforms.WINDOWS_ONLY])
def test_each_row_names_what_is_there_and_says_why(table: dict[str, str]) -> None:
    for entry, why in table.items():
        path = platforms.TESTS / entry
        assert path.is_dir() if entry.endswith("/") else path.is_file(), entry
        assert why, entry
