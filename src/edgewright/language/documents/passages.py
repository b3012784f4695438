"""Blocks of a document, one paragraph or list item each, as passages of bearable length."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from edgewright.nlp.documents.words import sentence_spans
from edgewright.schema.documents import Passage

# Characters of a passage: about what a person reads at a glance, and a short context for a language model.
LONGEST = 1200
_SPACE = re.compile(r"[^\S\n]+")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\u00ad\u200b\ufeff\ud800-\udfff]")


class Block(NamedTuple):
    """A paragraph, an item of a list or a row of a table, with the headings above it and its page (0: none)."""

    path: tuple[str, ...]
    page: int
    text: str


def clean(text: str) -> str:
    """Single spaces, no control characters, none at the ends."""
    return _SPACE.sub(" ", _CONTROL.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))).strip()


def cut(blocks: Iterable[Block]) -> Iterator[Passage]:
    """Yield passages of at most `LONGEST` characters, or one sentence, never across headings or pages."""
    path: tuple[str, ...] = ()
    page = 0
    waiting = ""
    for block in blocks:
        text = clean(block.text)
        if not text:
            continue
        if waiting and (block.path, block.page) != (path, page):
            yield from _pieces(path, page, waiting)
            waiting = ""
        path, page = block.path, block.page
        if len(waiting) + len(text) > LONGEST and waiting:
            yield from _pieces(path, page, waiting)
            waiting = ""
        waiting = f"{waiting}\n{text}" if waiting else text
    if waiting:
        yield from _pieces(path, page, waiting)


def _pieces(path: tuple[str, ...], page: int, text: str) -> Iterator[Passage]:
    begin = 0
    spans: list[tuple[int, int]] = []
    for span in sentence_spans(text):
        if spans and span[1] - begin > LONGEST:
            yield _passage(path, page, text, spans)
            spans = []
        begin = begin if spans else span[0]
        spans.append(span)
    if spans:
        yield _passage(path, page, text, spans)


def _passage(path: tuple[str, ...], page: int, text: str, spans: list[tuple[int, int]]) -> Passage:
    first = spans[0][0]
    moved = tuple((begin - first, end - first) for begin, end in spans)
    return Passage(path=path, page=page, text=text[first : spans[-1][1]], sentences=moved)
