"""Devices that talk to a control plane in rounds of learning, over SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from adaptation_example import blocks, factory
from edgewright.core.adaptation.factory import arrays_of
from edgewright.core.federation.member import Member, RefusedByServerError
from edgewright.core.federation.messages import (
    Begin,
    Finished,
    encode,
    parse_reply,
    parse_request,
)
from edgewright.core.federation.rounds import contribution
from edgewright.fleet.server.database import postgres
from edgewright.schema.federation import (
    FactoryFiles,
    FederationSeen,
    FederationSettings,
    RoundOutcome,
    StartFederation,
)
from edgewright.schema.fleet_api import FederationMessage
from fleet_plane import Client, Device
from postgres_database import fresh_database
from threat_unit import Hand

FACTORY = factory("output")
SETTINGS = FederationSettings(rounds=2, passes=1, clip=0.5, at_once=6, join_s=60.0, answer_s=10.0)
PATH = "/v1/fleet/federations"
# Of a signed request and its answer, as they pass on HTTP.
HEADERS = 720


@contextmanager
def folder_over(kind: str, path: Path) -> Iterator[Path]:
    """Provide a fleet's folder, with the address of a database of PostgreSQL or, for 'sqlite', without one."""
    if kind == "sqlite":
        yield path
        return
    with fresh_database() as address:
        postgres.keep(path, address)
        yield path


class Talker:
    """A device that takes part: its key signs, its member talks; one that cheats sends several signs a number."""

    def __init__(self, device: Device, number: int) -> None:
        self.device, self.number, self.replies = device, number, list[Any]()
        self.wire: Callable[[Any], Any] = lambda message: message
        self.cheats = False
        self.bytes = 0
        self.begin()

    def begin(self) -> None:
        """Join the next round."""
        hidden, labels = blocks(shifted=True, seed=self.number)

        def change(begin: Begin) -> Any:  # noqa: ANN401 - an array
            sent = contribution(FACTORY, begin, hidden, labels)
            return 7 * sent if self.cheats else sent

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
    request = StartFederation(factory=FactoryFiles(adapt=FACTORY.spec, files=arrays_of(FACTORY)), settings=settings)
    answer = await client.ask("POST", PATH, request, local=True)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=FederationSeen)


async def standing(client: Client, name: str) -> FederationSeen:
    answer = await client.ask("GET", f"{PATH}/{name}", local=True)
    return msgspec.json.decode(answer.content, type=FederationSeen)


async def through_a_round(
    client: Client, talkers: list[Talker], name: str, clock: Hand, number: int = 1
) -> RoundOutcome:  # fmt: skip
    """Let all talk until a round is over, by default the first one."""
    while len((seen := await standing(client, name)).rounds) < number:
        for talker in talkers:
            if talker.next is None and talker.replies[-1] == Finished(more=True):
                talker.begin()
            try:
                await talker.turn(client)
            except RefusedByServerError:
                talker.next = None
        clock.now += 1.0
    return seen.rounds[number - 1]
