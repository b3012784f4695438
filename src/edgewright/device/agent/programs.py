"""Programs that run beside the model, as long as it runs; their host is a process of its own (`program_host`)."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgewright.device.agent.settings import PYTHON
from edgewright.device.store.status import PROGRAM
from edgewright.schema.device import Event
from edgewright.schema.device_config import ProgramEntry

if TYPE_CHECKING:
    import subprocess

    from edgewright.device.agent.program_host import ProgramSpec

FOLDER = "programs"
"""Folder of the store with a working folder for each program, which stays through releases."""
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
_HOST = "edgewright.device.agent.program_host"
_PYTHON = (sys.executable, "-P", "-s")  # not what an earlier release left in the working folder
_LARGEST = 1 << 16
_AGAIN_S, _END_S = 5.0, 12.0  # beyond the time that the host gives its programs
_MFD_EXEC = 0x10  # memfd_create(2), Linux 6.3; older kernels need and know no such flag


class Programs:
    """Programs of a device.

    Args:
        entries: by name.
        files: contents of those that a release carries, by their whole paths.
        store: folder of the store.
        run: False starts nothing, as for a recording that is replayed.

    Attributes:
        crashes: ends that nobody asked for.
    """

    def __init__(
        self, entries: Mapping[str, ProgramEntry], files: Mapping[str, bytes], store: Path, *, run: bool
    ) -> None:
        self._entries, self._files, self._store = dict(entries) if run else {}, files, store
        self._process: subprocess.Popen[bytes] | None = None
        self._due, self._rest = 0.0, b""
        self.crashes = 0

    def look(self) -> list[Event]:
        """Return how programs ended since the last look; start their host at first, and again where it was killed."""
        if self._process is None:
            if not self._entries or time.monotonic() < self._due:
                return []
            try:
                self._start()
            except OSError as error:
                return [self._failed(f"cannot be started: {error.strerror}")]
            return []
        events = self._read()
        code = self._process.poll()
        if code is not None:
            self.close()
            events.append(self._failed(f"ended with {code}"))
        return events

    def end(self) -> None:
        """Ask all to end, without waiting."""
        self._entries = {}
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def close(self) -> None:
        """Wait until all have ended."""
        process, self._process = self._process, None
        if process is None:
            return
        import subprocess  # noqa: PLC0415

        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        with suppress(OSError):
            process.send_signal(signal.SIGCONT)  # a host that was stopped ends, too
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> None:
        import subprocess  # noqa: PLC0415 - a twentieth of the agent's start, and few devices have programs

        with ExitStack() as stack:
            specs = [self._spec(name, entry, stack) for name, entry in self._entries.items()]
            self._process = subprocess.Popen(
                [sys.executable, "-m", _HOST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
                pass_fds=[descriptor for spec in specs for descriptor in spec.descriptors],
            )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101 - pipes
        os.set_blocking(self._process.stdout.fileno(), False)
        with suppress(BrokenPipeError):  # a host that ended at once is seen by `look`
            self._process.stdin.write(msgspec.json.encode(specs) + b"\n")
            self._process.stdin.flush()

    def _failed(self, how: str) -> Event:
        self._due = time.monotonic() + _AGAIN_S
        self.crashes += 1
        return _event("", f"the host of the programs: {how}; next start in {_AGAIN_S:.0f} s")

    def _spec(self, name: str, entry: ProgramEntry, stack: ExitStack) -> ProgramSpec:
        from edgewright.device.agent import program_host  # noqa: PLC0415 - as `_start`
        from edgewright.device.agent.parent_process import STORE_VARIABLE, store_mark  # noqa: PLC0415

        first, *rest = entry.run
        command, descriptors = entry.run, tuple[int, ...]()
        if first == PYTHON:
            command = (*_PYTHON, *rest)
        elif first in self._files:
            descriptors = (stack.enter_context(_in_memory(name, self._files[first])).fileno(),)
            path = f"/proc/self/fd/{descriptors[0]}"
            command = (*_PYTHON, path, *rest) if first.endswith(".py") else (path, *rest)
        mark, folder = store_mark(self._store), str(self._store.absolute() / FOLDER / name)
        environment = {**_ENVIRONMENT, "HOME": folder, **entry.environment, STORE_VARIABLE: mark}
        environment |= {program_host.STORE_PROGRAMS: mark, program_host.PROGRAM: name}
        return program_host.ProgramSpec(name, command, environment, folder, descriptors, entry.memory)

    def _read(self) -> list[Event]:
        from edgewright.device.agent.program_host import ProgramEnd  # noqa: PLC0415

        assert self._process is not None and self._process.stdout is not None  # noqa: S101 - the caller checks it
        with suppress(BlockingIOError):
            self._rest += os.read(self._process.stdout.fileno(), _LARGEST)
        *lines, self._rest = self._rest.split(b"\n")
        self._rest = self._rest[-_LARGEST:]
        events = list[Event]()
        for line in lines:
            with suppress(msgspec.MsgspecError):
                end = msgspec.json.decode(line, type=ProgramEnd)
                self.crashes += end.failed
                events.append(_event(end.name, end.how, end.last))
        return events


def _event(name: str, how: str, last: str = "") -> Event:
    # What a program prints may quote anything: 'notice' is no key that may leave.
    detail = {"reason": f"program {name}: {how}" if name else how, "program": name}
    return Event(kind="health", time=0.0, label=PROGRAM, detail={**detail, "notice": last} if last else detail)


def _in_memory(name: str, content: bytes) -> FileIO:
    """Return a file in memory that nobody can change any more, not even this user.

    Raises:
        OSError: no memory, or the kernel permits no program in memory (vm.memfd_noexec=2).
    """
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        descriptor = os.memfd_create(name, flags | _MFD_EXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        descriptor = os.memfd_create(name, flags)
    file = FileIO(descriptor, "r+")
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return file
