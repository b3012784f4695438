"""What a store writes: statements that wait for a commit, events, packed rows, and items that leave."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.device.store.crypto import Key
from edgewright.schema.data import Floats
from edgewright.schema.device import PRIORITY, Event
from edgewright.schema.store import RAW_PRIORITY, Item

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
    found, start = [], 0
    for kind in kinds:
        width = np.dtype(kind).itemsize
        part = np.frombuffer(content, np.uint8, count * width, start).reshape(width, count)
        found.append(np.ascontiguousarray(part.T).view(kind).reshape(count))
        start += count * width
    return found


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
        """Add one, and gives up the least urgent, the oldest first, where there is too much."""
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
        """Something waits from now, if nothing did."""
        if self.since is None:
            self.since = now

    def clear(self) -> None:
        """All of it is durable."""
        self.writes, self.bytes, self.since, self.given_up = [], 0, None, {}
        self.kept, self.done = {}, []


_EVENT = "INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROWS = "INSERT INTO rows VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ITEM = "INSERT OR REPLACE INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?)"
# What the columns beside the content of an entry take, about.
_OVERHEAD = 64


def event(told: Event, boot: int, number: int, age: float, wall: float) -> Write:
    """Return an event with its whole detail."""
    detail = json.dumps(told.detail, separators=(",", ":"), default=str) if told.detail else ""
    size = _OVERHEAD + len(detail) + len(told.label) + len(told.stream)
    values = (boot, number, age, wall, size, told.kind, told.stream, told.time, told.wall, told.doubt, told.label,
              told.score, detail)  # fmt: skip
    return Write(PRIORITY[told.kind], "events", _EVENT, values, size)


def item(told: Item, priority: int, age: float, expires: float | None = None) -> Write:
    """Return an item; `expires` seconds from now."""
    content = msgspec.json.encode(told)
    size = len(content) + _OVERHEAD
    ends = None if expires is None else age + expires
    return Write(priority, "outbox", _ITEM, (priority, told.boot, told.sequence, age, ends, size, content), size)


def place(device: str, boot: int, number: int, stream: str) -> str:
    """Return what the encrypted part of a stretch is bound to: moved elsewhere it does not open."""
    return f"{device}|{boot}|{number}|{stream}"


def rows(
    item: Item, stream: str, names: Sequence[str], times: NDArray[np.float64], values: Floats, age: float,
    encrypt: Sequence[str], key: Key | None,
) -> Write:  # fmt: skip
    """Pack a stretch of rows, times of shape (rows,) and values of shape (rows, columns), numbered as an item is."""
    where = place(item.device, item.boot, item.sequence, stream)
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
