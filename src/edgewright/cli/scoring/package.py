"""A package or run folder: classes or amounts of rows, windows and pictures, objects, odd pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.cli.scoring import OPTIONS, Scored

if TYPE_CHECKING:
    from edgewright.cli.command import Text
    from edgewright.workflows.scoring.rows import ScoreRequest
    from edgewright.workflows.scoring.workflow import Score


def _score(path: Path, request: ScoreRequest) -> Score:
    from edgewright.workflows.scoring.workflow import score_package

    return score_package(path, request)


def _view(score: Score) -> Text:
    """Return the evaluation as a run prints it, then the forms where there is more than one."""
    from edgewright.core.formatting import fraction, number
    from edgewright.trace.blocks.view_blocks import Table, line, row
    from edgewright.trace.sections.results import anomalies_blocks, evaluation_blocks, objects_blocks
    from edgewright.workflows.scoring.workflow import AVERAGE_PRECISION

    evaluation = score.evaluation
    blocks = [*evaluation_blocks(evaluation), *objects_blocks(evaluation), *anomalies_blocks(evaluation)]
    ranked = [
        f"{name.removeprefix(AVERAGE_PRECISION)} {fraction(figure.value)}"
        for name, figure in score.figures.items() if name.startswith(AVERAGE_PRECISION)
    ]  # fmt: skip
    blocks += [line(f"Average precision: {', '.join(ranked)}.")] if ranked else []
    if len(score.forms) > 1:
        classes, objects = evaluation is not None and bool(evaluation.labels), bool(objects_blocks(evaluation))
        first, rows = score.forms[0].name, []
        for form in score.forms:
            by = ", ".join(f"{label} {count:,}" for label, count in form.flips_by_class)
            differing = f"{form.flips:,} of {form.samples:,}{f' ({by})' if by else ''}"
            name = f"{form.name}{' (answers)' if form.name == score.details.get('default') else ''}"
            rows.append(
                row(name, fraction(form.figure), differing)
                if classes or objects
                else row(name, number(form.figure), f"at most {number(form.difference)}")
            )
        heads = ("form", "#accuracy", f"flips from {first}") if classes else ("form", "#RMSE", f"apart from {first}")
        heads = ("form", "#F1 of centres", f"other objects than {first}") if objects else heads
        blocks.append(Table("Forms", heads, rows))
    return blocks


TAKES = frozenset(OPTIONS) - {"normal", "encoder"}
SCORED = Scored("a package or run folder", ".edge", TAKES, _score, _view)
