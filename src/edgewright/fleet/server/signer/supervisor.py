"""Supervises the signer's process: starts it, restarts it after an exit, and replaces it if it hangs."""

from __future__ import annotations

import functools
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from edgewright.core.errors import EdgewrightError, InputError, OutputError, RolloutStateError
from edgewright.fleet.repository.acceptance import online_signers
from edgewright.fleet.repository.folder import Fleet, open_fleet
from edgewright.fleet.server import background
from edgewright.fleet.server.database.postgres import is_served
from edgewright.fleet.server.restore import first_root, from_folder, published
from edgewright.fleet.server.signer.service import (
    A_MINUTE,
    LocalSigner,
    Record,
    SignedFiles,
    Signing,
    SigningRequest,
    begun_from,
    read_record,
)

SOCKET = "signer.sock"
LARGEST = 256 << 20
"""Largest line in bytes: all offline metadata of a large fleet, in base64."""
PATIENCE = 30.0
"""The client's timeout for a signature, in seconds."""
HEARS = 10.0
"""The signer's timeout for a request, in seconds; a client sends it immediately after connecting."""
ANSWERS = 5.0
"""Timeout in seconds for a ping; a signature in progress takes much less than a second."""
_QUEUE = 64


class SignerAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The signer's answer: a signature, a refusal or a failure; all fields are empty in the answer to a ping."""

    given: SignedFiles | None = None
    refused: tuple[str, str, str, str] | None = None
    failed: str = ""


class SignerState(NamedTuple):
    """The state of a signer: it answers, it listens without answering, or it is gone; and its process id if known."""

    how: Literal["answers", "silent", "gone"]
    pid: int = 0

    @property
    def trouble(self) -> str:
        """Description of the problem for people; empty if the signer answers."""
        if self.how == "answers":
            return ""
        still = "rollouts stop, and published metadata expires"
        if self.how == "gone":
            return f"it does not listen: {still}; the log says why it exited"
        named = f" (process {self.pid})" if self.pid else ""
        return f"it listens but does not answer{named}: {still}; a server replaces it within a minute"


def listen(path: Path) -> socket.socket:
    """Create a listening socket that only its owner can access.

    Raises:
        OutputError: the socket cannot be created, for example because its path is longer than about 100 bytes.
    """
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        server.bind(str(path))
        server.listen(_QUEUE)
    except OSError as error:
        server.close()
        raise OutputError("a socket for the signer", error.strerror or str(error), str(path)) from None
    finally:
        os.umask(before)
    return server


def probe(path: Path, patience: float = ANSWERS) -> SignerState:
    """Ping a signer: a killed signer leaves its socket file, and a hanging one still accepts connections.

    Args:
        path: path of the socket.
        patience: timeout of the answer in seconds.
    """
    pid = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.settimeout(patience)
        try:
            stream.connect(str(path))
            pid = _listener(stream)
            stream.sendall(b"\n")
            read_line(stream, patience)
        except (TimeoutError, BlockingIOError):  # BlockingIOError: the queue is full
            return SignerState("silent", pid)
        except (OSError, EOFError):
            return SignerState("gone")
    return SignerState("answers", pid)


def _listener(stream: socket.socket) -> int:
    """Return the id of the listening process; 0 if it is in another container or unknown to the system."""
    if not hasattr(socket, "SO_PEERCRED"):
        return 0
    size = struct.calcsize("3i")
    return int(struct.unpack("3i", stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[0])


def read_line(stream: socket.socket, patience: float) -> bytes:
    """Read one line, including its end.

    Raises:
        EOFError: the stream ended early, the line is too long, or the time is over.
        OSError: the stream stalled.
    """
    parts: list[bytes] = []
    length = 0
    until = time.monotonic() + patience
    while True:
        part = stream.recv(1 << 16)
        if not part or length > LARGEST or time.monotonic() > until:
            raise EOFError
        parts.append(part)
        length += len(part)
        if part.endswith(b"\n"):
            return b"".join(parts)


def sign_through(path: Path, request: SigningRequest) -> SignedFiles:
    """Send a request to the signer behind a socket and return its answer."""
    where, pid = str(path), 0
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(PATIENCE)
            stream.connect(where)
            pid = _listener(stream)
            stream.sendall(msgspec.json.encode(request) + b"\n")
            answer = msgspec.json.decode(read_line(stream, PATIENCE), type=SignerAnswer)
    except TimeoutError:
        do = f"It hangs: a server replaces it; if none runs, kill -9 {pid or 'its process'}"
        raise OutputError("an answer of the signer", f"none within {PATIENCE:.0f} s", where, do) from None
    except (OSError, EOFError, msgspec.DecodeError) as error:
        text = str(error) or "it exited before answering"
        raise OutputError("an answer of the signer", text, where, "Nothing was signed") from None
    if answer.refused is not None:
        raise InputError(*answer.refused, code="rollout-state")
    if answer.given is None:
        raise OutputError("a signature", answer.failed or "nothing", where)
    return answer.given


def signer_away(folder: Path) -> str:
    """Return why the signer is unavailable; empty if it answers or is not needed.

    Args:
        folder: folder of the fleet. Without a server, commands sign themselves and need no signer.
    """
    return probe(folder / "keys" / "online" / SOCKET).trouble if is_served(folder) else ""


_MODULE = "edgewright.fleet.server.signer.supervisor"
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
        background.line("warning", "signer.hangs", why=f"no answer for {self._hung:.0f} s: the server restarts it")
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


RECORD = "signed.json"


def serve(listening: socket.socket, sign: Signing) -> None:
    """Answer requests one by one until the socket is closed."""
    while True:
        try:
            asking, _ = listening.accept()
        except OSError:
            return
        with asking:
            asking.settimeout(HEARS)
            try:
                asking.sendall(_answer(read_line(asking, HEARS), sign))
            except (OSError, EOFError):
                continue  # the client has disconnected; the signature is in the record


def _answer(line: bytes, sign: Signing) -> bytes:
    answer = SignerAnswer()
    try:
        if line != b"\n":
            answer = SignerAnswer(given=sign(msgspec.json.decode(line, type=SigningRequest)))
    except msgspec.DecodeError as error:
        answer = SignerAnswer(refused=("a request as JSON", str(error)[:200], "signer", ""))
    except OutputError as error:
        answer = SignerAnswer(failed=str(error))
    except EdgewrightError as error:
        answer = SignerAnswer(refused=(error.expected, error.got, error.where, error.do))
    return msgspec.json.encode(answer) + b"\n"


def folder_signer(fleet: Fleet, now: Callable[[], float], a_minute: int = A_MINUTE) -> LocalSigner:
    """Return a signer with the online keys and the record in a fleet's folder.

    Raises:
        InputError: the record is damaged, or it is missing and the published files are incomplete.
    """
    root = first_root(fleet)
    return LocalSigner(
        fleet.online / RECORD, lambda role_files: online_signers(fleet, role_files), now, root, a_minute,
        lambda: begun_from(published(from_folder(fleet.metadata.parent), root)),
    )  # fmt: skip


def check_given(fleet: Fleet, versions: Mapping[str, int]) -> None:
    """Refuse to adopt versions that the signer of this folder never issued.

    Raises:
        InputError: a version is above the one in the signer's record, or the record is damaged.
    """
    path = fleet.online / RECORD
    given = read_record(path, Record).versions
    for role, version in versions.items():
        if version > given.get(role, version):
            do = (
                "Another party signed with the online keys: rotate all three first, edgewright fleet key rotate "
                f"timestamp. Was it you, on a copy of this folder or without its database: mv {path} {path}.old"
            )
            wanted = f"{role} of version {given[role]} or below, which the signer issued"
            raise RolloutStateError(wanted, f"version {version}", "restore", do)


def main(folder: Path, path: Path) -> None:
    """Open the keys and serve until a termination signal, or until the parent process has exited."""
    fleet = open_fleet(folder)
    signer = folder_signer(fleet, time.time)
    listening = listen(path)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and stops this process
    parent = os.getppid()

    def orphaned() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(0)

    threading.Thread(target=orphaned, daemon=True).start()
    serve(listening, signer.sign)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except EdgewrightError as error:
        sys.stderr.write(f"signer: {error}\n")
        sys.exit(error.exit_code)
