"""The page of a simulated fleet: versions over time, what each fault did, what happened in order, what held."""

from __future__ import annotations

from markupsafe import Markup

from edgewright.fleet.simulate.drawing import moment
from edgewright.fleet.simulate.result import Result
from edgewright.schema.lesson import Facts, Grid
from edgewright.trace.blocks_html import blocks_html
from edgewright.trace.charts import Chart, Curve, draw, legend
from edgewright.trace.own_page import sections_page

_HOUR = 3600.0
_NOBODY = Markup("<p>Nobody ever began it.</p>")


def simulation_page(result: Result) -> str:
    """One file, self-contained."""
    title = f"{result.devices:,} devices over {result.spell}"
    story = Facts(rows=tuple((moment(line.at), line.text) for line in result.story))
    held = Grid(
        headers=("", "rule", "found"),
        rows=tuple(("holds" if one.held else "violated", one.rule, one.found) for one in result.held),
    )
    did = effects_charts(result)
    return sections_page(
        title, f"Broken: {result.broken}. Seed {result.seed}; the same seed gives the same page.",
        [
            ("versions", "Versions over time", versions_chart(result)),
            ("ends", "What became of the new release", ends_chart(result)),
            *([("did", "What each fault did", did)] if did else []),
            ("story", "What happened", blocks_html([story], level=3)),
            ("held", "What must hold", blocks_html([held], level=3)),
        ],
    )  # fmt: skip


def versions_chart(result: Result) -> Markup:
    """Devices by release over hours, with its legend; a dashed line where the rollout was halted."""
    start, end = result.moving
    shown = [point for point in result.timeline if start <= point.at <= end]
    curves = [
        Curve(
            f"release {counter}, {words}",
            tuple((point.at / _HOUR, float(point.versions.get(counter, 0))) for point in shown),
        )
        for counter, words in result.releases.items()
    ]
    away = tuple((point.at / _HOUR, float(point.away)) for point in shown)
    if any(count for _, count in away):
        curves.append(Curve("away", away))
    halted = None if result.halted is None else result.halted / _HOUR
    label = f"devices by release, hours {start / _HOUR:.1f} to {end / _HOUR:.1f}"
    label += "" if halted is None else f"; the rollout is halted after {halted:.1f} hours"
    return _figure(Chart("devices", "hours", tuple(curves), label, mark_x=halted))


def ends_chart(result: Result) -> Markup:
    """Devices by what became of the new release on them, added up over hours."""
    start, end = result.moving
    shown = [point for point in result.timeline if start <= point.at <= end]
    words = {"activated": "began it", "confirmed": "confirmed it", "reverted": "went back by themselves"}
    words |= {"called back": "were called back"}
    curves = [
        Curve(said, tuple((point.at / _HOUR, float(point.ended.get(what, 0))) for point in shown))
        for what, said in words.items()
        if any(point.ended.get(what) for point in shown)
    ]
    label = f"devices by what became of the new release, hours {start / _HOUR:.1f} to {end / _HOUR:.1f}"
    halted = None if result.halted is None else result.halted / _HOUR
    return _figure(Chart("devices", "hours", tuple(curves), label, mark_x=halted)) if curves else _NOBODY


def effects_charts(result: Result) -> Markup:
    """A chart a fault, over the whole time; empty where nothing is broken."""
    found = Markup("")
    halted = None if result.halted is None else result.halted / _HOUR
    for one in result.faults:
        if not one.did:
            continue
        points = tuple((point.at / _HOUR, float(point.did.get(one.name, 0))) for point in result.timeline)
        label = f"{one.did} over {result.spell}; in the end {points[-1][1]:,.0f}"
        chart = Chart(one.did, "hours", (Curve(one.did, points),), label, mark_x=halted)
        found += Markup("<h3>{}</h3><p>{}</p>").format(one.name, one.words) + _figure(chart)
    return found


def _figure(chart: Chart) -> Markup:
    """A chart with its legend."""
    drawn = draw(chart)
    keys = Markup("").join(
        Markup('<span class="key k{}">{}</span>').format(number, name)
        for number, name in legend(curve.name for curve in chart.curves)
    )
    return Markup('<figure>{}<p class="legend" aria-hidden="true">{}</p></figure>').format(drawn, keys)
