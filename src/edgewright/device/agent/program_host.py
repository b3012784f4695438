"""The process that starts, restarts and ends the programs of a release; nothing of them outlives it.

It is a process of its own because it is the parent of whatever a program leaves behind (a child subreaper), and because
a program's output must not hold up the model. Its standard input is a pipe from the agent: when that closes, also
because the agent was killed, all programs end.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from edgewright.device.agent.bounded_log import PROGRAM as PREFIX
from edgewright.device.agent.bounded_log import BoundedLog
from edgewright.device.agent.confinement import confine, memory_below
from edgewright.device.agent.parent_process import (
    adopt_orphans,
    children,
    end_below,
    end_descendants,
    end_marked,
    end_with,
    environment_of,
    kill,
)

STORE_PROGRAMS, PROGRAM = "EDGEWRIGHT_PROGRAMS", "EDGEWRIGHT_PROGRAM"
"""Variables of a program's environment: the mark of the store, and the program's name."""
GRACE_S = 5.0
"""Seconds from SIGTERM to SIGKILL."""
_FIRST_S, _SLOWEST_S, _WELL_S = 1.0, 300.0, 600.0
_KILL_S, _TURN_S = 5.0, 1.0
_BURST, _RATE = 1 << 16, 256
_PART, _PARTS, _FLOOD_S = 4096, 16, 0.05
"""Bytes of output that are read at once, and seconds until the next ones: who prints without end waits."""
_TEXT = 300
_DEVICE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE)
"""Errors of this device, which say nothing about the program."""
_MEMORY_CHECK_S = 1.0
"""Time between two checks of a program's memory; `RLIMIT_DATA` holds for each of its processes without any delay."""


class ProgramSpec(msgspec.Struct, frozen=True):
    """A program.

    Attributes:
        name: in events.
        command: program and arguments.
        environment: all of it.
        folder: where it works; made where it is missing.
        descriptors: files in memory that the command names.
        memory: bytes that its processes may use together; 0 for no limit.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    folder: str
    descriptors: tuple[int, ...] = ()
    memory: int = 0


class ProgramEnd(msgspec.Struct, frozen=True):
    """How a program ended by itself.

    Attributes:
        name: of the program.
        how: for people.
        last: last line of its output, which may quote anything.
        failed: whether it counts as a crash.
    """

    name: str
    how: str
    last: str = ""
    failed: bool = True


class _Program:
    def __init__(self, spec: ProgramSpec) -> None:
        self.spec = spec
        self.log = BoundedLog(2, burst=_BURST, rate=_RATE, prefix=f"{PREFIX}{spec.name}: ".encode())
        self.process: subprocess.Popen[bytes] | None = None
        self.code: int | None = None
        self.due: float | None = 0.0
        self.began, self.failures = 0.0, 0
        self.is_over_memory = False

    def start(self) -> None:
        """Start it.

        Raises:
            OSError, subprocess.SubprocessError: it cannot be started.
        """
        host, spec = os.getpid(), self.spec

        def before() -> None:
            if not end_with(host):
                os._exit(3)
            confine(spec.memory)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)

        self.code, self.began, self.due = None, time.monotonic(), None
        self.is_over_memory = False
        self.log.last.clear()
        Path(spec.folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            spec.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=spec.environment, cwd=spec.folder, start_new_session=True,
            pass_fds=spec.descriptors,
            preexec_fn=before,  # noqa: PLW1509 - the host has one thread
        )  # fmt: skip
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        os.set_blocking(self.process.stdout.fileno(), False)

    def read(self) -> int | None:
        """Take a part of its output; return the number of bytes, None where there is nothing now."""
        assert self.process is not None and self.process.stdout is not None  # noqa: S101 - it was started
        with suppress(BlockingIOError):
            data = os.read(self.process.stdout.fileno(), _PART)
            self.log.take(data)
            return len(data)
        return None

    def again(self, how: str) -> ProgramEnd:
        """Set the next start after a failure, later after each."""
        now = time.monotonic()
        self.failures = 0 if now - self.began > _WELL_S else self.failures
        pause = min(_SLOWEST_S, _FIRST_S * 2.0 ** min(self.failures, 30))
        self.failures, self.due = self.failures + 1, now + pause
        last = self.log.last[-1][:_TEXT] if self.log.last else ""
        return ProgramEnd(self.spec.name, f"{how}; next start in {pause:.0f} s", last)


class ProgramHost:
    """Runs programs until the agent closes its end of standard input, or SIGTERM.

    Args:
        specs: programs.
    """

    def __init__(self, specs: Sequence[ProgramSpec]) -> None:
        self._programs = [_Program(spec) for spec in specs]
        self._selector, self._ending = selectors.DefaultSelector(), False
        self._memory_checked_at = 0.0

    def run(self) -> None:
        """Run them; all are over afterwards."""
        adopt_orphans()
        waker, woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)
        for descriptor in (waker, 0):
            os.set_blocking(descriptor, False)
            self._selector.register(descriptor, selectors.EVENT_READ)
        for mark in {program.spec.environment[STORE_PROGRAMS] for program in self._programs}:
            end_marked(STORE_PROGRAMS, mark, _KILL_S)  # of a host that was killed
        while not self._ending:
            self._turn()
        for program in self._programs:
            program.due = None
            if program.process is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(program.process.pid, signal.SIGTERM)
        until = time.monotonic() + GRACE_S
        while any(program.process for program in self._programs) and time.monotonic() < until:
            self._turn()
        end_below(_KILL_S, self._collect)

    def _hear(self, number: int, _frame: object) -> None:
        self._ending = self._ending or number != signal.SIGCHLD

    def _turn(self) -> None:
        now = time.monotonic()
        for program in self._programs:
            if program.due is not None and now >= program.due:
                self._start(program)
        dues = [program.due - now for program in self._programs if program.due is not None]
        for key, _ in self._selector.select(max(0.0, min([*dues, _TURN_S]))):
            if isinstance(key.data, _Program):
                size = key.data.read()
                if size == 0:
                    self._selector.unregister(key.fileobj)
                elif size == _PART:
                    time.sleep(_FLOOD_S)
            elif isinstance(key.fileobj, int):
                with suppress(BlockingIOError):
                    if not os.read(key.fileobj, 4096):  # the agent has ended
                        self._selector.unregister(key.fileobj)
                        self._ending = True
        self._check_memory(now)
        self._collect()
        for program in self._programs:
            if program.code is not None:
                self._ended(program, program.code)
            program.log.pump()

    def _check_memory(self, now: float) -> None:
        """Kill programs whose processes together use too much, those that detached included."""
        if now - self._memory_checked_at < _MEMORY_CHECK_S:
            return
        self._memory_checked_at = now
        own = {program.process.pid for program in self._programs if program.process is not None}
        detached = [process for process in children() if process not in own]
        for program in self._programs:
            if program.process is None or not program.spec.memory:
                continue
            mark = f"\0{PROGRAM}={program.spec.name}\0".encode()
            # One that cleared its environment counts for every program: it may be of any.
            left = [process for process in detached if mark in (marks := environment_of(process)) or b"=" not in marks]
            if sum(map(memory_below, [program.process.pid, *left])) > program.spec.memory:
                program.is_over_memory = True
                kill(left)
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(program.process.pid, signal.SIGKILL)

    def _start(self, program: _Program) -> None:
        try:
            program.start()
        except (OSError, subprocess.SubprocessError) as error:
            end = program.again(f"cannot be started: {getattr(error, 'strerror', None) or error}")
            _say(msgspec.structs.replace(end, failed=getattr(error, "errno", None) not in _DEVICE))
            return
        assert program.process is not None and program.process.stdout is not None  # noqa: S101 - it was started
        self._selector.register(program.process.stdout, selectors.EVENT_READ, program)

    def _ended(self, program: _Program, code: int) -> None:
        """End what the program left behind, and say how it ended."""
        process = program.process
        assert process is not None and process.stdout is not None  # noqa: S101 - it has ended
        end_descendants(process.pid, PROGRAM, program.spec.name, _KILL_S, lambda: None, self._collect)
        for _ in range(_PARTS):
            if not program.read():
                break
        program.log.finish(0.0)
        with suppress(KeyError):
            self._selector.unregister(process.stdout)
        process.stdout.close()
        process.returncode, program.process, program.code = code, None, None  # collected by `_collect`
        if self._ending:
            return
        if program.is_over_memory:
            _say(program.again(f"used more than {program.spec.memory >> 20} MiB"))
        elif code:
            _say(program.again(f"signal {-code}" if code < 0 else f"exit code {code}"))
        else:
            _say(ProgramEnd(program.spec.name, "finished", failed=False))

    def _collect(self) -> None:
        """Collect exit codes, also of what programs left behind."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                for program in self._programs:
                    if program.process is not None and program.process.pid == ended[0]:
                        program.code = os.waitstatus_to_exitcode(ended[1])


def _say(end: ProgramEnd) -> None:
    with suppress(OSError):  # an agent that reads nothing for a while holds up nobody
        os.write(1, msgspec.json.encode(end) + b"\n")


def main() -> None:
    """Run what one line of standard input says."""
    line = sys.stdin.buffer.readline()
    os.set_blocking(1, False)
    if line:
        ProgramHost(msgspec.json.decode(line, type=tuple[ProgramSpec, ...])).run()


if __name__ == "__main__":
    main()
