"""Quiz: questions made from this run by rules; it works without script."""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.schema.trace import Trace
from edgewright.trace import questions
from edgewright.trace.sections import Section


def view(trace: Trace) -> Mapping[str, object] | None:
    """The questions; None where the record gives none."""
    asked = questions.quiz(trace)
    return {"questions": asked} if asked else None


SECTION = Section(90, "Quiz", view, missing="This record has too little in it to ask about.")
