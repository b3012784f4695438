"""Markdown: headings, paragraphs, items, rows of tables and code, without the signs of the markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from edgewright.language.documents.passages import Block
from edgewright.language.documents.readers import Headings, Reader, Reading, lines

_HEADING = re.compile(r" {0,3}(#{1,6})(?:\s+(.*?))?(?:\s+#+)?\s*")
_FENCE = re.compile(r"\s{0,12}(`{3,}|~{3,})(.*)")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})\s*")
_RULE = re.compile(r" {0,3}(?:[-*_]\s*){3,}")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s+(?:\[[ xX]\]\s+)?")
_QUOTE = re.compile(r"^\s{0,3}(?:>\s?)+")
_BETWEEN = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*")
# Bounded, so that hostile text costs no more than its length.
_INLINE = (
    (re.compile(r"!?\[([^\[\]]{0,500})\]\([^()\s]{0,2000}(?:\s+\"[^\"]{0,300}\")?\)"), r"\1"),
    (re.compile(r"!?\[([^\[\]]{0,500})\]\[[^\[\]]{0,200}\]"), r"\1"),
    (re.compile(r"<!--(?:(?!<!--).){0,2000}?-->|</?[A-Za-z][^<>]{0,500}>"), " "),
    (re.compile(r"(\*{1,3}|__)(?=\S)([^*_]{1,500}?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<!\w)_(?=\S)([^_]{1,500}?)(?<=\S)_(?!\w)"), r"\1"),
    (re.compile(r"`+([^`]{1,500})`+"), r"\1"),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)
_MOST_LINES = 200


def read(reading: Reading) -> Iterator[Block]:
    """Yield blocks of a Markdown file."""
    headings = Headings()
    waiting: list[str] = []
    fence = ""
    front = False
    for number, line in enumerate(lines(reading)):
        if number == 0 and line.strip() == "---":
            front = True
        elif front:
            front = line.strip() not in ("---", "...") and number < _MOST_LINES
        elif fence:
            closing = _FENCE.fullmatch(line)
            if closing and closing.group(1).startswith(fence) and not closing.group(2).strip():
                fence = ""
            elif line.strip():
                yield Block(headings.path, 0, line)
        elif opening := _FENCE.fullmatch(line):
            yield from _paragraph(headings, waiting)
            fence = opening.group(1)
        else:
            yield from _line(headings, waiting, line)
    yield from _paragraph(headings, waiting)


def _line(headings: Headings, waiting: list[str], line: str) -> Iterator[Block]:
    line = _QUOTE.sub("", line)
    heading = _HEADING.fullmatch(line) if len(line) <= 1000 else None
    if heading:
        yield from _paragraph(headings, waiting)
        headings.take(len(heading.group(1)), _plain(heading.group(2) or ""))
    elif len(waiting) == 1 and _UNDERLINE.fullmatch(line[:1000]) and not _ITEM.match(waiting[0]):
        headings.take(1 if "=" in line else 2, _plain(waiting.pop()))
    elif not line.strip() or (len(line) < 200 and (_RULE.fullmatch(line) or _BETWEEN.fullmatch(line))):
        yield from _paragraph(headings, waiting)
    else:
        row = line.strip().startswith("|")
        if waiting and (_ITEM.match(line) or row or len(waiting) >= _MOST_LINES):
            yield from _paragraph(headings, waiting)
        waiting.append(line)


def _paragraph(headings: Headings, waiting: list[str]) -> Iterator[Block]:
    text = " ".join(line.strip() for line in waiting)
    waiting.clear()
    if text.startswith("|"):
        text = "; ".join(cell.strip() for cell in text.strip("|").split("|") if cell.strip())
    if text:
        yield Block(headings.path, 0, _plain(_ITEM.sub("", text, count=1)))


def _plain(text: str) -> str:
    for pattern, instead in _INLINE:
        text = pattern.sub(instead, text)
    return html.unescape(text).strip()


READER = Reader("markdown", (".md", ".markdown"), read)
