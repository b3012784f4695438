"""What a plan finds: the smallest share of killed devices that each stage notices, and for how long it watches them.

The server judges stages by these functions, and every preview of a plan shows their numbers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence

from edgewright.core.records.fleet import Stage
from edgewright.fleet.protocol.plans.decision import lasting, percent
from edgewright.fleet.protocol.rollout_records import StageDetection

BY_SIZE = 1.99
"""Value of a plan's `unconfirmed` with which its stages derive tolerance and quorum from their size.

Servers and devices of older versions read it as an ordinary percentage, of which at least one device may be missing.
"""
ABSENT = 0.02
"""Assumed share of a stage's devices that fall silent, or fail, for reasons of their own."""
MOST_ABSENT = 0.05
"""Largest share that may be missing, however many devices with the old release are silent at the same time."""
BY_CHANCE = (1e-4, 0.01, 0.05)
"""Probability below which chance does not explain so many silent devices: before a stage's time is over, after it, and
after as much time again. The first is small, because the question is asked again and again."""
LATE = 0.05
"""Share of a stage's devices that need not have run the release for the whole time: they began later than others."""
SLACK_S = 1800.0
"""Seconds in which a device polls, downloads, starts the release and reports."""
DEFAULT_FIND_WITHIN = 86_400.0
"""Seconds after its activation within which a fault shows that a default plan finds before the next stage."""
POWER = 0.95
"""Probability with which a stage finds the share of killed devices that its preview names."""
KILLS = ((4, "four"), (10, "ten"), (100, "a hundred"))
"""One device in so many is killed: the rates of which a preview names the stage that finds them."""
_CANARY = ((5, 0.1), (20, 0.25))
"""The first stage has at most so many percent of the fleet for finding such a share of killed devices."""


def as_stated(unconfirmed: float) -> float:
    """Return the value for a plan that has the rule of the percentage that a person stated, `BY_SIZE` included."""
    return math.nextafter(BY_SIZE, math.inf) if unconfirmed == BY_SIZE else unconfirmed


def tolerated(unconfirmed: float, count: int, absent: float = 0.0) -> int:
    """Return how many of a stage's devices may be missing, or have failed, when it ends.

    Args:
        unconfirmed: percent of the plan; `BY_SIZE` tolerates none in stages of fewer than 50 devices.
        count: devices of the stage.
        absent: measured share of devices with the old release that are silent; used by `BY_SIZE`.
    """
    if unconfirmed == BY_SIZE:
        return int(count * max(ABSENT, min(absent, MOST_ABSENT)) + 1e-9)
    return max(1, int(count * unconfirmed / 100.0 + 1e-9))


def quorum(unconfirmed: float, count: int) -> int:
    """Return how many of a stage's devices must have run the release for the time that the stage watches."""
    return count - int(count * LATE + 1e-9) if unconfirmed == BY_SIZE else 0


def watched_s(dwell: float, silence: float) -> float:
    """Return the seconds after its activation for which a device is watched in a stage with this dwell.

    A device that falls silent then is counted before the stage ends.
    """
    return max(0.0, dwell - silence - SLACK_S)


def dwell_for(find_within: float, silence: float) -> float:
    """Return the dwell with which faults are found that show within so many seconds after the activation."""
    return find_within + silence + SLACK_S


def at_least(missing: int, count: int, share: float) -> float:
    """Return the probability that `missing` or more of `count` devices are missing if each is with probability `share`.

    The upper tail of the binomial distribution.
    """
    from scipy.special import bdtrc  # noqa: PLC0415 - slow to load

    return float(bdtrc(missing - 1, count, share)) if missing > 0 else 1.0


def beyond_chance(lost: int, count: int, absent: float | None, phase: int) -> bool:
    """Return whether more devices of a stage are silent than chance explains.

    Args:
        lost: silent devices of the stage.
        count: devices of the stage.
        absent: share of the devices with the old release that are silent; None if there is nothing to compare with.
        phase: index in `BY_CHANCE`; in the last one only the measured share excuses, so it needs one.
    """
    last = len(BY_CHANCE) - 1
    if absent is None:
        return at_least(lost, count, ABSENT) < BY_CHANCE[min(phase, last - 1)]
    return at_least(lost, count, absent if phase == last else max(absent, ABSENT)) < BY_CHANCE[phase]


def as_uneven(silent: int, count: int, others: int, of: int) -> float:
    """Return the p-value of Fisher's exact test (Fisher, 1935), one-sided: the first group is more often silent.

    Args:
        silent: silent devices of the first group.
        count: devices of the first group.
        others: silent devices of the second group.
        of: devices of the second group.
    """
    from scipy.stats import fisher_exact  # noqa: PLC0415 - slow to load

    table = [[silent, count - silent], [others, of - others]]
    return float(fisher_exact(table, alternative="greater").pvalue)


def smallest_share(sample: int, missing: int) -> float | None:
    """Return the smallest share of killed devices of which, with 95 %, a sample has more than `missing`.

    A power calculation: the upper limit of the one-sided exact interval of Clopper and Pearson (1934).
    """
    from scipy.special import betaincinv  # noqa: PLC0415 - slow to load

    return float(betaincinv(missing + 1, sample - missing, POWER)) if sample > missing else None


@functools.lru_cache(1024)
def _bounds(members: int, share: float) -> tuple[int, int]:
    """Return bounds of the number of devices that a share reaches, each with a probability of 95 %."""
    from scipy.stats import binom  # noqa: PLC0415 - slow to load

    if share >= 1.0:
        return members, members
    low, high = binom.ppf([1.0 - POWER, POWER], members, share)
    return max(0, int(low) - 1), max(0, int(high))


@functools.lru_cache(1024)
def _worst(unconfirmed: float, fewest: int, largest: int) -> float | None:
    """Return the largest `smallest_share` over the numbers of devices that a stage may have."""
    counts = [fewest]
    steps = (n for n in range(fewest + 1, largest + 1) if tolerated(unconfirmed, n) > tolerated(unconfirmed, fewest))
    counts += [n for n in [next(steps, 0)] if n]
    shares = [
        smallest_share(quorum(unconfirmed, n) or n, tolerated(unconfirmed, n)) if unconfirmed < 100.0 else None
        for n in counts
    ]
    known = [share for share in shares if share is not None]
    return max(known) if len(known) == len(shares) else None


def _by_chance(members: int, share: float, missing: int) -> float | None:
    """Return the `smallest_share` of a stage that may be empty: chance draws its devices and those that are killed."""
    both = smallest_share(members, missing)
    return both / share if both is not None and both <= share else None


def detections(
    stages: Sequence[Stage], members: Sequence[int], *, unconfirmed: float, silence: float, holdout: float = 0.0
) -> tuple[StageDetection, ...]:
    """Return what each stage of a plan finds.

    Args:
        stages: of the plan.
        members: for each stage the number of devices in its cohorts, whatever their place.
        unconfirmed: as in the plan; so with `silence` and `holdout`.
        silence: seconds.
        holdout: percent.
    """
    last = len(stages) - 1
    rows = []
    for index, (stage, invited) in enumerate(zip(stages, members, strict=True)):
        share = stage.percent / 100.0 * (1.0 if index == last else 1.0 - holdout / 100.0)
        fewest, largest = _bounds(invited, share)
        smallest = _worst(unconfirmed, fewest, largest)
        if smallest is None and unconfirmed < 100.0:
            smallest = _by_chance(invited, share, tolerated(unconfirmed, largest))
        expected = round(invited * share)
        rows.append(
            StageDetection(
                name=stage.name, percent=stage.percent, dwell=stage.dwell, devices=expected, fewest=fewest,
                within=watched_s(stage.dwell, silence), quorum=quorum(unconfirmed, expected),
                tolerated=min(expected, tolerated(unconfirmed, expected)), smallest=smallest,
            )
        )  # fmt: skip
    return tuple(rows)


@functools.lru_cache(64)
def canary_percent(devices: int) -> int:
    """Return the share of a fleet for the first stage, in percent.

    The smallest share, from 1 %, that finds one killed device in ten with at most 5 % of the fleet; or one in four with
    at most 20 %; else 20 %.
    """
    for largest, rate in _CANARY:
        for share in range(1, largest + 1):
            smallest = _worst(BY_SIZE, *_bounds(devices, share / 100.0))
            if smallest is not None and smallest <= rate:
                return share
    return _CANARY[-1][0]


def preview(rows: Sequence[StageDetection], watch: float) -> Iterator[str]:
    """Yield the lines of a table of stages and the sentences below it.

    Args:
        rows: what each stage finds.
        watch: seconds after the end for which the rollout stays under its gates.
    """
    width = max(len("stage"), *(len(row.name) for row in rows))
    columns = (("share", 6), ("devices", 9), ("lasts", 7), ("quorum", 8), ("missing", 8), ("found from", 11))
    yield f"  {'stage':<{width}}" + "".join(f" {head:>{size}}" for head, size in columns)
    for row in rows:
        smallest = "-" if row.smallest is None else percent(100.0 * round(row.smallest, 3))
        cells = (
            percent(row.percent), f"{row.devices:,}", lasting(row.dwell), f"{row.quorum:,}" if row.quorum else "-",
            f"{row.tolerated:,}", smallest,
        )  # fmt: skip
        yield f"  {row.name:<{width}}" + "".join(
            f" {cell:>{size}}" for cell, (_, size) in zip(cells, columns, strict=True)
        )
    yield from sentences(rows, watch)


def sentences(rows: Sequence[StageDetection], watch: float) -> Iterator[str]:
    """Yield the sentences about what a plan finds, when, and what it costs in time."""
    if any(row.smallest is None for row in rows):
        yield "-: the stage may have no device, or too few to find a bad release."
    if max(row.devices for row in rows) == 1:
        yield "WARNING: nobody can tell one dead device from an outage: the rollout waits until a person aborts it."
    for number, word in KILLS:
        yield f"A release that kills one device in {word} {_where(rows, 1.0 / number)}."
    early = min((row.within for row in rows[:-1]), default=rows[-1].within)
    end = "the next stage begins" if len(rows) > 1 else "the rollout ends"
    if early:
        yield f"A fault that shows within {lasting(early)} of the activation shows before {end}."
    if early < DEFAULT_FIND_WITHIN:
        later = f"later than {lasting(early)} after the activation" if early else "later than in the first minutes"
        yield f"WARNING: a fault that shows {later} can reach the whole fleet before it is found."
    total = lasting(sum(row.dwell for row in rows))
    yield f"The rollout takes {total} at least. Its gates watch it for {lasting(watch)} after its end."


def _where(rows: Sequence[StageDetection], rate: float) -> str:
    """Return where a share of killed devices is found first."""
    for index, row in enumerate(rows):
        if row.smallest is not None and row.smallest <= rate:
            which = f"stage {index + 1} {row.name!r}"
            reached = f"after it began on up to {row.devices:,} devices"
            return f"is found in {which}" if index == 0 else f"is found only in {which}, {reached}"
    return "may pass every stage: too few devices, or no more than are missing anyway"
