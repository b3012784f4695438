"""What a lesson is made of: blocks that the terminal and the page show, each in its own way, and questions."""

from __future__ import annotations

from typing import Literal

import msgspec

from edgewright.schema.trace_flow import How


class Block(msgspec.Struct, frozen=True, kw_only=True, tag_field="block"):
    """Base of the blocks; lessons are tuples of them, and `--json` prints them."""


class Heading(Block, frozen=True, kw_only=True, tag="heading"):
    """A heading below the lesson's own; `anchor` names the section of the page that tells more, if one does."""

    text: str
    anchor: str = ""


class Paragraph(Block, frozen=True, kw_only=True, tag="paragraph"):
    """Plain sentences; a mark says how the figures in them were got."""

    text: str
    how: How | None = None


class Facts(Block, frozen=True, kw_only=True, tag="facts"):
    """Names with their values, such as ('parameters', '5,059')."""

    rows: tuple[tuple[str, str], ...]


class Grid(Block, frozen=True, kw_only=True, tag="grid"):
    """A table; columns named in `figures` hold numbers and stand to the right."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    figures: tuple[int, ...] = ()
    caption: str = ""


class Formula(Block, frozen=True, kw_only=True, tag="formula"):
    """A formula in plain characters, what its letters mean, and the numbers of this run in it."""

    text: str
    meaning: str = ""
    example: str = ""


class Code(Block, frozen=True, kw_only=True, tag="code"):
    """A listing that runs as it stands."""

    text: str
    language: Literal["python", "toml", "shell", "c"] = "python"
    caption: str = ""


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of four, and why it is right or wrong."""

    text: str
    reason: str
    right: bool = False


class Question(Block, frozen=True, kw_only=True, tag="question"):
    """A question of the quiz: four options, one of them right.

    Attributes:
        name: name of the rule that made it, registered in `trace/questions`.
        text: the question.
        options: in the order shown, which follows from the run and is always the same.
        rests_on: the row of the record that the answer rests on, as a reader finds it: 'Compression, int8: 6,420 B'.
        anchor: of the section of the page where that row stands.
    """

    name: str
    text: str
    options: tuple[Option, ...]
    rests_on: str
    anchor: str
