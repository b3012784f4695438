"""A device that enrols: a key of its own, the root that it trusts from then on, and the id that it is given."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from benchmarks.faults.fleet_device import HandClock
from benchmarks.faults.model import lay
from benchmarks.faults.recorder import Recorder
from benchmarks.faults.workload import Workload
from benchmarks.faults_fleet.control import PRODUCT, two_release_files
from edgewright.core.errors import EdgewrightError
from edgewright.core.records.fleet import Enrolment
from edgewright.device.store.database import Connect, connect
from edgewright.fleet.device.enrollment import TRUST_FOLDER, device_key, enrol
from edgewright.fleet.device.state_database import KEY_COPY, KEY_FILE, State
from edgewright.fleet.device.trust.client import Client
from edgewright.fleet.protocol.layout import Answer
from edgewright.fleet.protocol.transport import FolderTransport, Token, public_text
from edgewright.fleet.repository.metadata import sha256
from edgewright.fleet.server import device_access
from edgewright.fleet.server.database.tables import metadata, tokens

_STORE, _SECRET = "store", "s" * 32


class Promise(NamedTuple):
    """Whether the fleet has heard of the device's key, and whether the device has its id."""

    heard: bool
    enrolled: bool


class Fleet:
    """The other side: published files, and the real rules of enrolment for one token that holds for one device.

    Args:
        recorder: told of the key before it is heard; None for nobody.
        heard: key of a device that used the token up already; empty for none.
    """

    def __init__(self, recorder: Recorder | None = None, key: str = "") -> None:
        self._recorder, self._files = recorder, FolderTransport(_public())
        self._engine = sa.create_engine("sqlite://")
        metadata.create_all(self._engine)
        row = {
            "hash": device_access.hashed(_SECRET), "product": PRODUCT, "tags": (), "batch": "b", "uses": 1,
            "made_at": 0.0, "made_by": "tester", "expires": 1e12,
        }  # fmt: skip
        with self._engine.begin() as connection:
            connection.execute(sa.insert(tokens).values(row))
        if key:
            record = {"token": _SECRET, "key": key, "name": "d", "profile": "pi", "product": PRODUCT}
            self._enrol(msgspec.convert(record, Enrolment))

    @contextmanager
    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
    ) -> Iterator[Answer]:
        """As `fleet.protocol.ports.Transport`."""
        if method == "GET":
            with self._files.exchange(method, path, headers, body, seconds=seconds) as answer:
                yield answer
            return
        enrolment = msgspec.json.decode(body, type=Enrolment)
        if self._recorder is not None:
            self._recorder.promise(Promise(True, False))
        try:
            yield Answer(status=200, headers={}, body=iter([self._enrol(enrolment)]))
        except EdgewrightError as error:
            yield Answer(status=403, headers={}, body=iter([str(error).encode()]))

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _enrol(self, enrolment: Enrolment) -> bytes:
        with self._engine.begin() as connection:
            given = device_access.enrol(connection, enrolment, now=1.0, device=_id(enrolment.key), nonce="n1")
            return msgspec.json.encode(given)


@functools.cache
def _published() -> tempfile.TemporaryDirectory[str]:
    directory = tempfile.TemporaryDirectory(prefix="edgewright-published-")
    lay(two_release_files(), Path(directory.name))
    return directory


def _public() -> Path:
    return Path(_published().name) / "fleet" / "public"


def _id(key: str) -> str:
    """Return the id that a key gets."""
    return sha256(key.encode())[:32]


def _key(folder: Path) -> str:
    """Return the public key that lies there; empty for none."""
    present = any((folder / _STORE / name).is_file() for name in (KEY_FILE, KEY_COPY))
    return public_text(device_key(folder / _STORE)) if present else ""


def _join(folder: Path, fleet: Fleet, opener: Connect) -> str:
    """As a device's start does it; the id."""
    root = (_public() / "metadata" / "1.root.json").read_bytes()
    token = Token(secret=_SECRET, root=1, sha256=sha256(root), product=PRODUCT)
    (folder / _STORE).mkdir(exist_ok=True)
    state = State.open(folder / _STORE, opener)
    try:
        if not state.link.device:
            enrol(folder / _STORE, state, fleet, token, name="d", profile="pi", version="0.1.0")
        client = Client(folder / _STORE / TRUST_FOLDER, fleet, HandClock(), opener=opener)
        client.refresh()
        client.close()
        return state.link.device
    finally:
        state.close()


def _prepare(folder: Path) -> None:
    """Create the folder of the store, as an installation does."""
    _public()
    (folder / _STORE).mkdir()
    (folder / _STORE / "here").write_bytes(b"")


def use(folder: Path, recorder: Recorder) -> None:
    """Enrol, and start once more."""
    for _ in range(2):
        fleet = Fleet(recorder)
        _join(folder, fleet, recorder.connect)
        recorder.promise(Promise(True, True))
        fleet.close()


def recover(folder: Path, recorder: Recorder) -> None:
    """Start again; this device itself may have used up the token."""
    fleet = Fleet(key=_key(folder))
    _join(folder, fleet, recorder.connect)
    fleet.close()


def check(folder: Path, before: Promise | None, after: Promise | None) -> str:
    """Return whether the device is the one that it was, or becomes one with the token that it has."""
    key = _key(folder)
    if before is not None and not key:
        return "no key, and the fleet has heard of one"
    state = State.open(folder / _STORE)
    had = state.link.device
    state.close()
    if before is not None and before.enrolled and not had:
        return "no id, and it had one"
    fleet = Fleet(key=key)
    try:
        joined = _join(folder, fleet, connect)
    finally:
        fleet.close()
    return "" if joined == _id(_key(folder)) and had in ("", joined) else f"device {joined!r} after {had!r}"


WORKLOAD = Workload("device enrolling", use, recover, check, prepare=_prepare, share=0.5)
