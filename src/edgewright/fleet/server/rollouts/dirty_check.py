"""Whether the gates of a running rollout need to be asked now, found out without reading what every device said.

Before its time a stage can only be failed. For that some device must have failed, be silent, or be beyond a limit; and
a device that is beyond a limit over all its reports was beyond it in one of them, since each measure is a share, a
rate, a mean or a maximum of reports (for shares and rates: a sum of `numerator - limit * denominator` is above zero
only where one of its terms is). So where no single report of the window is beyond a limit, nobody failed and nobody
is silent, the gates cannot fail and are not asked. A glance may say too much, never too little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.gates import FAILED, NOT_THE_MODEL
from edgewright.fleet.server.database.tables import devices, intents, outcomes, reports
from edgewright.fleet.server.rollouts.rows import next_due, standing_of
from edgewright.schema.fleet_plan import Plan

FEW = 1000
"""Devices with leave up to which the gates are asked in every round: that costs little, and people see the newest."""
LEAST = 900.0
"""Seconds after which they are asked all the same, for people who look at what they say."""
_GLANCED = ("failed", "silent")
"""Shares that are found out below; others are asked for in every round."""
_OVERLAP = 120.0
"""Seconds that are read twice: a report may be written after one that came later."""
_ENDS = ("confirmed", *FAILED)
_R = reports.c
_BEYOND: dict[str, Callable[[float], sa.ColumnElement[bool]]] = {
    "crashes": lambda limit: _R.crashes * DAY > limit * _R.seconds,
    "alarms": lambda limit: _R.alarms * DAY > limit * _R.seconds,
    "anomalies": lambda limit: _R.anomalies * DAY > limit * _R.seconds,
    "latency": lambda limit: _R.latency_p99 > limit,
    "memory": lambda limit: _R.memory > limit,
    "unsure": lambda limit: _R.unsure > limit * _R.windows,
    "drift": lambda limit: _R.drifting > limit * _R.channels,
}  # fmt: skip


@dataclass
class _Last:
    """Of a rollout: its version, when the gates were asked, up to when reports were read, the newest beyond a limit."""

    version: int
    asked: float
    read: float
    beyond: float = -1.0


class DirtyCheck:
    """What is remembered between rounds; forgotten, everything is read once more.

    Args:
        window: seconds of reports that a gate looks back at.
        few: devices with leave up to which gates are asked in every round.

    Attributes:
        least: seconds after which gates are asked all the same.
    """

    def __init__(self, window: float, few: int = FEW) -> None:
        self._window, self.few, self.least = window, few, LEAST
        self._last: dict[str, _Last] = {}

    def forget(self) -> None:
        """Make the next check read everything."""
        self._last = {}

    def wanted(
        self, connection: sa.Connection, plan: Plan, row: Mapping[str, Any], now: float, listening: float, every: float
    ) -> bool:
        """Return whether the gates are to be asked in this round.

        Args:
            connection: to read from.
            plan: of the rollout.
            row: of the rollout.
            now: seconds since 1970.
            listening: see `gating.judge_all`.
            every: see `gating.judge_all`.
        """
        last = self._last.get(plan.id)
        requested = (
            last is None
            or last.version != row["version"]
            or now >= min(last.asked + self.least, next_due(plan, standing_of(row)))
            or self._small(connection, plan)
            or self._odd(connection, plan, last, now, listening, every)
        )
        if requested:
            kept = _Last(row["version"], now, 0.0) if last is None else last
            kept.version, kept.asked = row["version"], now
            self._last = {**self._last, plan.id: kept}
        return requested

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
            any(gate.measure not in _GLANCED and gate.measure not in _BEYOND for gate in plan.gates)
            or self._beyond(connection, plan, last, now)
            or _any_failed(connection, plan)
            or (now - listening > plan.silence and _any_silent(connection, plan, now, every))
        )

    def _beyond(self, connection: sa.Connection, plan: Plan, last: _Last, now: float) -> bool:
        """Return whether a report of the window is beyond a limit; only what came since the last glance is read."""
        conditions = [_BEYOND[gate.measure](gate.limit) for gate in plan.gates if gate.measure in _BEYOND]
        if not conditions:
            return False
        query = sa.select(sa.func.max(_R.at)).where(
            _R.counter == plan.release.counter, _R.at >= max(last.read - _OVERLAP, now - self._window),
            _R.model, sa.or_(*conditions),
        )  # fmt: skip
        last.beyond = max(last.beyond, connection.execute(query).scalar_one() or -1.0)
        last.read = now
        return last.beyond >= now - self._window


def _any_failed(connection: sa.Connection, plan: Plan) -> bool:
    o = outcomes.c
    query = sa.select(o.device).where(
        o.plan == plan.id, o.counter == plan.release.counter, o.what.in_(FAILED), o.because.not_in(NOT_THE_MODEL)
    )
    return connection.execute(query.limit(1)).first() is not None


def _any_silent(connection: sa.Connection, plan: Plan, now: float, every: float) -> bool:
    """Return whether somebody with leave was last heard so long ago that a gate may take it for silent."""
    d, i, o, counter = devices.c, intents.c, outcomes.c, plan.release.counter
    since = now - plan.silence
    ended = sa.select(o.number).where(
        o.device == d.id, o.plan == plan.id, o.counter == counter, o.what.in_(_ENDS)
    )  # fmt: skip
    gone = sa.or_(d.last_report_at.is_(None), d.last_report_at < since - every)
    # "IS NOT" keeps SQLite from an index of which nearly every row is false: it begins with those that had leave.
    query = (
        sa.select(d.id)
        .join(intents, sa.and_(i.device == d.id, i.plan == plan.id, i.counter == counter))
        .where(
            sa.or_(d.last_report_at.is_(None), d.last_report_at < since), d.quarantined.is_not(True), i.at < since,
            sa.or_(gone, ~sa.exists(ended)),
        )
    )  # fmt: skip
    return connection.execute(query.limit(1)).first() is not None
