"""Where a kernel stands over an image of bytes, and the loops over it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from edgewright.export.c99_operators import Site


@dataclass(frozen=True)
class Kernel:
    """A kernel's settings; pairs are height and width.

    Attributes:
        size: of the kernel.
        strides: from place to place.
        dilations: between taps.
        before: rows and columns of padding before the image.
        source, places: height, width and channels of input and output.
        fewest: taps within the image, at the place where they are fewest.
    """

    size: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    before: tuple[int, int]
    source: tuple[int, int, int]
    places: tuple[int, int, int]
    fewest: tuple[int, int]

    @property
    def padded(self) -> bool:
        """Whether any tap can lie outside the image."""
        return self.fewest != self.size

    @property
    def work(self) -> int:
        """Taps of a channel at all places together."""
        return math.prod(self.size) * math.prod(self.places[:2])

    @property
    def taps(self) -> str:
        """How many taps of a row lie within the image, as `over_places` says."""
        return str(self.size[1]) if self.fewest[1] == self.size[1] else "taps"


def kernel_of(site: Site) -> Kernel:
    """Return settings of a convolution or pool."""
    numbers = site.operator.numbers
    size, strides = (numbers["kernel"][0], numbers["kernel"][1]), (numbers["strides"][0], numbers["strides"][1])
    steps = numbers.get("dilations", (1, 1))
    dilations, before = (steps[0], steps[1]), (numbers["pads"][0], numbers["pads"][1])
    height, width, channels = site.values[0].shape
    rows, columns, filters = site.target.shape
    fewest = [
        min(
            sum(0 <= position * stride - first + tap * step < length for tap in range(taps))
            for position in range(count)
        )
        for taps, stride, step, first, length, count in zip(
            size, strides, dilations, before, (height, width), (rows, columns), strict=True
        )
    ]
    whole = (height, width, channels), (rows, columns, filters)
    return Kernel(size, strides, dilations, before, *whole, (fewest[0], fewest[1]))


def over_places(k: Kernel, body: list[str]) -> list[str]:
    """`body` for every place: `place` is its number, `top` and `left` are where the first tap lies.

    Where taps can lie outside the image, those from `from` on, `taps` of them, lie between its left and right end, and
    those from `upper` to before `lower` between its upper and lower one.
    """
    rows, columns, _ = k.places
    row, column = (f"place / {columns}", f"place % {columns}") if rows > 1 else ("0", "place")
    lines = [f"const int left = {_first(column, k.strides[1], k.before[1])};"]
    if k.source[0] > 1 or k.fewest[0] < k.size[0]:
        lines.append(f"const int top = {_first(row, k.strides[0], k.before[0])};")
    (kh, kw), (dh, dw), (h, w, _) = k.size, k.dilations, k.source
    if k.fewest[1] < kw:
        lines += [f"const int from = {_cut('left', dw)};", f"const int taps = {_until('left', dw, w, kw)} - from;"]
    if k.fewest[0] < kh:
        lines += [f"const int upper = {_cut('top', dh)};", f"const int lower = {_until('top', dh, h, kh)};"]
    lines += body
    return [f"for (int place = 0; place < {rows * columns}; ++place) {{", *("    " + line for line in lines), "}"]


def first_tap(k: Kernel) -> tuple[str, str, str]:
    """Return where the first tap within the image lies at a place, its number, and how many rows of taps lie within."""
    (kh, kw), (dh, dw), (h, w, c) = k.size, k.dilations, k.source
    y, rows = ("", str(kh)) if k.fewest[0] == kh else ("upper", "lower - upper")
    x = "" if k.fewest[1] == kw else "from"
    line = f"(top{f' + {_times(y, dh)}' if y else ''}) * {w} + " if h > 1 else ""
    at = f"({line}left{f' + {_times(x, dw)}' if x else ''}) * {c}"
    return at, " + ".join(term for term in (f"{y} * {kw}" if y else "", x) if term) or "0", rows


def over_rows_of_taps(k: Kernel, body: list[str]) -> list[str]:
    """`body` for every row of the kernel within the image, at a place.

    It may use `at` (offset of the first channel of the row's first tap) and `tap` (the number of that tap).
    """
    (kh, kw), (dh, dw), (h, w, c) = k.size, k.dilations, k.source
    column, first = ("left", "") if k.fewest[1] == kw else (f"left + {_times('from', dw)}", "from")
    line = f"(top + {_times('y', dh)})" if kh > 1 else "top"
    row = f"{line} * {w} + " if h > 1 else ""
    tap = " + ".join(term for term in (f"y * {kw}" if kh > 1 else "", first) if term) or "0"
    lines = [f"const int at = ({row}{column}) * {c};"]
    if any(re.search(r"\btap\b", line) for line in body):
        lines.append(f"const int tap = {tap};")
    lines += body
    if k.fewest[1] < 1:
        lines = ["if (taps > 0) {", *("    " + line for line in lines), "}"]
    if kh == 1 and k.fewest[0] == 1:
        return ["{", *("    " + line for line in lines), "}"]
    y, last = ("0", str(kh)) if k.fewest[0] == kh else ("upper", "lower")
    return [f"for (int y = {y}; y < {last}; ++y) {{", *("    " + line for line in lines), "}"]


def _cut(location: str, step: int) -> str:
    """Return the number of the first tap that does not lie before the image."""
    return f"{location} < 0 ? {f'({step - 1} - {location}) / {step}' if step > 1 else f'-{location}'} : 0"


def _until(location: str, step: int, length: int, taps: int) -> str:
    """Return the number of the first tap behind the image, or of all."""
    rest = f"({length + step - 1} - {location}) / {step}" if step > 1 else f"{length} - {location}"
    return f"({rest} < {taps} ? {rest} : {taps})"


def _first(location: str, stride: int, before: int) -> str:
    text = f"({location}) * {stride}" if stride != 1 and not location.isalnum() else _times(location, stride)
    return f"{text} - {before}" if before else text


def _times(name: str, step: int) -> str:
    return name if step == 1 else f"{step} * {name}"
