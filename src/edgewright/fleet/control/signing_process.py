"""The signer in a process of its own: only it opens the online keys, and all it hears is a socket of its owner.

A line of JSON comes, a line of JSON goes. The control plane that asks may be taken over: it gets no more than
`signer.LocalSigner` gives to anybody.

`python -m edgewright.fleet.control.signing_process DIR SOCKET`
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from edgewright.fleet.control.restore import first_root, from_folder, published
from edgewright.fleet.control.signer import (
    A_MINUTE,
    Asked,
    Given,
    LocalSigner,
    Record,
    Signing,
    begun_from,
    read_record,
)
from edgewright.fleet.repository.accepting import online_signers
from edgewright.fleet.repository.folder import Fleet, open_fleet
from edgewright.schema.errors import EdgewrightError, InputError, OutputError

RECORD = "signed.json"
SOCKET = "signer.sock"
LARGEST = 256 << 20
"""Bytes of a line: all offline metadata of a large fleet, in base64."""
PATIENCE = 30.0
"""Seconds for which either side waits for the other."""


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    given: Given | None = None
    refused: tuple[str, str, str, str] | None = None
    failed: str = ""


def listen(path: Path) -> socket.socket:
    """A socket that only its owner may reach.

    Raises:
        OutputError: it cannot be made; a path may have some 100 bytes.
    """
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        made.bind(str(path))
        made.listen(8)
    except OSError as error:
        made.close()
        raise OutputError("a socket for the signer", error.strerror or str(error), str(path)) from None
    finally:
        os.umask(before)
    return made


def listens(path: Path) -> bool:
    """Whether a signer answers there; one that was killed leaves its socket behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
        tried.settimeout(PATIENCE)
        return tried.connect_ex(str(path)) == 0


def serve(listening: socket.socket, signer: Signing) -> None:
    """Answers one after the other until the socket is closed."""
    while True:
        try:
            asking, _ = listening.accept()
        except OSError:
            return
        with asking:
            asking.settimeout(PATIENCE)
            try:
                asking.sendall(_answer(_line(asking), signer))
            except (OSError, EOFError):
                continue  # whoever asked has gone; what was signed is on record


def _answer(line: bytes, signer: Signing) -> bytes:
    try:
        said = _Said(given=signer.sign(msgspec.json.decode(line, type=Asked)))
    except msgspec.DecodeError as error:
        said = _Said(refused=("a request as JSON", str(error)[:200], "signer", ""))
    except OutputError as error:
        said = _Said(failed=str(error))
    except EdgewrightError as error:
        said = _Said(refused=(error.expected, error.got, error.where, error.do))
    return msgspec.json.encode(said) + b"\n"


def _line(stream: socket.socket) -> bytes:
    """Bytes up to the end of a line.

    Raises:
        EOFError: the stream ends before, or the line is too long.
        OSError: it stalls.
    """
    parts: list[bytes] = []
    length = 0
    until = time.monotonic() + PATIENCE
    while True:
        part = stream.recv(1 << 16)
        if not part or length > LARGEST or time.monotonic() > until:
            raise EOFError
        parts.append(part)
        length += len(part)
        if part.endswith(b"\n"):
            return b"".join(parts)


class RemoteSigner:
    """The signer behind a socket.

    Args:
        path: of the socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def sign(self, asked: Asked) -> Given:
        """As `Signing.sign`."""
        where = str(self._path)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
                stream.settimeout(PATIENCE)
                stream.connect(where)
                stream.sendall(msgspec.json.encode(asked) + b"\n")
                said = msgspec.json.decode(_line(stream), type=_Said)
        except (OSError, EOFError, msgspec.DecodeError) as error:
            text = str(error) or "it ended in the middle"
            raise OutputError("an answer of the signer", text, where, "Nothing was signed") from None
        if said.refused is not None:
            raise InputError(*said.refused)
        if said.given is None:
            raise OutputError("a signature", said.failed or "nothing", where)
        return said.given


class SignerProcess:
    """Starts the signer and starts it again when it ends; `signer` is how to ask it.

    Args:
        folder: of the fleet.
        sockets: folder of the socket, 0700; the fleet's own, unless its path is too long for one.
    """

    def __init__(self, folder: Path, sockets: Path | None = None) -> None:
        self._folder, self._socket = folder, (sockets or folder / "keys" / "online") / SOCKET
        self._child: subprocess.Popen[bytes] | None = None
        self._lock, self._stopping = threading.Lock(), False
        self._began, self._failures, self._heard = 0.0, 0, False
        self.signer = RemoteSigner(self._socket)

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def watch(self) -> None:
        """To be called now and then: starts the process where none runs, more slowly where it ends at once.

        One whose socket somebody removed cannot be asked any more and is ended for another.
        """
        with self._lock:
            now = time.monotonic()
            if self._heard and self._child is not None and self.pid is not None and not self._socket.exists():
                self._end(self._child)
            if self._stopping or self.pid is not None:
                self._heard = self._socket.exists()
                return
            if listens(self._socket):  # another server's of this folder; when that ends, this one starts its own
                self._child = None
                return
            if now - self._began < min(30.0, 0.5 * 2**self._failures) and self._child is not None:
                return
            self._failures = 0 if now - self._began > 60.0 else min(self._failures + 1, 6)
            self._began = now
            self._socket.unlink(missing_ok=True)
            module = "edgewright.fleet.control.signing_process"
            self._heard = False
            self._child = subprocess.Popen(
                [sys.executable, "-m", module, str(self._folder), str(self._socket)],
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def wait(self, seconds: float = 20.0) -> None:
        """Until it listens.

        Raises:
            OutputError: it does not within that time, or it ended.
        """
        until = time.monotonic() + seconds
        while not (self._socket.exists() and (self.pid is not None or listens(self._socket))):
            ended = self._child is not None and self.pid is None
            if ended or time.monotonic() > until:
                raise OutputError("a signer that listens", "none", str(self._socket), "Look at what it printed")
            self.watch()  # another server's may have gone since
            time.sleep(0.02)

    def close(self) -> None:
        """Ends it in order."""
        with self._lock:
            self._stopping = True
            child = self._child
        if child is not None:
            self._end(child)
            if not listens(self._socket):
                self._socket.unlink(missing_ok=True)

    @staticmethod
    def _end(child: subprocess.Popen[bytes]) -> None:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(5.0)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def folder_signer(fleet: Fleet, now: Callable[[], float], a_minute: int = A_MINUTE) -> LocalSigner:
    """The signer with the online keys of a fleet's folder, and its record beside them.

    Raises:
        InputError: the record is damaged; or there is none, and what is published is not whole.
    """
    root = first_root(fleet)
    return LocalSigner(
        fleet.online / RECORD, lambda held: online_signers(fleet, held), now, root, a_minute,
        lambda: begun_from(published(from_folder(fleet.metadata.parent), root)),
    )  # fmt: skip


def check_given(fleet: Fleet, versions: Mapping[str, int]) -> None:
    """Refuses to take up what the signer of this folder never gave away.

    Args:
        fleet: whose signer.
        versions: of the online roles, as devices find them.

    Raises:
        InputError: one is above all that the signer's record names; or the record is damaged.
    """
    path = fleet.online / RECORD
    given = read_record(path, Record).versions
    for role, version in versions.items():
        if version > given.get(role, version):
            do = (
                "Somebody else signed with the online keys: rotate all three first, edgewright fleet key rotate "
                f"timestamp. Was it you, on a copy of this folder or without its database: mv {path} {path}.old"
            )
            wanted = f"{role} of version {given[role]} or below, which the signer gave away"
            raise InputError(wanted, f"version {version}", "restore", do)


def main(folder: Path, path: Path) -> None:
    """Opens the keys and serves until it is told to end, or whoever started it is gone."""
    fleet = open_fleet(folder)
    signer = folder_signer(fleet, time.time)
    listening = listen(path)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process in order
    parent = os.getppid()

    def orphaned() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(0)

    threading.Thread(target=orphaned, daemon=True).start()
    serve(listening, signer)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except EdgewrightError as error:
        sys.stderr.write(f"signer: {error}\n")
        sys.exit(error.exit_code)
