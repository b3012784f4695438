"""The process that looks at boards, as the agent sees it: started for a round, heard, and ended where it hangs."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import msgspec

from edgewright.schema.boards import BoardRound, BoardSeen

_MODULE = "edgewright.fleet.device.board_process"
_SILENT = 300.0
"""Seconds without a word after which it is ended: a verification takes at most a few, and parts of files are told."""


class Hand(Protocol):
    """What asks boards."""

    def start(self, asked: BoardRound) -> None:
        """Begins a round; where one is under way it is broken off, which boards bear."""

    def heard(self) -> list[BoardSeen]:
        """What was said since the last time, oldest first."""

    def busy(self) -> str | None:
        """None while a round is under way; else why it ended badly, empty where it did not."""

    def stop(self) -> None:
        """Breaks it off."""


class ProcessHand:
    """As `Hand`, with a process.

    Args:
        wake: called, from another thread, when it said something.
        silent: seconds as above.
    """

    def __init__(self, wake: Callable[[], None], silent: float = _SILENT) -> None:
        self._wake, self._silent = wake, silent
        self._said: queue.SimpleQueue[BoardSeen] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._heard, self._why = 0.0, ""

    def start(self, asked: BoardRound) -> None:
        """As `Hand.start`."""
        self.stop()
        self._heard, self._why = time.monotonic(), ""
        command = [sys.executable, "-m", _MODULE, str(os.getpid())]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            self._why = f"the process that asks boards cannot be started: {error.strerror or error}"
            return
        self._process = process
        self._thread = threading.Thread(
            target=self._listen, args=(process, msgspec.json.encode(asked)), name="boards", daemon=True
        )
        self._thread.start()

    def heard(self) -> list[BoardSeen]:
        """As `Hand.heard`."""
        found = []
        with suppress(queue.Empty):
            while True:
                found.append(self._said.get_nowait())
        return found

    def busy(self) -> str | None:
        """As `Hand.busy`."""
        process = self._process
        if process is None:
            return self._why
        if self._thread is not None and self._thread.is_alive():
            if time.monotonic() - self._heard > self._silent:
                process.kill()
            return None
        code = process.wait()
        self._process = None
        if code and not self._why:
            self._why = f"ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}"
        return self._why

    def stop(self) -> None:
        """As `Hand.stop`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._thread is not None:
                self._thread.join()
            self._process = None
        self.heard()

    def _listen(self, process: subprocess.Popen[bytes], asked: bytes) -> None:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: S101
        with process.stdin, suppress(OSError):
            process.stdin.write(asked)
        with process.stdout, process.stderr:
            for line in process.stdout:
                self._heard = time.monotonic()
                with suppress(msgspec.DecodeError, msgspec.ValidationError):
                    self._said.put(msgspec.json.decode(line, type=BoardSeen))
                    self._wake()
            said = process.stderr.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
            if said:
                self._why = f"the process that asks boards ended: {said[-1][:200]}"
        self._wake()
