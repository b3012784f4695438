"""Devices that are behind their rollout, and releases that devices report although nobody published them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.fleet.protocol.plans.decision import Moment, decide, stage_by_place
from edgewright.fleet.protocol.plans.gates import FAILED
from edgewright.fleet.protocol.plans.windows import open_s
from edgewright.fleet.repository.releases import listed
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.rollout_rows import in_index, plan_of, standing_of, traits_of
from edgewright.fleet.server.database.tables import devices, outcomes, rollouts
from edgewright.fleet.server.publishing import heads
from edgewright.fleet.server.rollouts.offered import not_spoilt
from edgewright.schema.errors import EdgewrightError

POLLS = 10
"""Polls in open maintenance windows that a device has for a release of its stage before it counts as behind."""
_POLL_S = 60.0
"""Default time between two polls; a device does not say its own."""
_NAME = "lag"
_REST, _LEAST_S = 20.0, 1.0
"""Cache time as a multiple of the time to look at all devices, and its least."""
_D = devices.c


class Late(msgspec.Struct, frozen=True):
    """The release that a device should have, its plan, and for how many seconds at least."""

    counter: int
    plan: str
    seconds: float


class Lag:
    """What the rollouts of one moment say about devices.

    Args:
        connection: connection for reading.
        now: seconds since 1970.
        every: seconds between two reports of an idle device.
    """

    def __init__(self, connection: sa.Connection, now: float, every: float) -> None:
        running = sa.select(rollouts).where(rollouts.c.state.in_(("running", "finished")))
        rows = in_index([dict(row._mapping) for row in connection.execute(running)])
        self._now, self._grace_s = now, POLLS * max(every, _POLL_S)
        # A rollout with a pace lets devices wait for their turn.
        self._plans = [
            (plan_of(row["body"]), standing_of(row), stage_by_place(plan_of(row["body"])))
            for row in rows
            if now - row["entered"] > self._grace_s and (row["state"] == "finished" or not plan_of(row["body"]).pace)
        ]
        names = [plan.id for plan, *_ in self._plans]
        # After an operator let a device retry a release, its earlier failures are no reason to stay without it.
        again = sa.and_(outcomes.c.counter == _D.retry_release, outcomes.c.number <= _D.retry_after)
        failed = (
            sa.select(outcomes.c.device, outcomes.c.counter)
            .join(devices, _D.id == outcomes.c.device)
            .where(outcomes.c.plan.in_(names), outcomes.c.what.in_(FAILED), sa.not_(again), not_spoilt())
        )
        self._failed = {(row.device, row.counter) for row in connection.execute(failed)} if names else set()
        self.published = _published(connection)

    def late(self, row: Mapping[Any, Any]) -> Late | None:
        """Return how a device, a row of `devices`, is behind; None if it is not."""
        if row["quarantined"] or row["last_report_at"] is None:
            return None
        for plan, standing, by_place in self._plans:
            if plan.release.product != row["product"] or plan.release.counter <= row["counter"]:
                continue
            mine = standing.stage if by_place is None else by_place(row["id"])
            if mine is None or mine > standing.stage:
                continue
            since = max(standing.entered, row["enrolled_at"])
            if open_s(plan.windows, since, self._now) <= self._grace_s:
                continue
            burned = frozenset({plan.release.counter}) if (row["id"], plan.release.counter) in self._failed else ()
            moment = Moment(
                now=self._now, trusted=True, running=self._now, seen=plan.starts, fresh=True, wall=self._now
            )
            if decide(plan, standing, traits_of(row, frozenset(burned)), moment).go:
                return Late(plan.release.counter, plan.id, self._now - since)
        return None

    def unknown(self, row: Mapping[Any, Any]) -> bool:
        """Return whether a device reports a release that does not exist."""
        known = self.published.get(row["product"])
        return known is not None and row["counter"] not in known

    def everyone(self, connection: sa.Connection) -> dict[str, Late]:
        """Return all devices that are behind, by id."""
        counters: dict[str, int] = {}
        for plan, *_ in self._plans:
            release = plan.release
            counters[release.product] = max(counters.get(release.product, 0), release.counter)
        behind: dict[str, Late] = {}
        columns = (
            _D.id, _D.given, _D.profile, _D.product, _D.counter, _D.floor, _D.version, _D.quarantined,
            _D.last_report_at, _D.enrolled_at,
        )  # fmt: skip
        for product, counter in counters.items():
            query = sa.select(*columns).where(_D.product == product, _D.counter < counter)
            for row in connection.execute(query).all():
                if (late := self.late(row._mapping)) is not None:
                    behind[row.id] = late
        return behind


def _published(connection: sa.Connection) -> dict[str, frozenset[int]]:
    """Return the counters of each product's releases; empty where the published metadata cannot be read."""
    counters: dict[str, set[int]] = {}
    try:
        for published in listed(heads.role_files(connection)):
            counters.setdefault(published.release.product, {0}).add(published.release.counter)
    except (EdgewrightError, KeyError):
        return {}
    return {product: frozenset(of) for product, of in counters.items()}


class FleetLag(msgspec.Struct, frozen=True):
    """All devices that are behind, and the published counters by product."""

    behind: dict[str, Late]
    published: dict[str, frozenset[int]]


def lag_of(plane: Plane, connection: sa.Connection) -> Lag:
    """Return what the rollouts say now."""
    return Lag(connection, plane.clock.wall(), plane.limits.wait)


def fleet_lag(plane: Plane, connection: sa.Connection) -> FleetLag:
    """Return the lag of the whole fleet, at most so old that looking takes a twentieth of the time."""
    began = plane.clock.monotonic()
    kept: tuple[float, FleetLag] | None = plane.extra.get(_NAME)
    if kept is not None and began < kept[0]:
        return kept[1]
    start = time.perf_counter()
    of = lag_of(plane, connection)
    lag = FleetLag(of.everyone(connection), of.published)
    plane.extra[_NAME] = began + max(_LEAST_S, _REST * (time.perf_counter() - start)), lag
    return lag
