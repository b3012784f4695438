"""Mode 'quiz': questions made from this run by rules."""

from __future__ import annotations

from edgewright.schema.lesson import Block, Paragraph
from edgewright.schema.trace import Trace
from edgewright.trace import questions
from edgewright.trace.modes import Mode


def mode_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return the questions, or a sentence where the record gives none."""
    quiz = questions.quiz(trace)
    return quiz or (Paragraph(text="This trace has too little data for questions."),)


MODE = Mode(rank=80, title="Quiz", purpose="Questions made from this run, with reasons.", blocks=mode_blocks)
