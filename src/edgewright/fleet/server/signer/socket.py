"""Both ends of the signer's socket: a line of JSON comes, one goes; an empty line asks whether it is there."""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from edgewright.fleet.server.signer.service import SignedFiles, SigningRequest
from edgewright.schema.errors import InputError, OutputError

SOCKET = "signer.sock"
LARGEST = 256 << 20
"""Bytes of a line: all offline metadata of a large fleet, in base64."""
PATIENCE = 30.0
"""Seconds for which who asks waits for a signature."""
HEARS = 10.0
"""Seconds for which the signer waits for who asks: all of it is there when it connects."""
ANSWERS = 5.0
"""Seconds within which a signer says that it is there; a signature that is given meanwhile takes well below one."""
_QUEUE = 64


class SignerAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the signer answers: a signature, or why there is none; nothing of it where nothing was asked."""

    given: SignedFiles | None = None
    refused: tuple[str, str, str, str] | None = None
    failed: str = ""


class Heard(NamedTuple):
    """How a signer is: it answers, it is silent though somebody listens, or nobody does; its process where known."""

    how: Literal["answers", "silent", "gone"]
    pid: int = 0

    @property
    def trouble(self) -> str:
        """What is wrong with it, for people; empty where it answers."""
        if self.how == "answers":
            return ""
        still = "rollouts stop, and published metadata expires"
        if self.how == "gone":
            return f"it does not listen: {still}; the log says why it exited"
        named = f" (process {self.pid})" if self.pid else ""
        return f"it listens but does not answer{named}: {still}; a server replaces it within a minute"


def listen(path: Path) -> socket.socket:
    """Return a socket that only its owner may reach.

    Raises:
        OutputError: it cannot be made; a path may have some 100 bytes.
    """
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        made.bind(str(path))
        made.listen(_QUEUE)
    except OSError as error:
        made.close()
        raise OutputError("a socket for the signer", error.strerror or str(error), str(path)) from None
    finally:
        os.umask(before)
    return made


def heard(path: Path, patience: float = ANSWERS) -> Heard:
    """Ask a signer whether it is there. One that was killed leaves its socket behind; one that hangs still accepts.

    Args:
        path: of the socket.
        patience: seconds for an answer.
    """
    pid = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.settimeout(patience)
        try:
            stream.connect(str(path))
            pid = _listener(stream)
            stream.sendall(b"\n")
            read_line(stream, patience)
        except (TimeoutError, BlockingIOError):  # the latter where its queue is full
            return Heard("silent", pid)
        except (OSError, EOFError):
            return Heard("gone")
    return Heard("answers", pid)


def _listener(stream: socket.socket) -> int:
    """Process that listens at the other end; 0 for one in another container, and where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return 0
    size = struct.calcsize("3i")
    return int(struct.unpack("3i", stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[0])


def read_line(stream: socket.socket, patience: float) -> bytes:
    """Return bytes up to the end of a line.

    Raises:
        EOFError: the stream ends before, or the line is too long.
        OSError: it stalls.
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
    """Send a step to the signer behind a socket, which may refuse it.

    Args:
        path: of the socket.
        request: the step.
    """
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
