"""Reading flatbuffers: tables, vectors and numbers, every place compared with the length of the bytes before.

Written from the description of the format at flatbuffers.dev/internals.
"""

from __future__ import annotations

import struct

import numpy as np

from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array

_FORMATS = {"u8": "<B", "i8": "<b", "u16": "<H", "i32": "<i", "u32": "<I", "f32": "<f"}


class Table:
    """A table at a place of the bytes; fields are asked for by their number in the schema, from 0."""

    __slots__ = ("_at", "_data", "_fields", "_length")

    def __init__(self, data: memoryview, at: int) -> None:
        self._data, self._at = data, at
        back = number(data, at, "i32")
        self._fields = at - back
        self._length = number(data, self._fields, "u16")
        number(data, at, "u8")

    def _place(self, field: int) -> int:
        """Where a field is, 0 when it is left out."""
        if 4 + 2 * field + 2 > self._length:
            return 0
        offset = number(self._data, self._fields + 4 + 2 * field, "u16")
        return self._at + offset if offset else 0

    def value(self, field: int, kind: str, default: float = 0) -> float:
        """Return a number; the default when it is left out."""
        index = self._place(field)
        return number(self._data, index, kind) if index else default

    def integer(self, field: int, kind: str = "i32", default: int = 0) -> int:
        """Return a whole number."""
        return int(self.value(field, kind, default))

    def table(self, field: int) -> Table | None:
        """Return a table, None when it is left out."""
        index = self._place(field)
        return Table(self._data, index + number(self._data, index, "u32")) if index else None

    def text(self, field: int) -> str:
        """Return a string, cut at 200 characters; empty when it is left out."""
        return bytes(self.numbers(field, "u1")[:200]).decode("utf-8", "replace")

    def numbers(self, field: int, dtype: str) -> Array:
        """Return a vector of numbers as a read-only array; empty when it is left out."""
        kind = np.dtype(dtype)
        start, count = self._vector(field, kind.itemsize)
        return np.frombuffer(self._data, kind, count, start) if count else np.zeros(0, kind)

    def tables(self, field: int, maximum: int) -> list[Table]:
        """Return a vector of tables.

        Raises:
            InputError: for more than `maximum`.
        """
        start, count = self._vector(field, 4)
        if count > maximum:
            raise damaged(f"a list has {count} entries, more than {maximum}")
        places = (start + 4 * i for i in range(count))
        return [Table(self._data, place + number(self._data, place, "u32")) for place in places]

    def _vector(self, field: int, size: int) -> tuple[int, int]:
        """Where the entries of a vector begin, and how many there are."""
        index = self._place(field)
        if not index:
            return 0, 0
        start = index + number(self._data, index, "u32")
        count = number(self._data, start, "u32")
        if start + 4 + count * size > len(self._data):
            raise damaged("a list ends after the file")
        return start + 4, count


def number(data: memoryview, at: int, kind: str) -> int:
    """Return a number at a place.

    Raises:
        InputError: when the place is not within the bytes.
    """
    form = _FORMATS[kind]
    if not 0 <= at <= len(data) - struct.calcsize(form):
        raise damaged("a reference points outside the file")
    value: int = struct.unpack_from(form, data, at)[0]
    return value


def damaged(why: str) -> InputError:
    """Return the error for bytes that are no .tflite file."""
    return InputError("a .tflite file", f"bytes in which {why}", do="The file is damaged or of another kind")
