# SPDX-License-Identifier: MIT
"""Arrays as pictures: images and heat maps in half blocks of colour, rows of numbers as a curve of
braille dots.

Only the values that are drawn are looked at, so a large array costs no more than a small one.
Whoever may write the array chose its values: any of them is drawn as something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.color import Color
from rich.style import Style
from rich.text import Text

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]

LEAST = 16  #: values across below which numbers say more than a picture
_ROWS = 40  #: lines of the terminal that a picture has at most
_CURVE_ROWS = 10
#: From low to high, for eyes that see no red or no green, too (the colours of "viridis", sampled).
_SCALE = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
_NO_NUMBER = (90, 90, 90)  #: what is not finite


def is_drawn(array: Numbers) -> bool:
    """Whether an array is better drawn than written out."""
    if array.dtype.kind not in "biuf" or not array.size:
        return False
    if array.ndim == 1:
        return len(array) >= LEAST
    return min(array.shape[:2]) >= LEAST and has_picture(array)


def has_picture(array: Numbers) -> bool:
    """Whether an array is an image: (height, width), or with 1, 3 or 4 channels."""
    return (
        array.dtype.kind in "biuf"
        and array.size > 0
        and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4)))
    )


def draw(array: Numbers, width: int, height: int) -> Text:
    """A picture of at most so many columns and lines."""
    if array.ndim == 1:
        return _curve(array, max(4, width - 1), max(1, min(_CURVE_ROWS, height)))
    return _image(array, max(1, width - 1), max(1, min(_ROWS, height)))


def image_of(array: Numbers) -> Numbers:
    """The image for a file: as it is where the file can have it, otherwise from the lowest to the
    highest value."""
    import numpy as np

    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return array
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    return (_shares(array) * 255).astype(np.uint8)


def _shares(values: Numbers) -> Numbers:
    """From 0 for the lowest to 1 for the highest; colours from 0 to 1 or to 255 as they are; 0 for
    what is no number."""
    import numpy as np

    numbers = np.nan_to_num(values.astype(np.float64), nan=np.nan, posinf=np.nan, neginf=np.nan)
    low, high = _range(numbers)
    if values.ndim == 3:
        low, high = (
            0.0,
            1.0 if 0 <= low <= high <= 1 else 255.0 if 0 <= low <= high <= 255 else high,
        )
    # Halves first: the difference of two numbers can be more than a float holds.
    span = high / 2 - low / 2
    shares = (numbers / 2 - low / 2) / span if span > 0 else np.zeros(numbers.shape)
    return np.clip(np.nan_to_num(shares), 0.0, 1.0)


def _range(numbers: Numbers) -> tuple[float, float]:
    import numpy as np

    finite = numbers[np.isfinite(numbers)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _places(count: int, shown: int) -> Numbers:
    """Which of so many are shown, evenly."""
    import numpy as np

    return (np.arange(shown) * count // shown).astype(np.intp)


def _image(array: Numbers, width: int, height: int) -> Text:
    import numpy as np

    rows, columns = array.shape[:2]
    # a cell of the terminal is twice as high as wide
    scale = min(1.0, width / columns, 2 * height / rows)
    size = max(1, int(rows * scale)), max(1, int(columns * scale))
    part = np.array(array[np.ix_(_places(rows, size[0]), _places(columns, size[1]))])
    if part.ndim == 3 and part.shape[2] == 1:
        part = part[:, :, 0]
    colours = _colours(part)
    text = Text(no_wrap=True)
    for row in range(0, len(colours), 2):
        below = colours[row + 1] if row + 1 < len(colours) else None
        for column, above in enumerate(colours[row]):
            text.append(
                "▀",
                Style(
                    color=_colour(above), bgcolor=None if below is None else _colour(below[column])
                ),
            )
        text.append("\n")
    if part.ndim == 2 and array.dtype.kind != "b":
        low, high = _range(part.astype(np.float64))
        text.append(f"{low:.6g} ", "dim")
        for colour in _SCALE:
            text.append("██", Style(color=Color.from_rgb(*colour)))
        text.append(f" {high:.6g}", "dim")
    text.rstrip()
    return text


def _colours(part: Numbers) -> Numbers:
    """RGB of 0 to 255 for each value, or each pixel."""
    import numpy as np

    if part.dtype.kind == "b":
        part = part.astype(np.float64)
    shares = _shares(part)
    if part.ndim == 3:
        return (shares[:, :, :3] * 255).astype(np.int64)
    marks = np.linspace(0, 1, len(_SCALE))
    colours = np.stack(
        [np.interp(shares, marks, [colour[channel] for colour in _SCALE]) for channel in range(3)],
        axis=-1,
    ).astype(np.int64)
    colours[~np.isfinite(part.astype(np.float64))] = _NO_NUMBER
    return colours


def _colour(rgb: Numbers) -> Color:
    return Color.from_rgb(*(int(value) for value in rgb))


def _curve(array: Numbers, width: int, height: int) -> Text:
    """Each column of dots from the lowest to the highest of the values that are looked at for
    it."""
    import numpy as np

    looked = np.array(array[_places(len(array), min(len(array), 64 * width))], np.float64)
    low, high = _range(looked)
    label = max(len(f"{low:.4g}"), len(f"{high:.4g}")) + 1
    columns = min(2 * max(1, width - label), len(looked))
    levels = np.rint(_shares(looked) * (4 * height - 1)).astype(np.intp)
    known = np.isfinite(looked)
    dots = np.zeros((4 * height, columns + columns % 2), bool)
    for column, (start, end) in enumerate(
        zip(
            _places(len(looked), columns),
            [*_places(len(looked), columns)[1:], len(looked)],
            strict=True,
        )
    ):
        found = levels[start:end][known[start:end]]
        if found.size:
            dots[found.min() : found.max() + 1, column] = True
    # of a braille cell, from the bottom
    bits = ((0x40, 0x80), (0x04, 0x20), (0x02, 0x10), (0x01, 0x08))
    lines = []
    for row in reversed(range(height)):
        cells = np.full(dots.shape[1] // 2, 0x2800, np.intp)
        for up in range(4):
            for right in range(2):
                cells += dots[4 * row + up, right::2] * bits[up][right]
        mark = f"{high:.4g}" if row == height - 1 else f"{low:.4g}" if row == 0 else ""
        lines.append(f"{mark:>{label - 1}} {''.join(map(chr, cells))}")
    return Text("\n".join(lines), no_wrap=True)
