"""What a control plane does about a stolen online key: it ends what the key steered, and says who was reached."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.fleet.protocol.layout import ROOT, TARGETS
from edgewright.fleet.protocol.plans.decision import UNDER_WAY
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.folder import Fleet
from edgewright.fleet.repository.key_rotation import still_trusted
from edgewright.fleet.repository.public_files import read_published
from edgewright.fleet.server.control_plane import Plane, open_plane
from edgewright.fleet.server.database import audit_chain
from edgewright.fleet.server.database.rollout_rows import plan_of
from edgewright.fleet.server.database.tables import audit, devices, intents, rollouts, signed, tokens
from edgewright.fleet.server.rollouts.publisher import take_in
from edgewright.fleet.server.rollouts.worker import conductor
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.fleet_folder import Exposure, StolenKey, StolenResponse

KIND = "key.stolen"
_NAMED = 20


def exposures(fleet: Fleet, connection: sa.Connection, stolen: StolenKey) -> tuple[Exposure, ...]:
    """Return the rollouts that a stolen key may have steered: those under way, and those ended because of it.

    A rollout that began after the key was replaced is none of them.
    """
    why, ended = _why(stolen), _ended(fleet, connection, stolen)
    steered: sa.ColumnElement[bool] = rollouts.c.state.in_(UNDER_WAY)
    if ended is not None:
        steered = sa.and_(steered, rollouts.c.started_at <= ended)
    rows = connection.execute(
        sa.select(rollouts).where(sa.or_(steered, rollouts.c.why == why)).order_by(rollouts.c.started_at)
    )
    exposed = []
    for row in rows:
        plan = plan_of(row.body)
        given = (intents.c.plan == plan.id, intents.c.counter == plan.release.counter, intents.c.at.is_not(None))
        count, first, last = connection.execute(
            sa.select(sa.func.count(), sa.func.min(intents.c.at), sa.func.max(intents.c.at)).where(*given)
        ).one()
        names = connection.execute(
            sa.select(devices.c.name)
            .join(intents, intents.c.device == devices.c.id)
            .where(*given)
            .order_by(intents.c.at)
            .limit(_NAMED)
        )
        exposed.append(
            Exposure(
                plan=plan.id, product=plan.release.product, counter=plan.release.counter, state=row.state,
                revertible=plan.revert is not None, reverted=bool(row.revert), count=count, first=first, last=last,
                devices=tuple(names.scalars()),
            )
        )  # fmt: skip
    return tuple(exposed)


def tokens_before(fleet: Fleet, connection: sa.Connection, stolen: StolenKey) -> int:
    """Return the number of usable enrolment tokens that were made while the key counted."""
    query = sa.select(sa.func.count()).select_from(tokens).where(*_usable(fleet, connection, stolen))
    return int(connection.execute(query).scalar_one())


def respond(fleet: Fleet, stolen: StolenKey, who: str, *, revert: bool) -> StolenResponse:
    """Abort what the key may have steered and cancel enrolment tokens of its time; again, it does what is missing.

    Args:
        fleet: a server may run; where no control plane publishes there are no rollouts in the database.
        stolen: what was recorded.
        who: the person.
        revert: whether devices with the release are called back where the plan allows it.
    """
    plane = open_plane(fleet.folder, thread=False)
    try:
        troubles = _abort(plane, stolen, who, revert) if fleet.managed() else []
        cancelled = 0
        try:
            cancelled = plane.committer.submit(
                lambda connection: _record(fleet, connection, stolen, who, plane.clock.wall())
            ).result()
        except (EdgewrightError, sa.exc.SQLAlchemyError) as error:
            troubles.append(f"enrolment tokens are not cancelled: {error}")
        with plane.database.reading() as connection:
            return StolenResponse(
                rollouts=exposures(fleet, connection, stolen), tokens=cancelled, troubles=tuple(troubles)
            )
    finally:
        plane.close()


def _abort(plane: Plane, stolen: StolenKey, who: str, revert: bool) -> list[str]:
    parts, troubles = conductor(plane), list[str]()
    try:
        take_in(parts.fleet, parts.rollouts)
    except EdgewrightError as error:
        troubles.append(f"the new keys wait for the control plane: {error}")
    with plane.database.reading() as connection:
        steered = exposures(parts.fleet, connection, stolen)
    for rollout in steered:
        back = revert and rollout.revertible and not rollout.reverted
        if rollout.state not in UNDER_WAY and not back:
            continue
        try:
            parts.rollouts.steer(rollout.plan, who, "aborted", _why(stolen), revert=back)
        except (EdgewrightError, sa.exc.SQLAlchemyError) as error:
            troubles.append(f"rollout {rollout.plan}: {error}")
    return troubles


def _record(fleet: Fleet, connection: sa.Connection, stolen: StolenKey, who: str, now: float) -> int:
    count = tokens_before(fleet, connection, stolen)
    connection.execute(sa.update(tokens).where(*_usable(fleet, connection, stolen)).values(uses=0))
    name = stolen.key[:16]
    known = sa.select(audit.c.number).where(audit.c.what == KIND, audit.c.subject == name).limit(1)
    if count or connection.execute(known).one_or_none() is None:
        detail = {"role": stolen.role, "keys": list(stolen.keys), "reported": stolen.at, "tokens": count}
        audit_chain.append(connection, at=now, who=who, action=KIND, subject=name, detail=detail)
    return count


def _usable(fleet: Fleet, connection: sa.Connection, stolen: StolenKey) -> tuple[sa.ColumnElement[bool], ...]:
    ended = _ended(fleet, connection, stolen)
    return tokens.c.uses > 0, sa.true() if ended is None else tokens.c.made_at <= max(stolen.at, ended)


def _ended(fleet: Fleet, connection: sa.Connection, stolen: StolenKey) -> float | None:
    """Return when metadata was published that names none of the keys; None while one still counts."""
    role_files = read_published(fleet)
    if still_trusted(role_files, stolen):
        return None
    ended = 0.0
    for role in (ROOT, TARGETS):
        query = sa.select(signed.c.body, signed.c.at).where(signed.c.role == role).order_by(signed.c.version)
        rows = list(connection.execute(query))
        if not rows:  # no control plane publishes
            return max(metadata.signed_at(role_files[name], name) for name in (ROOT, TARGETS))
        named = [number for number, row in enumerate(rows) if any(key.encode() in row.body for key in stolen.keys)]
        ended = max(ended, rows[min(max(named, default=-1) + 1, len(rows) - 1)].at)
    return ended


def _why(stolen: StolenKey) -> str:
    return f"online key {stolen.key[:16]} is stolen"
