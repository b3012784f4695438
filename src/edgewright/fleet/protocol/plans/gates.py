"""What a gate says about the devices that have the new release: pass, hold or fail, and why, with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from edgewright.fleet.protocol.plans.votes import Counted, Voice, quantile, quantile_bounds, share, share_bounds, weigh
from edgewright.schema.fleet_plan import Gate

Said = Literal["pass", "hold", "fail"]
SHARES = ("failed", "silent", "firmware")
"""Measures that are a share of the devices; of all others a quantile is taken."""
UNITS = {
    "crashes": " a day", "latency": " s", "memory": " B", "alarms": " a day", "anomalies": " a day",
}  # fmt: skip


class GateVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A gate's word.

    Attributes:
        measure: of the gate.
        said: 'fail' is sure, 'hold' asks for more devices or time.
        value: of the new release; None below the quorum.
        low, high: bounds of it.
        allowed: the limit that held, also where it is relative; None where it cannot be said.
        heard: devices that counted; `needed` for a word.
        why: one line for people.
    """

    measure: str
    said: Said
    value: float | None = None
    low: float | None = None
    high: float | None = None
    allowed: float | None = None
    heard: int = 0
    needed: int = 0
    why: str


def judge(
    gate: Gate, enrolled: float, new: Sequence[Voice], old: Sequence[Voice] = (), last: bool = False
) -> GateVerdict:
    """Asks one gate.

    Args:
        gate: of the plan; with a `ratio`, values up to its `limit` are fine whatever the others have.
        enrolled: of the plan: devices enrolled later do not count.
        new: one voice for each device that has, or had, the new release.
        old: one for each that has an older one at the same time; asked only where the gate has a ratio.
        last: the plan's last stage, in which in the end nobody is left to compare with.

    'fail' needs the bound on the kind side beyond the limit: at one look, chance alone fails a release that is just at
    the limit once in 20 times at worst (looking again and again makes it more often, being further within it less);
    'pass' needs the value itself within it. Between them is 'hold'.
    """
    counted = weigh([voice for voice in new if voice.enrolled <= enrolled], gate.batch, gate.quorum)
    heard = len(counted.values)
    if heard < gate.quorum:
        why = f"{gate.measure}: {heard} of the {gate.quorum} devices needed have said something"
        return GateVerdict(measure=gate.measure, said="hold", heard=heard, needed=gate.quorum, why=why)
    value, low, high = _measured(gate, counted)
    kind, strict = gate.limit, gate.limit
    if gate.ratio:
        others = weigh([voice for voice in old if voice.enrolled <= enrolled], gate.batch, gate.quorum)
        if len(others.values) < gate.quorum:
            return _alone(gate, heard, len(others.values), (value, low, high), last)
        theirs, _, most = _measured(gate, others)
        kind, strict = max(gate.limit, gate.ratio * most), max(gate.limit, gate.ratio * theirs)
    said: Said = "fail" if low > kind else "hold" if value > strict else "pass"
    return GateVerdict(
        measure=gate.measure, said=said, value=value, low=low, high=high, allowed=strict, heard=heard,
        needed=gate.quorum, why=_say(gate, said, (value, low, high), strict, heard),
    )  # fmt: skip


def together(judged: Sequence[GateVerdict]) -> Said:
    """The strictest word of all."""
    said = {one.said for one in judged}
    return "fail" if "fail" in said else "hold" if "hold" in said else "pass"


def _measured(gate: Gate, counted: Counted) -> tuple[float, float, float]:
    """The value and its bounds."""
    if gate.measure in SHARES:
        part = share(counted)
        return part, *share_bounds(part, counted.sample)
    return quantile(counted, gate.quantile), *quantile_bounds(counted, gate.quantile)


def _alone(gate: Gate, heard: int, others: int, value: tuple[float, float, float], last: bool) -> GateVerdict:
    """A ratio with too few to compare with."""
    said: Said = "pass" if last else "hold"
    why = f"{gate.measure}: {others} of the {gate.quorum} devices needed still have the old release to compare with"
    if last:
        why += "; in the last stage that is no obstacle"
    return GateVerdict(
        measure=gate.measure, said=said, value=value[0], low=value[1], high=value[2], heard=heard,
        needed=gate.quorum, why=why,
    )  # fmt: skip


def _say(gate: Gate, said: Said, value: tuple[float, float, float], allowed: float, heard: int) -> str:
    """The sentence of a word."""
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
    ends = {"fail": "above", "hold": "above, but not surely,", "pass": "within"}
    return f"{what}, {ends[said]} the limit {limit}"
