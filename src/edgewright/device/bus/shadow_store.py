"""Shadows on the disk: a batch of changes is durable as a whole or not there.

Each key is a register with a Lamport counter (Lamport, Time, clocks, and the ordering of events, 1978) and the name of
the copy that wrote it. The greater pair wins. No wall clock is asked: boards start in 1970. A deleted key stays as a
register without a value, so that a copy that was away cannot bring it back.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import msgspec

from edgewright.core.files import private_folder
from edgewright.device.store.database import Connect, connect
from edgewright.device.store.guarded_database import open_guarded
from edgewright.schema.device import Event
from edgewright.schema.errors import InputError
from edgewright.schema.store import Item

Part = Literal["desired", "reported"]
Key = tuple[Part, str]
MOST_KEYS, MOST_VALUE_BYTES, MOST_BYTES = 256, 4096, 1 << 18
_MOST_COUNTER = 1 << 53
_LONGEST = 64
_Counter = Annotated[int, msgspec.Meta(ge=1, lt=_MOST_COUNTER)]
_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=_LONGEST)]
_ENCODER = msgspec.json.Encoder(order="deterministic")


class Register(NamedTuple):
    """The last known write of one key.

    Attributes:
        counter: counter of the write; greater than that of every write that its writer knew of.
        origin: copy that wrote it.
        value: as JSON with sorted keys; empty where the key was deleted.
    """

    counter: int
    origin: str
    value: bytes


class Copy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All registers of a shadow, as one copy gives them to the others; a deleted key has the value null."""

    desired: dict[_Word, tuple[_Counter, _Word, msgspec.Raw]] = {}
    reported: dict[_Word, tuple[_Counter, _Word, msgspec.Raw]] = {}


class Shadow:
    """One copy of one device's shadow.

    Args:
        registers: that are known.

    Attributes:
        registers: by part and key; only `write` and `merge` change them.
        version: greatest counter. It never falls, since no register is ever dropped.
    """

    def __init__(self, registers: Mapping[Key, Register] | None = None) -> None:
        self.registers: dict[Key, Register] = dict(registers or {})
        self.version = max((register.counter for register in self.registers.values()), default=0)

    def write(self, part: Part, patch: Mapping[str, Any], origin: str) -> dict[Key, Register]:
        """Take new values of some keys, null for a key to delete; return the registers that changed.

        A value that is there already changes nothing.

        Raises:
            InputError: too many keys, or a key or value that is too long; nothing is changed.
        """
        counter, changed = self.version + 1, dict[Key, Register]()
        for name, value in patch.items():
            encoded = b"" if value is None else _ENCODER.encode(value)
            known = self.registers.get((part, name))
            if encoded == (b"" if known is None else known.value):
                continue
            _check(name, encoded)
            changed[part, name] = Register(counter, origin, encoded)
        if len(self.registers.keys() | changed.keys()) > MOST_KEYS or counter >= _MOST_COUNTER:
            raise InputError(f"at most {MOST_KEYS} keys of a shadow, deleted ones included", "more", f"{part} state")
        self._take(changed)
        return changed

    def merge(self, other: Mapping[Key, Register]) -> dict[Key, Register]:
        """Take what another copy knows; return the registers that changed.

        The order of merges does not matter, nor how often one is repeated: of two registers the greater one stays, by
        counter, then origin, then value (a copy that was restored from a backup may give a counter twice).
        """
        changed = {
            key: register for key, register in other.items() if register > self.registers.get(key, _NEVER_WRITTEN)
        }
        self._take(changed)
        return changed

    def values(self, part: Part) -> dict[str, msgspec.Raw]:
        """Return the values of a part, without deleted keys."""
        known = sorted(self.registers.items())
        return {name: msgspec.Raw(register.value) for (of, name), register in known if of == part and register.value}

    def delta(self) -> dict[str, msgspec.Raw]:
        """Return what is desired and not reported: what the device has still to do."""
        reported = {name: register.value for (part, name), register in self.registers.items() if part == "reported"}
        return {name: value for name, value in self.values("desired").items() if bytes(value) != reported.get(name)}

    def encode(self) -> bytes:
        """Return all registers for other copies."""
        parts: dict[str, dict[str, tuple[int, str, msgspec.Raw]]] = {"desired": {}, "reported": {}}
        for (part, name), register in sorted(self.registers.items()):
            parts[part][name] = register.counter, register.origin, msgspec.Raw(register.value or b"null")
        return _ENCODER.encode(parts)

    def _take(self, changed: Mapping[Key, Register]) -> None:
        self.registers.update(changed)
        self.version = max((self.version, *(register.counter for register in changed.values())))


_NEVER_WRITTEN = Register(0, "", b"")


def decode_copy(data: bytes, where: str) -> dict[Key, Register]:
    """Return the registers that another copy gives.

    Raises:
        InputError: other bytes, or too many.
    """
    if len(data) > MOST_BYTES:
        raise InputError(f"a copy of at most {MOST_BYTES:,} bytes", f"{len(data):,} bytes", where)
    try:
        copy = msgspec.json.decode(data, type=Copy)
        return {**_registers("desired", copy.desired), **_registers("reported", copy.reported)}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError("a copy of a shadow", str(error)[:200], where) from None


def decode_patch(data: bytes, where: str) -> dict[str, Any]:
    """Return new values by key.

    Raises:
        InputError: other bytes than a JSON object.
    """
    if len(data) > MOST_BYTES:
        raise InputError(f"a message of at most {MOST_BYTES:,} bytes", f"{len(data):,} bytes", where)
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError('a JSON object such as {"setpoint": 21}', str(error)[:200], where) from None


def _registers(part: Part, entries: Mapping[str, tuple[int, str, msgspec.Raw]]) -> dict[Key, Register]:
    registers = {}
    for name, (counter, origin, raw) in entries.items():
        value = _ENCODER.encode(msgspec.json.decode(raw))
        registers[part, name] = Register(counter, origin, b"" if value == b"null" else value)
    return registers


def _check(name: str, value: bytes) -> None:
    if not 0 < len(name) <= _LONGEST:
        raise InputError(f"a key of 1 to {_LONGEST} characters", repr(name[: 2 * _LONGEST]), "shadow")
    if len(value) > MOST_VALUE_BYTES:
        raise InputError(f"a value of at most {MOST_VALUE_BYTES:,} bytes", f"{len(value):,}", f"shadow, key {name!r}")


SHADOW_FILE = "shadows.sqlite"
_VERSION = 1
_TABLES = (
    "CREATE TABLE copy(origin TEXT)",
    "CREATE TABLE registers(device TEXT, part TEXT, name TEXT, counter INTEGER, origin TEXT, value BLOB, "
    "PRIMARY KEY(device, part, name)) WITHOUT ROWID",
)
_PUT = "INSERT OR REPLACE INTO registers VALUES (?, ?, ?, ?, ?, ?)"
_DO = "Move it away: the device reports again, and other copies give back what they know"


class ShadowStore:
    """The shadows of a gateway, in one SQLite file with a write-ahead log that is flushed at every commit.

    Args:
        folder: of the store; made where it is absent.
        opener: of databases.
        writable: without it nothing is made or changed.
        origin: name of this copy where the file is made; drawn by default.

    Attributes:
        origin: name of this copy in merges. A store that was lost gets another one, so that no counter is given twice.

    Raises:
        InputError: a file of a newer version, or none where nothing is made.
        OutputError: the file cannot be read or made.
    """

    def __init__(self, folder: Path, opener: Connect = connect, *, writable: bool = True, origin: str = "") -> None:
        if writable:
            private_folder(folder)
        elif not (folder / SHADOW_FILE).exists():
            raise InputError("a store of shadows", "none", str(folder), "edgewright bus run makes one")
        identity = ("INSERT INTO copy VALUES (?)", (origin or os.urandom(6).hex(),))
        self._database = open_guarded(
            folder / SHADOW_FILE, _VERSION, _TABLES, "shadows", _DO, opener=opener, writable=writable, ahead=True,
            rows=[identity],
        )  # fmt: skip
        self.origin = str(self._database.value("SELECT origin FROM copy"))

    def load(self) -> dict[str, Shadow]:
        """Return all shadows by device."""
        by_device: dict[str, dict[Key, Register]] = {}
        parts: dict[str, Part] = {name: name for name in get_args(Part)}
        for device, part, name, counter, origin, value in self._database.execute("SELECT * FROM registers"):
            by_device.setdefault(device, {})[parts[part], name] = Register(counter, origin, bytes(value))
        return {device: Shadow(registers) for device, registers in by_device.items()}

    def save(self, changed: Mapping[str, Mapping[Key, Register]]) -> None:
        """Make changed registers durable, all or none of them."""
        if not any(changed.values()):
            return
        with self._database.transaction():
            for device, registers in changed.items():
                for (part, name), register in registers.items():
                    self._database.execute(
                        _PUT, (device, part, name, register.counter, register.origin, register.value)
                    )

    def close(self) -> None:
        """Close the file."""
        self._database.close()


Kind = Literal["desired", "reported", "copy", "items"]
_SHOWN = ("decision", "alarm", "state")
_MOST_DEVICES = 10_000


class Message(NamedTuple):
    """A message about a device: new values, another copy's registers, or items of an agent's outbox."""

    kind: Kind
    device: str
    content: bytes


class BatchResult(NamedTuple):
    """What came of a batch.

    Attributes:
        changed: devices whose shadow changed.
        durable: (boot, sequence) of an agent's items, by device.
    """

    changed: tuple[str, ...]
    durable: dict[str, list[tuple[int, int]]]


class Shadows:
    """All shadows of a gateway.

    Args:
        store: where they are kept.
        say: receives one line for each message that does not count.
    """

    def __init__(self, store: ShadowStore, say: Callable[[str], None] = lambda _: None) -> None:
        self._store, self._say = store, say
        self.shadows: dict[str, Shadow] = store.load()
        self.origin = store.origin

    def take(self, messages: Sequence[Message]) -> BatchResult:
        """Take messages in their order, and make what they change durable together.

        Raises:
            Exception: the disk refuses; nothing of the batch is durable, and this object is of no more use.
        """
        changed: dict[str, dict[Key, Register]] = {}
        durable: dict[str, list[tuple[int, int]]] = {}
        for message in messages:
            try:
                shadow = self._of(message.device)
                new = self._change(shadow, message, durable)
            except InputError as error:
                self._say(f"{message.device}: {error}")
                continue
            if new:
                changed.setdefault(message.device, {}).update(new)
        self._store.save(changed)
        return BatchResult(tuple(changed), durable)

    def _of(self, device: str) -> Shadow:
        if device not in self.shadows:
            if len(self.shadows) >= _MOST_DEVICES:
                raise InputError(f"at most {_MOST_DEVICES:,} shadows", "more", "shadows")
            self.shadows[device] = Shadow()
        return self.shadows[device]

    def _change(
        self, shadow: Shadow, message: Message, durable: dict[str, list[tuple[int, int]]]
    ) -> dict[Key, Register]:
        kind, where = message.kind, f"{message.device}, {message.kind}"
        if kind == "copy":
            return shadow.merge(decode_copy(message.content, where))
        if kind == "items":
            return self._items(shadow, message, durable)
        return shadow.write(kind, decode_patch(message.content, where), self.origin)

    def _items(
        self, shadow: Shadow, message: Message, durable: dict[str, list[tuple[int, int]]]
    ) -> dict[Key, Register]:
        """Take the latest decision, alarm and state of an agent; all its items count as taken."""
        values, places = dict[str, object](), list[tuple[int, int]]()
        for line in message.content.splitlines():
            try:
                item = msgspec.json.decode(line, type=Item)
                event = msgspec.convert(item.body, Event) if item.kind == "event" else None
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise InputError("items of an agent, one JSON object a line", str(error)[:200], "items") from None
            places.append((item.boot, item.sequence))
            if event is not None and event.kind in _SHOWN:
                values[event.kind] = event.label
                if event.kind == "alarm":
                    wall = item.put if event.wall is None else event.wall
                    values["alarm_at"] = datetime.datetime.fromtimestamp(wall, datetime.UTC).isoformat()
        new = shadow.write("reported", values, self.origin)
        durable.setdefault(message.device, []).extend(places)
        return new


def state_of(shadow: Shadow) -> bytes:
    """Return what everybody may read of a shadow: desired, reported, the difference, and a number that grows."""
    return msgspec.json.encode({
        "desired": shadow.values("desired"), "reported": shadow.values("reported"), "delta": shadow.delta(),
        "version": shadow.version,
    })  # fmt: skip
