"""A line plot in characters: braille dots for the first series, a mark for each further one, ASCII where needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgewright.core.formatting import number
from edgewright.trace.view_blocks import Curve

# Bits of the eight dots of a braille character, by row and column, as numbered in the Unicode block U+2800.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_MARKS = {True: ("", "•", "×", "+"), False: ("*", "o", "x", "+")}


@dataclass(frozen=True)
class Piece:
    """Characters of one origin: a series by its index, or -1 for axes and labels."""

    text: str
    series: int = -1


@dataclass(frozen=True)
class _Frame:
    """The drawing area in characters, and the range of the data on it."""

    columns: int
    rows: int
    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, point: tuple[float, float], across: int, down: int) -> tuple[int, int]:
        """Column and row of a point on a grid `across` by `down` times as fine as the characters."""
        width, height = self.columns * across - 1, self.rows * down - 1
        column = round((point[0] - self.x[0]) / (self.x[1] - self.x[0]) * width)
        row = round((self.y[1] - point[1]) / (self.y[1] - self.y[0]) * height)
        return min(max(column, 0), width), min(max(row, 0), height)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Least and largest, apart by something even for one value."""
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _line(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """Grid points from start to end, one a step of the longer side."""
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    return [
        (start[0] + round((end[0] - start[0]) * i / steps), start[1] + round((end[1] - start[1]) * i / steps))
        for i in range(steps + 1)
    ]


def _braille(points: list[tuple[float, float]], frame: _Frame) -> dict[tuple[int, int], str]:
    """Return characters by (column, row) of a line through the points, two by four dots a character."""
    bits: dict[tuple[int, int], int] = {}
    placed = [frame.place(p, 2, 4) for p in points]
    for start, end in zip(placed, placed[1:] or placed, strict=False):
        for column, row in _line(start, end):
            cell = (column // 2, row // 4)
            bits[cell] = bits.get(cell, 0) | _DOTS[row % 4][column % 2]
    return {cell: chr(0x2800 + value) for cell, value in bits.items()}


def legend(series: Sequence[Curve], unicode: bool) -> list[Piece]:
    """Mark and name of every series, in one line."""
    marks = _MARKS[unicode]
    pieces: list[Piece] = []
    for i, one in enumerate(series):
        pieces += [Piece("   " if i else ""), Piece(marks[i % len(marks)] or "⠒⠒", i), Piece(f" {one.name}")]
    return pieces


def plot(
    series: Sequence[Curve], *, width: int, height: int, unicode: bool, title: str = "", x_name: str = ""
) -> list[list[Piece]]:
    """Return lines of a plot, each a list of pieces, so that a terminal can colour the series.

    Args:
        series: at most four.
        width: of everything, in characters, labels included.
        height: of the drawing area, in characters.
        unicode: braille and box characters; ASCII otherwise.
        title: above the plot, before the legend.
        x_name: below the plot, between the first and the last x.

    Returns:
        No line at all when there is no finite point.
    """
    finite = [[(x, y) for x, y in one.points if math.isfinite(x) and math.isfinite(y)] for one in series]
    drawn = [(i, points) for i, points in enumerate(finite) if points]
    if not drawn:
        return []
    every = [p for _, points in drawn for p in points]
    x, y = _range([p[0] for p in every]), _range([p[1] for p in every])
    labels = {0: number(y[1]), height - 1: number(y[0])}
    if height >= 5:
        labels[(height - 1) // 2] = number(y[1] - (y[1] - y[0]) * ((height - 1) // 2) / (height - 1))
    margin = max(len(label) for label in labels.values())
    frame = _Frame(max(4, width - margin - 2), height, x, y)
    cells: dict[tuple[int, int], tuple[str, int]] = {}
    for i, points in drawn:
        mark = _MARKS[unicode][i % 4]
        layer = {frame.place(p, 1, 1): mark for p in points} if mark else _braille(points, frame)
        cells.update({cell: (char, i) for cell, char in layer.items()})
    side, corner, floor = ("│", "└", "─") if unicode else ("|", "+", "-")
    lines = [[Piece(f"{title}   " if title else ""), *legend(series, unicode)]]
    for row in range(height):
        line = [Piece(f"{labels.get(row, ''):>{margin}} {side}")]
        line += [Piece(*cells.get((column, row), (" ", -1))) for column in range(frame.columns)]
        lines.append(line)
    lines.append([Piece(f"{'':>{margin}} {corner}{floor * frame.columns}")])
    start, end = number(x[0]), number(x[1])
    middle = x_name.center(max(0, frame.columns - len(start) - len(end)))
    lines.append([Piece(f"{'':>{margin}}  {start}{middle}{end}")])
    return lines


def plot_text(lines: Sequence[Sequence[Piece]]) -> str:
    """Return the plot without colours."""
    return "\n".join("".join(piece.text for piece in line).rstrip() for line in lines)


def spark(values: Sequence[float], unicode: bool, width: int = 64) -> str:
    """Return values as a row of bars from zero to the largest; negative ones as the lowest bar."""
    bars = " ▁▂▃▄▅▆▇█" if unicode else " .:-=+*#%@"
    finite = [v if math.isfinite(v) else 0.0 for v in values[:width]]
    top = max((v for v in finite), default=0.0)
    if top <= 0:
        return bars[0] * len(finite)
    return "".join(bars[0] if v <= 0 else bars[max(1, math.ceil(v / top * (len(bars) - 1)))] for v in finite)
