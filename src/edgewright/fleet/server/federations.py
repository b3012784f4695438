"""Learning across devices: rounds in the database, so that a server that restarts goes on where it was.

A message changes one group. A round closes with its last group; what its members sent is then forgotten.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.core.adaptation.factory import Factory, read_factory
from edgewright.core.federation.group import OVER, Group, advance, received, refused, wait_s
from edgewright.core.federation.layer import check_factory, factory_layer, layer_bytes, parse_layer
from edgewright.core.federation.member import FEWEST
from edgewright.core.federation.messages import Begin, Finished, Join, Reply, Request, Wait
from edgewright.core.federation.rounds import new_groups, next_layer, suspicion
from edgewright.fleet.server.database.tables import devices, federation_groups, federation_members, federations
from edgewright.fleet.server.endpoint import RefusedError
from edgewright.schema.federation import FactoryFiles, FederationSeen, FederationSettings, RoundOutcome, StartFederation

_F, _M, _G = federations.c, federation_members.c, federation_groups.c
_POLL_S = 5.0
_KEPT, _WHERE = 100, "federation"
# Nobody foresees who shares a group.
_CHANCE: random.Random = random.SystemRandom()


def start(connection: sa.Connection, name: str, product: str, request: StartFederation, by: str, now: float) -> None:
    """Open the first round.

    Raises:
        InputError: a layer that cannot learn.
        RefusedError: devices of the product learn already.
    """
    factory = _factory(request.factory)
    check_factory(factory, "package")
    running = sa.select(_F.id).where(_F.product == product, _F.state == "running")
    if (other := connection.execute(running).scalar()) is not None:
        raise RefusedError(
            409, "one learning of a product at a time", f"{other} is running", product,
            f"edgewright fleet federation stop {other}",
        )  # fmt: skip
    connection.execute(sa.insert(federations).values(
        id=name, product=product, identity=factory.identity, state="running",
        settings=msgspec.json.encode(request.settings).decode(), factory=msgspec.json.encode(request.factory),
        layer=layer_bytes(factory_layer(factory)), round=1, joining=True, deadline=now + request.settings.join_s,
        outcomes="[]", opened_at=now, opened_by=by, why="",
    ))  # fmt: skip


def stop(connection: sa.Connection, name: str, reason: str, now: float) -> None:
    """Give the present round up.

    Raises:
        RefusedError: 404 for an unknown one, 409 for one that is over.
    """
    row = _locked(connection, name)
    if row.state != "running":
        raise RefusedError(409, "a learning that is running", f"one that is {row.state}", name)
    _forget(connection, name)
    _update(connection, name, state="stopped", why=reason or f"by an operator in round {row.round}")


def seen(connection: sa.Connection, name: str) -> FederationSeen:
    """Return where one stands, with its layer.

    Raises:
        RefusedError: 404 for an unknown one.
    """
    row = connection.execute(sa.select(federations).where(_F.id == name)).one_or_none()
    if row is None:
        raise _unknown(name)
    return msgspec.structs.replace(_seen(connection, row), layer=row.layer)


def latest(connection: sa.Connection) -> tuple[FederationSeen, ...]:
    """Return the latest, newest first."""
    rows = connection.execute(sa.select(federations).order_by(_F.opened_at.desc()).limit(_KEPT)).all()
    return tuple(_seen(connection, row) for row in rows)


def advance_all(connection: sa.Connection, now: float) -> None:
    """Go on where devices have fallen silent."""
    for name in connection.execute(sa.select(_F.id).where(_F.state == "running")).scalars().all():
        _advance(connection, name, now)


def take(connection: sa.Connection, device: str, message: Request, now: float) -> Reply:
    """Take a message of a device and return the answer.

    Args:
        connection: of the transaction that makes it durable.
        device: id, authenticated and active.
        message: what it sent.
        now: seconds since 1970.
    """
    if isinstance(message, Join):
        return _join(connection, device, message.identity, now)
    context = message.context.hex()
    name = connection.execute(sa.select(_G.federation).where(_G.context == context)).scalar_one_or_none()
    if name is None:
        # The round closed, or was given up.
        return Finished(more=True)
    membership = sa.select(_M.member).where(_M.federation == name, _M.device == device, _M.context == context)
    member = connection.execute(membership).scalar_one_or_none()
    # Always before its groups, so that two servers do not wait for each other.
    _locked(connection, name)
    group = _group(connection, context)
    if group is None:
        return Finished(more=True)
    reply = refused(group, "not a member") if member is None else received(group, member, message, now)
    _store(connection, group)
    if group.step in OVER:
        _advance(connection, name, now)
    return reply


def _join(connection: sa.Connection, device: str, identity: int, now: float) -> Reply:
    product = sa.select(devices.c.product).where(devices.c.id == device).scalar_subquery()
    running = sa.select(_F.id).where(_F.product == product, _F.state == "running", _F.identity == identity)
    name = connection.execute(running).scalar()
    if name is None:
        return Finished(more=False)
    mine = sa.and_(_M.federation == name, _M.device == device)
    row = _locked(connection, name)
    context = connection.execute(sa.select(_M.context).where(mine)).scalar_one_or_none()
    if context is None and row.joining:
        values = {"federation": name, "device": device, "context": "", "member": 0}
        connection.execute(sa.insert(federation_members).values(values))
    _advance(connection, name, now)
    membership = connection.execute(sa.select(_M.context, _M.member).where(mine)).one_or_none()
    settings = _settings(row)
    if membership is not None and not membership.context:
        return Wait(_joined_wait_s(settings, device, row.deadline, now))
    if membership is not None and (group := _group(connection, membership.context)) is not None:
        reply = received(group, membership.member, Join(identity), now)
        if isinstance(reply, Begin):
            return reply
    # A device that came late, or has lost its secrets of the round, waits for the next one.
    return Wait(max(0.1, min(settings.answer_s, settings.join_s / 2)))


def _joined_wait_s(settings: FederationSettings, device: str, deadline: float, now: float) -> float:
    """Return when a device that joined asks again, in time for the first step of the round."""
    if settings.at_once:
        return min(wait_s(now, deadline, settings.join_s, _POLL_S), 0.75 * settings.answer_s)
    # Nothing happens before; then they do not all come at once.
    return max(0.1, deadline - now) + settings.answer_s / 4 * int(device[:4], 16) / (1 << 16)


def _advance(connection: sa.Connection, name: str, now: float) -> None:
    """Begin a round whose devices are here, go on in late groups, close a round whose groups are over."""
    row = _locked(connection, name)
    if row.state != "running":
        return
    if row.joining:
        _draw(connection, row, now)
        return
    late = sa.select(_G.context).where(_G.federation == name, sa.not_(_G.over), _G.deadline <= now)
    for context in connection.execute(late).scalars().all():
        group = _group(connection, context)
        if group is None:
            # Of an earlier version: its round ends without it.
            connection.execute(sa.update(federation_groups).where(_G.context == context).values(over=True))
            continue
        advance(group, now)
        _store(connection, group)
    left = sa.select(sa.func.count()).where(_G.federation == name, sa.not_(_G.over))
    if not connection.execute(left).scalar_one():
        _close(connection, row, now)


def _draw(connection: sa.Connection, row: Any, now: float) -> None:  # noqa: ANN401 - a row
    settings = _settings(row)
    here = connection.execute(sa.select(_M.device).where(_M.federation == row.id)).scalars().all()
    enough = settings.at_once and len(here) >= max(settings.at_once, FEWEST)
    if now < row.deadline and not enough:
        return
    if len(here) < FEWEST:
        _update(connection, row.id, deadline=now + settings.join_s)
        return
    factory = _factory(msgspec.json.decode(row.factory, type=FactoryFiles))
    layer, counts = parse_layer(row.layer, factory), _suspicion(connection, row)
    for group, members in new_groups(here, factory, layer, settings, now, counts, _CHANCE):
        context = group.begin.context.hex()
        values = {"context": context, "federation": row.id, **_columns(group)}
        connection.execute(sa.insert(federation_groups).values(values))
        for number, device in enumerate(members):
            mine = sa.and_(_M.federation == row.id, _M.device == device)
            connection.execute(sa.update(federation_members).where(mine).values(context=context, member=number))
    _update(connection, row.id, joining=False)


def _close(connection: sa.Connection, row: Any, now: float) -> None:  # noqa: ANN401 - a row
    settings = _settings(row)
    factory = _factory(msgspec.json.decode(row.factory, type=FactoryFiles))
    contexts = connection.execute(sa.select(_G.context).where(_G.federation == row.id)).scalars().all()
    groups = [group for context in contexts if (group := _group(connection, context)) is not None]
    before = _outcomes(row)
    layer, outcome = next_layer(factory, parse_layer(row.layer, factory), groups, settings, row.round)
    counts = suspicion(_suspicion(connection, row), ((group, _devices(connection, group)) for group in groups))
    outcomes = (
        *(msgspec.structs.replace(earlier, suspicion={}) for earlier in before),
        msgspec.structs.replace(outcome, suspicion=counts),
    )
    _forget(connection, row.id)
    last = row.round >= settings.rounds
    _update(
        connection, row.id, layer=layer_bytes(layer), outcomes=msgspec.json.encode(outcomes).decode(),
        round=row.round + (not last), joining=not last, state="done" if last else "running",
        deadline=now + settings.join_s,
    )  # fmt: skip


def _forget(connection: sa.Connection, name: str) -> None:
    connection.execute(sa.delete(federation_groups).where(_G.federation == name))
    connection.execute(sa.delete(federation_members).where(_M.federation == name))


def _locked(connection: sa.Connection, name: str) -> Any:  # noqa: ANN401 - a row
    row = connection.execute(sa.select(federations).where(_F.id == name).with_for_update()).one_or_none()
    if row is None:
        raise _unknown(name)
    return row


def _unknown(name: str) -> RefusedError:
    return RefusedError(404, "a learning of the fleet", "another id", name, "edgewright fleet federation status")


def _update(connection: sa.Connection, name: str, **values: object) -> None:
    connection.execute(sa.update(federations).where(_F.id == name).values(**values))


def _group(connection: sa.Connection, context: str) -> Group | None:
    """Return a group; None for one that is over, or that an earlier version began."""
    body = connection.execute(sa.select(_G.body).where(_G.context == context)).scalar_one_or_none()
    try:
        return None if body is None else msgspec.msgpack.decode(body, type=Group)
    except msgspec.ValidationError:
        return None


def _devices(connection: sa.Connection, group: Group) -> list[str]:
    """Return the devices of a group's members, in their order."""
    of = _M.context == group.begin.context.hex()
    return list(connection.execute(sa.select(_M.device).where(of).order_by(_M.member)).scalars().all())


def _store(connection: sa.Connection, group: Group) -> None:
    of = _G.context == group.begin.context.hex()
    connection.execute(sa.update(federation_groups).where(of).values(**_columns(group)))


def _columns(group: Group) -> dict[str, object]:
    over = group.step in OVER
    return {"body": msgspec.msgpack.encode(group), "deadline": group.deadline, "over": over}


def _settings(row: Any) -> FederationSettings:  # noqa: ANN401 - a row
    """Return the settings in a row, also of an earlier version, which took robust means of changes."""
    stored = msgspec.json.decode(row.settings, type=dict[str, Any])
    return msgspec.convert({name: stored[name] for name in stored.keys() - {"mean", "rate"}}, FederationSettings)


def _outcomes(row: Any) -> tuple[RoundOutcome, ...]:  # noqa: ANN401 - a row
    return msgspec.json.decode(row.outcomes, type=tuple[RoundOutcome, ...])


def _suspicion(connection: sa.Connection, row: Any) -> dict[str, int]:  # noqa: ANN401 - a row
    """Return the counts after the latest round of a product's devices, also of an earlier learning."""
    query = sa.select(_F.outcomes).where(
        _F.product == row.product, _F.outcomes != "[]", _F.opened_at <= row.opened_at
    ).order_by(_F.opened_at.desc()).limit(1)  # fmt: skip
    text = row.outcomes if row.outcomes != "[]" else connection.execute(query).scalar()
    return msgspec.json.decode(text, type=tuple[RoundOutcome, ...])[-1].suspicion if text else {}


def _factory(files: FactoryFiles) -> Factory:
    return read_factory(files.adapt, files.files, "package")


def _seen(connection: sa.Connection, row: Any) -> FederationSeen:  # noqa: ANN401 - a row
    joined = sa.select(sa.func.count()).where(_M.federation == row.id)
    return FederationSeen(
        id=row.id, product=row.product, identity=row.identity, state=row.state,
        settings=_settings(row), round=row.round, joining=row.joining,
        joined=connection.execute(joined).scalar_one(), opened_at=row.opened_at, opened_by=row.opened_by, why=row.why,
        rounds=_outcomes(row),
    )  # fmt: skip
