"""Bytes of a table as text in UTF-8: encodings, line ends, and files that are no table."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgewright.schema.errors import InputError

WINDOWS = "cp1252"
"""Encoding of Western Windows, which is taken where bytes are no UTF-8."""
# Bytes at the beginning that show whether every second one is 0.
_LOOKED_AT = 1000
# How files begin that people hand over for CSV.
_OTHERS = {
    b"RIFF": "a sound file (WAV)",
    b"PK\x03\x04": "a ZIP file or a spreadsheet",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip file without the ending .gz",
    b"\xfd7zXZ": "an xz file without the ending .xz",
    b"\x93NUMPY": "a NumPy file",
}


@dataclass(frozen=True)
class Block:
    """Whole lines, each ended by a line feed.

    Attributes:
        data: in UTF-8.
        line: number of the first one, counted from 1.
        encoding: of the file.
        by_line: whether each line is read by itself, so that a damaged one damages no other.
    """

    data: bytes
    line: int
    encoding: str = "utf-8"
    by_line: bool = False


class TextDecoder:
    """The text of a file as UTF-8: from UTF-16, or from the encoding of Western Windows where no letter was UTF-8.

    Args:
        name: name of the file, for messages.
        by_line: keep NUL bytes, and replace bytes of no known encoding, for a reader that reports them by line.
    """

    def __init__(self, name: str, *, by_line: bool = False) -> None:
        self._name, self._by_line = name, by_line
        self._encoding = ""

    def plain(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield pieces of UTF-16 as UTF-8, and others as they are.

        Raises:
            InputError: the text ends within a letter.
        """
        first = next(pieces, b"")
        while 0 < len(first) < 2 and (more := next(pieces, b"")):
            first += more
        wide = _wide_encoding(first)
        if not wide:
            yield from itertools.chain([first], pieces)
            return
        self._encoding, decoder = "utf-16", codecs.getincrementaldecoder(wide)()
        try:
            for piece in itertools.chain([first], pieces):
                yield decoder.decode(piece).encode()
            decoder.decode(b"", final=True)
        except UnicodeError as error:
            raise InputError("whole text in UTF-16", str(error), self._name, "Fetch or write the file again") from None

    def clean(self, data: bytes, line: int) -> Block:
        """Return a block with line feeds at its line ends.

        Raises:
            InputError: another kind of file, bytes of no known encoding, or NUL bytes.
        """
        if line == 1:
            other = next((kind for start, kind in _OTHERS.items() if data.startswith(start)), "")
            if other:
                raise InputError("a CSV file", other, self._name, "Write its rows as CSV, a column a channel")
            data = data.removeprefix(codecs.BOM_UTF8)
        if not data.isascii():
            data = self._utf8(data, line)
        at = -1 if self._by_line else data.find(b"\0")
        if at >= 0:
            do = "This is not a CSV file, or writing it was interrupted"
            raise InputError("text", "a NUL byte", _where(data, at, line, self._name), do)
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return Block(data, line, self._encoding or "utf-8", self._by_line)

    def _utf8(self, data: bytes, line: int) -> bytes:
        at = 0
        # Text from UTF-16 is UTF-8 by now.
        own = WINDOWS if self._encoding == WINDOWS else "utf-8"
        for encoding in (own,) if self._encoding else (own, WINDOWS):
            try:
                text = data.decode(encoding)
            except UnicodeDecodeError as error:
                at = at or error.start
                continue
            self._encoding = self._encoding or encoding
            return data if encoding == "utf-8" else text.encode()
        if self._by_line:
            return data.decode("utf-8", "replace").encode()
        raise InputError(
            f"text in UTF-8, UTF-16 or {WINDOWS}", f"the byte 0x{data[at]:02x}", _where(data, at, line, self._name),
            "Save the file as UTF-8",
        )  # fmt: skip


def _wide_encoding(first: bytes) -> str:
    """Return the encoding whose letters have two bytes: by its mark, or by the halves that are 0; empty for others."""
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    few = first[:_LOOKED_AT].rstrip(b"\0")  # NUL bytes at the end are those of a power cut
    for encoding, half in (("utf-16-le", few[1::2]), ("utf-16-be", few[::2])):
        if len(few) > 1 and half.count(0) > 0.8 * len(half):
            return encoding
    return ""


def _where(data: bytes, at: int, line: int, name: str) -> str:
    before = data.count(b"\n", 0, at)
    return f"{name} line {line + before}"


def whole_text(path: Path, name: str) -> str:
    """Return the text of a file of one of the formats, in any encoding that a CSV file may have.

    Raises:
        InputError: bytes of no known encoding, or NUL bytes.
        OSError: the file cannot be read.
    """
    text = TextDecoder(name)
    return text.clean(b"".join(text.plain(iter([path.read_bytes()]))), 1).data.decode()
