"""Devices that were offered a release, and what became of it on each of them.

A device was offered the release when its intent was acknowledged, when it reported an outcome of the release, when it
last reported that it is downloading it and then fell silent, or, in a rollout with a stage that asks for no permission,
when it reports that it runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from edgewright.core.errors import RolloutStateError
from edgewright.core.records.fleet import Allowed, Intent, Plan, pending
from edgewright.fleet.protocol.layout import DAY, REPORT_EVERY
from edgewright.fleet.protocol.plans.decision import Moment, decide, lasting
from edgewright.fleet.protocol.plans.gates import FAILED, SPOILT, Vote, failed
from edgewright.fleet.server.database.engine import write_rows
from edgewright.fleet.server.database.tables import (
    boards_of,
    devices,
    intents,
    outcomes,
    plan_of,
    row_of,
    standing_of,
    traits_of,
)
from edgewright.fleet.server.device_access import shut_out
from edgewright.fleet.server.endpoint import RefusedError

_AHEAD = 60.0
LOOK = DAY
"""Seconds of reports that a gate looks back at most."""
OVERDUE = 1.2
"""Intervals between reports after which a device to which nothing happens is late: its clock draws the moment."""
Fate = Literal["failed", "confirmed", "lost", "open", "away"]


class RolloutTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Moments that decide who is silent; all in seconds since 1970.

    Attributes:
        now: of this round.
        began: when the rollout began.
        entered: when its stage began.
        due: before which the stage cannot end.
        listening: since when the control plane has been there without a break: while it was away, devices could not
            report, and that is no silence of theirs.
        every: seconds between two reports of a device to which nothing happens.
        finished: the last stage is over; the release is only watched.
    """

    now: float
    began: float
    entered: float
    due: float
    listening: float = 0.0
    every: float = REPORT_EVERY
    finished: bool = False

    def is_silent(self, reported_at: float, silence: float, *, idle: bool = True) -> bool:
        """Return whether a device has said nothing for too long.

        Args:
            reported_at: seconds since 1970 of its last report.
            silence: of the plan, in seconds.
            idle: nothing happens to it, so that it need not report before its next report is due.
        """
        reported_at += OVERDUE * self.every if idle else 0.0
        # What came while the server's clock was ahead would be the newest word of a device for as long as it was ahead.
        reported_at = reported_at if reported_at <= self.now + _AHEAD + OVERDUE * self.every else 0.0
        return self.now - max(reported_at, self.listening) > silence


class OfferedDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One device that was offered the release.

    Attributes:
        device, batch, enrolled: as in its votes.
        at: seconds since 1970, when it was offered.
        fate: 'failed' or 'confirmed' as it reported; 'lost': silent for longer than the plan allows; 'away': it
            confirmed and is silent since; 'open': nothing is known yet. `silence.Silence` decides which of the silent
            ones the release may have killed.
        reported_at: seconds since 1970 of its last report; 0 for none.
        usual: whether it was as silent at the same hours before the release; None where nobody knows.
    """

    device: str
    batch: str
    enrolled: float
    at: float
    fate: Fate
    reported_at: float
    usual: bool | None = None

    def vote(self, number: float) -> Vote:
        """Return its vote in a gate."""
        return Vote(device=self.device, batch=self.batch, enrolled=self.enrolled, value=number)


def counting(plan: Plan) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions of devices that count in gates."""
    return (
        devices.c.product == plan.release.product,
        devices.c.quarantined.is_not(True),  # no index of which nearly every row is false
        devices.c.enrolled_at <= plan.enrolled,
    )


def not_spoilt() -> sa.ColumnElement[bool]:
    """Return the condition of outcomes that say something about a release, see `gates.SPOILT`."""
    return sa.or_(outcomes.c.what != SPOILT[0], outcomes.c.because != SPOILT[1])


def waits_for_boards(plan: Plan, boards: str) -> bool:
    """Return whether boards of a device are still on their way to the release; one that is away is not waited for."""
    return any(pending(board, plan.release.counter, plan.silence) for board in boards_of(boards))


def offered_devices(connection: sa.Connection, plan: Plan, times: RolloutTimes) -> tuple[OfferedDevice, ...]:
    """Return all devices that were offered the release, each once."""
    ended, waiting = _ended(connection, plan)
    offered: dict[str, OfferedDevice] = {}

    def add(row: Any, at: float, fate: Fate) -> None:  # noqa: ANN401 - a row of some query
        offered[row.id] = OfferedDevice(
            device=row.id,
            batch=row.batch,
            enrolled=row.enrolled_at,
            at=at,
            fate=fate,
            reported_at=row.last_report_at or 0.0,
        )

    def settled(row: Any, at: float) -> bool:  # noqa: ANN401 - a row of some query
        bad = ended.get(row.id)
        if bad is not None:
            away = not bad and times.is_silent(row.last_report_at or 0.0, plan.silence)
            add(row, at, "failed" if bad else "away" if away else "confirmed")
        return bad is not None

    for row in connection.execute(_permitted(plan)):
        if settled(row, row.at):
            continue
        reported_at = row.last_report_at or 0.0
        idle = row.id in waiting
        lost = times.is_silent(reported_at if idle else max(row.at, reported_at), plan.silence, idle=idle)
        add(row, row.at, "lost" if lost else "open")
    for row in connection.execute(_begun(plan)):
        if row.id in offered or settled(row, row.at or row.last_report_at or 0.0):
            continue
        lost = times.is_silent(row.last_report_at or 0.0, plan.silence)
        if lost or row.counter == plan.release.counter:
            add(row, row.at or row.last_report_at or 0.0, "lost" if lost else "open")
    return tuple(offered.values())


_COLUMNS = (devices.c.id, devices.c.batch, devices.c.enrolled_at, devices.c.last_report_at, devices.c.counter)


def _permitted(plan: Plan) -> sa.Select[Any]:
    """Return devices whose intent was acknowledged."""
    i = intents.c
    return (
        sa.select(*_COLUMNS, i.at)
        .join(devices, devices.c.id == i.device)
        .where(i.plan == plan.id, i.counter == plan.release.counter, i.at.is_not(None), *counting(plan))
    )


def _begun(plan: Plan) -> sa.Select[Any]:
    """Return devices that began without permission: with an outcome, a download, or, in an open stage, the release."""
    d, o = devices.c, outcomes.c
    # Grouped once: a subquery for each device would walk all outcomes of the plan for each of them.
    first = sa.select(o.device, sa.func.min(o.at).label("at")).where(
        o.plan == plan.id, o.counter == plan.release.counter
    )
    part = first.group_by(o.device).subquery()
    begun = [part.c.at.is_not(None), sa.and_(d.plan == plan.id, d.phase == "download")]
    if not all(stage.gated for stage in plan.stages):
        begun.append(d.counter == plan.release.counter)
    joined = devices.outerjoin(part, part.c.device == d.id)
    return sa.select(*_COLUMNS, part.c.at).select_from(joined).where(sa.or_(*begun), *counting(plan))


def _ended(connection: sa.Connection, plan: Plan) -> tuple[dict[str, bool], set[str]]:
    """Return whether the release failed on devices whose trial is over, and devices that wait for their boards.

    One failure counts, whatever came after it.
    """
    o = outcomes.c
    query = (
        sa.select(devices.c.id, o.what, o.because, devices.c.boards)
        .join(devices, devices.c.id == o.device)
        .where(o.plan == plan.id, o.counter == plan.release.counter, o.what.in_(("confirmed", *FAILED)))
        .where(*counting(plan))
    )
    failed_by_device: dict[str, bool] = {}
    waiting = set()
    for row in connection.execute(query).all():
        bad = failed(row.what, row.because)
        if bad is False and waits_for_boards(plan, row.boards):
            waiting.add(row.id)  # what its boards do with the release is not known yet
        elif bad is not None:
            failed_by_device[row.id] = failed_by_device.get(row.id, False) or bad
    return failed_by_device, waiting


HOUR = 3600.0
UNTIL = 600.0
"""Validity of a permission on the device, in seconds."""

# Built once: these statements run for every device in every stage, inside the transaction that blocks all reports.
_FAILURE = (
    sa.select(outcomes.c.number)
    .where(
        outcomes.c.device == sa.bindparam("device"), outcomes.c.plan == sa.bindparam("plan"),
        outcomes.c.counter == sa.bindparam("counter"), outcomes.c.number > sa.bindparam("after"),
        sa.or_(*(outcomes.c.what == outcome for outcome in FAILED)), not_spoilt(),
    )
    .limit(1)
)  # fmt: skip
_GIVEN = (
    intents.c.plan == sa.bindparam("plan"), intents.c.counter == sa.bindparam("counter"), intents.c.at.is_not(None),
)  # fmt: skip
_LEAVE = sa.select(intents.c.at).where(intents.c.device == sa.bindparam("device"), *_GIVEN)
_RECENT = sa.select(sa.func.count(), sa.func.min(intents.c.at)).where(*_GIVEN, intents.c.at > sa.bindparam("since"))


def decide_intent(connection: sa.Connection, device: Mapping[str, Any], intent: Intent, now: float) -> Allowed:
    """Decide an intent inside the transaction that stores the answer.

    Args:
        connection: connection in the transaction.
        device: row of the device.
        intent: the intent of the device.
        now: seconds since 1970 by the server's clock.
    """

    def refuse(why: str, wait: float) -> Allowed:
        return Allowed(nonce=intent.nonce, go=False, why=why, wait=wait)

    row = row_of(connection, intent.plan)
    if row is None or row["product"] != device["product"]:
        return refuse(f"no rollout {intent.plan} of product {device['product']}", HOUR)
    plan, standing = plan_of(row["body"]), standing_of(row)
    if intent.counter != plan.release.counter:
        return refuse(f"the rollout is for release {plan.release.counter}", HOUR)
    if standing.state not in ("running", "finished"):
        return refuse(f"the rollout is {standing.state}: {row['why']}", 300.0)
    if intent.stage > standing.stage:
        return refuse(f"stage {intent.stage + 1} has not begun; it is {standing.stage + 1}", 60.0)
    moment = Moment(now=now, trusted=True, running=0.0, seen=0.0, fresh=True, wall=now)
    verdict = decide(plan, standing, traits_of(device), moment)
    if not verdict.go:
        return refuse(verdict.why, verdict.wait or 300.0)
    # If an operator let the device retry a release, earlier failures do not count.
    after = device["retry_after"] if intent.counter == device["retry_release"] else 0
    record = {"device": device["id"], "plan": plan.id, "counter": plan.release.counter, "after": after}
    if connection.execute(_FAILURE, record).one_or_none() is not None:  # even if the device lost its record
        return refuse(f"release {plan.release.counter} failed on this device before", HOUR)
    why, wait = _over_pace(connection, device["id"], plan, now)
    return refuse(why, wait) if why else Allowed(nonce=intent.nonce, go=True, until=UNTIL)


def _over_pace(connection: sa.Connection, device: str, plan: Plan, now: float) -> tuple[str, float]:
    """Return why and for how long a device must wait because of the plan's pace, in devices per hour.

    A device keeps its permission and counts once.
    """
    parameters = {"device": device, "plan": plan.id, "counter": plan.release.counter, "since": now - HOUR}
    if plan.pace <= 0.0 or connection.execute(_LEAVE, parameters).one_or_none() is not None:
        return "", 0.0
    count, first = connection.execute(_RECENT, parameters).one()
    if count < plan.pace:
        return "", 0.0
    wait = max(1.0, first + HOUR - now)
    return f"{count} devices started within an hour, the pace is {plan.pace:g}; next in {lasting(wait)}", wait


_LARGEST = 2**53
_DEVICE = sa.select(devices).where(devices.c.id == sa.bindparam("device"))
_BEFORE = sa.select(intents.c.at).where(
    intents.c.device == sa.bindparam("device"), intents.c.plan == sa.bindparam("plan"),
    intents.c.counter == sa.bindparam("counter"),
)  # fmt: skip

_ANSWER = ("device", "plan", "counter", "stage", "asked_at", "go", "at", "why")


def ask(connection: sa.Connection, device: str, intent: Intent, now: float) -> Allowed:
    """Decide an intent and store the answer.

    The nonce of the last acknowledgement is returned unchanged: an intent does not consume it and can be repeated.

    Raises:
        RefusedError: 403 in quarantine, 404 for an unknown device, 409 for a nonce that is not the latest.
        InputError: a number is out of range.
    """
    if abs(intent.counter) > _LARGEST or not 0 <= intent.stage < 64:
        raise RolloutStateError("a release counter and a stage", f"{intent.counter} and {intent.stage}", "the intent")
    present = connection.execute(_DEVICE, {"device": device}).one_or_none()
    if present is None:
        raise RefusedError(404, "an enrolled device", "another id", device)
    row: dict[str, Any] = dict(present._mapping)
    if row["quarantined"]:
        raise shut_out(row["status"], row["quarantine_reason"])
    if row["nonce"] and intent.nonce != row["nonce"]:
        if intent.nonce != row["nonce_before"]:
            raise RefusedError(409, "the nonce of the last acknowledgement", "another", "nonce", "Report first")
        why = "send the last report again first: its acknowledgement was lost"
        return Allowed(nonce=intent.nonce, go=False, why=why, wait=1.0)
    decision = decide_intent(connection, row, intent, now)
    location = {"device": device, "plan": intent.plan, "counter": intent.counter}
    before = connection.execute(_BEFORE, location).scalar_one_or_none()
    at = before if before is not None else (now if decision.go else None)
    answer = (device, intent.plan, intent.counter, intent.stage, now, decision.go, at, decision.why[:500])
    write_rows(connection, intents, _ANSWER, [answer], "replace")
    return decision
