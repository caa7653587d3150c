# SPDX-License-Identifier: MIT
"""Orders the sections of the documentation site, so that a new page needs no entry in a list (a
hook of MkDocs)."""

from __future__ import annotations

from typing import Any

ORDER = {
    "Tutorial": "Tutorial",
    "Howto": "How-to guides",
    "Rows": "From Windows",
    "Reference": "Reference",
    "Explanation": "How it works",
    "Comparison": "Comparison",
    "Design": "For contributors",
    "Decisions": "Decisions",
}


def on_nav(nav: Any, **_: Any) -> Any:
    """Sort the sections, and give them their titles; what has none here comes last."""
    titles = list(ORDER)

    def place(item: Any) -> int:
        if not item.is_section:
            return -1
        return titles.index(item.title) if item.title in titles else len(titles)

    nav.items.sort(key=place)
    for item in nav.items:
        if item.is_section:
            item.title = ORDER.get(item.title, item.title)
    return nav
