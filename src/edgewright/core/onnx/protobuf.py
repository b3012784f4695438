"""The protobuf wire format, as far as ONNX needs it: a bounded reader that never trusts a length.

Written from the description of the encoding at protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from edgewright.schema.errors import InputError

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
    found: dict[int, list[Any]] = {}
    for field in fields(data):
        if field.number in readers:
            found.setdefault(field.number, []).append(readers[field.number](field))
    return found


def last(found: Mapping[int, list[Any]], number: int, default: Any) -> Any:  # noqa: ANN401 - what the reader gives
    """Return the last value of a field, which is the one that counts where it is not repeated."""
    return found[number][-1] if number in found else default


def joined(found: Mapping[int, list[Any]], *numbers: int) -> list[Any]:
    """Return the values of repeated fields, packed or not."""
    return [value for number in numbers for part in found.get(number, []) for value in part]


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
    return InputError("an ONNX model", f"bytes in which {why}", do="The file is damaged or of another kind")
