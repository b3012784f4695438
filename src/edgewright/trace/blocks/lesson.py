"""Blocks of a section as blocks of a lesson, in words and figures: drawings are left to the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgewright.core.formatting import plural
from edgewright.schema.lesson import Block, Facts, Grid, Heading, Paragraph
from edgewright.trace.blocks import view_blocks as view
from edgewright.trace.sentences.facts import sentence

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
            return [_grid(block)]
        case view.Matrix():
            return [_grid(block.frequent)] if block.frequent.rows else []
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


def _grid(table: view.Table) -> Grid:
    """Return a table without the columns that are drawn as bars."""
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
