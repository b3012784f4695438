"""What a store writes: statements that wait for a commit, events, packed and encrypted rows, items that may leave."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import os
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError, MissingExtraError, StoreDamagedError
from edgewright.core.files import os_errors
from edgewright.core.records.data import Floats
from edgewright.core.records.device import PRIORITY, Event
from edgewright.device.store.records import RAW_PRIORITY, Item

_BYTES, _NONCE = 32, 12


class Key:
    """A key and its short name, by which a stretch of rows says which key it needs.

    Nonces are random: 96 bits, so that a lost boot counter cannot repeat one; NIST SP 800-38D allows 2**32 of them a
    key, which is 136 years of one a second.
    """

    def __init__(self, secret: bytes) -> None:
        try:
            aead = importlib.import_module("cryptography.hazmat.primitives.ciphers.aead")
        except ModuleNotFoundError:
            raise MissingExtraError("device", "cryptography, which encrypts raw columns,") from None
        self._aes: Any = aead.AESGCM(secret)
        self.name = hashlib.sha256(b"edgewright key name" + secret).hexdigest()[:8]

    def seal(self, plain: bytes, bound: bytes) -> bytes:
        """Nonce, ciphertext and tag; `bound` must be given again to open it."""
        nonce = os.urandom(_NONCE)
        sealed: bytes = self._aes.encrypt(nonce, plain, bound)
        return nonce + sealed

    def open(self, sealed: bytes, bound: bytes) -> bytes | None:
        """Return what was sealed; None where it was changed, moved to another place or sealed with another key."""
        try:
            plain: bytes = self._aes.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
        except Exception as error:
            if type(error).__name__ not in {"InvalidTag", "ValueError"}:
                raise
            return None
        return plain


def read_key(path: Path) -> Key:
    """Return the key in a file of 32 bytes or 64 hexadecimal digits.

    Raises:
        InputError: there is no such file, others may read it, or it holds something else.
        MissingExtraError: `cryptography` is absent.
    """
    with os_errors(InputError, "a file with a key", str(path)):
        content = path.read_bytes()
        mode = path.stat().st_mode
    if mode & 0o077:
        raise StoreDamagedError(
            "a key that only its owner reads", f"mode {mode & 0o777:o}", str(path), "chmod 600 the file"
        )
    text = content.strip()
    if len(content) != _BYTES and len(text) == 2 * _BYTES:
        try:
            content = bytes.fromhex(text.decode("ascii"))
        except ValueError:
            content = b""
    if len(content) != _BYTES:
        raise StoreDamagedError("32 bytes or 64 hexadecimal digits", f"{len(text)} characters", str(path),
                         "Make one: head -c 32 /dev/urandom > FILE")  # fmt: skip
    return Key(content)


ALL_COLUMNS = "*"
_LEVEL = 1
# A stretch of a stream is at most a few hundred rows; whatever unpacks to more was not written here.
_LARGEST = 64 << 20


class Block(NamedTuple):
    """What the table `rows` holds of a stretch: columns by name in two parts, and the name of the key."""

    names: str
    plain: bytes
    sealed: bytes
    key: str


class _Names(msgspec.Struct, frozen=True):
    plain: tuple[str, ...]
    sealed: tuple[str, ...]


def pack(
    names: Sequence[str],
    times: NDArray[np.float64],
    values: Floats,
    encrypt: Sequence[str],
    key: Key | None,
    location: str,
) -> Block:
    """Pack rows.

    Args:
        names: of the columns.
        times: shape (rows,), seconds.
        values: shape (rows, columns), float32.
        encrypt: columns to encrypt by name, '*' for all.
        key: to encrypt with; None encrypts nothing.
        location: what the encrypted part is bound to: device, boot, sequence and stream.
    """
    hidden = [name for name in names if key is not None and (ALL_COLUMNS in encrypt or name in encrypt)]
    clear = [name for name in names if name not in hidden]
    columns = {name: np.ascontiguousarray(values[:, index], dtype="<f4") for index, name in enumerate(names)}
    text = msgspec.json.encode(_Names(tuple(clear), tuple(hidden))).decode()
    plain = _squeeze([np.ascontiguousarray(times, dtype="<f8"), *(columns[name] for name in clear)])
    if key is None or not hidden:
        return Block(text, plain, b"", "")
    sealed = key.seal(_squeeze([columns[name] for name in hidden]), f"{location}|{text}".encode())
    return Block(text, plain, sealed, key.name)


def unpack(
    block: Block, count: int, key: Key | None, location: str
) -> tuple[NDArray[np.float64], dict[str, Floats], tuple[str, ...]] | None:
    """Return time, columns by name, and names of columns that stay sealed; None where the bytes are damaged."""
    try:
        names = msgspec.json.decode(block.names, type=_Names)
        arrays = _loosen(block.plain, count, ["<f8", *["<f4"] * len(names.plain)])
    except (msgspec.DecodeError, zlib.error, ValueError):
        return None
    times = arrays[0].astype(np.float64)
    columns: dict[str, Floats] = dict(zip(names.plain, arrays[1:], strict=True))
    if not names.sealed:
        return times, columns, ()
    opened = key.open(block.sealed, f"{location}|{block.names}".encode()) if key and key.name == block.key else None
    if opened is None:
        return times, columns, names.sealed
    columns |= dict(zip(names.sealed, _loosen(opened, count, ["<f4"] * len(names.sealed)), strict=True))
    return times, columns, ()


def _squeeze(arrays: Sequence[NDArray[np.generic]]) -> bytes:
    # Neighbouring samples share sign and exponent: bytes of equal weight side by side pack better.
    parts = [np.frombuffer(a.tobytes(), np.uint8).reshape(-1, a.itemsize).T.tobytes() for a in arrays if a.size]
    return zlib.compress(b"".join(parts), _LEVEL)


def _loosen(data: bytes, count: int, kinds: Sequence[str]) -> list[NDArray[np.float32]]:
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(data, _LARGEST)
    if not unpacker.eof or len(content) != count * sum(np.dtype(kind).itemsize for kind in kinds):
        raise ValueError("not the length that was packed")
    arrays, start = [], 0
    for kind in kinds:
        width = np.dtype(kind).itemsize
        part = np.frombuffer(content, np.uint8, count * width, start).reshape(width, count)
        arrays.append(np.ascontiguousarray(part.T).view(kind).reshape(count))
        start += count * width
    return arrays


# Where commits fail for good (a disk that is full of other things), so much is kept in memory and no more.
LIMIT = 4 << 20
_DELETION = -1


class Write(NamedTuple):
    """One statement that waits.

    Attributes:
        rank: priority of what it stores; the highest is given up first. -1 for deletions, which are never given up.
        table: whose size it changes; empty for none.
        size: bytes of content that it adds.
        done: called after the commit.
    """

    rank: int
    table: str
    sql: str
    arguments: tuple[Any, ...]
    size: int
    done: Callable[[], None] | None = None


class Pending:
    """Statements in order, their number and bytes."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.bytes = 0
        self.since: float | None = None
        self.given_up: dict[int, tuple[int, int]] = {}
        """By priority: items and bytes for which there was no room."""
        self.kept: dict[str, bytes | None] = {}
        """Rows of `meta` by key, the newest value of each; None deletes one."""
        self.done: list[Callable[[], None]] = []
        """Called after the commit of `kept`."""

    def add(self, write: Write, now: float) -> None:
        """Add one, and give up the least urgent, the oldest first, where there is too much."""
        self.writes.append(write)
        self.bytes += write.size
        self.begin(now)
        while self.bytes > LIMIT and self.writes:
            rank = max(w.rank for w in self.writes)
            if rank <= _DELETION:
                return
            index = next(i for i, w in enumerate(self.writes) if w.rank == rank)
            gone = self.writes.pop(index)
            self.bytes -= gone.size
            if gone.table == "outbox":
                items, size = self.given_up.get(rank, (0, 0))
                self.given_up[rank] = (items + 1, size + gone.size)

    def keep(self, rows: Mapping[str, bytes | None], done: Callable[[], None] | None, now: float) -> None:
        """Take rows of `meta`, which go into the same transaction as all that was added before."""
        for key, value in rows.items():
            self.bytes += len(value or b"") - len(self.kept.get(key) or b"")
            self.kept[key] = value
        if done is not None:
            self.done.append(done)
        self.begin(now)

    def begin(self, now: float) -> None:
        """Note that something waits from now on, if nothing did."""
        if self.since is None:
            self.since = now

    def clear(self) -> None:
        """Forget what waited: all of it is durable."""
        self.writes, self.bytes, self.since, self.given_up = [], 0, None, {}
        self.kept, self.done = {}, []


_EVENT = "INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROWS = "INSERT INTO rows VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ITEM = "INSERT OR REPLACE INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?)"
# What the columns beside the content of an entry take, about.
_OVERHEAD = 64
_DETAIL = json.JSONEncoder(separators=(",", ":"), default=str)


def event(source: Event, boot: int, number: int, age: float, wall: float) -> Write:
    """Return an event with its whole detail."""
    detail = _DETAIL.encode(source.detail) if source.detail else ""
    size = _OVERHEAD + len(detail) + len(source.label) + len(source.stream)
    own = (source.kind, source.stream, source.time, source.wall, source.doubt, source.label, source.score)
    values = (boot, number, age, wall, size, *own, detail)
    return Write(PRIORITY[source.kind], "events", _EVENT, values, size)


def item(message: Item, priority: int, age: float, expires: float | None = None) -> Write:
    """Return an item; `expires` seconds from now."""
    content = msgspec.json.encode(message)
    size = len(content) + _OVERHEAD
    ends = None if expires is None else age + expires
    return Write(priority, "outbox", _ITEM, (priority, message.boot, message.sequence, age, ends, size, content), size)


def sealed_name(device: str, boot: int, number: int, stream: str) -> str:
    """Return what the encrypted part of a stretch is bound to: moved elsewhere it does not open."""
    return f"{device}|{boot}|{number}|{stream}"


def rows(
    item: Item, stream: str, names: Sequence[str], times: NDArray[np.float64], values: Floats, age: float,
    encrypt: Sequence[str], key: Key | None,
) -> Write:  # fmt: skip
    """Pack a stretch of rows, times of shape (rows,) and values of shape (rows, columns), numbered as an item is."""
    where = sealed_name(item.device, item.boot, item.sequence, stream)
    block = pack(names, times, values, encrypt, key, where)
    size = _OVERHEAD + len(block.plain) + len(block.sealed) + len(block.names)
    row = (item.boot, item.sequence, age, item.put, size, stream, block.names, float(times[0]), float(times[-1]),
           len(times), block.plain, block.sealed, block.key)  # fmt: skip
    return Write(RAW_PRIORITY + 1, "rows", _ROWS, row, size)


def raw_body(
    stream: str, names: Sequence[str], times: NDArray[np.float64], values: Floats, allowed: Sequence[int]
) -> dict[str, Any]:
    """Return rows as they may leave: the columns at the places `allowed`, null where missing."""
    kept = [[float(v) if np.isfinite(v) else None for v in row] for row in values[:, list(allowed)]]
    return {"stream": stream, "names": [names[i] for i in allowed], "times": times.tolist(), "values": kept}


_LONGEST_TEXT, _LONGEST_LIST = 256, 512
_OWN_FIELDS = ("kind", "stream", "time", "wall", "doubt", "label", "score")


class AllowList:
    """The one gate through which everything passes that leaves a device: what is not named stays.

    Args:
        detail: keys of events and items that may leave.
        columns: raw columns that may leave.
    """

    def __init__(self, detail: Collection[str], columns: Collection[str]) -> None:
        self._detail, self._columns = frozenset(detail), frozenset(columns)
        self.withheld = 0
        """So many keys were kept back."""

    def event(self, event: Event) -> dict[str, Any]:
        """Return an event as it may leave: its own fields, and of its detail what is named."""
        record: dict[str, Any] = {name: _plain(getattr(event, name)) for name in _OWN_FIELDS}
        detail = self.body(event.detail)
        return {**record, "detail": detail} if detail else record

    def body(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Named keys with values that are numbers, short texts, lists of them, or tables of the same kind."""
        kept = {}
        for name, value in body.items():
            if name not in self._detail:
                allowed = False
            elif isinstance(value, Mapping):
                # Counts by label: their keys are labels, their values must be single numbers.
                allowed = len(value) <= _LONGEST_LIST and all(_number(v) for v in value.values())
            else:
                allowed = _small(value)
            if allowed:
                kept[name] = _plain(value)
            else:
                self.withheld += 1
        return kept

    def columns(self, names: Sequence[str]) -> list[int]:
        """Return places of the raw columns that may leave."""
        return [index for index, name in enumerate(names) if name in self._columns]


def _number(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float)


def _small(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT
    if isinstance(value, list | tuple):
        return len(value) <= _LONGEST_LIST and all(
            _number(v) or (isinstance(v, str) and len(v) <= _LONGEST_TEXT) for v in value
        )
    return _number(value)


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """JSON knows no NaN and no infinity."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return value
