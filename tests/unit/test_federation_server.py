"""Rounds in the control plane's database: restarts, silence, refusals, and what stays of a device's message."""

from __future__ import annotations

import random
from collections.abc import MutableSequence, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from adaptation_example import blocks
from edgewright.core.adaptation.learner import Learner
from edgewright.core.federation.layer import parse_layer
from edgewright.core.federation.messages import (
    Finished,
    Masked,
    Shares,
    parse_request,
)
from edgewright.core.federation.rounds import suspects
from edgewright.fleet.server import federations as server
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.tables import federation_groups, federation_members, federations
from edgewright.schema.federation import FederationSeen, FederationSettings
from federation_talkers import (
    FACTORY,
    PATH,
    SETTINGS,
    Talker,
    posted,
    standing,
    started,
    through_a_round,
)
from fleet_plane import PRODUCT, Client, enrolled, plane_of
from threat_unit import Hand

pytestmark = pytest.mark.anyio


class Numbered(random.Random):
    """Draws the same groups in every run: the names of devices are others each time, and are put in order first."""

    def __init__(self, talkers: Sequence[Talker]) -> None:
        super().__init__(2)
        self._order = [talker.device.id for talker in talkers]

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Order, then shuffle."""
        x[:] = sorted(x, key=self._order.index)
        super().shuffle(x)


def rows(plane: Plane, table: sa.Table) -> list[Any]:
    with plane.database.reading() as connection:
        return list(connection.execute(sa.select(table)).all())


def accuracy(layer: bytes) -> float:
    hidden, labels = blocks(shifted=True, seed=99)
    learner, layer_values = Learner(FACTORY), parse_layer(layer, FACTORY)
    learner.state.weights, learner.state.bias = layer_values.weights, layer_values.bias
    return float((learner.outputs(hidden).argmax(axis=1) == labels).mean())


async def _sweep(client: Client, talkers: Sequence[Talker], name: str) -> FederationSeen:
    """Let each device send one message, and return what stands then."""
    for talker in talkers:
        await talker.turn(client)
        if talker.next is None and talker.replies[-1] == Finished(more=True):
            talker.begin()
    return await standing(client, name)


@pytest.mark.slow
async def test_rounds_go_on_where_a_server_restarts_and_forget_what_devices_sent(database_folder: Path) -> None:
    clock = Hand(1_800_000_000.0)
    with plane_of(database_folder, clock=clock) as plane:
        client = Client(plane)
        talkers = [Talker(await enrolled(client), number) for number in range(6)]
        # Of three rounds, one in ten ends with three classes answered as two.
        begun = await started(client, msgspec.structs.replace(SETTINGS, rounds=6))
    seen = begun
    sweeps = 0
    while seen.state == "running":
        # Each sweep is another process of the server.
        with plane_of(database_folder, clock=clock) as plane:
            seen = await _sweep(Client(plane), talkers, begun.id)
            sweeps += 1
            assert sweeps < 180
            clock.now += 0.5
    assert [(one.devices, one.counted, one.groups, one.refused) for one in seen.rounds] == [(6, 6, 1, {})] * 6
    assert accuracy(begun.layer) < 0.75 < 0.9 < accuracy(seen.layer)
    with plane_of(database_folder, clock=clock) as plane:
        assert rows(plane, federation_groups) == rows(plane, federation_members) == []
        client = Client(plane)
        talkers[0].begin()
        await talkers[0].turn(client)
        assert talkers[0].replies[-1] == Finished(more=False)


@pytest.mark.slow
async def test_a_cheater_is_known_after_restarts_and_shares_a_group_while_others_learn(
    database_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, starts = Hand(1_800_000_000.0), 0
    with plane_of(database_folder, clock=clock) as plane:
        client = Client(plane)
        talkers = [Talker(await enrolled(client), number) for number in range(9)]
        monkeypatch.setattr(server, "_CHANCE", Numbered(talkers))
        settings = msgspec.structs.replace(SETTINGS, rounds=8, group=3, at_once=9)
        seen = begun = await started(client, settings)
    talkers[4].cheats = True
    while seen.state == "running":
        with plane_of(database_folder, clock=clock) as plane:
            for _ in range(5):
                seen = await _sweep(Client(plane), talkers, begun.id)
                clock.now += 0.5
        starts += 1
        assert starts < 48
    # Each round loses the sum of the cheater's group and no other, and says so.
    assert [(one.groups, one.beyond, one.counted) for one in seen.rounds] == [(2, 1, 6)] * 8
    assert [one.suspicion for one in seen.rounds[:-1]] == [{}] * 7
    suspicion = seen.rounds[-1].suspicion
    assert suspicion[talkers[4].device.id] == max(suspicion.values()) == 8
    assert suspects(suspicion) == {talkers[4].device.id}
    assert accuracy(begun.layer) < 0.75 < 0.9 < accuracy(seen.layer)


@pytest.mark.slow
async def test_a_saboteur_of_shares_is_known_and_stays_known_in_the_next_learning(
    database_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(message: Any) -> Any:  # noqa: ANN401 - a message
        if not isinstance(message, Shares):
            return message
        return msgspec.structs.replace(message, sealed=dict.fromkeys(message.sealed, bytes(82)))

    time = Hand(1_800_000_000.0)
    with plane_of(database_folder, clock=time) as plane:
        client = Client(plane)
        talkers = [Talker(await enrolled(client), number) for number in range(9)]
        saboteur = talkers[4].device.id
        monkeypatch.setattr(server, "_CHANCE", Numbered(talkers))
        settings = msgspec.structs.replace(SETTINGS, rounds=9, group=3, at_once=9)
        begun = await started(client, settings)
        talkers[4].wire = wrong
        clock = Hand(0.0)
        for number in range(1, 9):
            outcome = await through_a_round(client, talkers, begun.id, clock, number)
            time.now += 10.0
            assert (outcome.groups, outcome.failed) == (2, 1)
            assert outcome.suspicion[saboteur] == max(outcome.suspicion.values()) == number
        assert suspects(outcome.suspicion) == {saboteur}
        await client.ask("POST", f"{PATH}/{begun.id}/stop", {}, local=True)
        empty = await started(client, settings)
        await client.ask("POST", f"{PATH}/{empty.id}/stop", {}, local=True)
        again = await started(client, settings)
        after = await through_a_round(client, talkers, again.id, clock)
    assert after.suspicion[saboteur] == outcome.suspicion[saboteur] + 1


async def test_a_single_group_with_a_cheater_moves_nothing_and_is_counted(database_plane: Plane) -> None:
    client, clock = Client(database_plane), Hand(0.0)
    talkers = [Talker(await enrolled(client), number) for number in range(5)]
    begun = await started(client, msgspec.structs.replace(SETTINGS, rounds=1, at_once=5))
    talkers[0].cheats = True
    outcome = await through_a_round(client, talkers, begun.id, clock)
    assert (outcome.groups, outcome.beyond, outcome.counted, outcome.moved) == (0, 1, 0, 0.0)
    assert set(outcome.suspicion.values()) == {1}
    assert (await standing(client, begun.id)).layer == begun.layer


async def test_a_round_of_an_earlier_version_ends_without_its_groups(database_folder: Path) -> None:
    clock = Hand(1_800_000_000.0)
    with plane_of(database_folder, clock=clock) as plane:
        client = Client(plane)
        talkers = [Talker(await enrolled(client), number) for number in range(6)]
        begun = await started(client)
        for _ in range(2):
            for talker in talkers:
                await talker.turn(client)
        (row,), (group,) = rows(plane, federations), rows(plane, federation_groups)
        # As the version wrote them that took robust means of changes.
        settings = {**msgspec.json.decode(row.settings), "mean": "geometric", "rate": 1.0}
        body = msgspec.msgpack.decode(group.body)
        body["begin"] = [12, *body["begin"][1:-1], 123_456, 0]

        def age(connection: sa.Connection) -> None:
            connection.execute(sa.update(federations).values(settings=msgspec.json.encode(settings).decode()))
            connection.execute(sa.update(federation_groups).values(body=msgspec.msgpack.encode(body)))

        plane.committer.submit(age).result()
    with plane_of(database_folder, clock=clock) as plane:
        client = Client(plane)
        await talkers[0].turn(client)
        assert talkers[0].replies[-1] == Finished(more=True)
        old = await posted(talkers[0].device, client, msgspec.msgpack.encode([1, FACTORY.identity]))
        assert (old.status_code, "Update the agent" in old.text) == (400, True)
        clock.now += 11.0
        seen = await standing(client, begun.id)
        assert (seen.state, seen.round, seen.layer, seen.settings) == ("running", 2, begun.layer, begun.settings)
        assert [(one.groups, one.counted) for one in seen.rounds] == [(0, 0)]


async def test_devices_that_fall_silent_are_not_waited_for(database_folder: Path) -> None:
    clock = Hand(1_800_000_000.0)
    with plane_of(database_folder, clock=clock) as plane:
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


async def test_a_round_that_all_leave_moves_nothing(database_folder: Path) -> None:
    clock = Hand(1_800_000_000.0)
    with plane_of(database_folder, clock=clock) as plane:
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


async def test_a_learning_that_is_stopped_lets_devices_go(database_plane: Plane) -> None:
    client = Client(database_plane)
    talkers = [Talker(await enrolled(client), number) for number in range(6)]
    begun = await started(client)
    for _ in range(2):
        for talker in talkers:
            await talker.turn(client)
    answer = await client.ask("POST", f"{PATH}/{begun.id}/stop", {"reason": "wrong labels"}, local=True)
    assert answer.json()["state"] == "stopped"
    assert rows(database_plane, federation_groups) == []
    await talkers[0].turn(client)
    assert talkers[0].replies[-1] == Finished(more=True)
    talkers[0].begin()
    await talkers[0].turn(client)
    assert talkers[0].replies[-1] == Finished(more=False)
    assert (await client.ask("POST", f"{PATH}/{begun.id}/stop", {}, local=True)).status_code == 409
    assert (await client.ask("GET", f"{PATH}/{'0' * 32}", local=True)).status_code == 404
    listed = (await client.ask("GET", PATH, local=True)).json()["federations"]
    assert [(one["id"], one["product"], one["why"]) for one in listed] == [(begun.id, PRODUCT, "wrong labels")]
