"""Blocks of a lesson on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from edgewright.schema.lesson import Block, Code, Facts, Formula, Grid, Heading, Paragraph, Question
from edgewright.trace.page import ACCENT, GOOD, QUIET, Page, add, note, table

LETTERS = "abcdefgh"
_NAME = 24


def blocks_parts(blocks: Sequence[Block], page: Page) -> list[RenderableType]:
    """Everything that is printed for a lesson, with its answers."""
    return [part for block in blocks for part in block_parts(block, page)]


class Listing(Text):
    """Code, whose lines are never broken: who prints it gives `soft_wrap`."""


@singledispatch
def block_parts(block: Block, page: Page) -> list[RenderableType]:
    """What is printed for one block.

    Raises:
        TypeError: a block without a rule here (a defect).
    """
    raise TypeError(f"no rule for {type(block).__name__}")


@block_parts.register
def _(block: Heading, page: Page) -> list[RenderableType]:
    return [page.heading(block.text)]


@block_parts.register
def _(block: Paragraph, page: Page) -> list[RenderableType]:
    text = Text(block.text)
    if block.how:
        text.append(f" ({block.how})", style=QUIET)
    return [text]


@block_parts.register
def _(block: Facts, page: Page) -> list[RenderableType]:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(max_width=_NAME, overflow="fold")
    grid.add_column(overflow="fold")
    for name, value in block.rows:
        grid.add_row(Text(name, style=QUIET), Text(value))
    return [grid]


@block_parts.register
def _(block: Grid, page: Page) -> list[RenderableType]:
    made = table(block.headers, ())
    for place in block.figures:
        made.columns[place].justify = "right"
    for row in block.rows:
        add(made, *row)
    return [made, *([note(block.caption)] if block.caption else [])]


@block_parts.register
def _(block: Formula, page: Page) -> list[RenderableType]:
    lines = [Text(block.text, style=ACCENT)]
    lines += [Text(text, style=style) for text, style in ((block.meaning, QUIET), (block.example, "")) if text]
    return [Padding(line, (0, 0, 0, 2 if i else 0)) for i, line in enumerate(lines)]


@block_parts.register
def _(block: Code, page: Page) -> list[RenderableType]:
    head = [note(block.caption)] if block.caption else []
    return [*head, Listing(block.text.rstrip("\n"))]


@block_parts.register
def _(block: Question, page: Page) -> list[RenderableType]:
    right = next(i for i, option in enumerate(block.options) if option.right)
    answer = [Text(f"Answer: {LETTERS[right]}. {block.options[right].reason}", style=GOOD), rests(block)]
    return [Text(""), *question_parts(block), *answer]


def question_parts(block: Question) -> list[RenderableType]:
    """The question and its options, without the answer."""
    options = [Padding(Text(f"{LETTERS[i]}) {one.text}"), (0, 0, 0, 2)) for i, one in enumerate(block.options)]
    return [Text(block.text, style="bold"), *options]


def rests(block: Question) -> RenderableType:
    """The row of the record the answer rests on."""
    return note(f"rests on: {block.rests_on}")
