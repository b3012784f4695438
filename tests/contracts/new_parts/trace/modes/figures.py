"""Mode 'figures': how many stages the run has."""

from __future__ import annotations

from edgewright.core.records.trace import Trace
from edgewright.trace.blocks.records import Block, Paragraph
from edgewright.trace.modes import Mode


def mode_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return one sentence."""
    return (Paragraph(text=f"{len(trace.stages)} stages."),)


MODES = {"figures": Mode(rank=85, title="Figures", purpose="The run in one figure.", blocks=mode_blocks)}
