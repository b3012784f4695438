"""Decides which agent runs: counts what a new one does in its trial, and goes back from one that does not work.

The launcher decides, which no update replaces, and never the new agent. Each count is durable before the next start, so
that a launcher that is killed at any step decides the same afterwards.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from edgewright.core.errors import DeviceSettingsError, InputError, OutputError
from edgewright.core.files import private_folder, sync, write_atomic
from edgewright.core.records.fleet import Because
from edgewright.device.agent.parent_process import output_of
from edgewright.device.store import file_operations
from edgewright.device.store.database import Connect, connect
from edgewright.fleet.device.launcher_record import EndKind, LauncherRecord, RecordFile, Returned, short
from edgewright.fleet.device.ports import FolderSlots, Slots
from edgewright.fleet.device.state_database import FILE, DeviceState, State, Trial
from edgewright.fleet.protocol.layout import digest, wheels_of


def go_back(state: State, slots: Slots, because: Because, detail: str, wall: float) -> None:
    """Roll back: activate the previous slot and burn the counter, in one transaction.

    If the previous slot contains no permitted release, no slot is active until the next release is there.
    """
    current = state.device_state
    trial = current.trial
    assert trial is not None  # noqa: S101 - callers check it
    before = None
    with suppress(InputError):  # a label by a newer version
        before = slots.holds(trial.previous) if trial.previous else None
    there = before is not None and before.counter == trial.before and trial.before >= current.floor
    outcome = state.outcome("reverted", trial.counter, trial.plan, wall, because, detail)
    state.change(
        [outcome], active=trial.previous if there else "", counter=trial.before if there else 0,
        plan=trial.plan_before if there else "", trial=None, fetched=None, because=because,
        burned=(*current.burned, trial.counter), environment=trial.environment, environment_before=trial.environment,
    )  # fmt: skip


STARTS = 3
"""Starts of a new agent without an acknowledged report, or its ends in the whole trial, before it is taken back."""
_KEEP_S = 60.0
_DAMAGED: tuple[Because, str] = ("damaged", "its files are damaged")


def new_agent(current: DeviceState) -> Trial | None:
    """Return the trial of a release that brought the active agent; None without one."""
    trial = current.trial
    return trial if trial is not None and current.environment not in ("", trial.environment) else None


class AgentChoice:
    """The agents of a store.

    Args:
        store: its folder.
        say: receives a line about what the launcher did.
        opener: opens the state.
        wall: clock of outcomes.
        alive: called again and again while an environment is read, for a watchdog.

    Attributes:
        record: what was counted.
        say: as above.
    """

    def __init__(
        self, store: Path, say: Callable[[str], None] = lambda line: None, opener: Connect = connect,
        wall: Callable[[], float] = time.time, alive: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._store, self.say, self._opener, self._wall = store, say, opener, wall
        self._environments, self._file = Environments(store, alive), RecordFile(store)
        self.record, self._written = LauncherRecord(), 0.0
        try:
            self.record = self._file.read()
        except (InputError, OutputError) as error:  # a launcher of before starts an agent all the same
            say(str(error))

    def choose(self) -> str:
        """Return the environment to start; empty for the one that came with the device. No agent may be running.

        Where a newer version wrote the state, it is the one that was chosen last.

        Raises:
            InputError: files of a newer version stop a return.
            OutputError: the state cannot be read, or a return cannot be written.
        """
        if not self.has_state:
            return ""
        while True:
            try:
                state = self._state()
            except InputError as error:
                self.say(str(error))
                name = self.record.environment
                return name if name and self._environments.python(name) is not None else ""
            current, trial = state.device_state, new_agent(state.device_state)
            name = current.environment
            whole = bool(name) and self._environments.python(name) is not None
            if trial is None:
                self._settle(current)
                if whole or not name:
                    return name
                # Damaged on this device: the agent that came with it goes on.
                self._change(lambda opened: opened.change(environment="", environment_before=""))
            elif (reason := self._next(state, trial) if whole else _DAMAGED) is not None:
                self._change(partial(self._back, reason))
                self._returned(trial.counter, *reason)
            else:
                self._put(starts=self.record.starts + 1, running=True)
                self._file.reserve()
                return name

    def _state(self) -> State:
        """Return the closed state. Reading needs no room, unless a change was cut off before."""
        try:
            state = State.open(self._store, self._opener, writable=False)
        except OutputError:
            state = self._file.with_room(partial(State.open, self._store, self._opener))
        state.close()
        return state

    def _back(self, reason: tuple[Because, str], state: State) -> None:
        go_back(state, FolderSlots(self._store), *reason, self._wall())

    def _change(self, change: Callable[[State], object]) -> None:
        def attempt() -> None:
            state = State.open(self._store, self._opener)
            try:
                change(state)
            finally:
                state.close()

        self._file.with_room(attempt)

    @property
    def has_state(self) -> bool:
        """Whether this device has followed a fleet."""
        return (self._store / FILE).exists()

    @property
    def on_trial(self) -> bool:
        """Whether the agent that was chosen is new with the release on trial."""
        return bool(self.record.counter)

    def not_started(self) -> None:
        """Take back the count of a start for which this device had no room."""
        if self.on_trial:
            self._put(starts=max(0, self.record.starts - 1), running=False)

    def look(self) -> DeviceState | None:
        """Return the state beside a running agent, and forget a trial that is over; None if it cannot be read now."""
        try:
            state = State.open(self._store, self._opener, writable=False)
        except (InputError, OutputError):
            return None
        state.close()
        if new_agent(state.device_state) is None:
            self._settle(state.device_state)
        return state.device_state

    def patient(self, trial: Trial, seconds: float) -> bool:
        """Count seconds of a trial, written once a minute or ten times in a short one; return whether it may last."""
        patience = trial.limits.patience or math.inf
        if self.on_trial:
            self.record = msgspec.structs.replace(self.record, waited=self.record.waited + seconds)
            if self.record.waited - self._written >= min(_KEEP_S, patience / 10.0):
                self._put()
        return self.record.waited < patience

    def ended(self, kind: EndKind, how: str) -> None:
        """Record the end of the agent; `kind` is empty for one that was requested."""
        if not self.on_trial:
            return
        if kind:
            self._put(running=False, ends=self.record.ends + 1, last=kind, how=short(how))
        else:
            self._put(running=False)

    def _next(self, state: State, trial: Trial) -> tuple[Because, str] | None:
        """Count what happened since the last start; return why the device goes back, None if the agent may start."""
        record = self.record
        if (record.counter, record.environment) != (trial.counter, state.device_state.environment):
            self._put(msgspec.structs.replace(
                LauncherRecord(returned=record.returned), counter=trial.counter,
                environment=state.device_state.environment, nonce=state.link.nonce,
            ))  # fmt: skip
            return None
        if record.running:
            self._put(running=False, cuts=record.cuts + 1)
        if state.link.nonce != record.nonce:
            self._put(starts=0, nonce=state.link.nonce)
        return verdict(self.record, trial)

    def _settle(self, current: DeviceState) -> None:
        """Forget a trial that is over; a return that was cut off, or that the agent decided, is recorded."""
        counter = self.record.counter
        if counter and counter in current.burned:
            self._returned(counter, current.because, "the release on trial failed")
        record = LauncherRecord(returned=self.record.returned, environment=current.environment)
        if (self.record.counter, self.record.environment) != (0, current.environment):
            self._put(record)

    def _returned(self, counter: int, because: Because, why: str) -> None:
        self.say(f"release {counter} and its agent were taken back: {why}")
        returned = Returned(counter=counter, because=because, why=short(why), at=self._wall())
        self._put(LauncherRecord(returned=returned))

    def _put(self, record: LauncherRecord | None = None, **fields: object) -> None:
        self.record = msgspec.structs.replace(record or self.record, **fields)
        self._written = self.record.waited
        try:
            self._file.with_room(partial(self._file.write, self.record))
        except OutputError as error:  # it counts on in memory
            self.say(str(error))


def verdict(record: LauncherRecord, trial: Trial) -> tuple[Because, str] | None:
    """Return why a device goes back from a new agent, as it is reported; None if the trial goes on.

    The words are those that servers of before know.
    """
    if record.ends >= STARTS:
        kinds: dict[str, Because] = {"hang": "patience", "memory": "memory"}
        because = kinds.get(record.last, "start" if record.starts >= record.ends else "crash")
        return because, f"the new agent failed {record.ends} times; last: {record.how}"
    if record.starts >= STARTS:
        return "start", f"the new agent reported nothing in {record.starts} starts"
    if record.cuts > trial.limits.boots:
        return "boots", f"cut off {record.cuts} times, {trial.limits.boots} allowed"
    if trial.limits.patience and record.waited >= trial.limits.patience:
        text = f"not confirmed within {trial.limits.patience:.0f} s of running"
        return "patience", f"{text}; last: {record.how}" if record.how else text
    return None


FOLDER, MARKER = "environments", "complete"
NAME_VARIABLE, FACTORY_VARIABLE = "EDGEWRIGHT_ENVIRONMENT", "EDGEWRIGHT_FACTORY"
_SECONDS = 600.0
_SHOWN = 400
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""Errors of this device's disk, which say nothing about the wheels."""


def running() -> str:
    """Return the environment of this process; empty for the one that came with the device."""
    return os.environ.get(NAME_VARIABLE, "")


def factory() -> str:
    """Return the Python that came with the device."""
    return os.environ.get(FACTORY_VARIABLE) or sys.executable


class Environments:
    """Those in the folder of a store.

    Args:
        store: its folder.
        alive: called again and again while something is installed or read, for a watchdog.
    """

    def __init__(self, store: Path, alive: Callable[[], None] = lambda: None) -> None:
        self._folder, self._alive = store / FOLDER, alive

    def python(self, name: str) -> Path | None:
        """Return the interpreter of a whole environment; None for any other."""
        folder = self._folder / name
        try:
            whole = (folder / MARKER).read_text(encoding="ascii") == _fingerprint(folder, self._alive)
        except (OSError, ValueError):
            return None
        return self.interpreter(name) if whole else None

    def interpreter(self, name: str) -> Path:
        """Return where the interpreter of an environment lies."""
        return self._folder / name / "bin" / "python"

    def beats(self, name: str) -> bool:
        """Return whether the agent of an environment gives signs of life; one that cannot must not die for silence."""
        return any((self._folder / name).glob("lib/python*/site-packages/edgewright/device/agent/systemd.py"))

    def prepare(self, package: Path) -> str:
        """Install the wheels of a package; the environment's name, empty where the package carries none.

        Raises:
            InputError: the wheels cannot be installed, or the agent in them does not start or answer.
            OutputError: the disk failed.
        """
        wheels = wheels_of(package)
        if not wheels:
            return ""
        name = digest(wheels)
        if self.python(name) is None:
            self.install(wheels, lambda python: self._answers(python, package))
        return name

    def install(self, wheels: dict[str, bytes], check: Callable[[Path], None]) -> str:
        """Install wheels, check what they made, and only then mark it as whole; its name.

        Raises:
            InputError, OutputError: as `prepare`.
        """
        name = digest(wheels)
        try:
            self._install(name, wheels, check)
        except OSError as error:
            raise OutputError("room for an environment of the agent", str(error), str(self._folder)) from error
        return name

    def keep(self, names: Collection[str]) -> None:
        """Delete all others."""
        for folder in self._folder.glob("*"):
            if folder.name not in names:
                self.discard(folder.name)

    def discard(self, name: str) -> None:
        """Delete one."""
        with suppress(OSError):
            (self._folder / name / MARKER).unlink(missing_ok=True)
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def _install(self, name: str, wheels: dict[str, bytes], check: Callable[[Path], None]) -> None:
        folder = self._folder / name
        shutil.rmtree(folder, ignore_errors=True)
        private_folder(self._folder)
        self._run([factory(), "-m", "venv", "--without-pip", str(folder)])
        python = folder / "bin" / "python"
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="wheels-") as temporary:
            files = [Path(temporary) / wheel for wheel in sorted(wheels)]
            for path in files:
                path.write_bytes(wheels[path.name])
            install = ["install", "--no-index", "--no-deps", "--no-input", "--quiet", "--disable-pip-version-check"]
            self._run([factory(), "-m", "pip", "--python", str(python), *install, *map(str, files)])
        # What the wheels do not bring comes from the environment of the device, after them.
        site = self._run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
        base = self._run([factory(), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
        (Path(site) / "edgewright-factory.pth").write_text(f"import site; site.addsitedir({base!r})\n")
        check(python)
        _flush(folder, self._alive)
        write_atomic(folder / MARKER, _fingerprint(folder, self._alive).encode())
        file_operations.sync_folder(self._folder)

    def _answers(self, python: Path, package: Path) -> None:
        """Check that the new agent starts, and that the model answers its test vectors under it."""
        self._run([str(python), "-c", "import edgewright.fleet.device.runner, edgewright.cli.main"])
        self._run([str(python), "-m", "edgewright.fleet.device.package_test", str(package), str(1 << 30), "60"])

    def _run(self, command: list[str]) -> str:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                output, error = output_of(process, _SECONDS, self._alive)
            except subprocess.TimeoutExpired:
                error = b"it took too long"
        if process.returncode:
            text = " ".join((error or output).decode("utf-8", "replace").splitlines())
            if any(os.strerror(code) in text for code in _DISK):
                raise OutputError("room for an environment of the agent", text[-_SHOWN:], str(self._folder))
            text = text[-_SHOWN:]
            raise DeviceSettingsError(
                "an agent that can be installed", text or f"exit code {process.returncode}", "agent/"
            )
        return output.decode("utf-8", "replace").strip()


def _files(folder: Path) -> list[Path]:
    # Byte code is made anew by whoever runs.
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sorted(path for path in paths if path.suffix != ".pyc" and path != folder / MARKER)


def _fingerprint(folder: Path, alive: Callable[[], None] = lambda: None) -> str:
    digest = hashlib.sha256()
    for path in _files(folder):
        alive()
        digest.update(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _flush(folder: Path, alive: Callable[[], None]) -> None:
    for path in [*_files(folder), *(path_inside for path_inside in folder.rglob("*") if path_inside.is_dir()), folder]:
        alive()
        sync(path)
