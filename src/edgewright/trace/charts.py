"""Charts of the page: SVG from Vega-Lite specifications, without script, in the colours of the page.

Colours are CSS variables (`var(--series-1)`), which a browser resolves inside the SVG: one chart serves light and dark.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import vl_convert
from markupsafe import Markup, escape

MOST_POINTS = 300
"""Points of a curve or scatter that are drawn at most; where there are more, the chart's caption says so."""
SERIES = 4
_WIDTH, _HEIGHT = 330, 170
_IDS = re.compile(r'(?<=[ <])id="([^"]+)"')
_LONG = re.compile(r"-?\d+\.\d{3,}")
_ROOT = re.compile(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"[^>]*>')
_LABELS: dict[str, dict[str, Any]] = {
    "share": {"labelExpr": "format(100 * datum.value, '.3~g') + ' %'"},
    "s": {"labelExpr": "datum.value < 1 ? format(1000 * datum.value, '~g') + ' ms' : format(datum.value, '~g') + ' s'"},
    "B": {"labelExpr": "format(datum.value, '.3~s') + 'B'"},
    "us": {"labelExpr": "format(datum.value, '.3~g') + ' µs'"},
}
_CONFIG: dict[str, Any] = {
    "view": {"stroke": None},
    "font": "inherit",
    "line": {"strokeWidth": 2, "strokeCap": "round", "strokeJoin": "round"},
    "axis": {
        "labelColor": "var(--quiet)", "titleColor": "var(--quiet)", "gridColor": "var(--line)",
        "domainColor": "var(--line)", "tickColor": "var(--line)", "labelFontSize": 11, "titleFontSize": 11,
        "titleFontWeight": "normal", "titlePadding": 8, "domain": False, "ticks": False, "labelPadding": 6,
        "labelOverlap": "greedy",
    },
    "axisX": {"grid": False, "domain": True},
}  # fmt: skip


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
        curves: up to `SERIES`, in the order of their colours.
        label: the sentence read instead of the picture.
        logarithmic: axes with a logarithmic scale, 'x', 'y' or 'xy'.
        mark_x: a vertical line there, with `mark_text` beside it.
        dots: draw the points too: where there are few of them.
        unit: of the y axis: 'share' (of one, shown in per cent), 's', 'B' or 'us'; empty for plain figures.
    """

    title: str
    x_title: str
    curves: tuple[Curve, ...]
    label: str
    logarithmic: str = ""
    mark_x: float | None = None
    mark_text: str = ""
    dots: bool = False
    unit: str = ""


def sampled(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> tuple[tuple[float, float], ...]:
    """At most `most` of the points, evenly spaced, the first and the last among them: the same ones every time."""
    if len(points) <= most:
        return tuple(points)
    last = len(points) - 1
    return tuple(points[round(i * last / (most - 1))] for i in range(most))


def specification(chart: Chart) -> dict[str, Any]:
    """The chart as a Vega-Lite specification."""
    names = [curve.name for curve in chart.curves]
    values = [
        {"x": x, "y": y, "s": curve.name} for curve in chart.curves for x, y in sampled(curve.points, MOST_POINTS)
    ]
    colours = {"domain": names, "range": [f"var(--series-{i % SERIES + 1})" for i in range(len(names))]}
    y_axis: dict[str, Any] = {"title": None, "tickCount": 4, **_LABELS.get(chart.unit, {})}
    x_axis: dict[str, Any] = {"title": chart.x_title, "tickCount": 6}
    x_domain = sorted({x for curve in chart.curves for x, _ in curve.points})
    if "x" in chart.logarithmic:
        x_axis.update({"format": "~s", "values": x_domain[-8:]})
    if "y" in chart.logarithmic:
        y_axis["values"] = _round_values([y for curve in chart.curves for _, y in curve.points])
    x_scale = {"type": "log", "nice": False} if "x" in chart.logarithmic else {"zero": False, "nice": False}
    y_scale = {"type": "log"} if "y" in chart.logarithmic else {"zero": False}
    x_type = {"field": "x", "type": "quantitative", "axis": x_axis, "scale": x_scale}
    if not chart.logarithmic and all(x == int(x) for x in x_domain):
        x_axis.update({"format": "d", "tickMinStep": 1})
    encoding = {
        "x": x_type,
        "y": {"field": "y", "type": "quantitative", "axis": y_axis, "scale": y_scale},
        "color": {"field": "s", "type": "nominal", "scale": colours, "legend": None},
        "strokeDash": {
            "field": "s", "type": "nominal", "legend": None,
            "scale": {"domain": names, "range": [[1, 0], [6, 3], [2, 3], [8, 3, 2, 3]][: len(names)] or [[1, 0]]},
        },
    }  # fmt: skip
    mark: dict[str, Any] = {"type": "line", "interpolate": "linear"}
    if chart.dots:
        mark["point"] = {"size": 36, "filled": True, "strokeDash": [1, 0]}
    layers: list[dict[str, Any]] = [{"data": {"values": values}, "mark": mark, "encoding": encoding}]
    if chart.mark_x is not None:
        layers.insert(0, _rule(chart.mark_x))
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json", "width": _WIDTH, "height": _HEIGHT,
        "background": None, "padding": {"left": 4, "right": 12, "top": 8, "bottom": 4}, "config": _CONFIG,
        "layer": layers,
    }  # fmt: skip


def _round_values(values: Sequence[float]) -> list[float]:
    """The 1, 2 and 5 of every decade between the least and the largest, or over three decades the 1 alone."""
    low, high = 0.7 * min(values), 1.4 * max(values)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(decades) <= 4 else (1,)
    return [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]


def _rule(at: float) -> dict[str, Any]:
    """A thin dashed line down the chart."""
    return {
        "data": {"values": [{"x": at}]},
        "mark": {"type": "rule", "color": "var(--quiet)", "strokeDash": [2, 3], "strokeWidth": 1},
        "encoding": {"x": {"field": "x", "type": "quantitative"}},
    }


@cache
def _workers() -> ThreadPoolExecutor:
    """Two conversions at a time, as the converter leaves Python's lock."""
    return ThreadPoolExecutor(2, "chart")


@lru_cache(maxsize=32)
def convert(specified: str) -> str:
    """SVG of a specification in JSON; the last ones are kept, so that a run can draw before its page is made."""
    svg: str = vl_convert.vegalite_to_svg(specified)
    return svg


def draw(charts: Sequence[Chart]) -> list[Markup]:
    """The charts as SVG elements."""
    specified = [json.dumps(specification(chart)) for chart in charts]
    found = list(_workers().map(convert, specified)) if len(charts) > 1 else [convert(one) for one in specified]
    return [_tidy(svg, chart, place) for place, (svg, chart) in enumerate(zip(found, charts, strict=True))]


def _tidy(svg: str, chart: Chart, place: int) -> Markup:
    """The same bytes for the same chart, a name for screen readers, a size that gives way to the page."""
    key = re.sub(r"[^a-z0-9]+", "-", chart.title.lower()).strip("-")
    for number, name in enumerate(dict.fromkeys(_IDS.findall(svg))):
        # The converter counts gradients and clips over its whole life: the numbers differ between renders.
        mine = f"{key}-{place}-{number}"
        svg = svg.replace(f'id="{name}"', f'id="{mine}"').replace(f"#{name})", f"#{mine})")
    svg = _LONG.sub(lambda found: f"{float(found[0]):.2f}", svg)
    # Every mark inside would be read one by one; the chart has one sentence instead, and its table beside it.
    svg = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"| opacity="1"| pointer-events="none"| stroke-miterlimit="10"', "", svg)
    size = _ROOT.match(svg)
    if size is None:  # pragma: no cover - another version of the converter
        raise RuntimeError(f"the converter gave no SVG for {chart.title!r}")
    head = f'<svg class="chart" role="img" aria-label="{escape(chart.label)}" viewBox="0 0 {size[1]} {size[2]}">'
    return Markup(head + svg[size.end() :])  # noqa: S704 - the converter escapes text, the label is escaped above


def bars(values: Sequence[float], label: str) -> Markup:
    """A row of small bars, one a value, from a common base line; what is zero stays a dot on that line."""
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


def budget_bar(used: float, low: float, high: float, available: float, state: str, label: str) -> Markup:
    """Used against available as a bar, the budget as its whole width; the interval of an estimate lies over it."""
    scale = 100 / available

    def place(value: float) -> str:
        return _short(min(100.0, max(0.0, value * scale)))

    span = ""
    if high > low:
        x, width = place(low), _short(max(0.6, float(place(high)) - float(place(low))))
        span = f'<rect class="span" x="{x}" y="3" width="{width}" height="4"/>'
    width = _short(max(0.6, float(place(used)))) if used > 0 else "0"
    return Markup(  # noqa: S704 - figures only; the label is escaped
        f'<svg class="budget {state}" role="img" aria-label="{escape(label)}" viewBox="0 0 100 10" '
        f'preserveAspectRatio="none"><rect class="all" width="100" height="10"/>'
        f'<rect class="used" width="{width}" height="10"/>{span}</svg>'
    )


def legend(names: Iterable[str]) -> tuple[tuple[int, str], ...]:
    """Number of the colour, from 1, and name of every series."""
    return tuple((i % SERIES + 1, name) for i, name in enumerate(names))


def warm() -> None:
    """Makes the converter ready: its first conversion takes 0.4 s, later ones 20 ms."""
    chart = Chart("", "", (Curve("", ((0.0, 0.0), (1.0, 1.0))),), "")
    convert(json.dumps(specification(chart)))
