"""Maintenance by forecasts of remaining life: windows for single machines, and the cost of a line with some crews."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.package import around
from edgewright.workflows.intervals import band_of
from folds import Fold, Side

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Policy:
    """What a plan has to keep to, in rows (cycles, hours, whatever a row is).

    Attributes:
        risk: share of machines that may fail before their window closes.
        notice: from the decision until parts and people are there.
        length: length of the window.
    """

    risk: float
    notice: int
    length: int


@dataclass(frozen=True)
class Plan:
    """What was planned for a machine, in rows since its first one, and what would have come of it.

    Attributes:
        group: machine.
        decided: row of the decision; None where it failed before there was one.
        opens, closes: earliest and latest row of the maintenance; `closes` is before `opens` where it was too late.
        failed: row of its failure.
    """

    group: str
    decided: int | None
    opens: int
    closes: int
    failed: int

    @property
    def too_late(self) -> bool:
        """Whether the machine fails before its window closes."""
        return self.closes >= self.failed

    @property
    def unused(self) -> int:
        """Rows of life that a maintenance at the last moment gives away."""
        return max(0, self.failed - self.closes)


def plans_of(fold: Fold, rows: dict[str, int], policy: Policy) -> list[Plan]:
    """Plan the maintenance of each machine that judges, once, as its forecasts come in.

    The decision falls when the life that is left with all but the accepted risk no longer exceeds notice and window.

    Args:
        fold: forecasts of the rows left until failure.
        rows: of each machine until it failed.
        policy: risk, notice and length.
    """
    given = fold.calibration
    band = band_of(np.array(given.forecasts), np.array(given.truth), policy.risk, 0.0)
    sure, _ = around(band, np.array(fold.test.forecasts))
    groups, when, plans = np.array(fold.test.groups), np.array(fold.test.rows), []
    for group in np.unique(groups).tolist():
        mine = groups == group
        failed = rows[group] - 1
        due = np.flatnonzero(sure[mine] <= policy.notice + policy.length)
        if not len(due):
            plans.append(Plan(group, None, failed, failed, failed))
            continue
        decided, left = int(when[mine][due[0]]), int(max(0.0, np.floor(sure[mine][due[0]])))
        plans.append(Plan(group, decided, decided + policy.notice, decided + left, failed))
    return plans


def plans_by_age(fold: Fold, rows: dict[str, int], risk: float) -> list[Plan]:
    """Return the plans of somebody without a forecast: maintenance at an age that few of the other machines miss."""
    ends = np.sort([rows[group] - 1 for group in set(fold.calibration.groups)])
    age = int(ends[int(np.floor(len(ends) * risk))]) - 1
    groups: Sequence[str] = sorted(set(fold.test.groups))
    return [Plan(group, age, age, age, rows[group] - 1) for group in groups]


class Costs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What upkeep costs, by the parts and work of one planned maintenance, and how long it takes, in rows.

    Attributes:
        failure: parts and work after a failure.
        standing: one row of a machine that stands still.
        planned_rows, failure_rows: a crew is busy with one.
    """

    failure: Annotated[float, msgspec.Meta(ge=0)]
    standing: Annotated[float, msgspec.Meta(gt=0)]
    planned_rows: Annotated[int, msgspec.Meta(ge=1)]
    failure_rows: Annotated[int, msgspec.Meta(ge=1)]


class Lives(NamedTuple):
    """Machines that ran until they failed.

    Attributes:
        lengths: rows of each life, shape (machines,).
        sure: rows that are left at least, by age; shape (machines, rows).
    """

    lengths: Whole
    sure: Array


def lives_of(side: Side, calibration: Side, risk: float) -> Lives:
    """Return lives with what is left of them at each age with all but the risk, calibrated on other machines."""
    band = band_of(np.array(calibration.forecasts), np.array(calibration.truth), risk, 0.0)
    low, _ = around(band, np.array(side.forecasts))
    groups, rows = np.array(side.groups), np.array(side.rows)
    names = np.unique(groups)
    lengths = np.array([int(rows[groups == name].max()) + 1 for name in names])
    sure = np.full((len(names), int(lengths.max()) + 1), np.inf)
    for number, name in enumerate(names):
        mine = np.flatnonzero(groups == name)
        # Between two forecasts, the rows that pass are gone from the older one.
        ages = np.arange(rows[mine[0]], lengths[number])
        newest = mine[np.searchsorted(rows[mine], ages, "right") - 1]
        sure[number, ages] = low[newest] - (ages - rows[newest])
    return Lives(lengths, sure)


Booking = Callable[[Whole, Whole], Array]
"""From numbers of lives and ages, shape (draws, machines), to the rows until each has to be in maintenance."""


def by_age(age: int) -> Booking:
    """Return the booking of a maintenance at a fixed age; 0 books none, and machines run until they fail."""
    return lambda _, ages: age - ages.astype(np.float64) if age else np.full(ages.shape, np.inf)


def by_forecast(lives: Lives) -> Booking:
    """Return the booking of a maintenance before the life that is surely left ends."""
    return lambda which, ages: lives.sure[which, np.minimum(ages, lives.lengths[which])]


class Upkeep(NamedTuple):
    """What came of a line in each draw, shape (draws,), and its cost up to each row, a mean over the draws."""

    planned: Whole
    failures: Whole
    standing: Whole
    cost: Array
    course: Array


def keep_up(
    lives: Lives, booking: Booking, costs: Costs, *, machines: int, crews: int, notice: int, rows: int, draws: int,
    seed: int,
) -> Upkeep:  # fmt: skip
    """Run a line for some rows; each machine that comes back from a crew lives the life of another one.

    A maintenance is booked `notice` rows before it can begin, and earlier where crews are busy with more urgent ones.
    Machines that failed come first. A machine that waits for a crew runs on until it fails.

    Args:
        lives: of machines, drawn at random.
        booking: rows until a machine has to be in maintenance.
        costs: of what is done.
        machines: of the line.
        crews: of the line; each works on one machine at a time.
        notice: rows from the booking until parts are there.
        rows: of the line's time.
        draws: lines, all with the same lives under every booking of the same seed.
        seed: of the lives.
    """
    rng = np.random.default_rng(seed)
    shape = (draws, machines)
    queue = rng.integers(0, len(lives.lengths), (rows // int(lives.lengths.min()) + 3, *shape))
    turn = np.zeros(shape, np.int64)
    which = queue[0]
    ages = (rng.random(shape) * lives.lengths[which] / 2).astype(np.int64)
    # Rows until parts are there, counted down from a booking, and those for which a crew is still busy.
    booked, busy = np.full(shape, -1), np.zeros(shape, np.int64)
    failed = np.zeros(shape, np.bool_)
    counts, course = np.zeros((3, draws), np.int64), np.zeros(rows)
    for row in range(rows):
        running = ~failed & (busy == 0)
        due = np.where(running, booking(which, ages), np.inf)
        rank = _ranks(due)
        latest = due - notice - (rank // crews) * costs.planned_rows
        # Whoever is more urgent than a machine that is due is booked with it: each takes a crew before it.
        last = np.where(latest <= 1, rank, -1).max(axis=1, keepdims=True)
        new = running & (booked < 0) & (rank <= last)
        booked = np.where(new, notice, np.where(booked > 0, booked - 1, booked))
        ready = failed & (busy == 0) | running & (booked == 0)
        urgency = np.where(ready, np.where(failed, -np.inf, due), np.inf)
        begins = ready & (_ranks(urgency) < crews - (busy > 0).sum(axis=1, keepdims=True))
        counts[0] += (begins & ~failed).sum(axis=1)
        busy = np.where(begins, np.where(failed, costs.failure_rows, costs.planned_rows), busy)
        stands = failed | (busy > 0)
        counts[2] += stands.sum(axis=1)
        back = busy == 1
        busy = np.maximum(busy - 1, 0)
        turn = turn + back
        which = np.where(back, np.take_along_axis(queue, np.minimum(turn, len(queue) - 1)[None], 0)[0], which)
        ages = np.where(back, 0, np.where(stands, ages, ages + 1))
        failed, booked = failed & ~back, np.where(back, -1, booked)
        dies = ~stands & (ages >= lives.lengths[which])
        failed |= dies
        counts[1] += dies.sum(axis=1)
        course[row] = _cost(counts, costs).mean()
    return Upkeep(counts[0], counts[1], counts[2], _cost(counts, costs), course)


def _ranks(values: Array) -> Whole:
    """Return the rank of each value in its row, 0 for the smallest; of equal ones the first is lower."""
    return np.argsort(np.argsort(values, axis=1, kind="stable"), axis=1, kind="stable")


def _cost(counts: Whole, costs: Costs) -> Array:
    return np.asarray(counts[0] + costs.failure * counts[1] + costs.standing * counts[2], np.float64)
