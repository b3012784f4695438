"""The first thing that runs: it starts the agent, watches it from outside, and goes back from a new one that fails.

It is the code that came with the device. It stays the parent through every update, and no update replaces it. It
imports what it needs at its start, and of the agent no more than its state.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, cast

from edgewright.core.errors import INTERRUPTED, TERMINATED, InputError, OutputError, PlanError
from edgewright.device.agent.bounded_log import BoundedLog
from edgewright.device.agent.parent_process import (
    STORE_VARIABLE,
    adopt_orphans,
    end_descendants,
    end_marked,
    end_with,
    store_mark,
)
from edgewright.device.agent.systemd import Supervisor
from edgewright.fleet.device.agent_choice import (
    FACTORY_VARIABLE,
    NAME_VARIABLE,
    AgentChoice,
    Environments,
    factory,
    new_agent,
)
from edgewright.fleet.device.launcher_record import EndKind
from edgewright.fleet.device.state_database import DeviceState, locked

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
    raise PlanError("a number of seconds", repr(text), SILENCE_VARIABLE)


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


_CREDENTIALS = struct.Struct("iII")
_LARGEST = 65_536
_TURN = 64
"""Messages that are read in one turn: who sends without end must not keep the launcher from its other work."""
_KILL_S = 10.0
_OOM_SCORE = 300
"""By how much rather the kernel takes the agent than the launcher when memory is short."""


class AgentProcess:
    """One agent at a time.

    Args:
        log: receives its standard error.
        quiet: its standard output is a log too; otherwise it is that of the launcher.
        mark: variable of its environment, and value, that what descends from it has too.
        alive: called again and again while it is ended, for a watchdog.

    Attributes:
        silent: seconds without a sign of life, as far as `wait` has counted them.
        ready: whether this agent has said that it is ready.
    """

    def __init__(
        self, log: BoundedLog, quiet: bool, mark: tuple[str, str], alive: Callable[[], None] = lambda: None
    ) -> None:
        self._log, self._quiet, self._mark, self._alive = log, quiet, mark, alive
        # A name of the kernel's choice, no file: a full disk or a long path cannot stop it.
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind("")
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._process: subprocess.Popen[bytes] | None = None
        self._code: int | None = None
        self._pid = 0
        self._signalled = False
        self.silent, self.ready, self.beaten = 0.0, False, False

    @property
    def address(self) -> str:
        """Address for NOTIFY_SOCKET."""
        return "@" + os.fsdecode(self._socket.getsockname()[1:])

    @property
    def code(self) -> int | None:
        """Exit code, negative for a signal; None while the agent runs, and of one that was not started."""
        return self._code

    def start(self, command: list[str], environment: Mapping[str, str]) -> None:
        """Start an agent.

        Raises:
            OSError, subprocess.SubprocessError: it cannot be started.
        """
        launcher = os.getpid()

        def before() -> None:
            # Whatever ends the launcher ends the agent: nobody would watch it.
            if not end_with(launcher):
                os._exit(3)
            with suppress(OSError, ValueError):
                path = Path("/proc/self/oom_score_adj")
                path.write_text(str(min(1000, int(path.read_text()) + _OOM_SCORE)))

        self.silent, self.ready, self.beaten, self._code = 0.0, False, False, None
        self._signalled = False
        self._log.last.clear()
        self._oom_kills = oom_kills()
        output = subprocess.PIPE if self._quiet else None
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, env=dict(environment),
            start_new_session=True, preexec_fn=before,  # noqa: PLW1509 - the launcher has one thread
        )  # fmt: skip
        self._pid = self._process.pid
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe, selectors.EVENT_READ)

    def signal(self, number: int) -> None:
        """Send a signal to the agent."""
        if self._process is not None and self._code is None:
            self._signalled = True
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
                os.kill(self._process.pid, signal.SIGCONT)  # a stopped process hears nothing else

    def wait(self, seconds: float, waker: int | None = None) -> list[str]:
        """Wait for a sign of life, output, an exit or a byte at `waker`; return what systemd is to hear."""
        if waker is not None:
            self._selector.register(waker, selectors.EVENT_READ)
        try:
            events = self._selector.select(seconds)
        finally:
            if waker is not None:
                self._selector.unregister(waker)
        words: list[str] = []
        for key, _ in events:
            if key.fileobj is self._socket:
                words += self._received()
            elif isinstance(key.fileobj, int):
                with suppress(BlockingIOError):
                    os.read(key.fileobj, 4096)
            else:
                self._read(cast("IO[bytes]", key.fileobj))
        self._log.pump()
        self._look()
        return words

    def end(self, seconds: float) -> None:
        """Ask the agent to exit; after so many seconds kill it, and in any case all that descends from it."""
        until = time.monotonic() + seconds
        # A second signal would kill an agent that is about to exit in order.
        if self._code is None and seconds and not self._signalled:
            self.signal(signal.SIGTERM)
        while self._process is not None and self._code is None and time.monotonic() < until:
            self.wait(0.1)
            self._alive()
        self.signal(signal.SIGKILL)
        while self._process is not None and self._code is None and time.monotonic() < until + _KILL_S:
            time.sleep(0.01)
            self._look()
            self._alive()
        if self._pid and not end_descendants(self._pid, *self._mark, _KILL_S, self._alive):
            self._log.take(b"edgewright: a process of the agent cannot be killed\n")
        if self._process is not None:
            for pipe in (self._process.stdout, self._process.stderr):
                if pipe is not None:
                    self._read(pipe)
                    self._forget(pipe)
                    pipe.close()
            # Collected by `_look`; its destructor must not wait for it.
            self._process.returncode = self._code if self._code is not None else 0
        self._process = None
        self._log.finish()

    def how(self) -> tuple[EndKind, str]:
        """Return how an agent ended by itself, without what it printed: a report with the end leaves the device."""
        code = self._code or 0
        last = self._log.last[-1] if self._log.last else ""
        text = f"ended with signal {-code}" if code < 0 else f"ended with exit code {code}"
        killed = code == -signal.SIGKILL and oom_kills() > self._oom_kills
        if killed or "enough memory" in last or "MemoryError" in last:
            return "memory", f"out of memory, {text}"
        return "exit", text

    def close(self) -> None:
        """End all and close the socket."""
        self.end(0.0)
        self._selector.close()
        self._socket.close()

    def _look(self) -> None:
        """Collect the exit codes of the agent and of orphans."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if self._process is not None and ended[0] == self._process.pid:
                    self._code = os.waitstatus_to_exitcode(ended[1])

    def _received(self) -> list[str]:
        words: list[str] = []
        with suppress(BlockingIOError):
            for _ in range(_TURN):
                message, controls, *_ = self._socket.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
                senders = [_CREDENTIALS.unpack(data)[0] for _, kind, data in controls if kind == socket.SCM_CREDENTIALS]
                # A process that the agent left behind is no sign of the agent's life.
                if self._process is None or self._process.pid not in senders:
                    continue
                self.silent, self.beaten = 0.0, True
                for word in message.decode("utf-8", "replace").splitlines():
                    self.ready = self.ready or word == "READY=1"
                    if word == "READY=1" or word.startswith("STATUS="):
                        words.append(word)
        return words

    def _read(self, pipe: IO[bytes]) -> None:
        with suppress(BlockingIOError):
            data = os.read(pipe.fileno(), _LARGEST)
            if data:
                self._log.take(data)
            else:
                self._forget(pipe)

    def _forget(self, pipe: IO[bytes]) -> None:
        with suppress(KeyError):
            self._selector.unregister(pipe)


def oom_kills() -> int:
    """Return how many processes the kernel has killed for memory; 0 if it does not say."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0
