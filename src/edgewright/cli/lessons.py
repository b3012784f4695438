"""Lessons on the terminal: printed whole, stage by stage with keys, or as a quiz that is answered with keys."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, get_args

import click
import msgspec
from rich.console import Console, RenderableType
from rich.text import Text

from edgewright.trace.blocks.records import Block, Heading, Question
from edgewright.trace.blocks.terminal import LETTERS, blocks_parts, question_parts, source_note
from edgewright.trace.blocks.view_blocks import ViewBlock
from edgewright.trace.page import BAD, GOOD, QUIET, Terminal, page_of, print_parts

_BLOCKS = (msgspec.Struct, *get_args(ViewBlock))
_KEYS = "a-d or 1-4: answer, q: quit"


def print_pages(items: Sequence[Any], console: Console | None = None) -> None:
    """Print blocks of a lesson, with the answers, and renderables of rich."""
    console = console or Terminal()
    page = page_of(console)
    parts: list[RenderableType] = []
    for is_block, group in groupby(items, lambda item: isinstance(item, _BLOCKS)):
        alike = list(group)
        parts += blocks_parts(alike, page) if is_block else alike
    print_parts(parts, console, page)


def step_through(console: Console, blocks: Sequence[Block]) -> None:
    """One heading's blocks at a time: any key goes on, p goes back, q ends."""
    steps = _steps(blocks)
    index = 0
    while 0 <= index < len(steps):
        print_pages(steps[index], console)
        if index + 1 == len(steps):
            return
        console.print(Text(f"{index + 1} of {len(steps)} - space: next, p: back, q: quit", style=QUIET))
        key = click.getchar().lower()
        if key == "q":
            return
        index = max(0, index - 1) if key in ("p", "b", "\x1b[d", "\x7f") else index + 1


def _steps(blocks: Sequence[Block]) -> list[list[Block]]:
    steps: list[list[Block]] = []
    for block in blocks:
        if isinstance(block, Heading) or not steps:
            steps.append([])
        steps[-1].append(block)
    return steps


def ask(console: Console, questions: Sequence[Question]) -> tuple[int, int]:
    """Ask with keys; gives how many were right, and how many were answered."""
    right = answered = 0
    for number, question in enumerate(questions, 1):
        head = Text(f"{number} of {len(questions)} - {_KEYS}", style=QUIET)
        print_parts([Text(""), head, *question_parts(question)], console)
        choice = _key(len(question.options))
        if choice is None:
            break
        answered += 1
        right += question.options[choice].right
        print_parts(verdict(question, choice), console)
    return right, answered


def _key(options: int) -> int | None:
    """Return the option whose letter or number is pressed; None for q."""
    while True:
        key = click.getchar().lower()
        if key == "q":
            return None
        index = LETTERS.find(key) if key in LETTERS and key else int(key) - 1 if key.isdecimal() else -1
        if 0 <= index < options:
            return index


def verdict(question: Question, choice: int) -> list[RenderableType]:
    """Return whether the choice is right, why, and what would have been."""
    option = question.options[choice]
    if option.right:
        return [Text(f"{LETTERS[choice]}: right. {option.reason}", style=GOOD), source_note(question)]
    right = next(index for index, answer in enumerate(question.options) if answer.right)
    return [
        Text(f"{LETTERS[choice]}: wrong. {option.reason}", style=BAD),
        Text(f"Right is {LETTERS[right]}) {question.options[right].text}. {question.options[right].reason}"),
        source_note(question),
    ]
