"""Rounds in the control plane's database: restarts, silence, refusals, and what stays of a device's message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from adaptation_example import blocks, factory
from edgewright.core.adaptation.factory import arrays_of
from edgewright.core.adaptation.learner import Learner
from edgewright.core.federation.layer import parse_layer
from edgewright.core.federation.member import Member, RefusedByServerError
from edgewright.core.federation.messages import (
    Advertise,
    Begin,
    Finished,
    Join,
    Masked,
    Refused,
    Revealed,
    encode,
    parse_reply,
    parse_request,
)
from edgewright.core.federation.rounds import contribution
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database import postgres
from edgewright.fleet.server.database.tables import federation_groups, federation_members
from edgewright.schema.federation import (
    FactoryFiles,
    FederationSeen,
    FederationSettings,
    RoundOutcome,
    StartFederation,
)
from edgewright.schema.fleet_api import FederationMessage
from fleet_plane import PRODUCT, Client, Device, enrolled, plane_of
from postgres_database import fresh_database
from threat_unit import Hand

pytestmark = pytest.mark.anyio
FACTORY = factory("output")
SETTINGS = FederationSettings(rounds=2, passes=1, clip=0.5, at_once=6, join_s=60.0, answer_s=10.0)
PATH = "/v1/fleet/federations"
# Of a signed request and its answer, as they pass on HTTP.
HEADERS = 720


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Provide a fleet's folder, with the address of a database server or without one."""
    if request.param == "sqlite":
        yield tmp_path
        return
    with fresh_database() as address:
        postgres.keep(tmp_path, address)
        yield tmp_path


@pytest.fixture
def plane(folder: Path) -> Iterator[Plane]:
    with plane_of(folder) as made:
        yield made


class Talker:
    """A device that takes part: its key signs, its member talks."""

    def __init__(self, device: Device, number: int) -> None:
        self.device, self.number, self.replies = device, number, list[Any]()
        self.wire: Callable[[Any], Any] = lambda message: message
        self.bytes = 0
        self.begin()

    def begin(self) -> None:
        """Join the next round."""
        hidden, labels = blocks(shifted=True, seed=self.number)

        def change(begin: Begin) -> Any:  # noqa: ANN401 - an array
            return contribution(FACTORY, begin, hidden, labels)

        self.member = Member(FACTORY.identity, change)
        self.next: bytes | None = self.member.first()

    async def turn(self, client: Client) -> None:
        """Exchange one message."""
        if self.next is None:
            return
        data = encode(self.wire(parse_request(self.next)))
        reply = await sent(self.device, client, data)
        self.bytes += HEADERS + 4 * (len(data) + len(reply)) // 3
        self.replies.append(parse_reply(reply))
        self.next = self.member.answer(reply)


async def posted(device: Device, client: Client, data: bytes) -> httpx.Response:
    device.client = client
    return await device.send("federation", msgspec.json.encode(FederationMessage(body=data)))


async def sent(device: Device, client: Client, data: bytes) -> bytes:
    answer = await posted(device, client, data)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=FederationMessage).body


async def started(client: Client, settings: FederationSettings = SETTINGS) -> FederationSeen:
    asked = StartFederation(factory=FactoryFiles(adapt=FACTORY.spec, files=arrays_of(FACTORY)), settings=settings)
    answer = await client.ask("POST", PATH, asked, local=True)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=FederationSeen)


async def standing(client: Client, name: str) -> FederationSeen:
    answer = await client.ask("GET", f"{PATH}/{name}", local=True)
    return msgspec.json.decode(answer.content, type=FederationSeen)


def rows(plane: Plane, table: sa.Table) -> list[Any]:
    with plane.database.reading() as connection:
        return list(connection.execute(sa.select(table)).all())


def accuracy(layer: bytes) -> float:
    hidden, labels = blocks(shifted=True, seed=99)
    learner, found = Learner(FACTORY), parse_layer(layer, FACTORY)
    learner.state.weights, learner.state.bias = found.weights, found.bias
    return float((learner.outputs(hidden).argmax(axis=1) == labels).mean())


async def test_rounds_go_on_where_a_server_restarts_and_forget_what_devices_sent(folder: Path) -> None:
    clock = Hand(1_800_000_000.0)
    with plane_of(folder, clock=clock) as plane:
        client = Client(plane)
        talkers = [Talker(await enrolled(client), number) for number in range(6)]
        # Of two rounds, one in ten ends with three classes answered as two.
        begun = await started(client, msgspec.structs.replace(SETTINGS, rounds=3))
    seen = begun
    sweeps = 0
    while seen.state == "running":
        # Each sweep is another process of the server.
        with plane_of(folder, clock=clock) as plane:
            client = Client(plane)
            for talker in talkers:
                await talker.turn(client)
                if talker.next is None and talker.replies[-1] == Finished(more=True):
                    talker.begin()
            seen = await standing(client, begun.id)
            sweeps += 1
            assert sweeps < 90
            clock.now += 0.5
    assert [(one.devices, one.counted, one.groups, one.refused) for one in seen.rounds] == [(6, 6, 1, {})] * 3
    assert accuracy(begun.layer) < 0.75 < 0.9 < accuracy(seen.layer)
    with plane_of(folder, clock=clock) as plane:
        assert rows(plane, federation_groups) == rows(plane, federation_members) == []
        client = Client(plane)
        talkers[0].begin()
        await talkers[0].turn(client)
        assert talkers[0].replies[-1] == Finished(more=False)


async def test_devices_that_fall_silent_are_not_waited_for(folder: Path) -> None:
    clock = Hand(1_800_000_000.0)
    with plane_of(folder, clock=clock) as plane:
        client = Client(plane)
        talkers = [Talker(await enrolled(client), number) for number in range(5)]
        begun = await started(client, msgspec.structs.replace(SETTINGS, rounds=1, at_once=0, join_s=9.0))
        for _ in range(100):
            for talker in talkers:
                silent = talker.number == 0 and talker.next is not None
                if silent and talker.next is not None and isinstance(parse_request(talker.next), Masked):
                    continue
                await talker.turn(client)
            clock.now += 1.0
            if (seen := await standing(client, begun.id)).state == "done":
                break
        assert [(one.devices, one.counted, one.groups, one.failed) for one in seen.rounds] == [(5, 4, 1, 0)]


async def test_a_round_that_all_leave_moves_nothing(folder: Path) -> None:
    clock = Hand(1_800_000_000.0)
    with plane_of(folder, clock=clock) as plane:
        client = Client(plane)
        talkers = [Talker(await enrolled(client), number) for number in range(6)]
        begun = await started(client, msgspec.structs.replace(SETTINGS, rounds=1))
        for talker in talkers:
            await talker.turn(client)
        assert (await standing(client, begun.id)).joining is False
        clock.now += 11.0
        seen = await standing(client, begun.id)
        assert (seen.state, seen.layer) == ("done", begun.layer)
        assert [(one.counted, one.failed) for one in seen.rounds] == [(0, 1)]


async def test_what_does_not_belong_is_refused(plane: Plane) -> None:
    client = Client(plane)
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


async def through_a_round(client: Client, talkers: list[Talker], name: str, clock: Hand) -> RoundOutcome:
    """Let all talk until the first round is over."""
    while not (seen := await standing(client, name)).rounds:
        for talker in talkers:
            try:
                await talker.turn(client)
            except RefusedByServerError:
                talker.next = None
        clock.now += 1.0
    return seen.rounds[0]


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
    folder: Path, kind: type[Any], change: Callable[[Any], Any], reason: str, counted: int
) -> None:
    clock = Hand(1_800_000_000.0)
    with plane_of(folder, clock=clock) as plane:
        client = Client(plane)
        talkers = [Talker(await enrolled(client), number) for number in range(6)]
        begun = await started(client, msgspec.structs.replace(SETTINGS, rounds=1))
        talkers[0].wire = lambda one: change(one) if isinstance(one, kind) else one
        outcome = await through_a_round(client, talkers, begun.id, clock)
        assert (outcome.counted, outcome.groups, outcome.refused) == (counted, 1, {reason: 1})
        assert (await standing(client, begun.id)).layer != begun.layer


@pytest.mark.parametrize("at_once", [0, 6])
async def test_a_device_that_waits_asks_a_few_times_only(tmp_path: Path, at_once: int) -> None:
    clock = Hand(1_800_000_000.0)
    with plane_of(tmp_path, clock=clock) as plane:
        client = Client(plane)
        talkers = [Talker(await enrolled(client), number) for number in range(6)]
        settings = FederationSettings(rounds=1, clip=0.5, at_once=at_once)
        begun, due = await started(client, settings), dict[int, float]()
        # With enough devices a round begins at once, so the last one comes late; one falls silent before its change.
        due.update(dict.fromkeys(range(6), clock.now) | {5: clock.now + (550.0 if at_once else 0.0)})
        silent = next(talker for talker in talkers if talker.number == 1)
        while not (seen := await standing(client, begun.id)).rounds:
            number = min(due, key=lambda one: due[one])
            talker, clock.now = talkers[number], max(clock.now, due.pop(number))
            if talker is silent and isinstance(parse_request(talker.next or b""), Masked):
                continue
            await talker.turn(client)
            if talker.next is not None:
                due[number] = clock.now + talker.member.wait_s + 0.1
        assert [(one.devices, one.counted, one.failed) for one in seen.rounds] == [(6, 5, 0)]
        assert len(talkers[0].replies) < 20
        assert talkers[0].bytes <= 20_000


async def test_replays_strangers_and_numbers_beyond_their_range_change_nothing(folder: Path) -> None:
    clock = Hand(1_800_000_000.0)
    with plane_of(folder, clock=clock) as plane:
        client = Client(plane)
        talkers = [Talker(await enrolled(client), number) for number in range(6)]
        stranger = await enrolled(client)
        begun = await started(client)
        for number in (-1, 1 << 32, 1 << 63, (1 << 64) - 1):
            answer = await posted(stranger, client, encode(Join(number)))
            assert (answer.status_code, "a message of a round" in answer.text) == (400, True), number
        said = list[Any]()

        def keep(message: Any) -> Any:  # noqa: ANN401 - a message
            said.append(message)
            return message

        talkers[0].wire = keep
        strange = Masked(bytes(16), b"")
        talkers[1].wire = lambda one: strange if isinstance(one, Masked) else one
        outcome = await through_a_round(client, talkers, begun.id, clock)
        # Messages of a round that is over, by their sender and by a stranger: nothing is stored, nobody is a member.
        for device in (talkers[0].device, stranger):
            for message in said:
                if not isinstance(message, Join):
                    assert parse_reply(await sent(device, client, encode(message))) == Finished(more=True)
        seen = await standing(client, begun.id)
        assert (seen.round, seen.rounds) == (2, (outcome,))


async def test_a_learning_that_is_stopped_lets_devices_go(plane: Plane) -> None:
    client = Client(plane)
    talkers = [Talker(await enrolled(client), number) for number in range(6)]
    begun = await started(client)
    for _ in range(2):
        for talker in talkers:
            await talker.turn(client)
    answer = await client.ask("POST", f"{PATH}/{begun.id}/stop", {"reason": "wrong labels"}, local=True)
    assert answer.json()["state"] == "stopped"
    assert rows(plane, federation_groups) == []
    await talkers[0].turn(client)
    assert talkers[0].replies[-1] == Finished(more=True)
    talkers[0].begin()
    await talkers[0].turn(client)
    assert talkers[0].replies[-1] == Finished(more=False)
    assert (await client.ask("POST", f"{PATH}/{begun.id}/stop", {}, local=True)).status_code == 409
    assert (await client.ask("GET", f"{PATH}/{'0' * 32}", local=True)).status_code == 404
    listed = (await client.ask("GET", PATH, local=True)).json()["federations"]
    assert [(one["id"], one["product"], one["why"]) for one in listed] == [(begun.id, PRODUCT, "wrong labels")]


async def test_a_layer_that_cannot_learn_together_is_refused(plane: Plane) -> None:
    client, made = Client(plane), factory("prototypes")
    asked = StartFederation(factory=FactoryFiles(adapt=made.spec, files=arrays_of(made)))
    answer = await client.ask("POST", PATH, asked, local=True)
    assert (answer.status_code, "output" in answer.json()["expected"]) == (400, True)
    broken = {**arrays_of(FACTORY), "adapt/bias.npy": b"x"}
    answer = await client.ask(
        "POST", PATH, StartFederation(factory=FactoryFiles(adapt=FACTORY.spec, files=broken)), local=True
    )
    assert answer.status_code == 400
