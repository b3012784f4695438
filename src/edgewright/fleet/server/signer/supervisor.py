"""The signer's process is started, started again when it ends, and ended for another when it hangs."""

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
from edgewright.fleet.server.signer.socket import ANSWERS, SOCKET, Heard, heard, sign_through
from edgewright.schema.errors import OutputError

_MODULE = "edgewright.fleet.server.signer.process"
HUNG = 30.0
"""Seconds without an answer after which a signer is ended for another; as long as anybody waits for a signature."""
_BEGINS = 60.0
"""Seconds for a signer to begin: it reads what is published, on a machine that may be busy."""


class SignerProcess:
    """Looks after the signer of a folder; `sign` asks it.

    Servers of one folder have one signer. Whichever finds none starts it; one that hangs is ended by the server that
    started it, or a little later by another one. Were there two for a moment, their record makes them one: each
    signature takes its lock, and no version is given away twice.

    Args:
        folder: of the fleet.
        sockets: folder of the socket, 0700; the fleet's own, unless its path is too long for one.
        hung: seconds without an answer after which it is ended.
        answers: seconds for one answer.
    """

    def __init__(
        self, folder: Path, sockets: Path | None = None, *, hung: float = HUNG, answers: float = ANSWERS
    ) -> None:
        self._folder, self._socket = folder, (sockets or folder / "keys" / "online") / SOCKET
        self._hung, self._answers = hung, answers
        self._child: subprocess.Popen[bytes] | None = None
        self._lock, self._stopping = threading.Lock(), False
        self._began, self._failures, self._heard = 0.0, 0, False
        self._silent: float | None = None
        self._listener = 0
        self.sign: Signing = functools.partial(sign_through, self._socket)

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def watch(self) -> Heard:
        """To be called now and then: starts the process where none runs, more slowly where it ends at once.

        One whose socket somebody removed cannot be asked any more and is ended for another, as is one that hangs.

        Returns:
            How the signer is.
        """
        requested = time.monotonic()
        found = heard(self._socket, self._answers)
        with self._lock:
            if self._stopping:
                return found
            if found.how == "answers":
                self._silent, self._heard = None, True
                if found.pid not in (0, self.pid):  # another server's; when that ends, this one starts its own
                    self._end(self._child)
                    self._child = None
                return found
            if found.how == "silent":
                self._silent = requested if self._silent is None else self._silent
                self._listener = found.pid or self._listener
                # Whoever started it comes first, or two would take its place.
                patience = self._hung if self._listener in (0, self.pid) else 1.5 * self._hung
                if time.monotonic() - self._silent < patience:
                    return found
                self._end_hung()
            self._silent = None
            self._start()
            return found

    def _start(self) -> None:
        """Start a process where none runs that could still be asked; not at once again where the last one failed."""
        now = time.monotonic()
        if self.pid is not None:
            if not self._heard and now - self._began < _BEGINS:
                return
            self._end(self._child)
        elif self._child is not None and now - self._began < min(30.0, 0.5 * 2**self._failures):
            return
        self._failures = 0 if now - self._began > 60.0 else min(self._failures + 1, 6)
        self._began = now
        self._socket.unlink(missing_ok=True)
        self._heard = False
        self._child = subprocess.Popen(
            [sys.executable, "-m", _MODULE, str(self._folder), str(self._socket)],
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def _end_hung(self) -> None:
        """End a process that does not answer, which would not end by being asked to."""
        log.line("warning", "signer.hangs", why=f"no answer for {self._hung:.0f} s: the server restarts it")
        if self._listener != self.pid and _is_signer(self._listener):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self._listener, signal.SIGKILL)
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        self._child, self._listener = None, 0

    def wait(self, seconds: float = 2.0 * HUNG) -> None:
        """Until it answers; one that was left hanging by a server before is ended for another meanwhile.

        Raises:
            OutputError: it does not within that time, or it ended.
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
        """End it in order."""
        with self._lock:
            self._stopping = True
            child = self._child
        if child is not None:
            self._end(child)
            if heard(self._socket, self._answers).how == "gone":
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
    """Return whether a process is a signer, and not another one that has its number meanwhile."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes() if pid > 1 else b""
        return _MODULE.encode() in command
    except OSError:
        return False
