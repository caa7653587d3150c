# SPDX-License-Identifier: MIT
"""The picture of a comparison: for each row, a dot for each candidate at how many times as long as
ours it takes."""

from __future__ import annotations

import math
from html import escape

from measure import Samples, median, ratio, span

LINE, GAP, LABEL, WIDTH, RIGHT = 20, 34, 190, 520, 110
TICKS = (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100)
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600 }
  .small { font-size: 11px; fill: #57606a }
  .grid { stroke: #d0d7de } .one { stroke: #0969da; stroke-width: 1.5 } .rule { stroke: #eaeef2 }
  .dot { fill: #8c959f } .ours { fill: #0969da } .floor { fill: none; stroke: #8c959f; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .small { fill: #8d96a0 } .grid { stroke: #30363d }
    .rule { stroke: #21262d } .ours { fill: #4493f8 } .one { stroke: #4493f8 } }
""".strip()


def dots(rows: dict[str, Samples], ours: str, floor: str, caption: str) -> str:
    """An SVG file: Cleveland dots on a logarithmic axis, ours at the line of 1."""
    rows = {title: samples for title, samples in rows.items() if ours in samples}
    ratios = {
        title: {name: ratio(samples, name, ours) for name in samples}
        for title, samples in rows.items()
    }
    values = [value for row in ratios.values() for value in row.values()] or [1.0]
    low, high = math.log10(min(0.5, *values) * 0.8), math.log10(max(2, *values) * 1.25)

    def across(value: float) -> float:
        return LABEL + WIDTH * (math.log10(value) - low) / (high - low)

    height = 58 + sum(GAP + LINE * len(row) for row in ratios.values())
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LABEL + WIDTH + RIGHT} {height}" '
        f'role="img">',
        f"<title>How long others take, memsection being 1</title><style>{STYLE}</style>",
        f'<text x="{LABEL}" y="14" class="small">times as long as {escape(ours)}: left of the line '
        f"is faster</text>",
    ]
    for tick in TICKS:
        if low <= math.log10(tick) <= high:
            at = across(tick)
            out.append(
                f'<line x1="{at:.1f}" x2="{at:.1f}" y1="34" y2="{height - 22}" '
                f'class="{"one" if tick == 1 else "grid"}"/>'
            )
            out.append(
                f'<text x="{at:.1f}" y="29" text-anchor="middle" class="small">{tick:g}</text>'
            )
    down = 34.0
    for title, row in ratios.items():
        down += GAP
        out.append(f'<text x="0" y="{down - 8:.0f}" class="title">{escape(title)}</text>')
        for name, value in sorted(row.items(), key=lambda item: item[1]):
            middle = down + LINE / 2
            kind = "ours" if name == ours else "floor" if name == floor else "dot"
            out += [
                f'<line x1="{LABEL}" x2="{LABEL + WIDTH}" y1="{middle}" y2="{middle}" '
                f'class="rule"/>',
                f'<text x="{LABEL - 8}" y="{middle + 4}" text-anchor="end">{escape(name)}</text>',
                f'<circle cx="{across(value):.1f}" cy="{middle}" r="5" class="{kind}"/>',
                f'<text x="{LABEL + WIDTH + 10}" y="{middle + 4}" class="small">'
                f"{span(median(rows[title][name]))}</text>",
            ]
            down += LINE
    out.append(f'<text x="0" y="{height - 6}" class="small">{escape(caption)}</text></svg>')
    return "\n".join(out) + "\n"
