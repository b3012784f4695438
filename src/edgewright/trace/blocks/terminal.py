"""Blocks of lessons and of sections on the terminal; charts are drawn with characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from edgewright.core.formatting import number, shorten
from edgewright.core.records.trace import BudgetRow
from edgewright.trace.blocks import view_blocks as view
from edgewright.trace.blocks.records import Block, Code, Facts, Formula, Grid, Heading, Paragraph, Question
from edgewright.trace.blocks.view_blocks import Curve
from edgewright.trace.page import ACCENT, BAD, GOOD, QUIET, SERIES, WARN, Listing, Page, add, note, table

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

    def cell_of(self, point: tuple[float, float], across: int, down: int) -> tuple[int, int]:
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
    bits: dict[tuple[int, int], int] = {}
    placed = [frame.cell_of(p, 2, 4) for p in points]
    for start, end in zip(placed, placed[1:] or placed, strict=False):
        for column, row in _line(start, end):
            cell = (column // 2, row // 4)
            bits[cell] = bits.get(cell, 0) | _DOTS[row % 4][column % 2]
    return {cell: chr(0x2800 + value) for cell, value in bits.items()}


def legend(series: Sequence[Curve], unicode: bool) -> list[Piece]:
    """Mark and name of every series, in one line."""
    marks = _MARKS[unicode]
    pieces: list[Piece] = []
    for i, curve in enumerate(series):
        pieces += [Piece("   " if i else ""), Piece(marks[i % len(marks)] or "⠒⠒", i), Piece(f" {curve.name}")]
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
    finite = [[(x, y) for x, y in curve.points if math.isfinite(x) and math.isfinite(y)] for curve in series]
    known = [(i, points) for i, points in enumerate(finite) if points]
    if not known:
        return []
    every = [p for _, points in known for p in points]
    x, y = _range([p[0] for p in every]), _range([p[1] for p in every])
    labels = {0: number(y[1]), height - 1: number(y[0])}
    if height >= 5:
        labels[(height - 1) // 2] = number(y[1] - (y[1] - y[0]) * ((height - 1) // 2) / (height - 1))
    margin = max(len(label) for label in labels.values())
    frame = _Frame(max(4, width - margin - 2), height, x, y)
    cells: dict[tuple[int, int], tuple[str, int]] = {}
    for i, points in known:
        mark = _MARKS[unicode][i % 4]
        layer = {frame.cell_of(p, 1, 1): mark for p in points} if mark else _braille(points, frame)
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


LETTERS = "abcdefgh"
_NAME, _LABEL, _CHANCES, _BAR, _HEIGHT = 24, 28, 4, 24, 9
# Classes of a matrix, and columns that one of its cells and its labels need.
_MATRIX, _CELL, _TRUTH = 12, 8, 14
_STYLES = {
    "strong": "bold", "quiet": QUIET, "good": GOOD, "bad": BAD, "warn": WARN, "formula": QUIET, "measured": QUIET,
    "estimated": QUIET,
}  # fmt: skip
_SPACED = (view.Table, view.Matrix, view.Charts, view.SideBySide, view.Steps)


def blocks_parts(blocks: Sequence[Block | view.ViewBlock], page: Page) -> list[RenderableType]:
    """Return everything that is printed for blocks; a blank line stands before tables and pictures of sections."""
    printed: list[RenderableType] = []
    for block in blocks:
        parts = block_parts(block, page)
        first = block.brief[0] if isinstance(block, view.Fold) and block.brief else block
        printed += [Text(""), *parts] if printed and parts and isinstance(first, _SPACED) else parts
    return printed


@singledispatch
def block_parts(block: object, page: Page) -> list[RenderableType]:
    """Return what is printed for one block.

    Raises:
        TypeError: a block without a rule here (a defect).
    """
    raise TypeError(f"no rule for {type(block).__name__}")


@block_parts.register
def _(block: Heading, page: Page) -> list[RenderableType]:
    return [page.heading(block.text)]


@block_parts.register
def _(block: Paragraph, page: Page) -> list[RenderableType]:
    text = Text(block.text)
    if block.how:
        text.append(f" ({block.how})", style=QUIET)
    return [text]


@block_parts.register
def _(block: Facts | view.Pairs, page: Page) -> list[RenderableType]:
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(max_width=_NAME, overflow="fold")
    grid.add_column(overflow="fold")
    for name, value in block.rows:
        grid.add_row(Text(name, style=QUIET), Text(value))
    return [grid]


@block_parts.register
def _(block: Grid, page: Page) -> list[RenderableType]:
    output = table(block.headers, ())
    for column in block.figures:
        output.columns[column].justify = "right"
    for row in block.rows:
        add(output, *row)
    return [output, *([note(block.caption)] if block.caption else [])]


@block_parts.register
def _(block: Formula, page: Page) -> list[RenderableType]:
    lines = [Text(block.text, style=ACCENT)]
    lines += [Text(text, style=style) for text, style in ((block.meaning, QUIET), (block.example, "")) if text]
    return [Padding(line, (0, 0, 0, 2 if i else 0)) for i, line in enumerate(lines)]


@block_parts.register
def _(block: Code, page: Page) -> list[RenderableType]:
    head = [note(block.caption)] if block.caption else []
    return [*head, Listing(block.text.rstrip("\n"))]


@block_parts.register
def _(block: Question, page: Page) -> list[RenderableType]:
    right = next(i for i, option in enumerate(block.options) if option.right)
    answer = [Text(f"Answer: {LETTERS[right]}. {block.options[right].reason}", style=GOOD), source_note(block)]
    return [Text(""), *question_parts(block), *answer]


def question_parts(block: Question) -> list[RenderableType]:
    """Return the question and its options, without the answer."""
    options = [Padding(Text(f"{LETTERS[i]}) {option.text}"), (0, 0, 0, 2)) for i, option in enumerate(block.options)]
    return [Text(block.text, style="bold"), *options]


def source_note(block: Question) -> RenderableType:
    """Return the row of the record that the answer follows from."""
    return note(f"source: {block.rests_on}")


@block_parts.register
def _(block: view.Line, page: Page) -> list[RenderableType]:
    return [_text(block.spans)]


@block_parts.register
def _(block: view.Items, page: Page) -> list[RenderableType]:
    return [Text(page.facts(*block.facts))]


@block_parts.register
def _(block: view.Table, page: Page) -> list[RenderableType]:
    bars = {i for i in range(len(block.heads)) if any(row.cells[i].budget for row in block.rows)}
    kept = [i for i in range(len(block.heads)) if page.terminal or i not in bars]
    output = table([block.columns[i][0] for i in kept], [n for n, i in enumerate(kept) if block.columns[i][1]])
    for row in block.rows:
        style = "bold" if row.kind == "total" else ""
        cells = (row.cells[i] for i in kept)
        add(output, *(
            _bar(cell.budget, page) if cell.budget else Text(cell.text, style=style or _STYLES.get(cell.style, ""))
            for cell in cells
        ))  # fmt: skip
    return [*_caption(block.caption, block.how), output]


def _caption(caption: str, how: str) -> list[RenderableType]:
    return [note(f"{caption} ({how})" if how else caption)] if caption else []


def _bar(row: BudgetRow, page: Page) -> Text:
    """Draw used filled, the rest of the error bar hatched, the budget as the whole width."""
    if row.available <= 0:
        return Text("")
    full, maybe, empty = ("█", "▒", "░") if page.unicode else ("#", "~", ".")
    used = min(_BAR, max(1 if row.used > 0 else 0, round(_BAR * row.used / row.available)))
    high = min(_BAR, max(used, round(_BAR * row.high / row.available)))
    style = "red" if row.used > row.available else WARN if row.high > row.available else "green"
    return Text.assemble((full * used, style), (maybe * (high - used), style), (empty * (_BAR - high), "bright_black"))


@block_parts.register
def _(block: view.Matrix, page: Page) -> list[RenderableType]:
    """Print the matrix, or for many classes the most frequent confusions."""
    count = len(block.labels)
    if count > _MATRIX or count * _CELL + _TRUTH > page.width:
        return block_parts(block.frequent, page)
    width = max(6, (page.width - _TRUTH - 4) // count - 2)
    heads = [shorten(label, width, page.ellipsis) for label in block.labels]
    output = table(["truth \\ answer", *heads], range(1, count + 1))
    for label, cells in block.shaded():
        texts = (Text(f"{n:,}", style=GOOD if right else WARN if n else QUIET) for n, _, right in cells)
        add(output, shorten(label, _TRUTH, page.ellipsis), *texts)
    return [*_caption("Confusion matrix", "measured"), output]


@block_parts.register
def _(block: view.Charts, page: Page) -> list[RenderableType]:
    """Draw charts with characters, side by side where there is room; logarithmic ones are for the page."""
    charts = [chart for chart in block.charts if not chart.logarithmic]
    side_by_side = page.width >= 90 and len(charts) == 2
    width = (page.width - 4) // 2 if side_by_side else min(page.width, 72)
    panels = []
    for chart in charts:
        lines = plot(
            chart.curves, width=width, height=_HEIGHT, unicode=page.unicode, title=chart.title.lower(),
            x_name=chart.x_title,
        )  # fmt: skip
        texts = [Text.assemble(*((p.text, SERIES[p.series] if p.series >= 0 else "") for p in li)) for li in lines]
        panels.append(Group(*texts))
    if not side_by_side:
        return [*panels]
    grid = RichTable.grid(padding=(0, 4, 0, 0))
    grid.add_row(*panels)
    return [grid]


@block_parts.register
def _(block: view.SideBySide, page: Page) -> list[RenderableType]:
    samples = [sample for sample in block.blocks if isinstance(sample, view.Samples)]
    if len(samples) < len(block.blocks):
        return blocks_parts(block.blocks, page)
    side_by_side = page.inner >= 88
    tables = [_samples(sample, page, (page.inner - 3) // 2 if side_by_side else page.inner) for sample in samples]
    if not side_by_side or len(tables) < 2:
        return [*tables]
    grid = RichTable.grid(padding=(0, 3, 0, 0))
    grid.add_row(*tables)
    return [grid]


def _samples(block: view.Samples, page: Page, room: int) -> RichTable:
    title = f"{block.title}: {shorten(block.channel, 24, page.ellipsis)}" if block.channel else block.title
    cell = 10
    fit = max(1, (room - 12 - max(0, len(title) - 6)) // (cell + 1))
    shown = block.total if block.total <= fit else min(fit, block.recorded)
    columns = list(block.columns())[:shown]
    known = not block.channel and len(block.names) >= shown
    # A long name is cut in its middle: the ends tell acceleration_x from acceleration_y.
    cut = [n if len(n) <= cell else f"{n[: cell - 4]}{page.ellipsis}{n[-3:]}" for n in block.names[:shown]]
    more = [f"+{block.total - shown:,}"] if block.total > shown else []
    output = table([title, *(cut if known else [""] * shown), *more], range(1, shown + 2), gap=1)
    for index in range(len(block.rows)):
        values = (values[index] for _, values in columns)
        texts = (Text(text, style=WARN if missing else "") for text, missing in values)
        add(output, "", *texts, *([page.ellipsis] if more else []))
    return output


@block_parts.register
def _(block: view.Steps, page: Page) -> list[RenderableType]:
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for step in block.steps:
        text = _text(step.spans(_CHANCES))
        if step.values:
            left, right = ("▕", "▏") if page.unicode else ("[", "]")
            width = min(len(step.values), max(8, page.inner - _LABEL - 4), 64)
            text.append(f"\n{left}{spark(step.values, page.unicode, width)}{right}", style="cyan")
        grid.add_row(Text(shorten(step.title, _LABEL, page.ellipsis), style=QUIET), text)
    return [grid]


@block_parts.register
def _(block: view.Fold, page: Page) -> list[RenderableType]:
    return blocks_parts(block.brief, page)


@block_parts.register
def _(block: view.Card, page: Page) -> list[RenderableType]:
    return [page.card(block.heading, [_text(block.head, "   "), *blocks_parts(block.blocks, page)])]


@block_parts.register
def _(block: view.Cards, page: Page) -> list[RenderableType]:
    return [part for card in block.cards for part in block_parts(card, page)]


@block_parts.register
def _(block: view.Template, page: Page) -> list[RenderableType]:
    return []


def _text(spans: Sequence[view.Span], gap: str = "") -> Text:
    return Text(gap).join(Text(text, style=_STYLES.get(style, "")) for text, style in spans if text)
