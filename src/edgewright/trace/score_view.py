"""A score on the terminal: the evaluation as a run prints it, and the model files side by side."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from edgewright.schema.score import FormScore, Score
from edgewright.trace.evaluation_view import evaluation_parts
from edgewright.trace.page import Page, add, table
from edgewright.trace.words import fraction, number


def score_parts(score: Score, page: Page) -> list[RenderableType]:
    """The evaluation, and the forms where there is more than one."""
    parts = [] if score.evaluation is None else evaluation_parts(score.evaluation, page)
    if len(score.forms) < 2:
        return parts
    classes = score.evaluation is not None and bool(score.evaluation.labels)
    first = score.forms[0].name
    made = table(
        ["form", "accuracy" if classes else "RMSE", f"flips from {first}" if classes else f"apart from {first}"], (1,)
    )
    for form in score.forms:
        answers = " (answers)" if form.name == score.details.get("default") else ""
        add(made, form.name + answers, fraction(form.figure) if classes else number(form.figure), _apart(form, classes))
    return [*parts, Text(""), made]


def _apart(form: FormScore, classes: bool) -> str:
    """How far a form is from the first."""
    if not classes:
        return f"at most {number(form.difference)}"
    by = ", ".join(f"{label} {count:,}" for label, count in form.flips_by_class)
    return f"{form.flips:,} of {form.samples:,}" + (f" ({by})" if by else "")
