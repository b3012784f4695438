"""One device of `threat_fleet`: the agent with its real trust, state, slots and reports; its clock is a test's."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from benchmarks.faults.fleet_device import Process

from edgewright.fleet.device.enrollment import TRUST_FOLDER, HttpControl, device_key, enrol
from edgewright.fleet.device.ports import FolderSlots
from edgewright.fleet.device.reports import ReportSender
from edgewright.fleet.device.state_database import State
from edgewright.fleet.device.state_machine import Agent
from edgewright.fleet.device.trust.client import Client, CombinedRepository, StickMount
from edgewright.fleet.protocol.layout import Answer, Unreachable
from edgewright.fleet.protocol.transport import FolderTransport, TransportPackages, read_token

if TYPE_CHECKING:
    from threat_fleet import Town


class Hand:
    """A clock that is moved."""

    def __init__(self, now: float) -> None:
        self.now = now

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Own:
    """A device's clock: its wall is wrong by `skew` seconds."""

    def __init__(self, world: Hand) -> None:
        self._world, self._began, self.skew = world, world.now, 0.0

    def wall(self) -> float:
        return self._world.now + self.skew

    def monotonic(self) -> float:
        return 1000.0 + self._world.now - self._began


class Dice:
    """Chance that is the same in every run; bytes of a kind of their own for each owner."""

    def __init__(self, name: str) -> None:
        self._name, self._count = name, itertools.count()

    def bytes(self, count: int) -> bytes:
        return hashlib.sha512(f"{self._name} {next(self._count)}".encode()).digest()[:count]

    def share(self) -> float:
        return int.from_bytes(self.bytes(4), "big") / 2**32


class Way:
    """To the fleet: files from `public`, which any web server may serve, all else from whichever server is there."""

    def __init__(self, town: Town) -> None:
        self._town, self.cut, self.public = town, False, town.fleet.metadata.parent

    @contextmanager
    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
    ) -> Iterator[Answer]:
        if self.cut:
            raise Unreachable("the network is cut")
        if self._town.server is None and not self._town.addresses:
            if method != "GET":
                raise Unreachable("no control plane")
            with FolderTransport(self.public).exchange(method, path, headers, body, seconds=seconds) as answer:
                yield answer
            return
        reply = self._town.ask(method, path, headers, body)
        if reply.status_code >= 500:
            raise Unreachable(f"status {reply.status_code}")
        yield Answer(status=reply.status_code, headers=dict(reply.headers), body=iter([reply.content]))


class Unit:
    """One device: the agent with all its real parts but the model's process.

    Attributes:
        dead: it does nothing any more. dies: says of this device whether it dies now, without a word.
    """

    def __init__(self, town: Town, name: str, *, stick: Path | None = None) -> None:
        self.town, self.name, self.folder, self.stick = town, name, town.folder / name, stick
        self.folder.mkdir(exist_ok=True)
        self.way, self.clock, self.due, self.dead = Way(town), Own(town.clock), 0.0, False
        self.dies: Callable[[Unit], bool] = lambda _: False
        self.slots = FolderSlots(self.folder)
        self.start()

    def start(self) -> None:
        """As after a start of the machine."""
        self.process, self.state, chance = Process(self.slots), State.open(self.folder), Dice(self.name)
        if not self.state.link.device:
            enrol(self.folder, self.state, self.way, read_token(self.town.token()), name=self.name, version="0.1.0")
        trust = Client(self.folder / TRUST_FOLDER, self.way, self.clock)
        control = HttpControl(self.way, device_key(self.folder), self.state.link.device)
        packages: Any = TransportPackages(self.way)
        self.mount = StickMount(self.stick, self.folder, self.clock) if self.stick else None
        both: Any = CombinedRepository(trust, packages, self.mount) if self.mount else trust
        self.trust = trust
        self.agent = Agent(
            self.town.me, state=self.state, slots=self.slots, runner=self.process, trust=both,
            packages=both if self.mount else packages, control=control, clock=self.clock, chance=chance,
            reporter=ReportSender(self.state, control, self.clock, chance),
        )  # fmt: skip

    def step(self, passed: float) -> None:
        """Its turn, after so many seconds."""
        if self.dead:
            return
        if self.process.up:
            now = self.process.now
            counted = {"seconds": now.seconds + passed, "windows": now.windows + max(1, int(passed))}
            self.process.now = msgspec.structs.replace(now, **counted)
        if self.town.clock.now >= self.due:
            self.due = self.town.clock.now + max(1.0, self.agent.step())
        self.dead = self.dies(self)

    @property
    def id(self) -> str:
        return self.state.link.device

    @property
    def counter(self) -> int:
        """Of the release that runs, which the slot itself must say too."""
        device_state = self.state.device_state
        installed = self.slots.holds(device_state.active) if device_state.active else None
        assert (installed.counter if installed else 0) == device_state.counter
        return device_state.counter

    def reboot(self) -> None:
        """Power goes and comes back."""
        self.close()
        self.start()
        self.due = 0.0

    def close(self) -> None:
        self.trust.close()
        self.state.close()
        if self.mount is not None:
            self.mount.close()
