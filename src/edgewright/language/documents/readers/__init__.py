"""Readers of documents: one file a kind, found by its name; each offers `READER`."""

from __future__ import annotations

import codecs
import hashlib
import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from edgewright.language.documents.passages import Block
from edgewright.schema.documents import Document
from edgewright.schema.errors import InputError

LARGEST = 1 << 30
"""Bytes of a document."""
SECONDS = 600.0
"""A document that takes longer to read is refused."""
LONGEST_HEADING = 200
"""Characters of a heading; the rest is cut off."""


@dataclass
class Reading:
    """A document while it is read.

    Attributes:
        path: path of the file.
        pages: their number, 0 for none; a reader sets it.
        notes: what could not be read; a reader adds to them.
    """

    path: Path
    pages: int = 0
    notes: list[str] = field(default_factory=list)
    _until: float = 0.0

    def begin(self) -> None:
        """Start the clock."""
        self._until = time.monotonic() + SECONDS

    def seconds_left(self) -> float:
        """Return time that is left; below 0 when there is none."""
        return self._until - time.monotonic()

    def go_on(self) -> None:
        """End a reading that takes too long.

        Raises:
            InputError: it does.
        """
        if self.seconds_left() < 0:
            raise InputError(f"a document that is read within {SECONDS:.0f} s", "more", str(self.path), "Split it")

    def wrong(self, expected: str, got: str, do: str = "") -> InputError:
        """Return an error about this document."""
        return InputError(expected, got, str(self.path), do)


@dataclass(frozen=True)
class Reader:
    """One kind of document.

    Attributes:
        kind: what it is called.
        suffixes: of its files, in lower case with the dot.
        read: gives the blocks in order, without holding the document in memory.
    """

    kind: str
    suffixes: tuple[str, ...]
    read: Callable[[Reading], Iterator[Block]]


class DocumentFile:
    """A document in a file.

    Args:
        path: path of the file; its suffix says what it is.

    Raises:
        InputError: no such file, a kind that is not known, or one that is too large.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        reader = readers().get(path.suffix.lower())
        if not path.is_file():
            raise InputError("a document", "a folder" if path.is_dir() else "no such file", str(path))
        if reader is None:
            known = ", ".join(sorted(readers()))
            raise InputError(f"a document ({known})", repr(path.suffix or path.name), str(path))
        if path.stat().st_size > LARGEST:
            raise InputError(f"at most {LARGEST >> 20} MB", f"{path.stat().st_size >> 20} MB", str(path), "Split it")
        self._reader, self._reading = reader, Reading(path)

    def blocks(self) -> Iterator[Block]:
        """Yield blocks in order.

        Raises:
            InputError: the document cannot be read; the message says why.
        """
        self._reading.begin()
        try:
            yield from self._reader.read(self._reading)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError("a document that can be read", reason, str(self.path)) from None

    def document(self) -> Document:
        """Return what was read; ask when all blocks were taken."""
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        reading = self._reading
        return Document(name=self.path.name, kind=self._reader.kind, sha256=digest, pages=reading.pages,
                        notes=tuple(reading.notes))  # fmt: skip


@cache
def readers() -> dict[str, Reader]:
    """Readers by suffix."""
    by_suffix: dict[str, Reader] = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            reader: Reader = importlib.import_module(f"{__name__}.{module.name}").READER
            by_suffix.update(dict.fromkeys(reader.suffixes, reader))
    return by_suffix


class Headings:
    """The path of headings while a document is read: a heading ends those of its own level and below."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def take(self, level: int, title: str) -> None:
        """Begin a heading; level 1 is the outermost."""
        title = " ".join(title.split())[:LONGEST_HEADING]
        if title:
            self._open = [heading for heading in self._open if heading[0] < level] + [(level, title)]

    @property
    def path(self) -> tuple[str, ...]:
        """The headings that are open, the outermost first."""
        return tuple(title for _, title in self._open)


_PIECE = 1 << 16
# A line of a text that has none is cut here.
_LINE = 1 << 16
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE)


def pieces(reading: Reading, declared: bool = False) -> Iterator[str]:
    """Yield the text in pieces of 64 kB.

    Args:
        reading: of the document.
        declared: whether `charset=...` within the first bytes counts, as in HTML.

    Raises:
        InputError: it is no text.
    """
    encoding = _encoding(reading, declared)
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    with reading.path.open("rb") as file:
        while data := file.read(_PIECE):
            reading.go_on()
            text = decoder.decode(data)
            if "\x00" in text:
                raise reading.wrong("text", "another format", "Rename the document to match its format")
            yield text
    yield decoder.decode(b"", final=True)


def lines(reading: Reading) -> Iterator[str]:
    """Yield lines without their ends; one that is longer than 64 kB comes in pieces."""
    rest = ""
    for piece in pieces(reading):
        rest += piece.replace("\r\n", "\n").replace("\r", "\n")
        *whole, rest = rest.split("\n")
        for line in whole:
            yield from (line[i : i + _LINE] for i in range(0, max(len(line), 1), _LINE))
        while len(rest) > _LINE:
            yield rest[:_LINE]
            rest = rest[_LINE:]
    if rest:
        yield rest


def _encoding(reading: Reading, declared: bool) -> str:
    with reading.path.open("rb") as file:
        head = file.read(4096)
        for mark, name in _MARKS:
            if head.startswith(mark):
                return name
        match = _CHARSET.search(head) if declared else None
        if match:
            try:
                codec = codecs.lookup(match.group(1).decode("ascii"))
                # Codecs that give bytes or pack them are none of a text's.
                if codec._is_text_encoding and codec.name not in ("utf-16", "utf-32"):
                    return codec.name
            except (LookupError, ValueError):
                reading.notes.append(f"an unknown encoding: {match.group(1).decode('ascii', 'replace')}")
        decoder = codecs.getincrementaldecoder("utf-8")()
        file.seek(0)
        try:
            while data := file.read(_PIECE):
                decoder.decode(data)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            reading.notes.append("not UTF-8: read as Windows-1252")
            return "cp1252"
    return "utf-8"
