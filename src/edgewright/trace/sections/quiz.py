"""Quiz: questions made from this run by rules; it works without script."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.schema.trace import Trace
from edgewright.trace import questions
from edgewright.trace.blocks.view_blocks import Template, ViewBlock
from edgewright.trace.sections import Section


def blocks(trace: Trace) -> Sequence[ViewBlock]:
    """Build the questions; none where the record gives none."""
    quiz = questions.quiz(trace)
    return (Template("quiz.html", {"questions": quiz}),) if quiz else ()


SECTION = Section(90, "Quiz", blocks, missing="This trace has too little data for questions.")
