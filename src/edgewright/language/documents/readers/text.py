"""Plain text: paragraphs between empty lines; headings are underlined, numbered or in capitals, on their own lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgewright.language.documents.passages import Block
from edgewright.language.documents.readers import Headings, Reader, Reading, lines

_UNDERLINE = re.compile(r"\s*(={3,}|-{3,}|~{3,})\s*")
_NUMBERED = re.compile(r"\s*(\d{1,3}(?:\.\d{1,3}){0,5})[.)]?\s+(\S.{0,99})")
_ITEM = re.compile(r"\s*(?:[-*\u2022\u00b7\u25aa]|\d{1,3}[.)])\s+")
_ENDS = (".", ",", ";", ":", "!", "?")
_LONGEST_TITLE = 100
# Lines of a paragraph that has no end are cut here.
_MOST_LINES = 200


def read(reading: Reading) -> Iterator[Block]:
    """Yield blocks of a plain text."""
    headings = Headings()
    waiting: list[str] = []
    for line in lines(reading):
        if len(waiting) == 1 and _UNDERLINE.fullmatch(line) and len(waiting[0]) <= _LONGEST_TITLE:
            headings.take(1 if "=" in line else 2, waiting.pop())
        elif line.strip():
            waiting.append(line)
            if len(waiting) >= _MOST_LINES:
                yield from _paragraph(headings, waiting)
        else:
            yield from _paragraph(headings, waiting)
    yield from _paragraph(headings, waiting)


def _paragraph(headings: Headings, waiting: list[str]) -> Iterator[Block]:
    paragraph = waiting.copy()
    waiting.clear()
    if len(paragraph) == 1 and (level := _level(paragraph[0])):
        headings.take(level, paragraph[0])
        return
    item = ""
    for line in paragraph:
        if item and _ITEM.match(line):
            yield Block(headings.path, 0, item)
            item = ""
        item = f"{item} {line.strip()}" if item else line.strip()
    if item:
        yield Block(headings.path, 0, item)


def _level(line: str) -> int:
    """Return the level of a heading, 0 for a line that is none."""
    title = line.strip()
    if len(title) > _LONGEST_TITLE or title.endswith(_ENDS):
        return 0
    match = _NUMBERED.fullmatch(title)
    if match and match.group(2)[0].isupper():
        return match.group(1).count(".") + 1
    letters = [c for c in title if c.isalpha()]
    return 1 if len(letters) > 2 and all(c.isupper() for c in letters) else 0


READER = Reader("text", (".txt", ".text"), read)
