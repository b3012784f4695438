"""What devices and strangers must not send in a round: refused in one line or counted, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adaptation_example import factory
from edgewright.core.adaptation.factory import arrays_of
from edgewright.core.federation.messages import (
    Advertise,
    Finished,
    Join,
    Masked,
    Refused,
    Revealed,
    encode,
    parse_reply,
    parse_request,
)
from edgewright.fleet.server.control_plane import Plane
from edgewright.schema.federation import (
    FactoryFiles,
    StartFederation,
)
from edgewright.schema.fleet_api import FederationMessage
from federation_talkers import (
    FACTORY,
    PATH,
    SETTINGS,
    Talker,
    posted,
    sent,
    standing,
    started,
    through_a_round,
)
from fleet_plane import Client, enrolled, plane_of
from threat_unit import Hand

pytestmark = pytest.mark.anyio


async def test_what_does_not_belong_is_refused(database_plane: Plane) -> None:
    client = Client(database_plane)
    talkers = [Talker(await enrolled(client), number) for number in range(7)]
    stranger, begun = talkers.pop(), await started(client)
    again = await client.ask(
        "POST", PATH, StartFederation(factory=FactoryFiles(adapt=FACTORY.spec, files=arrays_of(FACTORY))), local=True
    )
    assert (again.status_code, begun.id in again.text) == (409, True)
    for talker in talkers:
        await talker.turn(client)
    for talker in talkers:
        await talker.turn(client)
    advert = talkers[0].next
    assert advert is not None
    await talkers[0].turn(client)
    assert parse_reply(await sent(stranger.device, client, advert)) == Refused("not a member")
    other = msgspec.structs.replace(parse_request(advert), cipher_key=bytes(32))
    assert parse_reply(await sent(talkers[0].device, client, encode(other))) == Refused("duplicate")
    assert (await stranger.device.send("federation", b'{"body": "AAAA"}')).status_code == 400
    assert (await stranger.device.send("federation", b"[]")).status_code == 400
    unsigned = await client.ask("POST", "/v1/federation", FederationMessage(body=advert))
    assert unsigned.status_code == 401
    blocked = await client.ask(
        "POST", f"/v1/fleet/devices/{talkers[0].device.id}/block", {"reason": "stolen"}, local=True
    )
    assert blocked.status_code == 200, blocked.text
    answer = await talkers[0].device.send("federation", msgspec.json.encode(FederationMessage(body=advert)))
    assert answer.status_code == 403


def _keys(one: Any) -> Any:  # noqa: ANN401 - a message
    return msgspec.structs.replace(one, mask_key=one.cipher_key)


def _weak(one: Any) -> Any:  # noqa: ANN401 - a message
    return msgspec.structs.replace(one, mask_key=bytes(32))


def _short(one: Any) -> Any:  # noqa: ANN401 - a message
    return msgspec.structs.replace(one, values=one.values[:-4])


def _long(one: Any) -> Any:  # noqa: ANN401 - a message
    return msgspec.structs.replace(one, seeds=dict.fromkeys(one.seeds, bytes(20_000)))


@pytest.mark.parametrize(
    ("kind", "change", "reason", "counted"),
    [
        (Advertise, _keys, "wrong keys", 5),
        (Advertise, _weak, "wrong keys", 5),
        (Masked, _short, "wrong length", 5),
        (Revealed, _long, "wrong shares", 6),
    ],
)
async def test_a_malicious_message_is_counted_and_the_others_go_on(
    database_folder: Path, kind: type[Any], change: Callable[[Any], Any], reason: str, counted: int
) -> None:
    clock = Hand(1_800_000_000.0)
    with plane_of(database_folder, clock=clock) as plane:
        client = Client(plane)
        talkers = [Talker(await enrolled(client), number) for number in range(6)]
        begun = await started(client, msgspec.structs.replace(SETTINGS, rounds=1))
        talkers[0].wire = lambda one: change(one) if isinstance(one, kind) else one
        outcome = await through_a_round(client, talkers, begun.id, clock)
        assert (outcome.counted, outcome.groups, outcome.refused) == (counted, 1, {reason: 1})
        assert (await standing(client, begun.id)).layer != begun.layer


async def test_replays_strangers_and_numbers_beyond_their_range_change_nothing(database_folder: Path) -> None:
    clock = Hand(1_800_000_000.0)
    with plane_of(database_folder, clock=clock) as plane:
        client = Client(plane)
        talkers = [Talker(await enrolled(client), number) for number in range(6)]
        stranger = await enrolled(client)
        begun = await started(client)
        for number in (-1, 1 << 32, 1 << 63, (1 << 64) - 1):
            answer = await posted(stranger, client, encode(Join(number)))
            assert (answer.status_code, "a message of a round" in answer.text) == (400, True), number
        messages = list[Any]()

        def keep(message: Any) -> Any:  # noqa: ANN401 - a message
            messages.append(message)
            return message

        talkers[0].wire = keep
        strange = Masked(bytes(16), b"")
        talkers[1].wire = lambda one: strange if isinstance(one, Masked) else one
        outcome = await through_a_round(client, talkers, begun.id, clock)
        # Messages of a round that is over, by their sender and by a stranger: nothing is stored, nobody is a member.
        for device in (talkers[0].device, stranger):
            for message in messages:
                if not isinstance(message, Join):
                    assert parse_reply(await sent(device, client, encode(message))) == Finished(more=True)
        seen = await standing(client, begun.id)
        assert (seen.round, seen.rounds) == (2, (outcome,))


async def test_bodies_that_are_cut_or_huge_and_foreign_signatures_change_nothing(database_plane: Plane) -> None:
    client = Client(database_plane)
    devices = [await enrolled(client) for _ in range(2)]
    begun = await started(client)
    join = msgspec.json.encode(FederationMessage(body=encode(Join(FACTORY.identity))))
    for body, name, status in (
        (join[:-3], "", 400),
        (msgspec.json.encode(FederationMessage(body=bytes(10 << 20))), "", 413),
        (msgspec.json.encode(FederationMessage(body=bytes(1 << 17))), "", 400),
        (join, devices[1].id, 401),
        (join, "0" * 32, 401),
    ):
        answer = await devices[0].send("federation", body, name)
        assert (answer.status_code, "expected" in answer.json(), "\n" in answer.text) == (status, True, False)
    assert (await standing(client, begun.id)).joined == 0
    assert (await devices[0].send("federation", join)).status_code == 200
    assert (await standing(client, begun.id)).joined == 1


async def test_a_layer_that_cannot_learn_together_is_refused(database_plane: Plane) -> None:
    client, factory_layer = Client(database_plane), factory("prototypes")
    request = StartFederation(factory=FactoryFiles(adapt=factory_layer.spec, files=arrays_of(factory_layer)))
    answer = await client.ask("POST", PATH, request, local=True)
    assert (answer.status_code, "output" in answer.json()["expected"]) == (400, True)
    broken = {**arrays_of(FACTORY), "adapt/bias.npy": b"x"}
    answer = await client.ask(
        "POST", PATH, StartFederation(factory=FactoryFiles(adapt=FACTORY.spec, files=broken)), local=True
    )
    assert answer.status_code == 400
