"""The signer in a process of its own: only it opens the online keys, and all it hears is a socket of its owner.

A line of JSON comes, a line of JSON goes. The control plane that asks may be taken over: it gets no more than
`signer.LocalSigner` gives to anybody.

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
    """Answer one after the other until the socket is closed."""
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
                continue  # whoever asked has gone; what was signed is on record


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
    """Return the signer with the online keys of a fleet's folder, and its record beside them.

    Raises:
        InputError: the record is damaged; or there is none, and what is published is not whole.
    """
    root = first_root(fleet)
    return LocalSigner(
        fleet.online / RECORD, lambda held: online_signers(fleet, held), now, root, a_minute,
        lambda: begun_from(published(from_folder(fleet.metadata.parent), root)),
    )  # fmt: skip


def check_given(fleet: Fleet, versions: Mapping[str, int]) -> None:
    """Refuse to take up what the signer of this folder never gave away.

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
                "Another party signed with the online keys: rotate all three first, edgewright fleet key rotate "
                f"timestamp. Was it you, on a copy of this folder or without its database: mv {path} {path}.old"
            )
            wanted = f"{role} of version {given[role]} or below, which the signer issued"
            raise InputError(wanted, f"version {version}", "restore", do)


def main(folder: Path, path: Path) -> None:
    """Open the keys and serve until it is told to end, or whoever started it is gone."""
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
    serve(listening, signer.sign)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except EdgewrightError as error:
        sys.stderr.write(f"signer: {error}\n")
        sys.exit(error.exit_code)
