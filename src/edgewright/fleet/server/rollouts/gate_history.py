"""What the gates of a rollout said over time: a curve of each of them against its limit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from edgewright.schema.fleet_watch import GatePoint, GateSeen

MAX_POINTS = 120
"""Points that are kept; beyond, every second one of the older half is dropped."""


def points_of(text: str) -> tuple[GatePoint, ...]:
    """Decode the column; a damaged one counts as empty, because a rollout goes on without its curves."""
    try:
        return msgspec.json.decode(text, type=tuple[GatePoint, ...])
    except msgspec.DecodeError:
        return ()


def extended(text: str, now: float, results: Sequence[GateSeen]) -> str:
    """Return the column with a point more, where a gate has a finite value; JSON has no other numbers.

    Args:
        text: the column so far.
        now: seconds since 1970.
        results: what the gates say now.
    """
    values = {
        gate.measure: (gate.value, gate.allowed)
        for gate in results
        if gate.value is not None and math.isfinite(gate.value) and math.isfinite(gate.allowed or 0.0)
    }
    if not values:
        return text
    points = [*points_of(text), GatePoint(at=now, values=values)]
    if len(points) > MAX_POINTS:
        middle = len(points) // 2
        points = points[:middle:2] + points[middle:]
    return msgspec.json.encode(points).decode()
