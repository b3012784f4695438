"""The first thing that runs: it starts the agent, watches it from outside, and goes back from a new one that fails.

It is the code that came with the device. It stays the parent through every update, and no update replaces it. It
imports what it needs at its start, and of the agent no more than its state.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from edgewright.device.agent.bounded_log import BoundedLog
from edgewright.device.agent.parent_process import STORE_VARIABLE, adopt_orphans, end_marked, store_mark
from edgewright.device.agent.systemd import Supervisor
from edgewright.fleet.device.agent_choice import AgentChoice, new_agent
from edgewright.fleet.device.device_state import DeviceState
from edgewright.fleet.device.environments import FACTORY_VARIABLE, NAME_VARIABLE, Environments, factory
from edgewright.fleet.device.launched_agent import AgentProcess
from edgewright.fleet.device.launcher_record import EndKind
from edgewright.fleet.device.store_lock import locked
from edgewright.schema.errors import INTERRUPTED, TERMINATED, InputError, OutputError

LAUNCHER_VARIABLE = "EDGEWRIGHT_LAUNCHER"
TOKEN_VARIABLE, SILENCE_VARIABLE = "EDGEWRIGHT_LAUNCHED_TOKEN", "EDGEWRIGHT_SILENCE_S"
_RESTARTED_VARIABLE = "EDGEWRIGHT_RESTARTED"  # agents of before read no token then
LOCK_FILE = "launcher.lock"
SILENCE_S = 300.0
"""Seconds without a sign of life after which an agent hangs; twice as many until its first one."""
STOP_S, HUNG_STOP_S = 45.0, 10.0
"""Seconds for an orderly end: on request, below the time that systemd gives, and of an agent that hangs."""
_TICK_S, _SLOWEST_S, _LONG_S = 5.0, 60.0, 600.0
_MEANT = (0, INTERRUPTED, TERMINATED)
_NO_PROGRAM = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC)
"""Errors that say that a file is missing or no program; all others are of this device."""


def launched() -> bool:
    """Return whether a launcher watches this process."""
    return os.environ.get(LAUNCHER_VARIABLE) == str(os.getppid())


def superseded() -> bool:
    """Return whether an agent of before has replaced itself by this process, to let the launcher choose again."""
    return launched() and NAME_VARIABLE not in os.environ


def silence() -> float:
    """Return `SILENCE_S`, or what EDGEWRIGHT_SILENCE_S says.

    Raises:
        InputError: it is no number of seconds.
    """
    text = os.environ.get(SILENCE_VARIABLE, str(SILENCE_S))
    with suppress(ValueError):
        if (seconds := float(text)) > 0.0:
            return seconds
    raise InputError("a number of seconds", repr(text), SILENCE_VARIABLE)


def launch(store: Path, token: str, quiet: bool, words: Sequence[str]) -> int:
    """Run agents until one ends for good or a signal requests the end; return the exit code.

    What cannot be read, and a device without room, are tried again for as long as it takes.

    Args:
        store: folder of the store.
        token: enrolment token; empty for none.
        quiet: the agent's standard output is part of its log.
        words: command line of an agent, after `edgewright`.

    Raises:
        InputError, OutputError: another launcher or agent uses the store, or its folder cannot be written.
    """
    with locked(store, LOCK_FILE):
        adopt_orphans()
        # Of a launcher that was killed: with the lock, whatever bears this store's mark is left over.
        mark = store_mark(store)
        end_marked(STORE_VARIABLE, mark, HUNG_STOP_S)
        locked(store).close()
        log, systemd = BoundedLog(2), Supervisor()
        agent = AgentProcess(log, quiet, (STORE_VARIABLE, mark), systemd.alive)
        environment = {key: value for key, value in os.environ.items() if key != "WATCHDOG_PID"} | {
            LAUNCHER_VARIABLE: str(os.getpid()), STORE_VARIABLE: mark, TOKEN_VARIABLE: token,
            FACTORY_VARIABLE: factory(), _RESTARTED_VARIABLE: "1", "NOTIFY_SOCKET": agent.address,
            "WATCHDOG_USEC": str(int(silence() * 1e6 / 5.0)),
        }  # fmt: skip
        choice = AgentChoice(store, lambda line: log.take(f"launcher: {line}\n".encode()), alive=systemd.alive)
        with signals(agent) as (signals_received, waker):
            try:
                return Launcher(store, choice, agent, words, environment, signals_received, waker, systemd).run()
            finally:
                agent.close()


@contextmanager
def signals(agent: AgentProcess) -> Iterator[tuple[list[int], int]]:
    """Pass signals to end on to the agent; which came, and a descriptor that a signal makes readable."""
    signals_received: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            signals_received.append(number)
            agent.signal(number)

    waker, woken = os.pipe()
    for descriptor in (waker, woken):
        os.set_blocking(descriptor, False)
    wanted = [number for number in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, hear) for number in (*wanted, signal.SIGCHLD)}
    previous = signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    try:
        yield signals_received, waker
    finally:
        signal.set_wakeup_fd(previous)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(waker)
        os.close(woken)


class Launcher:
    """Runs one agent after the other.

    Args:
        store: folder of the store.
        choice: which agent runs.
        agent: its process.
        words: command line of every agent, after `edgewright`.
        environment: variables of every agent.
        signals_received: signals that requested the end.
        waker: readable after a signal.
        systemd: hears that the launcher is alive.
    """

    def __init__(
        self, store: Path, choice: AgentChoice, agent: AgentProcess, words: Sequence[str],
        environment: dict[str, str], signals_received: list[int], waker: int, systemd: Supervisor,
    ) -> None:  # fmt: skip
        self._store, self._choice, self._agent, self._signals, self._waker = (
            store,
            choice,
            agent,
            signals_received,
            waker,
        )
        self._words, self._environments, self._environment = words, Environments(store), environment
        self._systemd, self._silence = systemd, silence()
        self._tick = min(_TICK_S, self._silence / 10.0)
        self._ready, self._failures = False, 0

    def run(self) -> int:
        """Return the exit code."""
        while not self._signals:
            try:
                self._agent.end(0.0)
                with locked(self._store):
                    name = self._choice.choose()
                began = time.monotonic()
                kind, how = self._run_agent(name)
            except (InputError, OutputError, OSError, MemoryError) as error:
                self._pause(str(error) or "not enough memory")  # a full disk may get room again
                continue
            if time.monotonic() - began > _LONG_S:
                self._failures = 0
            current = self._choice.look()
            moved, unknown = (
                current is not None and current.environment != name,
                current is None and self._choice.has_state,
            )
            self._choice.ended("" if self._signals or moved else kind, how)
            code = self._agent.code
            if self._signals:
                return code if code is not None and code >= 0 else 128 - (code or -signal.SIGKILL)
            if kind == "exit" and not (moved or unknown or self._choice.on_trial) and self._meant(code, current):
                return code or 0
            if kind and not moved:
                self._pause(f"the agent {how}")
        return INTERRUPTED if self._signals[0] == signal.SIGINT else 0

    def _meant(self, code: int | None, current: DeviceState | None) -> bool:
        """Return whether an exit ends the launcher too, so that its exit code is that of the agent.

        An error of an agent that never worked is one of the command; a device with a release goes on.
        """
        works = self._ready or (current is not None and bool(current.active))
        return code is not None and (code in _MEANT or (code > 0 and not works))

    def _run_agent(self, name: str) -> tuple[EndKind, str]:
        """Run one agent to its end; return the kind of an end that nobody requested, and how it happened.

        Raises:
            OutputError: the device has no room for a process.
        """
        python = self._environments.interpreter(name) if name else Path(factory())
        try:
            line = [str(python), "-m", "edgewright", *self._words]
            self._agent.start(line, {**self._environment, NAME_VARIABLE: name})
        except (OSError, subprocess.SubprocessError) as error:
            if getattr(error, "errno", None) not in _NO_PROGRAM:
                self._choice.not_started()
                raise OutputError("to start the agent", str(error), str(python)) from error
            if name:
                self._environments.discard(name)
            return "exit", f"cannot be started: {error}"
        kind, how = self._watch(name)
        self._agent.end(HUNG_STOP_S if kind == "hang" else STOP_S)
        return kind, how

    def _watch(self, name: str) -> tuple[EndKind, str]:
        """Wait until the agent has ended or has to be ended."""
        clock = _TickClock(2.0 * self._tick)
        beats = not name or self._environments.beats(name)
        looked, elsewhere = self._silence, 0.0
        trial = None
        while self._agent.code is None:
            self._notify(self._agent.wait(self._tick, self._waker))
            passed = clock()
            if self._signals:
                self._systemd.say("STOPPING=1")
                return "", ""
            self._agent.silent += passed
            looked += passed
            if looked >= 2.0 * self._tick and (current := self._choice.look()) is not None:
                trial = new_agent(current)
                elsewhere = elsewhere + looked if current.environment != name else 0.0
                looked = 0.0
            if elsewhere > min(_SLOWEST_S, self._silence):
                return "", "another agent is active"
            if trial is not None and not self._choice.patient(trial, passed):
                return "", "patience has ended"
            if beats and self._agent.silent > self._silence * (1.0 if self._agent.beaten else 2.0):
                return "hang", f"hangs: no sign of life for {self._agent.silent:.0f} s"
        self._agent.end(0.0)
        return self._agent.how()

    def _notify(self, words: list[str]) -> None:
        """Tell systemd what the agent said, and that the launcher is alive."""
        for word in words:
            self._systemd.say(word)
            self._ready = self._ready or word == "READY=1"
        if not self._ready:  # a slow board: the start takes as long as the launcher allows
            self._systemd.say(f"EXTEND_TIMEOUT_USEC={int(6.0 * _TICK_S * 1e6)}")
        self._systemd.alive()

    def _pause(self, why: str) -> None:
        """Wait before the next start, longer after each failure."""
        wait = min(_SLOWEST_S, self._silence / 5.0, _TICK_S * 2.0**self._failures)
        self._failures = min(self._failures + 1, 10)
        self._choice.say(f"{why}; next start in {wait:.0f} s")
        clock = _TickClock(wait)
        while wait > 0.0 and not self._signals:
            self._notify(self._agent.wait(min(wait, self._tick), self._waker))
            wait -= clock()


class _TickClock:
    """Seconds since the last call, without those in which the launcher did not run: nobody hangs while all sleep."""

    def __init__(self, longest: float) -> None:
        self._longest, self._last = longest, time.monotonic()

    def __call__(self) -> float:
        now = time.monotonic()
        passed, self._last = min(now - self._last, self._longest), now
        return passed
