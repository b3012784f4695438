"""Rows as compact bytes: column after column, bytes of equal weight together, then zlib; some columns encrypted."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.device.store.crypto import Key
from edgewright.schema.data import Floats

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
    place: str,
) -> Block:
    """Packs rows.

    Args:
        names: of the columns.
        times: shape (rows,), seconds.
        values: shape (rows, columns), float32.
        encrypt: columns to encrypt by name, '*' for all; without a key nothing is.
        place: what the encrypted part is bound to: device, boot, sequence and stream.
    """
    hidden = [name for name in names if key is not None and (ALL_COLUMNS in encrypt or name in encrypt)]
    clear = [name for name in names if name not in hidden]
    columns = {name: np.ascontiguousarray(values[:, index], dtype="<f4") for index, name in enumerate(names)}
    told = msgspec.json.encode(_Names(tuple(clear), tuple(hidden))).decode()
    plain = _squeeze([np.ascontiguousarray(times, dtype="<f8"), *(columns[name] for name in clear)])
    if key is None or not hidden:
        return Block(told, plain, b"", "")
    sealed = key.seal(_squeeze([columns[name] for name in hidden]), f"{place}|{told}".encode())
    return Block(told, plain, sealed, key.name)


def unpack(
    block: Block, count: int, key: Key | None, place: str
) -> tuple[NDArray[np.float64], dict[str, Floats], tuple[str, ...]] | None:
    """Times, columns by name, and names of columns that stay sealed; None where the bytes are damaged."""
    try:
        names = msgspec.json.decode(block.names, type=_Names)
        arrays = _loosen(block.plain, count, ["<f8", *["<f4"] * len(names.plain)])
    except (msgspec.DecodeError, zlib.error, ValueError):
        return None
    times = arrays[0].astype(np.float64)
    columns: dict[str, Floats] = dict(zip(names.plain, arrays[1:], strict=True))
    if not names.sealed:
        return times, columns, ()
    opened = key.open(block.sealed, f"{place}|{block.names}".encode()) if key and key.name == block.key else None
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
