"""The block tree of a record, built once by `trace/sections` and shown by the terminal and the page.

`terminal_blocks` prints it and `templates/sections.html` writes it; what only one of them has room for is in a `Fold`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edgewright.core.formatting import fraction, number
from edgewright.core.records.trace import BudgetRow, How

Style = Literal["", "strong", "quiet", "good", "bad", "warn", "formula", "code", "sentence"]
Span = tuple[str, Style]
CURVES = 4
"""Curves that a chart tells apart."""
MOST_POINTS = 300
"""Points of a curve or scatter that are drawn at most; where there are more, a note says so."""


@dataclass(frozen=True)
class Line:
    """A paragraph; `spans` are parts of its text with their styles, `anchor` its address on the page."""

    spans: tuple[Span, ...]
    anchor: str = ""

    @property
    def style(self) -> Style:
        """Of the whole line where it has one span."""
        return self.spans[0][1] if len(self.spans) == 1 else ""


def line(text: str, style: Style = "", anchor: str = "") -> Line:
    """Return a paragraph of one style."""
    return Line(((text, style),), anchor)


@dataclass(frozen=True)
class Items:
    """Short facts on a line; empty ones are left out."""

    facts: Sequence[str]


@dataclass(frozen=True)
class Pairs:
    """Names with their values; `wide` gives each a line of its own."""

    rows: Sequence[tuple[str, str]]
    wide: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what it says.
        style: of the text.
        meter: share of one that the page draws below the text.
        budget: drawn as a bar instead of the text.
        tag: mark behind the text on the page.
        sample: number of the sample in the data, from 1, that the text names; 0 for none.
    """

    text: str
    style: Style | How = ""
    meter: float | None = None
    budget: BudgetRow | None = None
    tag: str = ""
    sample: int = 0


@dataclass(frozen=True)
class Row:
    """A row of a table; `anchor` is its address on the page, `kind` how it stands out."""

    cells: tuple[Cell, ...]
    anchor: str = ""
    kind: Literal["", "total", "best", "marks"] = ""


def row(*cells: str | Cell, anchor: str = "", kind: Literal["", "total", "best", "marks"] = "") -> Row:
    """Return a row of texts and cells."""
    return Row(tuple(Cell(cell) if isinstance(cell, str) else cell for cell in cells), anchor, kind)


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: what it lists.
        heads: of the columns; those that begin with '#' hold figures.
        rows: each as long as `heads`.
        how: how all its figures were got; empty where rows differ.
        anchor: address on the page.
    """

    caption: str
    heads: Sequence[str]
    rows: Sequence[Row]
    how: How | Literal[""] = ""
    anchor: str = ""

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """Each head, and whether the column holds figures."""
        return [(head.removeprefix("#"), head.startswith("#")) for head in self.heads]


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: truth down, answer across; `frequent` lists the confusions where it does not fit."""

    labels: Sequence[str]
    counts: Sequence[Sequence[int]]
    frequent: Table

    def shaded(self) -> Iterator[tuple[str, list[tuple[int, float, bool]]]]:
        """Each class with its cells: count, share of the row, and whether the answer is right."""
        for i, counts in enumerate(self.counts):
            total = sum(counts) or 1
            yield self.labels[i], [(count, count / total, i == j) for j, count in enumerate(counts)]


@dataclass(frozen=True)
class Curve:
    """One named series: points (x, y) in order of x."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """A line chart.

    Attributes:
        title: what the y axis shows; the sentence for those who cannot see it begins with it.
        x_title: name of the x axis.
        curves: up to `CURVES`, in the order of their colours; points are finite.
        label: the sentence read instead of the picture.
        logarithmic: axes with a logarithmic scale, 'x', 'y' or 'xy'.
        mark_x: a dashed line down the chart there.
        dots: draw the points too: where there are few of them.
        unit: of the y axis, a key of `charts.WRITERS`: 'share' (of one, shown in per cent), 's', 'B', 'us' or nothing.
    """

    title: str
    x_title: str
    curves: tuple[Curve, ...]
    label: str
    logarithmic: str = ""
    mark_x: float | None = None
    dots: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Charts:
    """Charts beside each other with one legend, and a note on the page; a terminal draws those of linear axes."""

    charts: Sequence[Chart]
    note: str = ""


@dataclass(frozen=True)
class Samples:
    """The first values of up to three samples of a stage: of windows those of their first channel.

    Attributes:
        title: 'before' or 'after'.
        names: of the columns or channels; empty where unknown.
        rows: the recorded values, None where one is missing.
        shape: of all samples.
    """

    title: str
    names: Sequence[str]
    rows: Sequence[Sequence[float | None]]
    shape: Sequence[int]

    @property
    def recorded(self) -> int:
        """Values that the record holds of each sample."""
        return min(len(values) for values in self.rows)

    @property
    def total(self) -> int:
        """Values that each sample has."""
        return max(self.recorded, self.shape[-1] if self.shape else 0)

    @property
    def channel(self) -> str:
        """The channel that is shown of windows; empty for rows."""
        return (self.names[0] if self.names else "channel 1") if len(self.shape) >= 3 else ""

    def columns(self) -> Iterator[tuple[str, list[tuple[str, bool]]]]:
        """Each recorded column: its name, and of every sample the value and whether it is missing."""
        known = not self.channel and len(self.names) >= self.recorded
        for i in range(self.recorded):
            values = [values[i] for values in self.rows]
            name = self.names[i] if known else f"{i + 1}"
            yield name, [(number(value), value is None or math.isnan(value)) for value in values]


@dataclass(frozen=True)
class Step:
    """One step of a prediction.

    Attributes:
        title: title of the step.
        text: what happened, in a line.
        values: drawn as small bars.
        label: the sentence read instead of the bars.
        chances: classes with their probabilities, the most probable first.
        pairs: all values by name, folded on the page; a terminal prints the first ones.
        more: values that the record does not hold.
    """

    title: str
    text: str = ""
    values: Sequence[float] = ()
    label: str = ""
    chances: Sequence[tuple[str, float]] = ()
    pairs: Sequence[tuple[str, str]] = ()
    more: int = 0

    def spans(self, maximum: int) -> list[Span]:
        """Return what happened with the first so many names and classes, the most probable class marked."""
        spans: list[Span] = [(self.text, "")]
        if self.pairs:
            values = ", ".join(f"{name} {value}" for name, value in self.pairs[:maximum])
            more = len(self.pairs) + self.more - maximum
            spans.append((f": {values}{f' and {more:,} more' if more > 0 else ''}", ""))
        for i, (label, chance) in enumerate(self.chances[:maximum]):
            spans.append((f"{', ' if i else ''}{label} {fraction(chance)}", "" if i else "strong"))
        if len(self.chances) > maximum:
            spans.append((f" and {len(self.chances) - maximum:,} more", "quiet"))
        return spans


@dataclass(frozen=True)
class Steps:
    """The way of a sample through the model."""

    steps: Sequence[Step]


@dataclass(frozen=True)
class SideBySide:
    """Blocks that stand side by side where there is room."""

    blocks: Sequence[ViewBlock]


@dataclass(frozen=True)
class Fold:
    """Blocks that the page folds; a terminal prints `brief` instead."""

    title: str
    blocks: Sequence[ViewBlock]
    brief: Sequence[ViewBlock] = ()


@dataclass(frozen=True)
class Card:
    """A framed part: a stage of the data flow, a traced sample.

    Attributes:
        title: heading.
        head: beside the heading.
        blocks: content.
        anchor: address on the page.
        step: number before the title; 0 for none.
    """

    title: str
    head: tuple[Span, ...]
    blocks: Sequence[ViewBlock]
    anchor: str = ""
    step: int = 0

    @property
    def heading(self) -> str:
        """The title behind its number."""
        return f"{self.step}. {self.title}" if self.step else self.title


@dataclass(frozen=True)
class Cards:
    """Cards below each other where they follow one another (`chained`), else side by side."""

    cards: Sequence[Card]
    chained: bool = False


@dataclass(frozen=True)
class Template:
    """A part that only the page has, with a template of its own."""

    name: str
    context: Mapping[str, object]


ViewBlock = (
    Line | Items | Pairs | Table | Matrix | Charts | Samples | Steps | SideBySide | Fold | Card | Cards | Template
)
