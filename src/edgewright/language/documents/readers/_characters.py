"""Bytes of a text file as lines or pieces of text, a little at a time."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from edgewright.language.documents.readers import Reading

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
                found = codecs.lookup(match.group(1).decode("ascii"))
                # Codecs that give bytes or pack them are none of a text's.
                if found._is_text_encoding and found.name not in ("utf-16", "utf-32"):
                    return found.name
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
