"""Drawings of the page and the studio: line charts, bars and budgets as SVG without script, the same bytes every time.

Colours are CSS variables (`var(--series-1)`), which a browser resolves inside the SVG: one chart serves light, dark and
print. Why they are drawn here rather than by a library: `docs/adr/0017-the-page.md`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from edgewright.core.formatting import bytes_text, microseconds_text, number
from edgewright.core.records.trace import BudgetRow
from edgewright.trace.blocks.view_blocks import CURVES, MOST_POINTS, Chart, Curve
from edgewright.trace.sentences.facts import budget_share

T = TypeVar("T")
WIDTH, HEIGHT = 400.0, 215.0
_TOP, _RIGHT, _BOTTOM = 10.0, 16.0, 38.0
_LETTER = 6.1  # width of a figure at 11 units, with room to spare
# Points of a curve that tell their values.
_POINTED = 40
_DASHES = ("", "6 3", "2 3", "8 3 2 3")
# Letters of a text that takes a twelfth of an axis.
SHORT = 4
WRITERS: dict[str, Callable[[float], str]] = {
    "": lambda value: f"{value:,.4g}" if abs(value) < 1e5 else number(value),
    "share": lambda value: f"{100 * value:.3g} %",
    "s": lambda value: f"{1000 * value:.3g} ms" if abs(value) < 1 else f"{value:.3g} s",
    "B": bytes_text,
    "us": microseconds_text,
    "count": lambda value: f"{value:,.0f}" if abs(value) < 1e6 else f"{value / 1e6:.3g} M",
}
"""How the numbers of an axis are written, by unit."""


@dataclass(frozen=True)
class Axis:
    """One axis: from values to places.

    Attributes:
        low, high: values at its ends.
        start, end: places of its ends, in units of the drawing; `end` may lie before `start`.
        marks: round values inside.
        unit: a key of `WRITERS`.
        logarithmic: places go by the logarithm, of positive values.
    """

    low: float
    high: float
    start: float
    end: float
    marks: tuple[float, ...]
    unit: str = ""
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Place of a value, to a tenth of a unit."""
        low, high, here = (
            (math.log(self.low), math.log(self.high), math.log(value))
            if self.logarithmic
            else (self.low, self.high, value)
        )
        share = (here - low) / ((high - low) or 1.0)
        return round(self.start + (self.end - self.start) * share, 1)

    def labels(self) -> list[tuple[float, str]]:
        """Place and text of each mark; of marks that read alike the first."""
        write, places = WRITERS[self.unit], dict[str, float]()
        for mark in self.marks:
            places.setdefault(write(mark), self.at(mark))
        return [(position, text) for text, position in places.items()]


def value_axis(values: Sequence[float], start: float, end: float, unit: str, *, logarithmic: bool = False) -> Axis:
    """Return an axis that begins and ends at round numbers around finite values; arguments as of `Axis`."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if logarithmic:
        low, high = 0.8 * low, 1.25 * high
        return Axis(low, high, start, end, tuple(_decades(low, high)), unit, True)
    marks = round_marks(low, high)
    return Axis(marks[0], marks[-1], start, end, tuple(marks), unit)


def running_axis(values: Sequence[float], start: float, end: float, unit: str, *, logarithmic: bool = False) -> Axis:
    """Return an axis that begins and ends at the outermost values: epochs, rows, seconds; arguments as of `Axis`.

    On a logarithmic axis the marks are the values themselves.
    """
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if logarithmic:
        return Axis(low, high, start, end, _spaced(sorted(set(values)), low, high), unit, True)
    whole = all(value == int(value) for value in values)
    inside = [mark for mark in inside_marks(low, high, 6) if not whole or mark == int(mark)]
    # The first value gets a mark of its own where its text does not touch that of the next one.
    distance = (high - low) / (12 if len(WRITERS[unit](low)) <= SHORT else 6)
    marks = sorted({low, *inside}) if whole and inside and inside[0] - low > distance else inside
    return Axis(low, high, start, end, tuple(marks or [low]), unit)


def round_marks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers around `low` and `high`, to a thousandth of a step: steps of 1, 2 or 5 times a power of ten."""
    span = (high - low) or abs(high) or 1.0
    raw = span / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
    begin = math.floor(low / step + 1e-3)
    end = math.ceil(high / step - 1e-3)
    return [round(i * step, 12) for i in range(begin, max(end, begin + 1) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Return the 1, 2 and 5 of every decade in between; over three decades the 1 alone."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(powers) <= 4 else (1,)
    return [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]


def _spaced(values: Sequence[float], low: float, high: float) -> tuple[float, ...]:
    """Return values whose texts do not touch on a logarithmic axis: a ninth of its length lies between two of them."""
    kept: list[float] = []
    length = math.log(high / low) or 1.0
    for value in values:
        if not kept or math.log(value / kept[-1]) >= length / 9:
            kept.append(value)
    return tuple(kept)


def inside_marks(low: float, high: float, wanted: int) -> list[float]:
    """Return the round numbers from `low` to `high`, as `round_marks` steps."""
    return [mark for mark in round_marks(low, high, wanted) if low <= mark <= high]


def sampled(points: Sequence[T], maximum: int = MOST_POINTS) -> tuple[T, ...]:
    """At most `maximum` of the points, evenly spaced, the first and the last among them: the same ones every time."""
    if len(points) <= maximum:
        return tuple(points)
    last = len(points) - 1
    return tuple(points[round(i * last / (maximum - 1))] for i in range(maximum))


def outline(values: NDArray[np.floating], parts: int = 400) -> list[int]:
    """Return the places of the lowest and the highest value of each part, in order, so that peaks of a signal stay."""
    if len(values) <= 2 * parts:
        return list(range(len(values)))
    edges = np.linspace(0, len(values), parts + 1).astype(np.int64).tolist()
    parted = [(begin, values[begin:end]) for begin, end in pairwise(edges)]
    return sorted({begin + int(choose(part)) for begin, part in parted for choose in (np.argmin, np.argmax)})


def draw(chart: Chart) -> Markup:
    """Return the chart as an SVG element, `WIDTH` by `HEIGHT`, which gives way to the width of the page."""
    xs = [x for curve in chart.curves for x, _ in curve.points]
    ys = [y for curve in chart.curves for _, y in curve.points]
    y_axis = value_axis(ys, HEIGHT - _BOTTOM, _TOP, chart.unit, logarithmic="y" in chart.logarithmic)
    left = 10 + _LETTER * max((len(text) for _, text in y_axis.labels()), default=0)
    x_axis = running_axis(xs, left, WIDTH - _RIGHT, "count", logarithmic="x" in chart.logarithmic)
    parts = [*frame(x_axis, y_axis, chart.x_title)]
    if chart.mark_x is not None:
        x = x_axis.at(chart.mark_x)
        parts.append(line_svg(x, _TOP, x, HEIGHT - _BOTTOM, "quiet", "2 3"))
    for index, curve in enumerate(chart.curves):
        parts += _curve(curve, index % CURVES, x_axis, y_axis, dots=chart.dots)
    parts += _hover(chart, x_axis, y_axis)
    return drawing(parts, chart.label, WIDTH, HEIGHT)


def drawing(
    parts: Iterable[str], label: str, width: float, height: float, letters: int = 11, kind: str = "chart"
) -> Markup:
    """Return a drawing as an SVG element of the class `kind`; texts of its parts are escaped already."""
    head = (
        f'<svg class="{kind}" role="img" aria-label="{escape(label)}" viewBox="0 0 {width:g} {height:g}" '
        f'font-size="{letters}">'
    )
    return Markup(head + "".join(parts) + "</svg>")  # noqa: S704 - figures only; texts are escaped where they enter


def frame(x_axis: Axis, y_axis: Axis, x_title: str, most_marks: int = 100) -> Iterable[str]:
    """Yield lines across at the marks of y with their figures, the base line, the marks of x and its name."""
    left, right, base = x_axis.start, x_axis.end, y_axis.start
    for y, text in y_axis.labels():
        yield line_svg(left, y, right, y, "line")
        yield svg_text(left - 6, y + 4, text, "end")
    yield line_svg(left, base, right, base, "line")
    marks = x_axis.labels()
    for x, text in marks[:: max(1, -(-len(marks) // most_marks))]:
        yield svg_text(x, base + 15, text, "middle")
    yield svg_text((left + right) / 2, base + _BOTTOM - 6, x_title, "middle")


def _curve(curve: Curve, series: int, x_axis: Axis, y_axis: Axis, *, dots: bool) -> Iterable[str]:
    places = [(x_axis.at(x), y_axis.at(y)) for x, y in sampled(curve.points)]
    colour = f"var(--series-{series + 1})"
    dashes = f' stroke-dasharray="{_DASHES[series]}"' if _DASHES[series] else ""
    track = " ".join(f"{x:g},{y:g}" for x, y in places)
    yield (
        f'<polyline points="{track}" fill="none" stroke="{colour}" stroke-width="2" stroke-linecap="round" '
        f'stroke-linejoin="round"{dashes}/>'
    )
    if dots:
        for x, y in places:
            yield f'<circle cx="{x:g}" cy="{y:g}" r="2.6" fill="{colour}"/>'


def _hover(chart: Chart, x_axis: Axis, y_axis: Axis) -> Iterable[str]:
    """Yield the values that a browser shows when one points at a curve: of at most `_POINTED` points of each."""
    yield '<g fill="none" pointer-events="all">'
    write = WRITERS[chart.unit]
    for curve in chart.curves:
        name = f"{curve.name}, " if len(chart.curves) > 1 else ""
        for x, y in sampled(curve.points, _POINTED):
            text = escape(f"{name}{chart.x_title} {WRITERS['count'](x)}: {write(y)}")
            yield f'<circle cx="{x_axis.at(x):g}" cy="{y_axis.at(y):g}" r="6"><title>{text}</title></circle>'
    yield "</g>"


def line_svg(x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str = "") -> str:
    """Return a straight line as an SVG element."""
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<path d="M{x1:g} {y1:g}L{x2:g} {y2:g}" stroke="var(--{colour})"{dash}/>'


def svg_text(x: float, y: float, text: str, anchor: str = "start", colour: str = "quiet", *, bold: bool = False) -> str:
    """Return an SVG element with a text, escaped; a bold one has the colour of ink."""
    colour, weight = ("ink", ' font-weight="700"') if bold else (colour, "")
    x, y = round(x, 1), round(y, 1)
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="var(--{colour})"{weight}>{escape(text)}</text>'


def legend(curves: Sequence[Curve]) -> Markup:
    """Return the name of every curve with its colour, for a paragraph of the class `legend`."""
    key = Markup('<span class="key k{}">{}</span>')
    return Markup("").join(key.format(i % CURVES + 1, curve.name) for i, curve in enumerate(curves))


def bars(values: Sequence[float], label: str) -> Markup:
    """Return a row of small bars, one a value, from a common base line; what is zero stays a dot on that line."""
    shown = [float(value) for value in values]
    top, bottom = max([0.0, *shown]), min([0.0, *shown])
    span = top - bottom or 1.0
    height = 28.0
    base = height * top / span if span else height
    path = []
    for i, value in enumerate(shown):
        size = height * value / span
        y = base - max(size, 0.0)
        if value == 0:
            path.append(f"M{4 * i} {_short(min(base, height) - 1)}h3v1h-3z")
        else:
            path.append(f"M{4 * i} {_short(y)}h3v{_short(max(abs(size), 0.5))}h-3z")
    return Markup(  # noqa: S704 - figures only; the label is escaped
        f'<svg class="bars" role="img" aria-label="{escape(label)}" viewBox="0 0 {max(4 * len(shown) - 1, 1)} 28" '
        f'preserveAspectRatio="none"><path d="{"".join(path)}"/></svg>'
    )


def _short(value: float) -> str:
    text = f"{value:.1f}".rstrip("0").rstrip(".")
    return text if text not in ("-0", "") else "0"


def budget_bar(row: BudgetRow) -> Markup:
    """Draw used against available, the budget as the whole width; the interval of an estimate lies over it."""
    if row.available <= 0:
        return Markup("")
    used, low, high = (min(1.0, max(0.0, value / row.available)) * 100 for value in (row.used, row.low, row.high))
    state = "over" if row.used > row.available else "near" if row.high > row.available else "fits"
    word = {"over": "too much", "near": "may be too much", "fits": "fits"}[state]
    label = f"{row.name}: {budget_share(row)} of the budget, {word}"
    interval = ""
    if row.high > row.low:
        interval = f'<rect class="span" x="{_short(low)}" y="3" width="{_short(max(0.6, high - low))}" height="4"/>'
    width = _short(max(0.6, used)) if used > 0 else "0"
    return Markup(  # noqa: S704 - figures only; the label is escaped
        f'<svg class="budget {state}" role="img" aria-label="{escape(label)}" viewBox="0 0 100 10" '
        f'preserveAspectRatio="none"><rect class="all" width="100" height="10"/>'
        f'<rect class="used" width="{width}" height="10"/>{interval}</svg>'
    )
