"""What a gate's measure is, from what a device reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgewright.fleet.protocol.layout import DAY
from edgewright.schema.fleet_report import Vitals

FAILED = ("reverted", "refused")
NOT_THE_MODEL = ("aborted", "refused")
"""Reasons of an outcome that say nothing about the release: it was called back, or its signature was not believed."""


def value(measure: str, vitals: Vitals) -> float | None:
    """A device's value of a measure; None where the report says nothing about it.

    Rates are a day of running with rows; shares are of answers and of channels.
    """
    formula = _FORMULAS.get(measure)
    return formula(vitals) if formula else None


def distance(before: Mapping[str, float], after: Mapping[str, float]) -> float | None:
    """Total variation between the class shares of two times, 0 to 1; None where one of them has no answers."""
    all_before, all_after = sum(before.values()), sum(after.values())
    if not all_before or not all_after:
        return None
    names = before.keys() | after.keys()
    return sum(abs(before.get(n, 0) / all_before - after.get(n, 0) / all_after) for n in names) / 2.0


def failed(what: str, because: str) -> bool | None:
    """Whether an outcome says that the release failed on the device; None where it says neither yes nor no."""
    if what == "confirmed":
        return False
    return True if what in FAILED and because not in NOT_THE_MODEL else None


def _a_day(count: Callable[[Vitals], int]) -> Callable[[Vitals], float | None]:
    return lambda vitals: count(vitals) * DAY / vitals.seconds if vitals.seconds > 0 else None


_FORMULAS: dict[str, Callable[[Vitals], float | None]] = {
    "crashes": _a_day(lambda vitals: vitals.crashes),
    "alarms": _a_day(lambda vitals: vitals.alarms),
    "anomalies": _a_day(lambda vitals: vitals.anomalies),
    "latency": lambda vitals: vitals.latency[1] if vitals.windows else None,
    "memory": lambda vitals: float(vitals.memory) if vitals.memory else None,
    "unsure": lambda vitals: vitals.unsure / vitals.windows if vitals.windows else None,
    "drift": lambda vitals: len(vitals.drifting) / vitals.channels if vitals.channels else None,
}
