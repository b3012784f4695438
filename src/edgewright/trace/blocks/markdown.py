"""Markdown of blocks: a decision record, and tables of other documents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from edgewright.schema.lesson import Block, Code, Facts, Grid, Heading, Paragraph

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
