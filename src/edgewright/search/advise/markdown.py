"""A decision record as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgewright.schema.advice import Advice
from edgewright.schema.lesson import Block, Code, Facts, Grid, Heading, Paragraph
from edgewright.search.advise.document import sections, title_of

_SPECIAL = re.compile(r"([\\`*_{}\[\]<|])")
# What makes a list, a heading or a quotation of a paragraph that begins with it.
_FIRST = re.compile(r"^(?:([#>])|([+-])(?= )|([0-9]+)(?=[.)] ))")


def markdown(record: Advice) -> str:
    """The record, shaped as an architecture decision record."""
    status = "accepted" if record.met else "not every need is met"
    lines = [f"# {_safe(title_of(record))}", "", f"Status: advised, {status}"]
    for name, blocks in sections(record):
        lines += ["", f"## {name}"]
        for block in blocks:
            lines += ["", *written(block)]
    return "\n".join(lines) + "\n"


def written(block: Block) -> list[str]:
    """A block as lines of Markdown.

    Raises:
        TypeError: a kind of block that a record does not have.
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
    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(_safe(cell) for cell in cells) + " |"

    marks = ["--:" if place in block.figures else "---" for place in range(len(block.headers))]
    lines = [row(block.headers), "|" + "|".join(marks) + "|", *(row(cells) for cells in block.rows)]
    return [*lines, "", _paragraph(block.caption)] if block.caption else lines


def _safe(text: str) -> str:
    """Text that Markdown shows as it is, in one line: names of columns may hold anything."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _paragraph(text: str) -> str:
    """The same at the beginning of a line, where more is special."""
    safe = _safe(text)
    found = _FIRST.match(safe)
    if found is None:
        return safe
    return f"{safe[: found.end()]}\\{safe[found.end() :]}" if found[3] else f"\\{safe}"
