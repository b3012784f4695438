"""The signer's process: only it opens the online keys, and its only input is a socket of the same user.

A request and its answer are one line of JSON each. Even a compromised control plane gets only signatures that the rules
of `service.LocalSigner` allow.

`python -m edgewright.fleet.server.signer.process DIR SOCKET`
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from edgewright.fleet.repository.acceptance import online_signers
from edgewright.fleet.repository.folder import Fleet, open_fleet
from edgewright.fleet.server.publishing.restore import first_root, from_folder, published
from edgewright.fleet.server.signer.service import (
    A_MINUTE,
    LocalSigner,
    Record,
    Signing,
    SigningRequest,
    begun_from,
    read_record,
)
from edgewright.fleet.server.signer.socket import HEARS, SignerAnswer, listen, read_line
from edgewright.schema.errors import EdgewrightError, InputError, OutputError

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
            raise InputError(wanted, f"version {version}", "restore", do)


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
