"""Curves of a rollout's gates against their limits."""

from __future__ import annotations

from markupsafe import Markup

from edgewright.core.measures import measures
from edgewright.fleet.protocol.plans.reasons import deciding, is_share, title_of
from edgewright.schema.fleet_watch import RolloutSeen
from edgewright.trace.blocks.charts import WRITERS, draw
from edgewright.trace.blocks.view_blocks import Chart, Curve

_SPANS = (("seconds", 1.0), ("minutes", 60.0), ("hours", 3600.0))
"""Units of the time axis; the first in which the curve spans less than `_LONGEST`."""
_LONGEST, _FEW = 300.0, 12


def _unit_of(measure: str) -> str:
    """Return the key of `charts.WRITERS` for a gate's values."""
    unit = measures()[measure].unit.strip() if measure in measures() else ""
    return "share" if is_share(measure) else unit if unit in WRITERS else ""


def curves(seen: RolloutSeen) -> list[tuple[Chart, Markup, str, str]]:
    """Return a chart for every gate with values, the deciding one first, with the latest value and its limit."""
    first, charts = deciding(seen), []
    names = dict.fromkeys(measure for point in seen.history for measure in point.values)
    span = seen.history[-1].at - seen.started_at if seen.history else 0.0
    word, length = next((unit for unit in _SPANS if span < _LONGEST * unit[1]), _SPANS[-1])
    for measure in sorted(names, key=lambda measure: measure != first):
        unit = _unit_of(measure)
        known = [
            ((point.at - seen.started_at) / length, *point.values[measure])
            for point in seen.history
            if measure in point.values
        ]
        limits = [(at, limit) for at, _, limit in known if limit is not None]
        if not limits:
            continue
        values = tuple((at, value) for at, value, _ in known)
        latest, limit = WRITERS[unit](values[-1][1]), WRITERS[unit](limits[-1][1])
        pair = (Curve("devices on the release", values), Curve("limit", ((0.0, limits[0][1]), *limits)))
        label = f"{title_of(measure)}: {latest} now, the limit is {limit}"
        chart = Chart(title_of(measure), f"{word} since the start", pair, label, dots=len(values) < _FEW, unit=unit)
        charts.append((chart, draw(chart), latest, limit))
    return charts
