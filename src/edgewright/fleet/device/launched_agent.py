"""The agent as the launcher's child: its start, its signs of life, its log and its end.

The signs of life are systemd's notify protocol, which the agent's loop speaks in any case. The launcher stands between:
it judges the agent, tells systemd that the agent is ready, and beats for itself.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from edgewright.device.agent.bounded_log import BoundedLog
from edgewright.device.agent.parent_process import end_descendants, end_with
from edgewright.fleet.device.launcher_record import EndKind

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
