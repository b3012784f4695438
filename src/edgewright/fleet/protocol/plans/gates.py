"""What a gate says about the devices that have the new release: pass, hold or fail, and why, with numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from edgewright.fleet.protocol.layout import DAY
from edgewright.schema.fleet_plan import Gate
from edgewright.schema.fleet_report import Vitals
from edgewright.schema.fleet_watch import GateSeen

SURE = 1.6449
"""Normal deviate of a one-sided 95 %."""


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """One device's value of one measure.

    Attributes:
        device: its id.
        batch: of its enrolment; devices that came together may be one hand's.
        enrolled: seconds since 1970.
        value: of the measure; for a share 1.0 or 0.0.
    """

    device: str
    batch: str = ""
    enrolled: float = 0.0
    value: float


class WeightedVotes(msgspec.Struct, frozen=True, kw_only=True):
    """Voices with weights, smallest value first.

    Attributes:
        values, weights: of the same length; weights from above 0 to 1.
        sample: how many devices of equal weight know as much (Kish, 1965).
    """

    values: tuple[float, ...]
    weights: tuple[float, ...]
    sample: float


def weigh(voices: Sequence[Vote], cap: float, minimum: int) -> WeightedVotes:
    """Give every device one vote and then takes from batches that have too many.

    Args:
        voices: of different devices; values that are not finite are left out.
        cap: largest share of the votes of one batch. Where there are too few batches for it, they are made equal.
        minimum: votes below which no batch is pushed; otherwise one odd device could speak for half of the fleet.
    """
    heard = sorted((v for v in voices if math.isfinite(v.value)), key=lambda voice: (voice.value, voice.device))
    sizes = Counter(voice.batch for voice in heard)
    maximum = max(_level(sorted(sizes.values()), cap), float(minimum))
    weights = tuple(min(1.0, maximum / sizes[voice.batch]) for voice in heard)
    squares = sum(weight * weight for weight in weights)
    sample = sum(weights) ** 2 / squares if squares else 0.0
    return WeightedVotes(values=tuple(voice.value for voice in heard), weights=weights, sample=sample)


def _level(sizes: Sequence[int], cap: float) -> float:
    """Return the largest number of votes a batch at which none has more than `cap` of them; sizes in rising order."""
    if not sizes or cap >= 1.0:
        return float(sizes[-1]) if sizes else 0.0
    below = 0
    for index, size in enumerate(sizes):
        above = len(sizes) - index  # batches that would be cut to the level
        if above * cap < 1.0:
            # level = cap * (below + above * level), where that lies between the last size and this one
            level = cap * below / (1.0 - above * cap)
            if level <= size:
                return max(level, float(sizes[0]))
        below += size
    return float(sizes[-1])


def quantile(counted: WeightedVotes, level: float) -> float:
    """Return the smallest value at or below which `level` of the votes lie; the first and the last at 0 and 1."""
    wanted = level * sum(counted.weights)
    reached = 0.0
    for value, weight in zip(counted.values, counted.weights, strict=True):
        reached += weight
        if reached >= wanted - 1e-9:
            return value
    return counted.values[-1]


def share_bounds(part: float, sample: float) -> tuple[float, float]:
    """Shares between which the fleet's share lies, by Wilson's score; each bound alone is right 95 times in 100."""
    square = SURE * SURE
    centre = (part + square / (2.0 * sample)) / (1.0 + square / sample)
    inside = part * (1.0 - part) / sample + square / (4.0 * sample * sample)
    spread = SURE * math.sqrt(inside) / (1.0 + square / sample)
    return max(0.0, centre - spread), min(1.0, centre + spread)


FAILED = ("reverted", "refused")
NOT_THE_MODEL = ("aborted", "refused")
"""Reasons of an outcome that say nothing about the release: it was called back, or its signature was not believed."""


def value(measure: str, vitals: Vitals) -> float | None:
    """Return a device's value of a measure; None where the report says nothing about it.

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
    """Return whether an outcome says that the release failed on the device; None where it says neither yes nor no."""
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


Said = Literal["pass", "hold", "fail"]
SHARES = ("failed", "silent", "firmware")
"""Measures that are a share of the devices; of all others a quantile is taken."""
UNITS = {
    "crashes": " a day", "latency": " s", "memory": " B", "alarms": " a day", "anomalies": " a day",
}  # fmt: skip


def judge(gate: Gate, enrolled: float, new: Sequence[Vote], old: Sequence[Vote] = (), last: bool = False) -> GateSeen:
    """Ask one gate.

    Args:
        gate: of the plan; with a `ratio`, values up to its `limit` are fine whatever the others have.
        enrolled: of the plan: devices enrolled later do not count.
        new: one voice for each device that has, or had, the new release.
        old: one for each that has an older one at the same time; asked only where the gate has a ratio.
        last: the plan's last stage, in which in the end nobody is left to compare with.

    'fail' is sure, 'hold' asks for more devices or time. `allowed` is the limit that held, also where it is relative.
    'fail' needs the bound on the kind side beyond the limit: at one look, chance alone fails a release that is just at
    the limit once in 20 times at worst (looking again and again makes it more often, being further within it less);
    'pass' needs the value itself within it. Between them is 'hold'.
    """
    counted = weigh([voice for voice in new if voice.enrolled <= enrolled], gate.batch, gate.quorum)
    heard = len(counted.values)
    if heard < gate.quorum:
        why = f"{gate.measure}: {heard} of the {gate.quorum} required devices have reported"
        return GateSeen(measure=gate.measure, said="hold", heard=heard, needed=gate.quorum, why=why)
    value, low, high = _measured(gate, counted)
    kind, strict = gate.limit, gate.limit
    if gate.ratio:
        others = weigh([voice for voice in old if voice.enrolled <= enrolled], gate.batch, gate.quorum)
        if len(others.values) < gate.quorum:
            return _alone(gate, heard, len(others.values), (value, low, high), last)
        theirs, _, maximum = _measured(gate, others)
        kind, strict = max(gate.limit, gate.ratio * maximum), max(gate.limit, gate.ratio * theirs)
    verdict: Said = "fail" if low > kind else "hold" if value > strict else "pass"
    return GateSeen(
        measure=gate.measure, said=verdict, value=value, low=low, high=high, allowed=strict, heard=heard,
        needed=gate.quorum, why=_say(gate, verdict, (value, low, high), strict, heard),
    )  # fmt: skip


def together(judged: Sequence[GateSeen]) -> Said:
    """Return the strictest word of all."""
    reported = {one.said for one in judged}
    return "fail" if "fail" in reported else "hold" if "hold" in reported else "pass"


def _measured(gate: Gate, counted: WeightedVotes) -> tuple[float, float, float]:
    """Return the value and its bounds."""
    if gate.measure in SHARES:
        part = sum(w for v, w in zip(counted.values, counted.weights, strict=True) if v > 0.5) / sum(counted.weights)
        return part, *share_bounds(part, counted.sample)
    # Bounds between which the fleet's quantile lies: each alone is right 95 times in 100.
    spread = SURE * math.sqrt(gate.quantile * (1.0 - gate.quantile) / counted.sample)
    levels = gate.quantile, max(0.0, gate.quantile - spread), min(1.0, gate.quantile + spread)
    value, low, high = (quantile(counted, level) for level in levels)
    return value, low, high


def _alone(gate: Gate, heard: int, others: int, value: tuple[float, float, float], last: bool) -> GateSeen:
    """Return a ratio with too few to compare with."""
    verdict: Said = "pass" if last else "hold"
    why = f"{gate.measure}: {others} of the {gate.quorum} devices needed still have the old release for comparison"
    if last:
        why += "; the last stage allows that"
    return GateSeen(
        measure=gate.measure, said=verdict, value=value[0], low=value[1], high=value[2], heard=heard,
        needed=gate.quorum, why=why,
    )  # fmt: skip


def _say(gate: Gate, verdict: Said, value: tuple[float, float, float], allowed: float, heard: int) -> str:
    """Return the sentence of a word."""
    unit = UNITS.get(gate.measure, "")
    if gate.measure in SHARES:
        what = f"{gate.measure}: {value[0]:.1%} of {heard} devices (sure: {value[1]:.1%} to {value[2]:.1%})"
        limit = f"{allowed:.1%}"
    else:
        which = "median" if gate.quantile == 0.5 else f"quantile {gate.quantile:g}"
        bounds = f"sure: {value[1]:.4g} to {value[2]:.4g}"
        what = f"{gate.measure}: {which} {value[0]:.4g}{unit} of {heard} devices ({bounds})"
        limit = f"{allowed:.4g}{unit}"
    if gate.ratio:
        limit += f", {gate.ratio:g} times that of the old release"
    ends = {"fail": "above", "hold": "above, but not significantly,", "pass": "within"}
    return f"{what}, {ends[verdict]} the limit {limit}"
