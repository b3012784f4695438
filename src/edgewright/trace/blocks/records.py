"""What a lesson is made of: blocks that the terminal and the page show, each in its own way, and questions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from edgewright.core.formatting import plural
from edgewright.core.records.trace_flow import How
from edgewright.trace.blocks import view_blocks as view
from edgewright.trace.sentences.facts import sentence


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


_SPECIAL = re.compile(r"([\\`*_{}\[\]<|])")
# Characters that turn a paragraph into a list, heading or quotation when it starts with them.
_FIRST = re.compile(r"^(?:([#>])|([+-])(?= )|([0-9]+)(?=[.)] ))")


def markdown_of(title: str, status: str, parts: Sequence[tuple[str, Sequence[Block]]]) -> str:
    """Return a decision record in Markdown.

    Args:
        title: title of the record.
        status: of the decision.
        parts: name and blocks of each section.
    """
    lines = [f"# {_safe(title)}", "", f"Status: {status}"]
    for name, blocks in parts:
        lines += ["", f"## {name}"]
        for block in blocks:
            lines += ["", *written(block)]
    return "\n".join(lines) + "\n"


def written(block: Block) -> list[str]:
    """Return a block as lines of Markdown.

    Raises:
        TypeError: the kind of block is not supported.
    """
    match block:
        case Heading():
            return [f"### {_safe(block.text)}"]
        case Paragraph():
            return [_paragraph(block.text)]
        case Facts():
            return [f"- {_safe(name)}: {_safe(value)}" for name, value in block.rows]
        case Grid():
            return _grid(block)
        case Code():
            return [f"```{block.language}", *block.text.replace("```", "'''").splitlines(), "```"]
    raise TypeError(block)


def _grid(block: Grid) -> list[str]:
    headers, *rows = ([_safe(cell) for cell in row] for row in (block.headers, *block.rows))
    lines = table_lines(headers, rows, block.figures)
    return [*lines, "", _paragraph(block.caption)] if block.caption else lines


def table_lines(headers: Sequence[str], rows: Iterable[Sequence[str]], figures: Sequence[int] = ()) -> list[str]:
    """Return a table, a line a row; its cells are not escaped.

    Args:
        headers: of the columns.
        rows: cells by row.
        figures: numbers of the columns that are aligned to the right.
    """
    marks = "|".join("--:" if column in figures else "---" for column in range(len(headers)))
    return [f"| {' | '.join(headers)} |", f"|{marks}|", *(f"| {' | '.join(row)} |" for row in rows)]


def _safe(text: str) -> str:
    """Escape text for Markdown and put it on one line, because column names can contain any characters."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _paragraph(text: str) -> str:
    """Escape text for the beginning of a line, where more characters are special."""
    safe = _safe(text)
    special = _FIRST.match(safe)
    if special is None:
        return safe
    return f"{safe[: special.end()]}\\{safe[special.end() :]}" if special[3] else f"\\{safe}"


# Values of a sample and of a step that a lesson lists.
_COLUMNS = 6


def lesson_blocks(blocks: Iterable[view.ViewBlock]) -> list[Block]:
    """Return the blocks of a lesson that say the same; of what the page folds they have what a terminal prints."""
    return [part for block in blocks for part in _parts(block)]


def card_blocks(card: view.Card) -> list[Block]:
    """Return a card without its heading."""
    head = ", ".join(text for text, _ in card.head if text)
    return [*([Paragraph(text=head)] if head else []), *lesson_blocks(card.blocks)]


def _parts(block: view.ViewBlock) -> Sequence[Block]:
    match block:
        case view.Line():
            text = "".join(text for text, _ in block.spans)
            whole = block.style in ("formula", "strong") or len(block.spans) > 1
            return [Paragraph(text=text if whole else sentence(text))]
        case view.Items():
            return [Paragraph(text=", ".join(fact for fact in block.facts if fact))]
        case view.Pairs():
            return [Facts(rows=tuple(block.rows))]
        case view.Table():
            return [_grid_without_bars(block)]
        case view.Matrix():
            return [_grid_without_bars(block.frequent)] if block.frequent.rows else []
        case view.Samples():
            return [_samples(block)]
        case view.Steps():
            rows = tuple((step.title, "".join(text for text, _ in step.spans(_COLUMNS))) for step in block.steps)
            return [Grid(headers=("step", "values"), rows=rows)]
        case view.SideBySide():
            return lesson_blocks(block.blocks)
        case view.Fold():
            return lesson_blocks(block.brief)
        case view.Card():
            return [Heading(text=block.heading, anchor=block.anchor), *card_blocks(block)]
        case view.Cards():
            return lesson_blocks(block.cards)
    return []


def _grid_without_bars(table: view.Table) -> Grid:
    kept = [i for i in range(len(table.heads)) if not any(row.cells[i].budget for row in table.rows)]
    return Grid(
        headers=tuple(table.columns[i][0] for i in kept),
        rows=tuple(tuple(row.cells[i].text for i in kept) for row in table.rows),
        figures=tuple(position for position, i in enumerate(kept) if table.columns[i][1]),
        caption=f"{table.caption} ({table.how})" if table.how else table.caption,
    )


def _samples(samples: view.Samples) -> Grid:
    columns = list(samples.columns())[:_COLUMNS]
    more = samples.total - len(columns)
    channel = f", {samples.channel}" if samples.channel else ""
    return Grid(
        headers=tuple(name for name, _ in columns),
        rows=tuple(zip(*([text for text, _ in values] for _, values in columns), strict=True)),
        figures=tuple(range(len(columns))),
        caption=f"first samples {samples.title} this stage{channel}"
        + (f"; {plural(more, 'further value')} each" if more > 0 else ""),
    )
