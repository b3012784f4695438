"""Mode 'figures': how many stages the run has."""

from __future__ import annotations

from edgewright.schema.lesson import Block, Paragraph
from edgewright.schema.trace import Trace
from edgewright.trace.modes import Mode


def mode_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return one sentence."""
    return (Paragraph(text=f"{len(trace.stages)} stages."),)


MODE = Mode(rank=85, title="Figures", purpose="The run in one figure.", blocks=mode_blocks)
