"""Views of a fleet for operators: versions, devices that need attention, reasons for a phase, recent events."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.core.errors import EdgewrightError
from edgewright.core.records.fleet import Plan
from edgewright.fleet.protocol.layout import DAY, LONGEST, ROLLOUTS
from edgewright.fleet.protocol.plans.decision import (
    Moment,
    Traits,
    decide,
    first_stage,
    open_s,
    position,
    stage_by_place,
)
from edgewright.fleet.protocol.plans.gates import FAILED
from edgewright.fleet.protocol.rollout_records import (
    Attention,
    EventSeen,
    IntentSeen,
    MapState,
    Noticed,
    RolloutMap,
    RolloutWord,
    Spread,
    SpreadPart,
    StageDevices,
    Trait,
    Whereabouts,
)
from edgewright.fleet.repository.metadata import listed
from edgewright.fleet.server import restore
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.tables import (
    audit,
    devices,
    in_index,
    intents,
    items,
    next_due,
    outcomes,
    plan_of,
    rollouts,
    standing_of,
    traits_of,
    vitals,
)
from edgewright.fleet.server.endpoint import RefusedError
from edgewright.fleet.server.rollouts.offered import Fate, RolloutTimes, counting, not_spoilt, offered_devices

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
        for published in listed(restore.role_files(connection)):
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


_MAX_INTENTS = 20


def whereabouts(connection: sa.Connection, row: Mapping[Any, Any], now: float) -> Whereabouts:
    """Return the decisions of all rollouts of a device's product about it.

    Args:
        connection: connection for reading.
        row: row of the device.
        now: seconds since 1970 by the server's clock. A device that was off, or whose clock is wrong, may wait longer;
            its reports say why.
    """
    own = (column for column in intents.c if column is not intents.c.device)
    query = sa.select(*own).where(intents.c.device == row["id"]).order_by(intents.c.asked_at.desc()).limit(_MAX_INTENTS)
    known = [
        dict(column._mapping)
        for column in connection.execute(sa.select(rollouts).where(rollouts.c.product == row["product"]))
    ]
    again = sa.and_(outcomes.c.counter == row["retry_release"], outcomes.c.number <= row["retry_after"])
    failed = sa.select(outcomes.c.counter).where(
        outcomes.c.device == row["id"], outcomes.c.what.in_(FAILED), sa.not_(again), not_spoilt()
    )
    traits = traits_of(row, frozenset(connection.execute(failed).scalars()))
    return Whereabouts(
        rollouts=tuple(_word(column, traits, now) for column in in_index(known)[:_MAX_INTENTS]),
        intents=tuple(IntentSeen(**row._mapping) for row in connection.execute(query)),
    )


def _word(row: dict[str, Any], traits: Traits, now: float) -> RolloutWord:
    plan, standing = plan_of(row["body"]), standing_of(row)
    # Assume that the device has run since the plan's start: this view shows what the plan says, not how long the
    # device was off.
    moment = Moment(now=now, trusted=True, running=now, seen=plan.starts, fresh=True, wall=now)
    verdict = decide(plan, standing, traits, moment)
    stage = verdict.stage
    named = f"{stage + 1} of {len(plan.stages)} {plan.stages[stage].name!r}" if 0 <= stage < len(plan.stages) else ""
    return RolloutWord(
        plan=plan.id, counter=plan.release.counter, state=standing.state, stage=named, go=verdict.go,
        position=position(plan.salt, plan.id, traits.device), why=verdict.why,
    )  # fmt: skip


_Kind = tuple[sa.Column[Any], Any, list[Any]]
_MIN_SECONDS = 60.0
"""Smallest observation time in seconds for the computation of a rate per day."""

_FAULTS = 3
"""Failed attempts in a row from which a download needs a look."""


def attention(connection: sa.Connection, now: float, limit: int, silence: float, lag: FleetLag) -> Attention:
    """Return the worst devices of each kind of problem, and the number of affected devices.

    Args:
        connection: connection for reading.
        now: seconds since 1970.
        limit: largest number of devices of each kind.
        silence: seconds without a report after which a device is silent.
        lag: devices that are behind, and published releases.
    """
    share = sa.cast(vitals.c.drifting, sa.Double) / sa.case((vitals.c.channels > 0, vitals.c.channels), else_=1)
    days = sa.case((vitals.c.seconds > _MIN_SECONDS, vitals.c.seconds), else_=_MIN_SECONDS) / DAY
    last = sa.func.coalesce(devices.c.last_report_at, devices.c.enrolled_at)
    # Query one table at a time and exclude the few quarantined devices by id: with a join, the database would start
    # with the wrong table.
    shut = devices.c.quarantined.is_(True)
    good = vitals.c.device.not_in(sa.select(devices.c.id).where(shut))
    quiet = [devices.c.quarantined.is_(False), last <= now - silence]
    kinds: dict[str, _Kind] = {
        "drifting": (vitals.c.device, share, [vitals.c.drifting > 0, good]),
        "alarming": (vitals.c.device, vitals.c.alarms / days, [vitals.c.alarms > 0, good]),
        "crashing": (vitals.c.device, vitals.c.crashes / days, [vitals.c.crashes > 0, good]),
        "silent": (devices.c.id, now - last, quiet),
        "quarantined": (devices.c.id, now - devices.c.quarantined_at, [shut, devices.c.status == "active"]),
        "unknown": (devices.c.id, sa.cast(devices.c.counter, sa.Double), [devices.c.status != "retired", sa.or_(
            sa.false(), *(
                sa.and_(devices.c.product == product, devices.c.counter.not_in(known))
                for product, known in lag.published.items()
            ),
        )]),
        "stale": (devices.c.id, now - devices.c.signed, [
            devices.c.quarantined.is_(False), devices.c.signed > 0.0, devices.c.signed < now - LONGEST[ROLLOUTS],
            last > now - silence,
        ]),
        "faulty": (devices.c.id, devices.c.transport_faults, [
            devices.c.quarantined.is_(False), devices.c.transport_faults >= _FAULTS,
        ]),
    }  # fmt: skip
    worst: dict[str, dict[str, float]] = {}
    totals: dict[str, int] = {}
    for kind, (name, value, conditions) in kinds.items():
        totals[kind] = connection.execute(sa.select(sa.func.count(name)).where(*conditions)).scalar_one()
        ordered = sa.select(name, value).where(*conditions).order_by(value.desc(), name).limit(limit)
        worst[kind] = {row[0]: float(row[1] or 0.0) for row in connection.execute(ordered)} if totals[kind] else {}
    totals["behind"] = len(lag.behind)
    ordered_late = sorted(lag.behind.items(), key=lambda item: (-item[1].seconds, item[0]))[:limit]
    worst["behind"] = {name: late.seconds for name, late in ordered_late}
    known = _known(connection, {name for names in worst.values() for name in names})
    sections = {
        kind: tuple(
            Noticed(
                id=row.id, name=row.name, counter=row.counter, at=row.at, value=value, subject=_describe(kind, row, lag)
            )
            for row, value in ((known[name], value) for name, value in names.items() if name in known)
        )
        for kind, names in worst.items()
    }
    channels = Counter(channel for name in worst["drifting"] for channel in _names(known[name].detail))
    return Attention(**sections, totals=totals, channels=dict(channels.most_common(20)))


def _known(connection: sa.Connection, names: set[str]) -> dict[str, Any]:
    c = devices.c
    at = sa.func.coalesce(c.last_report_at, c.enrolled_at).label("at")
    joined = devices.outerjoin(vitals, vitals.c.device == c.id)
    wanted = sa.select(
        c.id, c.name, c.counter, at, c.quarantine_reason, c.transport_fault, vitals.c.detail
    ).select_from(joined)
    return {row.id: row for row in connection.execute(wanted.where(c.id.in_(names)))}


def _describe(kind: str, row: Any, lag: FleetLag) -> str:  # noqa: ANN401 - a row
    if kind in ("quarantined", "faulty"):
        return str(row.quarantine_reason if kind == "quarantined" else row.transport_fault)
    if kind == "behind":
        return f"release {lag.behind[row.id].counter} of {lag.behind[row.id].plan}"
    return ", ".join(_names(row.detail))[:200] if kind == "drifting" else ""


def _names(detail: str | None) -> list[str]:
    return [str(name) for name in msgspec.json.decode(detail or "{}").get("drifting", ())]


_COLUMNS = {
    "product": devices.c.product, "profile": devices.c.profile, "batch": devices.c.batch,
    "version": devices.c.version, "phase": devices.c.phase, "tag": devices.c.given,
}  # fmt: skip


def spread(connection: sa.Connection, by: Trait, product: str, limit: int) -> Spread:
    """Count devices by a trait and release.

    The database does the counting, so the result has one row per value. Tags are those from tokens and operators,
    which also determine cohorts; devices with the same set of tags form one row.
    """
    column, number = _COLUMNS[by], sa.func.count()
    query = sa.select(column, devices.c.counter, number).group_by(column, devices.c.counter)
    if product:
        query = query.where(devices.c.product == product)
    totals: dict[str, Counter[int]] = {}
    for value, counter, count in connection.execute(query):
        for name in (value or ("",)) if by == "tag" else (value,):
            totals.setdefault(name, Counter())[counter] += count
    ordered = sorted(totals.items(), key=lambda part: (-part[1].total(), part[0]))
    return Spread(
        by=by,
        parts=tuple(
            SpreadPart(value=value, total=counts.total(), counters=dict(sorted(counts.items())))
            for value, counts in ordered[:limit]
        ),
        more=max(0, len(ordered) - limit),
    )


_LOUD = (
    "rollout.%", "device.quarantined", "device.lifted", "device.%blocked", "device.retired", "operator.%", "restored",
)  # fmt: skip
"""Actions of the audit log in the overview of events; the page of a device or plan shows all of them."""
_WORDS = {
    "rollout.stage": "next stage", "device.quarantined": "quarantined", "device.lifted": "quarantine lifted",
}  # fmt: skip
"""Descriptions of actions whose last word is not sufficient."""
_ENDS = ("confirmed", "reverted", "refused")
"""Final outcomes; the page of a device shows the earlier steps too."""
_LOOKED = 10
"""Events to read for each wanted alarm: the database cannot filter for alarms."""


def events(
    connection: sa.Connection, limit: int, *, plan: str = "", device: str = "", kind: str = ""
) -> tuple[EventSeen, ...]:
    """Return recent events, newest first.

    Args:
        connection: connection for reading.
        limit: largest number of events.
        plan: only outcomes of this plan and actions on it.
        device: only events of this device.
        kind: 'alarm' for alarms only; empty for all.
    """
    events_found = [] if plan else _alarms(connection, limit, device)
    if kind != "alarm":
        events_found += _outcomes(connection, limit, plan, device) + _done(connection, limit, plan or device)
    # The sort is stable: events with the same time keep the order of their list, newest first.
    return tuple(sorted(events_found, key=lambda event: -event.at)[:limit])


def _outcomes(connection: sa.Connection, limit: int, plan: str, device: str) -> list[EventSeen]:
    query = sa.select(outcomes, devices.c.name).join(devices, devices.c.id == outcomes.c.device)
    if plan:
        query = query.where(outcomes.c.plan == plan)
    query = query.where(outcomes.c.device == device if device else outcomes.c.what.in_(_ENDS))
    rows = connection.execute(query.order_by(outcomes.c.at.desc(), outcomes.c.number.desc()).limit(limit))
    return [
        EventSeen(
            key=f"o{r.device}:{r.number}", at=r.at, kind="outcome", device=r.device, subject=r.name,
            text=f"{r.what} release {r.counter}" + _because(r.because, r.detail),
        )
        for r in rows
    ]  # fmt: skip


def _because(because: str, detail: str) -> str:
    text = ": ".join(part for part in (because, detail) if part)
    return f" ({text})" if text else ""


def _alarms(connection: sa.Connection, limit: int, device: str) -> list[EventSeen]:
    query = sa.select(items, devices.c.name).join(devices, devices.c.id == items.c.device)
    query = query.where(items.c.kind == "event")
    if device:
        query = query.where(items.c.device == device)
    events_found = []
    for row in connection.execute(query.order_by(items.c.at.desc(), items.c.sequence.desc()).limit(limit * _LOOKED)):
        body: dict[str, Any] = msgspec.json.decode(row.body).get("body", {})
        if body.get("kind") != "alarm":
            continue
        stream = f" on {body['stream']}" if body.get("stream") else ""
        events_found.append(
            EventSeen(
                key=f"i{row.device}:{row.boot}:{row.sequence}", at=row.at, kind="alarm", device=row.device,
                subject=row.name, text=f"alarm {body.get('label', '')}{stream}"[:200],
            )
        )  # fmt: skip
    return events_found[:limit]


def _done(connection: sa.Connection, limit: int, subject: str) -> list[EventSeen]:
    query = sa.select(audit).order_by(audit.c.number.desc()).limit(limit)
    if subject:
        query = query.where(audit.c.subject == subject)
    else:
        query = query.where(sa.or_(*(audit.c.what.like(kind) for kind in _LOUD)))
    rows = connection.execute(query).all()
    wanted = {row.subject for row in rows if row.what.startswith("device.")}
    named = sa.select(devices.c.id, devices.c.name).where(devices.c.id.in_(wanted))
    names = {row.id: row.name for row in connection.execute(named)}
    return [_row(row, names) for row in rows]


def _row(row: Any, names: Mapping[str, str]) -> EventSeen:  # noqa: ANN401 - a row of the audit log
    detail = msgspec.json.decode(row.detail)
    why = next((str(detail[k]) for k in ("why", "reason") if isinstance(detail, dict) and detail.get(k)), "")
    by = f" by {row.who}"
    word = _WORDS.get(row.what, row.what.rpartition(".")[2] if "rollout." in row.what else row.what.replace(".", " "))
    text = word + by + (f": {why}" if why and not why.endswith(by) else "")
    of_device = row.subject if row.what.startswith("device.") else ""
    subject = names.get(row.subject, row.subject)
    return EventSeen(key=f"a{row.number}", at=row.at, kind=row.what, device=of_device, subject=subject, text=text[:400])


_BY_FATE: dict[Fate, MapState] = {"failed": "failed", "confirmed": "healthy", "lost": "silent", "away": "silent"}
_ROLLOUT_MAP_COLUMNS = (_D.id, _D.counter, _D.given, _D.profile, _D.product, _D.floor, _D.version)


def rollout_map(connection: sa.Connection, name: str, now: float, every: float) -> RolloutMap:
    """Return how many devices of each stage are in which state.

    Args:
        connection: connection for reading.
        name: id of the plan.
        now: seconds since 1970.
        every: seconds between two reports of a device to which nothing happens.

    Raises:
        RefusedError: there is no such rollout.
    """
    row = connection.execute(sa.select(rollouts).where(rollouts.c.plan == name)).one_or_none()
    if row is None:
        raise RefusedError(404, "a rollout", "another id", name, "edgewright fleet rollout status")
    plan, standing = plan_of(row.body), standing_of(dict(row._mapping))
    times = RolloutTimes(
        now=now, began=row.started_at, entered=standing.entered, due=next_due(plan, standing), every=every,
        finished=standing.state == "finished",
    )  # fmt: skip
    fates = {device.device: device.fate for device in offered_devices(connection, plan, times)}
    by_place = stage_by_place(plan)
    stages: list[Counter[MapState]] = [Counter() for _ in plan.stages]
    state: MapState
    aborted = standing.state == "aborted"
    reverted = _reverted(connection, plan) if aborted else frozenset()
    here = (_D.product == plan.release.product, _D.status == "active")
    counted = sa.select(*_ROLLOUT_MAP_COLUMNS[: 2 if by_place else None]).where(*here, *counting(plan))
    members = connection.execute(counted).all()
    outside = connection.execute(sa.select(sa.func.count()).where(*here)).scalar_one() - len(members)
    for device in members:
        name, counter = device[:2]
        stage = by_place(name) if by_place else first_stage(plan, traits_of(device._mapping))
        if stage is None:
            outside += 1
            continue
        fate = fates.get(name)
        if fate is None:
            state = "waiting"
        elif aborted and fate in ("confirmed", "open"):
            state = _after_abort(plan, counter, confirmed=fate == "confirmed", reverted=name in reverted)
        elif fate == "open":
            state = "trial" if counter == plan.release.counter else "allowed"
        else:
            state = _BY_FATE[fate]
        stages[stage][state] += 1
    return RolloutMap(
        stages=tuple(
            StageDevices(name=stage.name, states=dict(counts))
            for stage, counts in zip(plan.stages, stages, strict=True)
        ),
        outside=outside,
    )  # fmt: skip


def _reverted(connection: sa.Connection, plan: Plan) -> frozenset[str]:
    query = sa.select(outcomes.c.device).where(
        outcomes.c.plan == plan.id, outcomes.c.counter == plan.release.counter, outcomes.c.what == "reverted"
    )
    return frozenset(connection.execute(query).scalars())


def _after_abort(plan: Plan, counter: int, *, confirmed: bool, reverted: bool) -> MapState:
    """Return the state of a device that is heard after the abort; only a device with the release gets its rollback."""
    release = plan.release.counter
    if counter == release:
        return "healthy" if confirmed else "trial"
    if plan.revert is not None and counter == plan.revert.counter:
        return "returned"
    return "returned" if counter < release and (confirmed or reverted) else "healthy" if confirmed else "waiting"
