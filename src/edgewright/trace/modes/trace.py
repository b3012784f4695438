"""Mode 'trace': the whole record, part after part, in the order of the page."""

from __future__ import annotations

from edgewright.schema.lesson import Block, Heading, Paragraph
from edgewright.schema.trace import Trace
from edgewright.trace.blocks.lesson import lesson_blocks
from edgewright.trace.modes import Mode
from edgewright.trace.sections import sections


def mode_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return the sections of the record, each below its heading."""
    blocks: list[Block] = [Paragraph(text=text) for text in (trace.verdict, trace.insight.sentence) if text]
    for anchor, section in sections().items():
        if parts := lesson_blocks(section.blocks(trace)):
            blocks += [Heading(text=section.title, anchor=anchor), *parts]
    return tuple(blocks)


MODE = Mode(10, "Pipeline trace", "Every part of the record, from the data to the device.", mode_blocks)
