"""Universal Binary JSON (draft 12, https://ubjson.org), every length checked before it is believed."""

from __future__ import annotations

import struct
from typing import Any

_NUMBERS = {"i": "b", "U": "B", "I": "h", "l": "i", "L": "q", "d": "f", "D": "d"}
_CONSTANTS = {"T": True, "F": False, "Z": None}
# Deeper objects are a damaged file's.
_DEEPEST = 32


def read_ubjson(data: bytes) -> Any:  # noqa: ANN401 - whatever the file holds
    """The value in the bytes.

    Raises:
        ValueError: for bytes that are none.
    """
    reader = _Reader(data)
    return reader.value(reader.mark(), 0)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def mark(self) -> str:
        """The next byte that is no filler."""
        while True:
            mark = self._take(1).decode("latin-1")
            if mark != "N":
                return mark

    def value(self, mark: str, depth: int) -> Any:  # noqa: ANN401 - whatever the file holds
        if depth > _DEEPEST:
            raise ValueError("too deep")
        if mark in _NUMBERS:
            return self._number(mark)
        if mark in _CONSTANTS:
            return _CONSTANTS[mark]
        if mark == "C":
            return self._take(1).decode("latin-1")
        if mark in ("S", "H"):
            return self._text()
        if mark == "[":
            return self._list(depth + 1)
        if mark == "{":
            return self._object(depth + 1)
        raise ValueError(mark)

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._data) - self._at:
            raise ValueError("ends early")
        self._at += count
        return self._data[self._at - count : self._at]

    def _number(self, mark: str) -> Any:  # noqa: ANN401 - an integer or a float
        form = struct.Struct(f">{_NUMBERS[mark]}")
        return form.unpack(self._take(form.size))[0]

    def _length(self) -> int:
        mark = self.mark()
        if mark not in "iUIlL":
            raise ValueError(mark)
        return int(self._number(mark))

    def _text(self) -> str:
        return self._take(self._length()).decode("utf-8")

    def _header(self) -> tuple[str, int | None, str]:
        """The type of all entries and their number where both stand at the beginning, and the byte after them."""
        mark, kind = self.mark(), ""
        if mark == "$":
            kind = self.mark()
            mark = self.mark()
        if mark != "#":
            return kind, None, mark
        count = self._length()
        # An entry takes a byte at least, unless all are one constant.
        if not 0 <= count <= len(self._data) - self._at:
            raise ValueError("ends early")
        return kind, count, ""

    def _list(self, depth: int) -> list[Any]:
        kind, count, mark = self._header()
        if count is not None:
            if kind in _NUMBERS:
                form = struct.Struct(f">{count}{_NUMBERS[kind]}")
                return list(form.unpack(self._take(form.size)))
            return [self.value(kind or self.mark(), depth) for _ in range(count)]
        made = []
        while mark != "]":
            made.append(self.value(mark, depth))
            mark = self.mark()
        return made

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count, mark = self._header()
        made = {}
        if count is not None:
            for _ in range(count):
                name = self._text()
                made[name] = self.value(kind or self.mark(), depth)
            return made
        while mark != "}":
            if mark not in "iUIlL":
                raise ValueError(mark)
            name = self._take(int(self._number(mark))).decode("utf-8")
            made[name] = self.value(self.mark(), depth)
            mark = self.mark()
        return made
