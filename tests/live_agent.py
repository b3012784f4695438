"""Agents of devices in threads, over real HTTP and real files; only the model's process is told what it says."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
from benchmarks.faults.fleet_device import Process

from edgewright.core.records.fleet import TrialLimits
from edgewright.device.store.records import Item
from edgewright.fleet.device.enrollment import TRUST_FOLDER, HttpControl, device_key, enrol
from edgewright.fleet.device.ports import DeviceConfig, FolderSlots
from edgewright.fleet.device.reports import Outbox, ReportSender
from edgewright.fleet.device.state_database import State
from edgewright.fleet.device.state_machine import Agent
from edgewright.fleet.device.trust.client import Client
from edgewright.fleet.protocol.layout import SystemClock, SystemRandom
from edgewright.fleet.protocol.transport import HttpTransport, TransportPackages, read_token
from fleet_servers import Server, Signed, until

TRIAL = TrialLimits(seconds=0.5, patience=3600.0)
_ROUND, _AT_ONCE = 0.05, 20


class Notes(Outbox):
    """Items that wait in memory until they are durable on the other side."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[int, int], Item] = {}
        self._lock, self.count = threading.Lock(), 0

    def add(self) -> None:
        """One more."""
        with self._lock:
            self.count += 1
            item = Item(device="d", boot=1, sequence=self.count, kind="event", put=1.0, body={"number": self.count})
            self._waiting[1, self.count] = item

    @property
    def waiting(self) -> int:
        """Not acknowledged yet."""
        return len(self._waiting)

    def urgent(self) -> bool:
        return False

    def backlog(self) -> bool:
        return self.waiting > _AT_ONCE

    def offered(self) -> Sequence[msgspec.Raw]:
        with self._lock:
            some = list(self._waiting.values())[:_AT_ONCE]
        return [msgspec.Raw(msgspec.json.encode(one)) for one in some]

    def settle(self, durable: Sequence[tuple[int, int]]) -> None:
        with self._lock:
            for position in durable:
                self._waiting.pop(position, None)

    def refuse(self, position: tuple[int, int], why: str) -> None:
        raise AssertionError(f"{position} was refused: {why}")


class LiveAgent:
    """One device, running until it is closed.

    Args:
        folder: of its files.
        address: of the fleet.
        token: of its enrolment.
        faster: seconds between two looks for news.
    """

    def __init__(self, folder: Path, address: str, token: str, faster: float = 0.5) -> None:
        folder.mkdir()
        self.folder, self.notes, self.wrong = folder, Notes(), list[str]()
        self._ended = threading.Event()
        self.slots, self.state = FolderSlots(folder), State.open(folder)
        self.process = Process(self.slots)
        transport = self._transport = HttpTransport(address)
        enrol(folder, self.state, transport, read_token(token), name=folder.name, version="0.1.0")
        clock, chance = SystemClock(), SystemRandom()
        self.id = self.state.link.device
        self._trust = Client(folder / TRUST_FOLDER, transport, clock)
        key = device_key(folder)
        control = HttpControl(transport, key, self.id)
        self._teller = ReportSender(self.state, control, clock, chance, outbox=self.notes)
        me = DeviceConfig(product="main", version="0.1.0", poll=faster, slowest=5.0, look=0.2, keep=1.0, slice=5.0)
        self.agent = Agent(
            me, state=self.state, slots=self.slots, runner=self.process, trust=self._trust,
            packages=TransportPackages(transport), control=control, reporter=self._teller, clock=clock, chance=chance,
            ending=self._ended.is_set,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def counter(self) -> int:
        """Of the release that runs."""
        return self.state.device_state.counter

    @property
    def floor(self) -> int:
        """Of the release that was confirmed."""
        return self.state.device_state.floor

    def close(self) -> None:
        """End it."""
        self._ended.set()
        self._thread.join(60)
        self._transport.close()
        self._trust.close()
        self.state.close()

    def _run(self) -> None:
        due = 0.0
        while not self._ended.wait(_ROUND):
            try:
                due = self._step(due)
            except Exception as error:  # noqa: BLE001 - told by the test, which looks at `wrong`
                self.wrong.append(f"{type(error).__name__}: {error}")
                return

    def _step(self, due: float) -> float:
        if self.process.up:
            now = self.process.now
            self.process.now = msgspec.structs.replace(now, seconds=now.seconds + _ROUND, windows=now.windows + 1)
        if time.monotonic() < due:
            return due
        wait = self.agent.step()
        self._look()
        # What waits in the notes is as urgent as an alarm: told every few seconds, as the control plane bears it.
        if self.notes.waiting:
            self.agent.report_soon()
        return time.monotonic() + min(max(wait, 0.0), 0.5)

    def _look(self) -> None:
        """Nothing is half activated: what is active is whole, and is the release that the state names."""
        device_state = self.state.device_state
        installed = self.slots.holds(device_state.active) if device_state.active else None
        if (installed.counter if installed else 0) != device_state.counter:
            self.wrong.append(f"slot {device_state.active!r} holds {installed}, and {device_state.counter} is active")
        if self.process.up and self.process.starts[-1] != device_state.active:
            self.wrong.append(f"{self.process.starts[-1]} runs, {device_state.active} is active")


def gathered(agents: Sequence[LiveAgent], true: Callable[[LiveAgent], object]) -> bool:
    """Return whether something is true of all; what one found wrong is told at once."""
    wrong: list[Any] = [(one.id, one.wrong) for one in agents if one.wrong]
    assert not wrong, wrong
    return all(true(one) for one in agents)


class LiveFleet(ExitStack):
    """A signed fleet, its servers and its agents; whatever runs ends with it.

    Args:
        folder: empty.
        plans: fields of each plan.
    """

    def __init__(self, folder: Path, *plans: dict[str, Any]) -> None:
        super().__init__()
        self.made = Signed(folder, *({"gates": (), "trial": TRIAL, **one} for one in plans))
        self.agents: list[LiveAgent] = []

    def serve(self, *more: str, port: int = 0) -> Server:
        """Start a server; it answers."""
        server = Server(self.made.folder, "--report-every", "5", *more, port=port)
        self.callback(server.end, signal.SIGKILL)
        return server.wait()

    def join(self, folder: Path, address: str) -> None:
        """One more device."""
        agent = LiveAgent(folder, address, self.made.token())
        self.callback(agent.close)
        self.agents.append(agent)

    def steer(self, server: Server, path: str, **body: object) -> str:
        """Ask for something of rollouts as an operator; what is wrong with it."""
        with self.made.operator() as operator:
            answer = operator.post(f"{server.address}/v1/fleet/rollouts{path}", json=body)
        return "" if answer.status_code == 200 else answer.text

    def roll_out(self, server: Server, number: int = 1) -> int:
        """Start a plan, when the rollout before it has ended; the release's number."""
        until(
            lambda: not self.steer(server, "", plan=f"plan-{number}"),
            lambda: self.steer(server, "", plan=f"plan-{number}"),
        )
        return self.made.plans[number - 1].release.counter

    def why(self) -> list[tuple[int, int, str]]:
        """By agent: what waits, what runs and what it says."""
        return [(one.notes.waiting, one.counter, one.agent.why) for one in self.agents]

    def gathered(self, true: Callable[[LiveAgent], object]) -> None:
        """Wait until something is true of all."""
        until(lambda: gathered(self.agents, true), self.why)

    def confirmed(self, counter: int) -> None:
        """Wait until every device has a release for good."""
        self.gathered(lambda one: one.floor == one.counter == counter)

    def all_there(self) -> None:
        """All that was to be told arrived once, and nobody was taken for a copy."""
        for agent in self.agents:
            agent.agent.wake()
        self.gathered(lambda one: not one.notes.waiting and not one.state.outcomes)
        items, reports, shut_out = self.made.told()
        assert shut_out == []
        for agent in self.agents:
            assert items[agent.id] == list(range(1, agent.notes.count + 1))
            assert len(set(reports[agent.id])) == len(reports[agent.id])
