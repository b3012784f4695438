"""Quiz: questions made from this run by rules; it works without script."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.schema.trace import Trace
from edgewright.trace import questions
from edgewright.trace.sections import Section
from edgewright.trace.view_blocks import Template, ViewBlock


def blocks(trace: Trace) -> Sequence[ViewBlock]:
    """Build the questions; none where the record gives none."""
    found = questions.quiz(trace)
    return (Template("quiz.html", {"questions": found}),) if found else ()


SECTION = Section(90, "Quiz", blocks, missing="This trace has too little data for questions.")
