"""Evaluates a release on trial: compares its counts with the plan's limits. A pure function of the counts.

Rates are tested with a bound instead of a quotient: one alarm in the first minute does not mean 1,440 per day. A
release is rolled back because of a rate or share if a true value at the limit would produce such a count in fewer than
one of 1,000 trials, by Chernoff bounds (H. Chernoff, 1952; Boucheron, Lugosi, Massart, "Concentration Inequalities",
2013, section 2.2): for a count n with an expected count m at the limit, exp(-(n ln(n/m) - n + m)); for a share k of n
with limit p, exp(-n (k/n ln(k/(n p)) + (1 - k/n) ln((1 - k/n)/(1 - p)))). At the end of the trial, a share of enough
answers is also compared with the limit itself.
"""

from __future__ import annotations

import math

import msgspec

from edgewright.fleet.device.device_state import Counts, Trial
from edgewright.fleet.protocol.layout import DAY
from edgewright.schema.fleet_plan import TrialLimits
from edgewright.schema.fleet_report import Because, Vitals

CHANCE = 1e-3
LEAST_ANSWERS = 100
"""Smallest number of answers for a meaningful p99, and for comparing a share with its limit at the end."""


class TrialVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a trial so far.

    Attributes:
        over: 'confirmed', 'reverted', or empty while the trial runs.
        because: reason of a rollback; empty otherwise.
        why: explanation for people, in one line.
    """

    over: str = ""
    because: Because = ""
    why: str


def added(counts: Counts, vitals: Vitals) -> Counts:
    """Return the sum of the counts of earlier starts and of this one."""
    names = ("windows", "unsure", "alarms", "anomalies")
    sums = {name: getattr(counts, name) + getattr(vitals, name) for name in names}
    return Counts(seconds=counts.seconds + max(0.0, vitals.seconds), **sums)


def judge(trial: Trial, total: Counts, vitals: Vitals | None) -> TrialVerdict:
    """Compare a trial with its limits.

    Args:
        trial: crashes, boots, time and limits.
        total: counts over all starts.
        vitals: vitals of the running process; None if none runs.
    """
    limits = trial.limits
    found = _ended(trial) or (_now(limits, total, vitals) if vitals else None) or _rates(limits, total)
    if found:
        return found
    if total.seconds >= limits.seconds:
        return _last(limits, total, vitals)
    if limits.patience and trial.waited >= limits.patience:
        text = f"{total.seconds:.0f} of {limits.seconds:.0f} s with rows in {trial.waited:.0f} s of running"
        return _back("patience", text)
    return TrialVerdict(why=f"on trial: {total.seconds:.0f} of {limits.seconds:.0f} s with rows")


def _ended(trial: Trial) -> TrialVerdict | None:
    if trial.crashes > trial.limits.crashes:
        return _back("crash", f"exited {trial.crashes} times, {trial.limits.crashes} allowed")
    if trial.boots > trial.limits.boots:
        return _back("boots", f"cut off {trial.boots} times, {trial.limits.boots} allowed")
    return None


def _now(limits: TrialLimits, total: Counts, vitals: Vitals) -> TrialVerdict | None:
    if limits.memory and vitals.memory > limits.memory:
        return _back("memory", f"{vitals.memory:,} bytes resident, {limits.memory:,} allowed")
    if limits.latency and vitals.windows >= LEAST_ANSWERS and vitals.latency[1] > limits.latency:
        return _slow(limits, vitals)
    if limits.drift and vitals.channels and len(vitals.drifting) / vitals.channels > limits.drift:
        text = f"{len(vitals.drifting)} of {vitals.channels} channels drift, {limits.drift:.0%} allowed"
        return _back("drift", text)
    return None


def _slow(limits: TrialLimits, vitals: Vitals) -> TrialVerdict:
    return _back("latency", f"p99 {vitals.latency[1]:.3g} s, {limits.latency:.3g} s allowed")


def _rates(limits: TrialLimits, total: Counts) -> TrialVerdict | None:
    if limits.unsure and share_unlikely(total.unsure, total.windows, limits.unsure) < CHANCE:
        return _unsure(limits, total)
    for name, count, limit in (
        ("alarms", total.alarms, limits.alarms), ("anomalies", total.anomalies, limits.anomalies)
    ):  # fmt: skip
        if limit and count_unlikely(count, limit * total.seconds / DAY) < CHANCE:
            text = f"{count} {name} in {total.seconds:.0f} s with rows, {limit:g} a day allowed"
            return _back("alarms" if name == "alarms" else "anomalies", text)
    return None


def _unsure(limits: TrialLimits, total: Counts) -> TrialVerdict:
    text = f"{total.unsure} of {total.windows} answers unsure, {limits.unsure:.0%} allowed"
    return _back("unsure", text)


def _last(limits: TrialLimits, total: Counts, vitals: Vitals | None) -> TrialVerdict:
    """Return the result at the end of the trial: values are compared with the limits directly."""
    if limits.latency and vitals and vitals.windows and vitals.latency[1] > limits.latency:
        return _slow(limits, vitals)
    if limits.unsure and total.windows >= LEAST_ANSWERS and total.unsure > limits.unsure * total.windows:
        return _unsure(limits, total)
    return TrialVerdict(over="confirmed", why=f"confirmed after {total.seconds:.0f} s with rows")


def _back(because: Because, why: str) -> TrialVerdict:
    return TrialVerdict(over="reverted", because=because, why=why)


def count_unlikely(count: int, mean: float) -> float:
    """Return an upper bound of the probability of at least `count` events with mean `mean` (Poisson)."""
    if count <= mean:
        return 1.0
    if mean <= 0.0:
        return 1.0  # no observation yet
    return math.exp(-(count * math.log(count / mean) - count + mean))


def share_unlikely(count: int, of: int, share: float) -> float:
    """Return an upper bound of the probability of at least `count` of `of` with probability `share` each (binomial)."""
    if not of or count <= share * of or share >= 1.0:
        return 1.0
    if share <= 0.0:
        return 0.0
    seen = count / of
    distance = seen * math.log(seen / share)
    if seen < 1.0:
        distance += (1.0 - seen) * math.log((1.0 - seen) / (1.0 - share))
    return math.exp(-of * distance)
