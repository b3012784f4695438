"""The model's process: `edgewright device run` with the package of a slot, heard over a socket as systemd would."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from edgewright.core.files import os_errors
from edgewright.fleet.device.package_slots import FolderSlots
from edgewright.fleet.device.package_test import run_vectors, written
from edgewright.fleet.device.ports import Slot, Tested
from edgewright.schema.errors import OutputError
from edgewright.schema.fleet_plan import TrialLimits
from edgewright.schema.fleet_report import Vitals

# It ends with the agent, also where that is killed: two would be in each other's way.
_MAIN = (
    "import ctypes,os,sys;p=int(sys.argv.pop(1));"
    "ctypes.CDLL(None).prctl(1,9);os.getppid()==p or os._exit(3);"
    "from edgewright.cli.main import main;main()"
)
_READY, _SIGN = 120.0, 60.0  # seconds until the first sign of life, and between two
_END = 15.0
_VITALS = 2.0
_LARGEST = 65_536
_KEPT = 4000
VITALS_ENVIRONMENT = "EDGEWRIGHT_VITALS"


class ModelProcess:
    """Runs packages as processes (`fleet.device.ports.Runner`).

    Args:
        slots: where packages lie.
        arguments: of `edgewright device run`, without the package.
        folder: that only this user enters, for the socket.
        environment: more of it.
        hear: takes what the process says on its standard error.
        before_end: called before the process is told to end, and again and again until it has.
        ready, sign: seconds as above.

    Raises:
        OSError: the socket cannot be made.
    """

    def __init__(
        self, slots: FolderSlots, arguments: Sequence[str], folder: Path, *,
        environment: Mapping[str, str] | None = None, hear: Callable[[bytes], None] = lambda text: None,
        before_end: Callable[[], None] = lambda: None,
        ready: float = _READY, sign: float = _SIGN,
    ) -> None:  # fmt: skip
        self._slots, self._arguments, self._hear, self._before_end = slots, tuple(arguments), hear, before_end
        self._ready, self._sign = ready, sign
        address = folder / "notify"
        address.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._socket.bind(str(address))
        self._wake, self._woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._environment = {
            **os.environ, **(environment or {}), "NOTIFY_SOCKET": str(address),
            "WATCHDOG_USEC": str(int(sign / 2 * 1e6)), VITALS_ENVIRONMENT: str(_VITALS),
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._said = b""
        self._vitals = Vitals()
        self._is_ready, self._heard = False, 0.0
        self._line: str | None = None

    def test(self, slot: Slot, limits: TrialLimits) -> Tested:
        """Run the test vectors of a package in a process with limits of memory and time."""
        return run_vectors(self._slots.path(slot), limits)

    def start(self, slot: Slot, limits: TrialLimits | None) -> None:
        """End what runs and start the package of a slot.

        Raises:
            OutputError: no process can be started.
        """
        self.stop()
        self._vitals, self._line, self._said = Vitals(), None, b""
        self._is_ready, self._heard = False, time.monotonic()
        command = [sys.executable, "-c", _MAIN, str(os.getpid()), "device", "run", str(self._slots.path(slot))]
        with os_errors(OutputError, "to start the model's process", sys.executable):
            self._process = subprocess.Popen(
                [*command, *self._arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self._environment,
                start_new_session=True,
            )  # fmt: skip
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe
        os.set_blocking(self._process.stderr.fileno(), False)
        if limits is not None and limits.memory:
            maximum = written(limits.memory)
            with suppress(OSError, ValueError):
                resource.prlimit(self._process.pid, resource.RLIMIT_DATA, (maximum, maximum))

    def stop(self) -> None:
        """Ask the process to end; kill it after a while."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            self._before_end()
            process.send_signal(signal.SIGTERM)
            until = time.monotonic() + _END
            while process.poll() is None and time.monotonic() < until:
                self.wait(0.05)
                self._before_end()  # its last batch, which it offers while it ends, waits for nobody either
            if process.poll() is None:
                process.kill()
            process.wait()
        self._drain()
        if process.stderr is not None:
            process.stderr.close()
        self._process, self._line = None, None

    def running(self) -> bool:
        """Return whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def ended(self) -> str | None:
        """Return how the process ended by itself; kill one that gives no sign of life."""
        self._drain()
        process = self._process
        if process is None or self._line is not None:
            return self._line
        code = process.poll()
        silent = time.monotonic() - self._heard
        if code is None and silent > (self._sign if self._is_ready else self._ready):
            process.kill()
            process.wait()
            self._line = f"did not respond for {silent:.0f} s"
        elif code:
            self._line = self._how(code)
        return self._line

    def vitals(self) -> Vitals:
        """Return the counts since `start`."""
        self._drain()
        return self._vitals

    def wait(self, seconds: float) -> None:
        """Until the process says something, somebody wakes the agent, or the time is over."""
        requested: list[int] = [self._socket.fileno(), self._wake]
        process = self._process
        if process is not None and process.stderr is not None and process.poll() is None:
            requested.append(process.stderr.fileno())
        with suppress(InterruptedError):
            select.select(requested, (), (), max(0.0, seconds))
        self._drain()
        with suppress(BlockingIOError):
            while os.read(self._wake, 4096):
                pass

    @property
    def waker(self) -> int:
        """Handle that ends `wait` when it is written to, for `signal.set_wakeup_fd`."""
        return self._woken

    def wake(self) -> None:
        """End `wait`; from any thread or a signal's handler."""
        with suppress(BlockingIOError):
            os.write(self._woken, b".")

    def close(self) -> None:
        """End the process and let go of the socket."""
        self.stop()
        self._socket.close()
        os.close(self._wake)
        os.close(self._woken)

    def _how(self, code: int) -> str:
        lines = [line for line in self._said.decode("utf-8", "replace").splitlines() if line.strip()]
        last = lines[-1].removeprefix("edgewright: ")[:300] if lines else ""
        if "enough memory" in last or "MemoryError" in last:
            return f"out of memory: {last}"
        how = f"ended with signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"{how}: {last}" if last else how

    def _drain(self) -> None:
        """Take what the process has said."""
        with suppress(BlockingIOError):
            while message := self._socket.recv(_LARGEST):
                self._take(message)
        process = self._process
        if process is None or process.stderr is None or process.stderr.closed:
            return
        while text := process.stderr.read(_LARGEST):
            self._said = (self._said + text)[-_KEPT:]
            self._hear(text)

    def _take(self, message: bytes) -> None:
        self._heard = time.monotonic()
        for line in message.split(b"\n"):
            name, _, value = line.partition(b"=")
            if name == b"READY":
                self._is_ready = True
            elif name == b"X_VITALS":
                with suppress(msgspec.DecodeError, msgspec.ValidationError):
                    self._vitals = msgspec.json.decode(value, type=Vitals)
