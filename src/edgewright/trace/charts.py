"""Line charts of the page and the studio: SVG without script, in the colours of the page, the same bytes every time.

Colours are CSS variables (`var(--series-1)`), which a browser resolves inside the SVG: one chart serves light, dark and
print. Why they are drawn here rather than by a library: `docs/adr/0017-the-page.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from edgewright.trace.axes import Axis, running_axis, value_axis

MOST_POINTS = 300
"""Points of a curve or scatter that are drawn at most; where there are more, the chart's caption says so."""
SERIES = 4
WIDTH, HEIGHT = 400.0, 215.0
_TOP, _RIGHT, _BOTTOM = 10.0, 16.0, 38.0
_LETTER = 6.1  # width of a figure at 11 units, with room to spare
_DASHES = ("", "6 3", "2 3", "8 3 2 3")


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
        curves: up to `SERIES`, in the order of their colours; points are finite.
        label: the sentence read instead of the picture.
        logarithmic: axes with a logarithmic scale, 'x', 'y' or 'xy'.
        mark_x: a dashed line down the chart there.
        dots: draw the points too: where there are few of them.
        unit: of the y axis, a key of `axes.WRITERS`: 'share' (of one, shown in per cent), 's', 'B', 'us' or nothing.
    """

    title: str
    x_title: str
    curves: tuple[Curve, ...]
    label: str
    logarithmic: str = ""
    mark_x: float | None = None
    dots: bool = False
    unit: str = ""


def sampled(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> tuple[tuple[float, float], ...]:
    """At most `most` of the points, evenly spaced, the first and the last among them: the same ones every time."""
    if len(points) <= most:
        return tuple(points)
    last = len(points) - 1
    return tuple(points[round(i * last / (most - 1))] for i in range(most))


def draw(chart: Chart) -> Markup:
    """The chart as an SVG element, `WIDTH` by `HEIGHT`, which gives way to the width of the page."""
    xs = [x for curve in chart.curves for x, _ in curve.points]
    ys = [y for curve in chart.curves for _, y in curve.points]
    y_axis = value_axis(ys, HEIGHT - _BOTTOM, _TOP, chart.unit, logarithmic="y" in chart.logarithmic)
    left = 10 + _LETTER * max((len(text) for _, text in y_axis.labels()), default=0)
    x_axis = running_axis(xs, left, WIDTH - _RIGHT, "count", logarithmic="x" in chart.logarithmic)
    parts = [*_frame(chart, x_axis, y_axis, left)]
    if chart.mark_x is not None:
        parts.append(_line(x_axis.at(chart.mark_x), _TOP, x_axis.at(chart.mark_x), HEIGHT - _BOTTOM, "quiet", "2 3"))
    for number, curve in enumerate(chart.curves):
        parts += _curve(curve, number % SERIES, x_axis, y_axis, dots=chart.dots)
    head = (
        f'<svg class="chart" role="img" aria-label="{escape(chart.label)}" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" '
        f'font-size="11">'
    )
    return Markup(head + "".join(parts) + "</svg>")  # noqa: S704 - figures only; texts are escaped where they enter


def _frame(chart: Chart, x_axis: Axis, y_axis: Axis, left: float) -> Iterable[str]:
    """Lines across at the marks of y with their figures, the base line, the marks of x and its name."""
    base, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    for y, text in y_axis.labels():
        yield _line(left, y, right, y, "line")
        yield _text(left - 6, y + 4, text, "end")
    yield _line(left, base, right, base, "line")
    for x, text in x_axis.labels():
        yield _text(x, base + 15, text, "middle")
    yield _text((left + right) / 2, HEIGHT - 6, chart.x_title, "middle")


def _curve(curve: Curve, series: int, x_axis: Axis, y_axis: Axis, *, dots: bool) -> Iterable[str]:
    """The line of a curve, told apart by colour and dashes, and its points."""
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


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str = "") -> str:
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<path d="M{x1:g} {y1:g}L{x2:g} {y2:g}" stroke="var(--{colour})"{dash}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="var(--quiet)">{escape(text)}</text>'


def legend(names: Iterable[str]) -> tuple[tuple[int, str], ...]:
    """Number of the colour, from 1, and name of every series."""
    return tuple((i % SERIES + 1, name) for i, name in enumerate(names))
