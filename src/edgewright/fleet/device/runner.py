"""Implements `edgewright device run --fleet`: connects the real ports and runs the supervising loop."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec

from edgewright._version import __version__
from edgewright.core.errors import EnrollmentTokenMissingError, InputError, OutputError, PackageMissingError
from edgewright.core.files import os_errors
from edgewright.core.records.fleet import BoardEntry, Release
from edgewright.device.agent.systemd import Supervisor
from edgewright.fleet.device.agent_choice import Environments, running
from edgewright.fleet.device.board_updates import BoardProcess, Boards
from edgewright.fleet.device.enrollment import (
    TRUST_FOLDER,
    EnrolledPorts,
    EnrollmentPorts,
    HttpControl,
    device_key,
    enrol,
)
from edgewright.fleet.device.ipc_server import IpcServer
from edgewright.fleet.device.model_process import ModelProcess
from edgewright.fleet.device.ports import NAMES, DeviceConfig, FolderSlots, Packages
from edgewright.fleet.device.reports import Diagnoser, LogBuffer, ReportSender
from edgewright.fleet.device.state_database import NOT_ENROLLED, State, locked
from edgewright.fleet.device.state_machine import Agent
from edgewright.fleet.device.trust.client import Client, CombinedRepository, StickMount
from edgewright.fleet.protocol.layout import SystemClock, SystemRandom, Trust, Unreachable
from edgewright.fleet.protocol.transport import HttpTransport, Token, TransportPackages, read_token

DOOR_ENVIRONMENT = "EDGEWRIGHT_DOOR"
_LONGEST = 30.0
_LARGEST = 1 << 30
WAYS = "boards"
"""Folder of the store with the packages for rollbacks of boards."""


class RunnerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command line.

    Attributes:
        url: address of the fleet.
        token: enrolment token; empty for an enrolled device.
        store: folder of the store.
        package: package that came with the device; None for none.
        arguments: arguments of the model's process after the package.
        name, profile, ca_file: the options with these names; empty for their defaults.
        poll: seconds between two polls for news.
        mirrors: further addresses with the bytes of packages.
        stick: mount point of USB sticks; None for none.
        boards: microcontrollers behind the device.
        keep_agent: no release may bring another agent.
        config: device.toml; None for none.
    """

    url: str
    token: str
    store: Path
    package: Path | None
    arguments: tuple[str, ...]
    name: str = ""
    profile: str = ""
    ca_file: str = ""
    poll: float = 60.0
    mirrors: tuple[str, ...] = ()
    stick: Path | None = None
    boards: tuple[BoardEntry, ...] = ()
    keep_agent: bool = False
    config: Path | None = None


def follow(
    options: RunnerOptions, ending: Callable[[], bool], say: Callable[[str], None], hear: Callable[[bytes], None]
) -> None:
    """Follow a fleet until `ending` says so, or the launcher has to start another agent.

    Args:
        options: options of the command line.
        ending: returns whether to stop; called between steps.
        say: receives a line whenever the device's phase or its reason changes.
        hear: receives the standard error output of the model's process.

    Raises:
        InputError: the address, token, package or store is wrong, or the fleet refuses the device.
        OutputError: the store cannot be read or written.
    """
    with ExitStack() as stack:
        stack.enter_context(locked(options.store))
        state = State.open(options.store)
        stack.callback(state.close)
        token = read_token(options.token) if options.token else None
        slots = FolderSlots(options.store)
        product = state.device_state.product or (token.product if token else "") or _product(slots)
        if not product:
            raise EnrollmentTokenMissingError("an enrolment token", "none", "--token",
                             "A device that was never enrolled needs one: edgewright fleet token new")  # fmt: skip
        _factory(options.package, product, state, slots)
        private = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgewright-")))
        signals, supervisor = AlarmSignal(), Supervisor()
        log = LogBuffer(SystemClock(), say, hear)
        ipc = IpcServer(private / "door", signals.alarm)
        stack.callback(ipc.close)
        process = ModelProcess(
            slots, options.arguments, private, environment={DOOR_ENVIRONMENT: str(ipc.path)}, hear=log.hear,
            before_end=ipc.release, alive=supervisor.alive, config=options.config,
        )  # fmt: skip
        stack.callback(process.close)
        signals.wake = process.wake
        clock, chance = SystemClock(), SystemRandom()
        transport = HttpTransport(options.url, options.ca_file, supervisor.alive)
        enrollment = EnrollmentPorts(lambda: _enroll(options, state, transport, token, ipc, stack, log), clock, chance)
        trust: Trust = enrollment
        packages: Packages = TransportPackages(
            transport, {url: HttpTransport(url, options.ca_file) for url in options.mirrors}, options.url
        )
        if options.stick is not None:
            mount = StickMount(options.stick, options.store, clock)
            stack.callback(mount.close)
            trust = packages = CombinedRepository(enrollment, packages, mount)
        boards = None
        if options.boards:
            worker = BoardProcess(process.wake, log.say)
            boards = Boards(options.boards, state, slots.path, options.store / WAYS, worker, clock, chance)
        current = state.device_state
        environments = Environments(options.store, supervisor.alive)
        environments.keep(
            {current.environment, current.environment_before, current.fetched.environment if current.fetched else ""}
        )
        agent = Agent(
            DeviceConfig(
                environment=running(),
                product=product, profile=options.profile or os.uname().machine, version=__version__, poll=options.poll
            ),
            state=state, slots=slots, runner=process, trust=trust, packages=packages,
            control=enrollment, reporter=enrollment, clock=clock, chance=chance, ending=ending, boards=boards,
            prepare=lambda slot: "" if options.keep_agent else environments.prepare(slots.path(slot)), note=log.say,
        )  # fmt: skip
        _loop(agent, enrollment, process, signals, ending, log.say, supervisor)


class AlarmSignal:
    """Requests of the IPC server's thread to the loop to report now."""

    def __init__(self) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._alarm = threading.Event()

    def alarm(self) -> None:
        """Request a report, since an item must be reported now."""
        self._alarm.set()
        self.wake()

    def pass_on(self, agent: Agent) -> None:
        """Forward a request to the agent, in the loop's own thread."""
        if self._alarm.is_set():
            self._alarm.clear()
            agent.report_soon()


def _loop(
    agent: Agent, enrollment: EnrollmentPorts, process: ModelProcess, signals: AlarmSignal, ending: Callable[[], bool],
    say: Callable[[str], None], supervisor: Supervisor,
) -> None:  # fmt: skip
    # A signal ends the wait for output of the process.
    before = None
    if threading.current_thread() is threading.main_thread():
        before = signal.set_wakeup_fd(process.waker, warn_on_full_buffer=False)
    last = ""
    try:
        supervisor.say("READY=1")
        while not ending():
            enrolled = enrollment.attempt()
            signals.pass_on(agent)
            wait = agent.step()
            line = f"release {agent.state.device_state.counter}, {agent.phase}: {agent.why}"
            if _plain(line) != _plain(last):
                say(line)
            last = line
            supervisor.alive()
            if agent.state.device_state.environment != running():
                break
            if not enrolled:
                wait = min(wait, max(0.1, enrollment.due - SystemClock().monotonic()))
            if not ending():
                process.wait(min(wait, _LONGEST))
    finally:
        supervisor.say("STOPPING=1")
        agent.close()
        if before is not None:
            signal.set_wakeup_fd(before)


def _plain(line: str) -> str:
    """Return a line without its digits, which change continuously."""
    return "".join(c for c in line if not c.isdigit())


def _enroll(
    options: RunnerOptions, state: State, transport: HttpTransport, token: Token | None, ipc: IpcServer,
    stack: ExitStack, log: LogBuffer,
) -> EnrolledPorts:  # fmt: skip
    """Enrol the device unless it is enrolled, and return its ports."""
    if not state.link.device:
        if token is None:
            raise Unreachable(NOT_ENROLLED)
        enrol(options.store, state, transport, token, name=options.name, profile=options.profile, version=__version__)
    key = device_key(options.store)
    trust = Client(options.store / TRUST_FOLDER, transport, SystemClock())
    stack.callback(trust.close)
    control = HttpControl(transport, key, state.link.device)
    diagnoser = Diagnoser(state, options.store, log, control, SystemClock())
    reporter = ReportSender(
        state, control, SystemClock(), SystemRandom(), outbox=ipc, diagnose=diagnoser.answer
    )  # fmt: skip
    return EnrolledPorts(trust, control, reporter)


def _product(slots: FolderSlots) -> str:
    """Return the product of a package in the slots, for a device that has lost its state; empty for none."""
    return next((release.product for slot in NAMES if (release := slots.holds(slot)) is not None), "")


def _factory(package: Path | None, product: str, state: State, slots: FolderSlots) -> None:
    """Install the package of the command line as release 0 on a device without one, or whose release 0 is damaged.

    No fleet has release 0, so it could not be downloaded again.
    """
    current = state.device_state
    if package is None or current.counter or current.floor or any(slots.holds(slot) for slot in NAMES):
        return
    packages = sorted(package.glob("*.edge")) if package.is_dir() else [package]
    if len(packages) != 1:
        raise PackageMissingError("one package", f"{len(packages)}", str(package), "Name the file directly")
    with os_errors(InputError, "a package file", packages[0]), packages[0].open("rb") as file:
        data = file.read(_LARGEST)
    release = Release(
        product=product, counter=0, target=packages[0].name, sha256=hashlib.sha256(data).hexdigest(), length=len(data),
        package=packages[0].stem,
    )  # fmt: skip
    slot = current.active or "a"
    if not slots.put(slot, data, release, 0):
        raise OutputError("to put the package into its slot", "other bytes than were written", str(slots.path(slot)))
    if current.begun and not current.active:
        state.change(active=slot)


def arguments(store: Path, config: Path | None, source: str, more: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments of the model's process after its package."""
    words = ["--store", str(store)]
    if config is not None:
        words += ["--config", str(config)]
    if source:
        words += ["--source", source]
    return (*words, *more)


def forward(text: bytes) -> None:
    """Forward the output of the model's process to standard error."""
    with suppress(OSError, ValueError):
        sys.stderr.buffer.write(text)
        sys.stderr.buffer.flush()
