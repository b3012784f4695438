"""The protobuf wire format, as far as ONNX needs it: a bounded reader that never trusts a length; and tensors.

Written from the description of the encoding at protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from edgewright.core.errors import InputError, OnnxDamagedError, OnnxError
from edgewright.core.records.network import Array

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


class Field:
    """One field of a message: its number and its raw value, which the typed methods below check."""

    __slots__ = ("_kind", "_value", "number")

    def __init__(self, number: int, kind: int, value: int | memoryview) -> None:
        self.number, self._kind, self._value = number, kind, value

    def message(self) -> memoryview:
        """Return the bytes of a sub-message, a string or a packed list."""
        if self._kind != _BYTES or not isinstance(self._value, memoryview):
            raise _damaged(f"field {self.number} is no message")
        return self._value

    def text(self) -> str:
        """Return a string."""
        try:
            return str(self.message(), "utf-8")
        except UnicodeDecodeError:
            raise _damaged(f"field {self.number} is not UTF-8") from None

    def integer(self) -> int:
        """Return a signed integer of 64 bits."""
        if self._kind != _VARINT or not isinstance(self._value, int):
            raise _damaged(f"field {self.number} is no integer")
        return _signed(self._value)

    def integers(self) -> list[int]:
        """Signed integers, packed into one field or one of a repeated field."""
        if self._kind == _VARINT:
            return [self.integer()]
        data, at, values = self.message(), 0, []
        while at < len(data):
            value, at = _varint(data, at)
            values.append(_signed(value))
        return values

    def floats(self) -> list[float]:
        """Return numbers of 32 bits, packed or single."""
        data = self._value if self._kind == _FIXED32 else self.message()
        if not isinstance(data, memoryview) or len(data) % 4:
            raise _damaged(f"field {self.number} holds no floats")
        return [value for (value,) in struct.iter_unpack("<f", data)]

    def doubles(self) -> list[float]:
        """Return numbers of 64 bits, packed or single."""
        data = self._value if self._kind == _FIXED64 else self.message()
        if not isinstance(data, memoryview) or len(data) % 8:
            raise _damaged(f"field {self.number} holds no doubles")
        return [value for (value,) in struct.iter_unpack("<d", data)]


def fields(data: memoryview) -> Iterator[Field]:
    """Yield the fields of a message, in the order of the bytes.

    Raises:
        InputError: when the bytes are no message or end too early.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise _damaged(f"a field has the number {number}")
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield Field(number, kind, value)
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise _damaged(f"field {number} is of the unknown kind {kind}")
        if length > len(data) - at:
            raise _damaged(f"field {number} ends after the file")
        yield Field(number, kind, data[at : at + length])
        at += length


def collect(data: memoryview, readers: Mapping[int, Callable[[Field], Any]]) -> dict[int, list[Any]]:
    """Return what the readers of fields give, by field number in the order in which they come; others are skipped.

    Raises:
        InputError: when the bytes are no message or end too early.
    """
    values: dict[int, list[Any]] = {}
    for field in fields(data):
        if field.number in readers:
            values.setdefault(field.number, []).append(readers[field.number](field))
    return values


def last(fields: Mapping[int, list[Any]], number: int, default: Any) -> Any:  # noqa: ANN401 - what the reader gives
    """Return the last value of a field, which is the one that counts where it is not repeated."""
    return fields[number][-1] if number in fields else default


def joined(fields: Mapping[int, list[Any]], *numbers: int) -> list[Any]:
    """Return the values of repeated fields, packed or not."""
    return [value for number in numbers for part in fields.get(number, []) for value in part]


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * _LONGEST_VARINT, 7):
        if at >= len(data):
            raise _damaged("a number ends after the file")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
    raise _damaged("a number is longer than ten bytes")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _damaged(why: str) -> InputError:
    return OnnxDamagedError("an ONNX model", f"bytes in which {why}", do="The file is damaged or of another kind")


# TensorProto.DataType -> dtype as stored in raw_data, which is little endian.
DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    9: np.dtype("?"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
}
_LARGEST_AXIS = 1 << 31
_MOST_AXES = 16
_DIMS, _TYPE, _FLOATS, _INT32S, _INT64S, _NAME, _RAW, _DOUBLES, _EXTERNAL = 1, 2, 4, 5, 7, 8, 9, 10, 13
_READERS = {
    _DIMS: Field.integers,
    _TYPE: Field.integer,
    _FLOATS: Field.floats,
    _INT32S: Field.integers,
    _INT64S: Field.integers,
    _NAME: Field.text,
    _RAW: Field.message,
    _DOUBLES: Field.doubles,
    _EXTERNAL: Field.message,
}


def tensor(data: memoryview) -> tuple[str, Array]:
    """Read a TensorProto.

    Returns:
        Its name and a read-only array of its own memory.

    Raises:
        InputError: for a type that is not known, or values that do not fill the shape.
    """
    fields = collect(data, _READERS)
    dims, kind, name = joined(fields, _DIMS), last(fields, _TYPE, 0), last(fields, _NAME, "")
    if _EXTERNAL in fields:
        raise OnnxError("constants inside the model", "external data", f"constant {name!r}")
    values = [
        value for number in (_FLOATS, _INT32S, _INT64S, _DOUBLES) for part in fields.get(number, []) for value in part
    ]
    where = f"constant {name!r}"
    if kind not in DTYPES:
        known = ", ".join(str(d.newbyteorder("=")) for d in DTYPES.values())
        raise OnnxError(f"a constant of type {known}", f"ONNX type {kind}", where)
    if len(dims) > _MOST_AXES or any(not 0 <= length < _LARGEST_AXIS for length in dims):
        raise OnnxError("a possible shape", str(dims[: _MOST_AXES + 1]), where)
    return name, _filled(DTYPES[kind], dims, last(fields, _RAW, None), values, where)


def _filled(dtype: np.dtype[Any], dims: list[int], raw: memoryview | None, values: list[Any], where: str) -> Array:
    """Return the values in their shape: their number is compared before anything of the shape's size is made."""
    count = math.prod(dims)
    have = len(values) if raw is None else len(raw) // dtype.itemsize
    if have != count or (raw is not None and len(raw) % dtype.itemsize):
        raise OnnxError(f"{count} values for the shape {dims}", str(have), where)
    try:
        if raw is not None:
            array = np.frombuffer(raw, dtype)
        elif dtype.kind == "f" and dtype.itemsize == 2:
            # Half floats come as the integers that have the same bits.
            array = np.array(values, np.uint16).view(np.float16)
        else:
            array = np.array(values, np.float64 if dtype.kind == "f" else np.int64).astype(dtype)
        whole = array.astype(dtype.newbyteorder("=")).reshape(dims)
    except (ValueError, OverflowError, MemoryError):
        raise OnnxError(f"values of type {dtype} in the shape {dims}", "others", where) from None
    whole.setflags(write=False)
    return whole
