"""Supervises the signer's process: starts it, restarts it after an exit, and replaces it if it hangs."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from edgewright.fleet.server import log
from edgewright.fleet.server.signer.service import Signing
from edgewright.fleet.server.signer.socket import ANSWERS, SOCKET, SignerState, probe, sign_through
from edgewright.schema.errors import OutputError

_MODULE = "edgewright.fleet.server.signer.process"
HUNG = 30.0
"""Seconds without an answer after which a signer is replaced; equal to a client's timeout for a signature."""
_BEGINS = 60.0
"""Seconds for a signer to start: it reads the published state, possibly on a busy machine."""


class SignerProcess:
    """Supervises the signer of a folder; `sign` sends requests to it.

    Servers of one folder share one signer. A server that finds none starts it. A hanging signer is killed by the server
    that started it, or a little later by another server. If there are two for a moment, the lock on their common record
    prevents them from issuing a version twice.

    Args:
        folder: folder of the fleet.
        hung: seconds without an answer after which the signer is killed.
        answers: timeout of one answer in seconds.
    """

    def __init__(self, folder: Path, *, hung: float = HUNG, answers: float = ANSWERS) -> None:
        self._folder, self._socket = folder, folder / "keys" / "online" / SOCKET
        self._hung, self._answers = hung, answers
        self._child: subprocess.Popen[bytes] | None = None
        self._lock, self._stopping = threading.Lock(), False
        self._began, self._failures, self._answered = 0.0, 0, False
        self._silent: float | None = None
        self._listener = 0
        self.sign: Signing = functools.partial(sign_through, self._socket)

    @property
    def pid(self) -> int | None:
        """Id of this server's running signer process; None for none."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def watch(self) -> SignerState:
        """Check the signer and start or replace its process if necessary; call it periodically.

        Restarts are delayed if the process exits immediately. A signer whose socket was removed, or that hangs, is
        replaced.

        Returns:
            The state of the signer.
        """
        requested = time.monotonic()
        status = probe(self._socket, self._answers)
        with self._lock:
            if self._stopping:
                return status
            if status.how == "answers":
                self._silent, self._answered = None, True
                if status.pid not in (
                    0,
                    self.pid,
                ):  # another server's signer; when it exits, this server starts its own
                    self._end(self._child)
                    self._child = None
                return status
            if status.how == "silent":
                self._silent = requested if self._silent is None else self._silent
                self._listener = status.pid or self._listener
                # The server that started the signer replaces it first, so that only one server does.
                patience = self._hung if self._listener in (0, self.pid) else 1.5 * self._hung
                if time.monotonic() - self._silent < patience:
                    return status
                self._end_hung()
            self._silent = None
            self._start()
            return status

    def _start(self) -> None:
        """Start a process unless one is starting or was started too recently."""
        now = time.monotonic()
        if self.pid is not None:
            if not self._answered and now - self._began < _BEGINS:
                return
            self._end(self._child)
        elif self._child is not None and now - self._began < min(30.0, 0.5 * 2**self._failures):
            return
        self._failures = 0 if now - self._began > 60.0 else min(self._failures + 1, 6)
        self._began = now
        self._socket.unlink(missing_ok=True)
        self._answered = False
        self._child = subprocess.Popen(
            [sys.executable, "-m", _MODULE, str(self._folder), str(self._socket)],
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def _end_hung(self) -> None:
        """Kill a process that hangs; it would ignore a termination signal."""
        log.line("warning", "signer.hangs", why=f"no answer for {self._hung:.0f} s: the server restarts it")
        if self._listener != self.pid and _is_signer(self._listener):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self._listener, signal.SIGKILL)
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        self._child, self._listener = None, 0

    def wait(self, seconds: float = 2.0 * HUNG) -> None:
        """Wait until the signer answers; a signer left hanging by an earlier server is replaced.

        Raises:
            OutputError: the signer did not answer in time, or it exited.
        """
        until = time.monotonic() + seconds
        while True:
            ended = self._child is not None and self.pid is None
            if ended or time.monotonic() > until:
                raise OutputError("a signer that answers", "none", str(self._socket), "Check its output")
            if self.watch().how == "answers":
                return
            time.sleep(0.02)

    def close(self) -> None:
        """Stop the signer normally."""
        with self._lock:
            self._stopping = True
            child = self._child
        if child is not None:
            self._end(child)
            if probe(self._socket, self._answers).how == "gone":
                self._socket.unlink(missing_ok=True)

    @staticmethod
    def _end(child: subprocess.Popen[bytes] | None) -> None:
        if child is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(5.0)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _is_signer(pid: int) -> bool:
    """Return whether a process is a signer, and not another process with a reused id."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes() if pid > 1 else b""
        return _MODULE.encode() in command
    except OSError:
        return False
