"""Decides cheaply whether the gates of a running rollout must be evaluated now.

Before a stage's dwell is over, its gates can only fail. That needs a device that has failed, is silent, or exceeds a
limit. A device that exceeds a limit over all its reports exceeds it in at least one of them, since each measure is a
share, a rate, a mean or a maximum of reports (for shares and rates: a sum of `numerator - limit * denominator` is
positive only if one of its terms is). If no single report in the window exceeds a limit and no device failed or is
silent, no gate can fail, and evaluation is unnecessary. The check can have false positives but no false negatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from edgewright.core.measures import measures
from edgewright.fleet.protocol.plans.gates import FAILED, NOT_THE_MODEL
from edgewright.fleet.server.database.tables import devices, intents, outcomes, reports
from edgewright.fleet.server.rollouts.offered import not_spoilt
from edgewright.fleet.server.rollouts.rows import next_due, standing_of
from edgewright.schema.fleet_plan import Gate, Plan

FEW = 1000
"""Up to this many permitted devices, the gates are evaluated more often than needed, so that results stay current."""
_CURRENT = 1 / 60
"""Share of a stage's dwell after which the results of few devices are not current."""
LEAST = 900.0
"""Seconds after which the gates are evaluated anyway, so that the displayed results are not older."""
_GLANCED = ("failed", "silent")
"""Shares that this check covers; gates with other shares are evaluated in every round."""
_SLOW = ("classes",)
"""Takes long to read, and shows after an hour rather than a minute: asked for every `LEAST` seconds."""
_SOON = 10.0
"""Seconds after which they are asked again once the stage's time is over."""
_OVERLAP = 120.0
"""Overlap in seconds of two checks: reports may be written out of order."""
_ENDS = ("confirmed", *FAILED)
_R = reports.c
_REPORTED = {name: one for name, one in measures().items() if one.column}


@dataclass
class _Last:
    """A rollout's version, last evaluation, end of the checked reports, and newest report that exceeds a limit."""

    version: int
    asked: float
    read: float
    beyond: float = -1.0


class DirtyCheck:
    """Decides whether gates must be evaluated; remembers what earlier rounds have checked.

    Args:
        window: seconds of reports that a gate includes.

    Attributes:
        few: up to this many permitted devices, gates are evaluated again after a share of the dwell.
        least: seconds after which gates are evaluated anyway.
    """

    def __init__(self, window: float) -> None:
        self._window, self.few, self.least = window, FEW, LEAST
        self._last: dict[str, _Last] = {}

    def forget(self) -> None:
        """Make the next check read everything."""
        self._last = {}

    def wanted(
        self, connection: sa.Connection, plan: Plan, row: Mapping[str, Any], now: float, listening: float, every: float
    ) -> bool:
        """Return whether the gates must be evaluated in this round.

        Args:
            connection: connection for reading.
            plan: plan of the rollout.
            row: row of the rollout.
            now: seconds since 1970.
            listening: see `offered.RolloutTimes`.
            every: see `offered.RolloutTimes`.
        """
        last = self._last.get(plan.id)
        requested = (
            last is None
            or last.version != row["version"]
            or now >= self._again(plan, row, last)
            or (row["state"] == "running" and now >= _outdated(plan, row, last) and self._small(connection, plan))
            or self._odd(connection, plan, last, now, listening, every)
        )
        if requested:
            kept = _Last(row["version"], now, 0.0) if last is None else last
            kept.version, kept.asked = row["version"], now
            self._last = {**self._last, plan.id: kept}
        return requested

    def _again(self, plan: Plan, row: Mapping[str, Any], last: _Last) -> float:
        """Return seconds since 1970 at which the gates are asked all the same."""
        least = min(self.least, LEAST) if any(gate.measure in _SLOW for gate in plan.gates) else self.least
        if row["state"] == "finished":
            return last.asked + min(self.least, LEAST)
        return min(last.asked + least, max(next_due(plan, standing_of(row)), last.asked + _SOON))

    def _small(self, connection: sa.Connection, plan: Plan) -> bool:
        if self.few <= 0:
            return False
        i = intents.c
        some = sa.select(i.device).where(i.plan == plan.id, i.at.is_not(None)).limit(self.few + 1).subquery()
        return int(connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()) <= self.few

    def _odd(
        self, connection: sa.Connection, plan: Plan, last: _Last, now: float, listening: float, every: float
    ) -> bool:
        return (
            any(gate.measure not in (*_GLANCED, *_SLOW) and gate.measure not in _REPORTED for gate in plan.gates)
            or self._beyond(connection, plan, last, now)
            or _any_failed(connection, plan)
            or (now - listening > plan.silence and _any_silent(connection, plan, now, every))
        )

    def _beyond(self, connection: sa.Connection, plan: Plan, last: _Last, now: float) -> bool:
        """Return whether a report in the window exceeds a limit; reads only reports since the last check."""
        conditions = [_exceeded(gate) for gate in plan.gates if gate.measure in _REPORTED]
        if not conditions:
            return False
        query = sa.select(sa.func.max(_R.at)).where(
            _R.counter == plan.release.counter, _R.at >= max(last.read - _OVERLAP, now - self._window),
            _R.model, sa.or_(*conditions),
        )  # fmt: skip
        last.beyond = max(last.beyond, connection.execute(query).scalar_one() or -1.0)
        last.read = now
        return last.beyond >= now - self._window


def _exceeded(gate: Gate) -> sa.ColumnElement[bool]:
    """Return whether a report alone exceeds a limit."""
    one = _REPORTED[gate.measure]
    return _R[one.column] * one.scale > (gate.limit * _R[one.over] if one.over else gate.limit)


def _outdated(plan: Plan, row: Mapping[str, Any], last: _Last) -> float:
    """Return seconds since 1970 from which the displayed results of few devices are not current."""
    dwell = plan.stages[standing_of(row).stage].dwell
    return last.asked + min(LEAST, _CURRENT * dwell)


def _any_failed(connection: sa.Connection, plan: Plan) -> bool:
    o = outcomes.c
    query = sa.select(o.device).where(
        o.plan == plan.id, o.counter == plan.release.counter, o.what.in_(FAILED), o.because.not_in(NOT_THE_MODEL),
        not_spoilt(),
    )  # fmt: skip
    return connection.execute(query.limit(1)).first() is not None


def _any_silent(connection: sa.Connection, plan: Plan, now: float, every: float) -> bool:
    """Return whether the last report of a permitted device is so old that a gate may count it as silent."""
    d, i, o, counter = devices.c, intents.c, outcomes.c, plan.release.counter
    since = now - plan.silence
    ended = sa.select(o.number).where(
        o.device == d.id, o.plan == plan.id, o.counter == counter, o.what.in_(_ENDS), not_spoilt()
    )  # fmt: skip
    gone = sa.or_(d.last_report_at.is_(None), d.last_report_at < since - every)
    # "IS NOT" prevents SQLite from using an index with almost only false values: it starts with the permitted devices.
    query = (
        sa.select(d.id)
        .join(intents, sa.and_(i.device == d.id, i.plan == plan.id, i.counter == counter))
        .where(
            sa.or_(d.last_report_at.is_(None), d.last_report_at < since), d.quarantined.is_not(True), i.at < since,
            sa.or_(gone, ~sa.exists(ended)),
        )
    )  # fmt: skip
    return connection.execute(query.limit(1)).first() is not None
