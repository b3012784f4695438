"""Page of a simulated fleet: versions and outcomes over time, effects of faults, invariants."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from edgewright.fleet.simulator.result import Point, Result, moment
from edgewright.trace.blocks.charts import draw, legend
from edgewright.trace.blocks.records import Facts
from edgewright.trace.blocks.view_blocks import Chart, Curve
from edgewright.trace.html import blocks_html, sections_page

_HOUR, _MINUTE = 3600.0, 60.0
_SHORT = 3.0  # hours, below which hours on an axis would all be the same number
_HALTED = "dotted line down the chart: the rollout is halted"
_NOBODY = Markup("<p>No device started it.</p>")


def simulation_page(result: Result) -> str:
    """One file, self-contained."""
    title = f"Simulated: {result.devices:,} devices over {result.spell}"
    story = Facts(rows=tuple((moment(line.at), line.text) for line in result.story))
    invariants = Facts(
        rows=tuple(
            ("holds" if invariant.holds else "VIOLATED", f"{invariant.rule}: {invariant.observation}")
            for invariant in result.verdicts
        )
    )
    did = effects_charts(result)
    return sections_page(
        title, f"Faults: {result.broken}. Seed {result.seed}; the same seed reproduces this page.",
        [
            ("versions", "Versions over time", versions_chart(result)),
            ("ends", "Outcome of the new release", ends_chart(result)),
            *([("did", "Effect of each fault", did)] if did else []),
            ("story", "What happened", blocks_html([story], level=3)),
            ("held", "Invariants", blocks_html([invariants], level=3)),
        ],
    )  # fmt: skip


def versions_chart(result: Result) -> Markup:
    """Return devices by release over time, with its legend; a dashed line where the rollout was halted."""
    shown = _shown(result)
    ran = {counter for point in shown for counter, count in point.versions.items() if count}
    names = {counter: f"release {counter}, {words}" for counter, words in result.releases.items() if counter in ran}
    curves = [(name, [float(point.versions.get(counter, 0)) for point in shown]) for counter, name in names.items()]
    if any(point.away for point in shown):
        curves.append(("away", [float(point.away) for point in shown]))
    return _moving(result, "devices by release", curves)


def ends_chart(result: Result) -> Markup:
    """Return devices by what became of the new release on them, added up over time."""
    words = {"activated": "started it", "confirmed": "confirmed it", "reverted": "rolled back by themselves"}
    words |= {"called back": "were rolled back by the rollout"}
    shown = _shown(result)
    curves = [
        (words_of, [float(point.ended.get(outcome, 0)) for point in shown]) for outcome, words_of in words.items()
    ]
    seen = [(words_of, counts) for words_of, counts in curves if any(counts)]
    return _moving(result, "devices by outcome of the new release", seen) if seen else _NOBODY


def _shown(result: Result) -> list[Point]:
    start, end = result.moving
    return [point for point in result.timeline if start <= point.at <= end]


def _moving(result: Result, subject: str, counts: Sequence[tuple[str, Sequence[float]]]) -> Markup:
    """Return counts of the points that are shown, over hours, or over minutes where it is a short time."""
    start, end = result.moving
    unit, words = (_MINUTE, "minutes") if end - start < _SHORT * _HOUR else (_HOUR, "hours")
    times = [point.at / unit for point in _shown(result)]
    curves = tuple(Curve(name, tuple(zip(times, values, strict=True))) for name, values in counts)
    halted = None if result.halted is None else result.halted / unit
    label = f"{subject}, {words} {start / unit:.1f} to {end / unit:.1f}"
    label += "" if halted is None else f"; the rollout is halted after {halted:.1f} {words}"
    return _figure(Chart("devices", f"{words} since the beginning", curves, label, mark_x=halted), "devices")


def effects_charts(result: Result) -> Markup:
    """Return a chart a fault, over the whole time; empty where nothing is broken."""
    drawings = Markup("")
    halted = None if result.halted is None else result.halted / _HOUR
    for fault in result.faults:
        if not fault.did:
            continue
        points = tuple((point.at / _HOUR, float(point.did.get(fault.name, 0))) for point in result.timeline)
        label = f"{fault.did} over {result.spell}; in the end {points[-1][1]:,.0f}"
        chart = Chart(fault.did, "hours since the beginning", (Curve(fault.did, points),), label, mark_x=halted)
        drawings += Markup("<h3>{}</h3><p>{}</p>").format(fault.name, fault.words) + _figure(chart, "number")
    return drawings


def _figure(chart: Chart, unit: str) -> Markup:
    svg = draw(chart)
    keys = legend(chart.curves)
    keys += Markup("") if chart.mark_x is None else Markup("<span>{}</span>").format(_HALTED)
    return Markup(
        '<figure><p class="legend" aria-hidden="true">{}</p>{}<p class="legend" aria-hidden="true">{}</p></figure>'
    ).format(unit, svg, keys)
