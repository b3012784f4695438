"""HTML by the parser of the standard library: text that a reader would see, under its headings."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

from edgewright.language.documents.passages import Block
from edgewright.language.documents.readers import Headings, Reader, Reading, pieces

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


def read(reading: Reading) -> Iterator[Block]:
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


READER = Reader("html", (".html", ".htm", ".xhtml"), read)
