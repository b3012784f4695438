"""Client and server side of the signer's socket: one line of JSON per request and answer; an empty line is a ping."""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from edgewright.fleet.server.database.serving import is_served
from edgewright.fleet.server.signer.service import SignedFiles, SigningRequest
from edgewright.schema.errors import InputError, OutputError

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
        raise InputError(*answer.refused)
    if answer.given is None:
        raise OutputError("a signature", answer.failed or "nothing", where)
    return answer.given


def signer_away(folder: Path) -> str:
    """Return why the signer is unavailable; empty if it answers or is not needed.

    Args:
        folder: folder of the fleet. Without a server, commands sign themselves and need no signer.
    """
    return probe(folder / "keys" / "online" / SOCKET).trouble if is_served(folder) else ""
