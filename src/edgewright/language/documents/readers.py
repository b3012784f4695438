"""Readers of documents: plain text, Markdown and HTML."""

from __future__ import annotations

import codecs
import html
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from edgewright.core.errors import DocumentIndexError, DocumentUnreadableError, InputError
from edgewright.language.documents.index import Block

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
            raise DocumentUnreadableError(
                f"a document that is read within {SECONDS:.0f} s", "more", str(self.path), "Split it"
            )

    def wrong(self, expected: str, got: str, do: str = "") -> InputError:
        """Return an error about this document."""
        return DocumentIndexError(expected, got, str(self.path), do)


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


def _read_markdown(reading: Reading) -> Iterator[Block]:
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


MARKDOWN = Reader("markdown", (".md", ".markdown"), _read_markdown)


_TEXT_UNDERLINE = re.compile(r"\s*(={3,}|-{3,}|~{3,})\s*")
_NUMBERED = re.compile(r"\s*(\d{1,3}(?:\.\d{1,3}){0,5})[.)]?\s+(\S.{0,99})")
_TEXT_ITEM = re.compile(r"\s*(?:[-*\u2022\u00b7\u25aa]|\d{1,3}[.)])\s+")
_ENDS = (".", ",", ";", ":", "!", "?")
_LONGEST_TITLE = 100
# Lines of a paragraph that has no end are cut here.


def _read_text(reading: Reading) -> Iterator[Block]:
    """Yield blocks of a plain text."""
    headings = Headings()
    waiting: list[str] = []
    for line in lines(reading):
        if len(waiting) == 1 and _TEXT_UNDERLINE.fullmatch(line) and len(waiting[0]) <= _LONGEST_TITLE:
            headings.take(1 if "=" in line else 2, waiting.pop())
        elif line.strip():
            waiting.append(line)
            if len(waiting) >= _MOST_LINES:
                yield from _text_paragraph(headings, waiting)
        else:
            yield from _text_paragraph(headings, waiting)
    yield from _text_paragraph(headings, waiting)


def _text_paragraph(headings: Headings, waiting: list[str]) -> Iterator[Block]:
    paragraph = waiting.copy()
    waiting.clear()
    if len(paragraph) == 1 and (level := _level(paragraph[0])):
        headings.take(level, paragraph[0])
        return
    item = ""
    for line in paragraph:
        if item and _TEXT_ITEM.match(line):
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


TEXT = Reader("text", (".txt", ".text"), _read_text)


_HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "nav", "select", "iframe", "object"})
_BLOCKS = """
    address article aside blockquote body br dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5
    h6 header hr html li main ol p pre section summary table tbody td tfoot th thead title tr ul
"""
_BLOCK_TAGS = frozenset(_BLOCKS.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
# What stands in no heading: one that nobody closed ends there, else the text below it would be lost.
_BELOW = frozenset({"article", "blockquote", "dl", "hr", "main", "ol", "p", "pre", "section", "table", "ul"})
# Of a tag that never ends, and of a paragraph that never ends.
_LONGEST_TAG, _LONGEST_TEXT = 1 << 20, 1 << 16


class _Parser(HTMLParser):
    """Collects blocks; nesting is counted, never followed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._headings, self._text, self._size = Headings(), list[str](), 0
        self._hidden = ""
        self._depth = 0
        self._heading, self._named = 0, False
        self._row: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Handle the start of a tag."""
        if self._hidden:
            self._depth += tag == self._hidden
            return
        if tag in _HIDDEN:
            self._hidden, self._depth = tag, 1
            return
        if tag in ("td", "th") and self._row is not None:
            self._cell()
        elif tag in _BLOCK_TAGS:
            self.flush()
            self._row = [] if tag == "tr" else self._row
        if tag in _HEADINGS:
            self._heading, self._named = _HEADINGS[tag], False
        elif tag in _BELOW and self._named:
            self._heading = 0
        if tag == "img":
            self.handle_data(f" {dict(attrs).get('alt') or ''} ")

    def handle_endtag(self, tag: str) -> None:
        """Handle the end of a tag."""
        if self._hidden:
            self._depth -= tag == self._hidden
            self._hidden = self._hidden if self._depth > 0 else ""
            return
        if tag in ("td", "th") and self._row is not None:
            self._cell()
        elif tag == "title":
            self._text.clear()
            self._size = 0
        elif tag in _BLOCK_TAGS:
            self.flush()
            self._row = None if tag in ("tr", "table") else self._row
        if tag in _HEADINGS:
            self._heading = 0

    def handle_data(self, data: str) -> None:
        """Text."""
        if self._hidden:
            return
        self._text.append(data)
        self._size += len(data)
        if self._size > _LONGEST_TEXT:
            self.flush()

    def _cell(self) -> None:
        text = " ".join("".join(self._text).split())
        self._text.clear()
        self._size = 0
        if text and self._row is not None:
            self._row.append(text)

    def flush(self) -> None:
        """End a block."""
        self._cell() if self._row is not None else None
        text = "; ".join(self._row) if self._row else " ".join("".join(self._text).split())
        if self._row is not None:
            self._row = []
        self._text.clear()
        self._size = 0
        if not text:
            return
        if self._heading:
            self._headings.take(self._heading, text)
            self._named = True
        else:
            self.blocks.append(Block(self._headings.path, 0, text))


def _read_web(reading: Reading) -> Iterator[Block]:
    """Yield blocks of an HTML file.

    Raises:
        InputError: a tag that never ends.
    """
    parser = _Parser()
    for piece in pieces(reading, declared=True):
        parser.feed(piece)
        if len(parser.rawdata) > _LONGEST_TAG:
            raise reading.wrong("HTML", f"a tag of more than {_LONGEST_TAG >> 20} MB", "Repair the document")
        yield from parser.blocks
        parser.blocks.clear()
    parser.close()
    parser.flush()
    yield from parser.blocks


WEB = Reader("html", (".html", ".htm", ".xhtml"), _read_web)
