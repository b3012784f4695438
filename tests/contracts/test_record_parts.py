"""Sections of a page, learning modes and questions of the quiz: found by listing their folders, read from records."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence

import msgspec
import pytest
from rich.console import Console

from edgewright.core.catalogue import names
from edgewright.trace import questions
from edgewright.trace.blocks.records import Block
from edgewright.trace.blocks.terminal import blocks_parts
from edgewright.trace.blocks.view_blocks import ViewBlock
from edgewright.trace.html import blocks_html, page_html, sections_html
from edgewright.trace.modes import modes
from edgewright.trace.page import Page
from edgewright.trace.sections import sections
from trace_example import trace

WHOLE = trace()
# A run that ended before it was trained: the parts that every record has.
BARE = msgspec.structs.replace(
    WHOLE, training=None, evaluation=None, compression=None, device=None, predictions=(), scaling=None
)
QUESTIONS = names("edgewright.trace.questions")


def printed(blocks: Sequence[Block | ViewBlock]) -> str:
    """Return blocks as a terminal shows them."""
    console = Console(file=io.StringIO(), width=100)
    for part in blocks_parts(blocks, Page(100, unicode=True, terminal=False)):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("name", sections())
def test_a_section_is_shown_by_terminal_and_page_or_says_what_is_missing(name: str) -> None:
    section = sections()[name]
    assert section.title[:1].isupper()
    assert f'id="{name}"' in page_html(WHOLE) or section.blocks(WHOLE) == () or not section.blocks(WHOLE)
    for record in (WHOLE, BARE):
        blocks = section.blocks(record)
        if blocks:
            assert printed(blocks).strip() or sections_html(blocks)
        elif section.missing:
            assert html.escape(section.missing, quote=False) in html.unescape(page_html(record))


@pytest.mark.parametrize("name", modes())
def test_a_mode_reads_every_record(name: str) -> None:
    mode = modes()[name]
    assert mode.title[:1].isupper() and mode.purpose.endswith(".")
    for record in (WHOLE, BARE):
        blocks = mode.blocks(record)
        assert blocks and all(isinstance(block, Block) for block in blocks)
        assert re.sub(r"<[^>]*>", "", blocks_html(blocks)).strip()
        assert printed(blocks).strip()


@pytest.mark.parametrize("file", QUESTIONS)
def test_a_file_of_questions_asks_what_the_record_answers(file: str) -> None:
    rules = {name: ask for name, ask in questions.rule.known.items() if ask.__module__.endswith(f".{file}")}
    assert rules
    for name, ask in rules.items():
        for record in (WHOLE, BARE):
            draft = ask(record)
            if draft is None:
                continue
            assert "?" in draft.text, name
            assert len(draft.wrong) >= 6 and len(draft.wrong) % 2 == 0, name
            assert draft.source, name
            assert draft.anchor in sections(), name
    assert any(ask(WHOLE) is not None for ask in rules.values())


def test_ranks_of_questions_differ() -> None:
    drafts = [draft for ask in questions.rule.known.values() if (draft := ask(WHOLE)) is not None]
    assert len({draft.rank for draft in drafts}) == len(drafts)
