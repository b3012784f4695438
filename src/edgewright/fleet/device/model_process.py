"""The model's process: `edgewright device run` with a slot's package, monitored over systemd's notify protocol."""
# ruff: noqa: D102 - a port's methods are described where it is declared

from __future__ import annotations

import os
import re
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

from edgewright.core.errors import OutputError
from edgewright.core.files import os_errors
from edgewright.core.records.fleet import TrialLimits, Vitals
from edgewright.fleet.device.package_test import run_vectors, written
from edgewright.fleet.device.ports import FolderSlots, Slot, Tested

# The process exits together with the agent, even if that is killed: two would disturb each other.
_MAIN = (
    "import os,sys;from edgewright.device.agent.parent_process import end_with;"
    "end_with(int(sys.argv.pop(1))) or os._exit(3);"
    "from edgewright.cli.main import main;main()"
)
_READY, _SIGN = 120.0, 60.0  # timeouts in seconds for the first notification, and between two
_END = 15.0
_VITALS = 2.0
_LARGEST, _PARTS = 65_536, 64
_KEPT = 4000
_CODE = re.compile(rb"[A-Za-z0-9_.:<>]{1,200}")
VITALS_ENVIRONMENT = "EDGEWRIGHT_VITALS"


class ModelProcess:
    """Runs packages as processes (`fleet.device.ports.Runner`).

    Args:
        slots: slots with the packages.
        arguments: arguments of `edgewright device run`, without the package.
        folder: folder for the socket that only this user can access.
        environment: additional environment variables.
        hear: receives the standard error output of the process.
        before_end: called before the process is asked to exit, and repeatedly until it has exited.
        sign: timeout in seconds between two notifications.
        alive: called every few seconds while a package is tested, for a watchdog.
        config: device.toml of this device, against which settings in a package are checked; None for none.

    Raises:
        OSError: the socket cannot be created.
    """

    def __init__(
        self, slots: FolderSlots, arguments: Sequence[str], folder: Path, *,
        environment: Mapping[str, str] | None = None, hear: Callable[[bytes], None] = lambda text: None,
        before_end: Callable[[], None] = lambda: None, sign: float = _SIGN,
        alive: Callable[[], None] = lambda: None, config: Path | None = None,
    ) -> None:  # fmt: skip
        self._slots, self._arguments, self._hear, self._before_end = slots, tuple(arguments), hear, before_end
        self._sign, self._alive, self._config = sign, alive, config
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
        self._messages = b""
        self._vitals = Vitals()
        self._is_ready, self._contact = False, 0.0
        self._line: str | None = None
        self._error = ""

    def test(self, slot: Slot, limits: TrialLimits) -> Tested:
        return run_vectors(self._slots.path(slot), limits, alive=self._alive, config=self._config, hear=self._hear)

    def start(self, slot: Slot, limits: TrialLimits | None) -> None:
        self.stop()
        self._vitals, self._line, self._messages, self._error = Vitals(), None, b"", ""
        self._is_ready, self._contact = False, time.monotonic()
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
        """Ask the process to exit; kill it after 15 s."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            self._before_end()
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)  # a stopped process hears nothing else
            until = time.monotonic() + _END
            while process.poll() is None and time.monotonic() < until:
                self.wait(0.05)
                self._before_end()  # release also the last batch, which the process offers while it exits
            if process.poll() is None:
                process.kill()
            process.wait()
        self._drain()
        if process.stderr is not None:
            process.stderr.close()
        self._process, self._line = None, None

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ended(self) -> str | None:
        """Return how the process exited by itself, None if it did not; kill a process that does not respond."""
        self._drain()
        process = self._process
        if process is None or self._line is not None:
            return self._line
        code = process.poll()
        silent = time.monotonic() - self._contact
        if code is None and silent > (self._sign if self._is_ready else _READY):
            process.kill()
            process.wait()
            self._line = f"did not respond for {silent:.0f} s"
        elif code:
            self._line = self._how(code)
        return self._line

    def vitals(self) -> Vitals:
        self._drain()
        return self._vitals

    def wait(self, seconds: float) -> None:
        """Wait until the process reports something, another thread calls `wake`, or the time is over."""
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
        """File descriptor for `signal.set_wakeup_fd`; writing to it ends `wait`."""
        return self._woken

    def wake(self) -> None:
        """End `wait`, from any thread or signal handler."""
        with suppress(BlockingIOError):
            os.write(self._woken, b".")

    def close(self) -> None:
        """Stop the process and close the socket."""
        self.stop()
        self._socket.close()
        os.close(self._wake)
        os.close(self._woken)

    def _how(self, code: int) -> str:
        """Return how the process exited, without what it printed: that may quote rows, and stays on the device."""
        # The first line may be cut.
        lines = self._messages.decode("utf-8", "replace").splitlines()[len(self._messages) >= _KEPT :]
        lines = [line for line in lines if line.strip()]
        last = lines[-1] if lines else ""
        how = f"ended with signal {-code}" if code < 0 else f"ended with exit code {code}"
        how = f"{how}: {self._error}" if self._error else how
        return f"out of memory: {how}" if "enough memory" in last or "MemoryError" in last else how

    def _drain(self) -> None:
        """Read the pending notifications and output of the process.

        At most `_PARTS` of each: a sender without end must not keep the agent from its other work.
        """
        with suppress(BlockingIOError):
            for _ in range(_PARTS):
                if not (message := self._socket.recv(_LARGEST)):
                    break
                self._take(message)
        process = self._process
        if process is None or process.stderr is None or process.stderr.closed:
            return
        for _ in range(_PARTS):
            if not (text := process.stderr.read(_LARGEST)):
                break
            self._messages = (self._messages + text)[-_KEPT:]
            self._hear(text)

    def _take(self, message: bytes) -> None:
        self._contact = time.monotonic()
        for line in message.split(b"\n"):
            name, _, value = line.partition(b"=")
            if name == b"READY":
                self._is_ready = True
            elif name == b"X_VITALS":
                with suppress(msgspec.DecodeError, msgspec.ValidationError):
                    self._vitals = msgspec.json.decode(value, type=Vitals)
            elif name == b"X_ERROR" and _CODE.fullmatch(value):
                self._error = value.decode()
