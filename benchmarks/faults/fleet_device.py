"""A device of a fleet: real state and slots in a folder; network, process, clock and chance are told."""
# ruff: noqa: D102, S101 - its parts are ports, described where those are declared

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.errors import EdgewrightError
from edgewright.core.records.fleet import (
    Allowed,
    Enrolled,
    Intent,
    Plan,
    Release,
    Report,
    Stage,
    Standing,
    Standings,
    TrialLimits,
    Vitals,
)
from edgewright.device.store.database import Connect, connect
from edgewright.fleet.device.ports import DeviceConfig, FolderSlots, Tested
from edgewright.fleet.device.state_database import State
from edgewright.fleet.device.state_machine import Agent
from edgewright.fleet.protocol.layout import Refused, Seen, Unreachable

BORN = 1_800_000_000.0
DEVICE = "0" * 31 + "1"
PRODUCT = "pump"


def content(counter: int, old: int = 0) -> bytes:
    """Return bytes of a release; a way back has those of `old`."""
    return f"package {old or counter}. ".encode() * 400


def release(counter: int, old: int = 0) -> Release:
    """As it is signed."""
    data = content(counter, old)
    return Release(
        product=PRODUCT, counter=counter, target=f"packages/{PRODUCT}-{counter}.edge",
        sha256=hashlib.sha256(data).hexdigest(), length=len(data), package=f"pump {old or counter}",
    )  # fmt: skip


def plan(counter: int, *, old: int = 0, gated: bool = False, **changes: Any) -> Plan:  # noqa: ANN401
    """One stage for all devices; a way back to the bytes of `old` where that is given."""
    fields: dict[str, Any] = {
        "id": f"plan-{counter}", "release": release(counter), "revert": release(counter + 1, old) if old else None,
        "salt": "ab" * 32, "stages": (Stage(name="all", percent=100.0, gated=gated),), "starts": BORN - 1000.0,
        "expires": BORN + 1e8, "enrolled": BORN, "trial": TrialLimits(seconds=100.0, patience=1000.0),
    }  # fmt: skip
    return Plan(**{**fields, **changes})


class HandClock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now, self.day = 1000.0, BORN

    def wall(self) -> float:
        return self.day

    def monotonic(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds
        self.day += seconds


class Even:
    """Chance without surprises."""

    def bytes(self, count: int) -> bytes:
        return bytes(count)

    def share(self) -> float:
        return 0.5


class Fleet:
    """What is published, as a device sees it: trust, packages and control plane in one."""

    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {}
        self.standings: dict[str, Standing] = {}
        self.bytes: dict[str, bytes] = {}
        self.online = self.fresh = True
        self.signed = BORN
        self.broken_after: int | None = None
        self.unsigned: set[int] = set()
        self.leave = Allowed(nonce="n2", go=True)
        self.intents: list[Intent] = []
        self.reads: list[int] = []
        self._held: Standings | None = None

    def publish(self, planned: Plan, state: str = "running", **changes: Any) -> None:  # noqa: ANN401
        self.plans[planned.id] = planned
        for one in (planned.release, planned.revert):
            if one is not None:
                old = int(one.package.rpartition(" ")[2])
                self.bytes.setdefault(one.target, content(one.counter, old))
        self.stand(planned.id, state, **changes)

    def stand(self, name: str, state: str, **changes: Any) -> None:  # noqa: ANN401
        encoded = msgspec.json.encode(self.plans[name])
        fields: dict[str, Any] = {
            "plan": name, "sha256": hashlib.sha256(encoded).hexdigest(), "product": PRODUCT, "state": state
        }  # fmt: skip
        self.standings = {
            name: Standing(**{**fields, **changes}),
            **{k: v for k, v in self.standings.items() if k != name},
        }

    def refresh(self) -> Seen:
        self._reach()
        self._held = Standings(issued=self.signed, rollouts=tuple(self.standings.values()))
        return msgspec.structs.replace(self.latest(), changed=True)

    def latest(self) -> Seen:
        return Seen(standings=self._held, fresh=self.fresh, signed=self.signed, versions={"rollouts": 1}, changed=False)

    def plan(self, name: str, sha256: str) -> tuple[Plan, bytes]:
        planned = self.plans[name]
        data = msgspec.json.encode(planned)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Refused("another plan", "mixed")
        return planned, data

    def check(self, one: Release) -> None:
        self._reach()
        if one.counter in self.unsigned:
            raise Refused("not among the signed targets", "mixed")

    def path(self, one: Release) -> str:
        return one.target

    def read(self, path: str, offset: int, length: int) -> Iterator[bytes]:
        self._reach()
        self.reads.append(offset)
        data = self.bytes[path][:length]
        end = len(data) if self.broken_after is None else min(len(data), offset + self.broken_after)
        for at in range(offset, end, 1000):
            yield data[at : min(end, at + 1000)]

    def spoilt(self, release: Release) -> str:
        return "the fleet"

    def report(self, report: object) -> Any:  # noqa: ANN401
        raise NotImplementedError

    def intent(self, intent: Intent) -> Allowed:
        self._reach()
        self.intents.append(intent)
        return self.leave

    def _reach(self) -> None:
        if not self.online:
            raise Unreachable("no network")


class Process:
    """The model's process, as it is told."""

    def __init__(self, slots: FolderSlots) -> None:
        self.slots, self.starts, self.tests = slots, list[str](), list[str]()
        self.now = Vitals()
        self.line: str | None = None
        self.up = False
        self.tested = Tested(ok=True)
        self.refuses: EdgewrightError | None = None

    def test(self, slot: str, limits: TrialLimits) -> Tested:
        self.tests.append(slot)
        return self.tested

    def start(self, slot: str, limits: TrialLimits | None) -> None:
        if self.refuses is not None:
            raise self.refuses
        assert self.slots.path(slot).is_file()
        self.starts.append(slot)
        self.up, self.line, self.now = True, None, Vitals()

    def stop(self) -> None:
        self.up = False

    def running(self) -> bool:
        return self.up

    def ended(self) -> str | None:
        return self.line

    def vitals(self) -> Vitals:
        return self.now

    def crash(self, line: str = "ended with signal 11") -> None:
        self.up, self.line = False, line


class Listener:
    """Takes what the agent says of itself."""

    def __init__(self) -> None:
        self.heard: list[tuple[Report, bool]] = []
        self.refuses: EdgewrightError | None = None

    def send(self, facts: Report, urgent: bool = False, contact: bool = False) -> float:
        if self.refuses is not None:
            raise self.refuses
        self.heard.append((facts, urgent))
        return 300.0


class Device:
    """One device with its agent; `restart` is what a power cut or an orderly end leads to."""

    def __init__(
        self, folder: Path, fleet: Fleet | None = None, factory: bool = True, opener: Connect = connect
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.fleet, self.clock, self.opener = folder, fleet or Fleet(), HandClock(), opener
        self.slots = FolderSlots(folder)
        if factory and self.slots.holds("a") is None and self.slots.holds("b") is None:
            data = content(100)
            factory_release = msgspec.structs.replace(release(100), counter=0, package="factory")
            assert self.slots.put("a", data, factory_release, 0)
        self.start()

    def environment(self) -> str:
        """Of the agent that starts now."""
        return ""

    def prepare(self, slot: str) -> str:
        """Install the agent that the package of a slot carries."""
        return ""

    def start(self) -> None:
        environment = self.environment()
        self.process, self.listener = Process(self.slots), Listener()
        state = State.open(self.folder, self.opener)
        if not state.link.device:
            state.enrol(Enrolled(device=DEVICE, tags=(), batch="one", at=BORN, nonce="n1"))
        self.agent = Agent(
            DeviceConfig(product=PRODUCT, profile="gateway", version="0.1.0", environment=environment),
            state=state, slots=self.slots,
            runner=self.process,
            trust=self.fleet, packages=self.fleet, control=self.fleet, reporter=self.listener, clock=self.clock,
            chance=Even(), prepare=self.prepare,
        )  # fmt: skip

    @property
    def state(self) -> State:
        return self.agent.state

    def cut(self) -> None:
        """Cut the power and restore it."""
        self.state.close()
        self.start()

    def restart(self) -> None:
        """Stop the agent in an orderly way and start it."""
        self.agent.close()
        self.cut()

    def run(self, seconds: float, rows: bool = True, max_step_s: float = 10.0) -> None:
        """So many seconds of steps; with rows the process counts them."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            wait = min(self.agent.step(), max_step_s, until - self.clock.now)
            wait = max(wait, 0.001)
            self.clock.forward(wait)
            if rows and self.process.up:
                now = self.process.now
                self.process.now = msgspec.structs.replace(
                    now, seconds=now.seconds + wait, windows=now.windows + max(1, int(wait))
                )
        self.agent.step()

    def follow(self, planned: Plan, seconds: float, max_step_s: float = 10.0) -> None:
        """Let a plan be published, and so many seconds go by."""
        self.fleet.publish(planned)
        self.run(seconds, max_step_s=max_step_s)

    def active(self) -> int:
        """Counter of what runs, as the slot itself says it; -1 for nothing."""
        device_state = self.state.device_state
        installed = self.slots.holds(device_state.active) if device_state.active else None
        assert (installed.counter if installed else 0) == device_state.counter
        return installed.counter if installed else -1

    def told(self) -> list[tuple[str, int, str]]:
        return [(one.result, one.counter, one.because) for one in self.state.outcomes]
