"""A maintenance window from the forecast of remaining life: when it opens, when it closes, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.core.intervals import around
from edgewright.workflows.intervals import Fold, band_of


@dataclass(frozen=True)
class Policy:
    """What a plan has to keep to, in rows (cycles, hours, whatever a row is).

    Attributes:
        risk: share of machines that may fail before their window closes.
        notice: from the decision until parts and people are there.
        length: of the window.
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
    groups, when, made = np.array(fold.test.groups), np.array(fold.test.rows), []
    for group in np.unique(groups).tolist():
        mine = groups == group
        failed = rows[group] - 1
        due = np.flatnonzero(sure[mine] <= policy.notice + policy.length)
        if not len(due):
            made.append(Plan(group, None, failed, failed, failed))
            continue
        decided, left = int(when[mine][due[0]]), int(max(0.0, np.floor(sure[mine][due[0]])))
        made.append(Plan(group, decided, decided + policy.notice, decided + left, failed))
    return made


def by_age(fold: Fold, rows: dict[str, int], risk: float) -> list[Plan]:
    """Return the plans of somebody without a forecast: maintenance at an age that few of the other machines miss."""
    ends = np.sort([rows[group] - 1 for group in set(fold.calibration.groups)])
    age = int(ends[int(np.floor(len(ends) * risk))]) - 1
    groups: Sequence[str] = sorted(set(fold.test.groups))
    return [Plan(group, age, age, age, rows[group] - 1) for group in groups]
