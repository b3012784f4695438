"""Rounds in the control plane's database: restarts, silence, refusals, and what stays of a device's message."""

from __future__ import annotations

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
    parse_request,
)
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.tables import federation_groups, federation_members
from edgewright.schema.federation import (
    FederationSettings,
)
from federation_talkers import (
    FACTORY,
    PATH,
    SETTINGS,
    Talker,
    standing,
    started,
)
from fleet_plane import PRODUCT, Client, enrolled, plane_of
from threat_unit import Hand

pytestmark = pytest.mark.anyio


def rows(plane: Plane, table: sa.Table) -> list[Any]:
    with plane.database.reading() as connection:
        return list(connection.execute(sa.select(table)).all())


def accuracy(layer: bytes) -> float:
    hidden, labels = blocks(shifted=True, seed=99)
    learner, found = Learner(FACTORY), parse_layer(layer, FACTORY)
    learner.state.weights, learner.state.bias = found.weights, found.bias
    return float((learner.outputs(hidden).argmax(axis=1) == labels).mean())


async def test_rounds_go_on_where_a_server_restarts_and_forget_what_devices_sent(database_folder: Path) -> None:
    clock = Hand(1_800_000_000.0)
    with plane_of(database_folder, clock=clock) as plane:
        client = Client(plane)
        talkers = [Talker(await enrolled(client), number) for number in range(6)]
        # Of two rounds, one in ten ends with three classes answered as two.
        begun = await started(client, msgspec.structs.replace(SETTINGS, rounds=3))
    seen = begun
    sweeps = 0
    while seen.state == "running":
        # Each sweep is another process of the server.
        with plane_of(database_folder, clock=clock) as plane:
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
    with plane_of(database_folder, clock=clock) as plane:
        assert rows(plane, federation_groups) == rows(plane, federation_members) == []
        client = Client(plane)
        talkers[0].begin()
        await talkers[0].turn(client)
        assert talkers[0].replies[-1] == Finished(more=False)


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
