"""`edgewright device run --fleet`: the real ports put together, and the loop of the process that supervises."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from importlib import metadata
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.device.agent.systemd import Supervisor
from edgewright.fleet.device.agent_lock import locked
from edgewright.fleet.device.board_updates import Boards
from edgewright.fleet.device.board_worker import ProcessHand
from edgewright.fleet.device.broker_connection import checked, listening
from edgewright.fleet.device.control_client import HttpControl
from edgewright.fleet.device.device_config import Me
from edgewright.fleet.device.enrollment import TRUST_FOLDER, device_key, enrol
from edgewright.fleet.device.enrollment_ports import Joined, Joining
from edgewright.fleet.device.ipc_server import Door
from edgewright.fleet.device.model_process import Child
from edgewright.fleet.device.package_slots import NAMES, FolderSlots
from edgewright.fleet.device.ports import Packages
from edgewright.fleet.device.reports import ReportTeller
from edgewright.fleet.device.state_database import State
from edgewright.fleet.device.state_machine import Agent
from edgewright.fleet.device.system_ports import Clocks, Luck
from edgewright.fleet.device.trust.client import Client
from edgewright.fleet.device.usb_repository import Mount, WithStick
from edgewright.fleet.protocol.ports import Transport
from edgewright.fleet.protocol.trusted_metadata import Trust
from edgewright.fleet.protocol.wire.http import HttpTransport
from edgewright.fleet.protocol.wire.packages import TransportPackages
from edgewright.fleet.protocol.wire.token import Token, read_token
from edgewright.schema.boards import BoardEntry
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.fleet_plan import Release

DOOR_ENVIRONMENT = "EDGEWRIGHT_DOOR"
_LONGEST = 30.0
_VERSION = metadata.version("edgewright")
_LARGEST = 1 << 30
WAYS = "boards"
"""Folder of the store with ways back for boards."""


class RunnerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says.

    Attributes:
        url: of the fleet. token: of the enrolment; empty where it was done. store: its folder.
        package: that came with the device; None for none. arguments: for the model's process, after the package.
        name, profile, ca_file, broker: as the options of the same names; empty for their defaults.
        poll: seconds between two looks for news.
        stick: folder on which sticks are mounted; None for none.
        boards: microcontrollers behind the device.
    """

    url: str
    token: str
    store: Path
    package: Path | None
    arguments: tuple[str, ...]
    name: str = ""
    profile: str = ""
    ca_file: str = ""
    broker: str = ""
    poll: float = 60.0
    stick: Path | None = None
    boards: tuple[BoardEntry, ...] = ()


def follow(
    told: RunnerOptions, ending: Callable[[], bool], say: Callable[[str], None], hear: Callable[[bytes], None]
) -> None:
    """Follows a fleet until `ending` says so.

    Args:
        told: by the command line.
        ending: asked between steps.
        say: takes a line whenever the device is somewhere else, or for another reason.
        hear: takes what the model's process says on its standard error.

    Raises:
        InputError: a wrong address, token, package or store, or the fleet refuses the device.
        OutputError: the store cannot be read or written.
    """
    with ExitStack() as stack:
        stack.enter_context(locked(told.store))
        state = State.open(told.store)
        stack.callback(state.close)
        token = read_token(told.token) if told.token else None
        product = _product(token, state)
        slots = FolderSlots(told.store)
        _factory(told.package, product, state, slots)
        private = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgewright-")))
        calls = Calls()
        door = Door(private / "door", calls.alarm)
        stack.callback(door.close)
        child = Child(
            slots, told.arguments, private, environment={DOOR_ENVIRONMENT: str(door.path)}, hear=hear,
            before_end=door.release,
        )  # fmt: skip
        stack.callback(child.close)
        calls.wake = child.wake
        clock, chance = Clocks(), Luck()
        transport = HttpTransport(told.url, told.ca_file)
        checked(told.broker)
        wired = partial(listening, told.broker, told.ca_file, product, state, calls.news, door.backlog, say)
        joining = Joining(lambda: _join(told, state, transport, token, door, wired, stack), clock, chance)
        trust: Trust = joining
        packages: Packages = TransportPackages(transport)
        if told.stick is not None:
            mount = Mount(told.stick, told.store, clock)
            stack.callback(mount.close)
            trust = packages = WithStick(joining, packages, mount)
        boards = None
        if told.boards:
            hand = ProcessHand(child.wake)
            boards = Boards(told.boards, state, slots.path, told.store / WAYS, hand, clock, chance)
        agent = Agent(
            Me(product=product, profile=told.profile or os.uname().machine, version=_VERSION, poll=told.poll),
            state=state, slots=slots, runner=child, trust=trust, packages=packages,
            control=joining, teller=joining, clock=clock, chance=chance, ending=ending, boards=boards,
        )  # fmt: skip
        _loop(agent, joining, child, calls, ending, say)


class Calls:
    """What other threads ask of the loop."""

    def __init__(self) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._news, self._alarm = threading.Event(), threading.Event()

    def news(self) -> None:
        """Something may have been published."""
        self._news.set()
        self.wake()

    def alarm(self) -> None:
        """Something waits that must be reported now."""
        self._alarm.set()
        self.wake()

    def pass_on(self, agent: Agent) -> None:
        """In the loop's own thread."""
        if self._news.is_set():
            self._news.clear()
            agent.wake()
        if self._alarm.is_set():
            self._alarm.clear()
            agent.speak()


def _loop(
    agent: Agent, joining: Joining, child: Child, calls: Calls, ending: Callable[[], bool],
    say: Callable[[str], None],
) -> None:  # fmt: skip
    supervisor = Supervisor()
    # A signal ends the wait for whatever the process says next.
    before = _woken_by_signals(child.waker)
    last = ""
    try:
        supervisor.ready()
        while not ending():
            enrolled = joining.attempt()
            calls.pass_on(agent)
            wait = agent.step()
            line = f"release {agent.state.held.counter}, {agent.phase}: {agent.why}"
            if _plain(line) != _plain(last):
                say(line)
            last = line
            supervisor.alive()
            if not enrolled:
                wait = min(wait, max(0.1, joining.due - Clocks().monotonic()))
            if not ending():
                child.wait(min(wait, _LONGEST))
    finally:
        supervisor.stopping()
        agent.close()
        if before is not None:
            signal.set_wakeup_fd(before)


def _plain(line: str) -> str:
    """Without its figures, which change all the time."""
    return "".join(c for c in line if not c.isdigit())


def _join(
    told: RunnerOptions, state: State, transport: HttpTransport, token: Token | None, door: Door,
    wired: Callable[[Transport, Ed25519PrivateKey, ExitStack], Transport], stack: ExitStack,
) -> Joined:  # fmt: skip
    """Enrols the device where that was not done, and gives what an enrolled one has."""
    if not state.link.device:
        if token is None:
            raise InputError("an enrolment token", "none", "--token", "Make one: edgewright fleet token new")
        enrol(told.store, state, transport, token, name=told.name, profile=told.profile, version=_VERSION)
    key = device_key(told.store)
    trust = Client(told.store / TRUST_FOLDER, transport, Clocks())
    stack.callback(trust.close)
    control = HttpControl(wired(transport, key, stack), key, state.link.device)
    return Joined(trust, control, ReportTeller(state, control, Clocks(), Luck(), outbox=door))


def _product(token: Token | None, state: State) -> str:
    product = state.held.product or (token.product if token else "")
    if not product:
        raise InputError("an enrolment token", "none", "--token",
                         "A device that was never enrolled needs one: edgewright fleet token new")  # fmt: skip
    return product


def _factory(package: Path | None, product: str, state: State, slots: FolderSlots) -> None:
    """A package of the command line is for a device that has none: it becomes release 0."""
    if package is None or state.held.begun or any(slots.holds(slot) for slot in NAMES):
        return
    found = sorted(package.glob("*.edge")) if package.is_dir() else [package]
    if len(found) != 1:
        raise InputError("one package", f"{len(found)}", str(package), "Name the file itself")
    try:
        with found[0].open("rb") as file:
            data = file.read(_LARGEST)
    except OSError as error:
        raise InputError("a package file", error.strerror or str(error), str(found[0])) from None
    release = Release(
        product=product, counter=0, target=found[0].name, sha256=hashlib.sha256(data).hexdigest(), length=len(data),
        package=found[0].stem,
    )  # fmt: skip
    if not slots.put("a", data, release, 0):
        raise OutputError("to put the package into its slot", "other bytes than were written", str(slots.path("a")))


def _woken_by_signals(handle: int) -> int | None:
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.set_wakeup_fd(handle, warn_on_full_buffer=False)


def arguments(store: Path, config: Path | None, source: str, more: Sequence[str]) -> tuple[str, ...]:
    """Of the model's process, after its package."""
    made = ["--store", str(store)]
    if config is not None:
        made += ["--config", str(config)]
    if source:
        made += ["--source", source]
    return (*made, *more)


def forward(text: bytes) -> None:
    """The model's process says on this process's standard error what it has to say."""
    with suppress(OSError, ValueError):
        sys.stderr.buffer.write(text)
        sys.stderr.buffer.flush()
