"""A package or run folder: classes or amounts of rows, windows and pictures, objects, odd pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.cli.scoring import OPTIONS, Scored

if TYPE_CHECKING:
    from edgewright.cli.listeners import Terminal
    from edgewright.schema.score import Score
    from edgewright.workflows.scoring.rows import ScoreRequest


def _score(path: Path, request: ScoreRequest) -> Score:
    from edgewright.workflows.scoring.workflow import score_package

    return score_package(path, request)


def _show(console: Terminal, score: Score) -> None:
    """Print the evaluation as a run prints it, then the forms where there is more than one."""
    from edgewright.core.formatting import fraction, number
    from edgewright.trace.blocks_terminal import blocks_parts
    from edgewright.trace.page import page_of, print_parts
    from edgewright.trace.sections.anomalies import anomalies_blocks
    from edgewright.trace.sections.evaluation import evaluation_blocks
    from edgewright.trace.sections.objects import objects_blocks
    from edgewright.trace.view_blocks import Table, line, row
    from edgewright.workflows.scoring.workflow import AVERAGE_PRECISION

    found = score.evaluation
    blocks = [*evaluation_blocks(found), *objects_blocks(found), *anomalies_blocks(found)]
    ranked = [
        f"{name.removeprefix(AVERAGE_PRECISION)} {fraction(figure.value)}"
        for name, figure in score.figures.items() if name.startswith(AVERAGE_PRECISION)
    ]  # fmt: skip
    blocks += [line(f"Average precision: {', '.join(ranked)}.")] if ranked else []
    if len(score.forms) > 1:
        classes, objects = found is not None and bool(found.labels), bool(objects_blocks(found))
        first, rows = score.forms[0].name, []
        for form in score.forms:
            by = ", ".join(f"{label} {count:,}" for label, count in form.flips_by_class)
            apart = f"{form.flips:,} of {form.samples:,}{f' ({by})' if by else ''}"
            name = f"{form.name}{' (answers)' if form.name == score.details.get('default') else ''}"
            rows.append(
                row(name, fraction(form.figure), apart)
                if classes or objects
                else row(name, number(form.figure), f"at most {number(form.difference)}")
            )
        heads = ("form", "#accuracy", f"flips from {first}") if classes else ("form", "#RMSE", f"apart from {first}")
        heads = ("form", "#F1 of centres", f"other objects than {first}") if objects else heads
        blocks.append(Table("Forms", heads, rows))
    print_parts(blocks_parts(blocks, page_of(console)), console)


TAKES = frozenset(OPTIONS) - {"normal", "encoder"}
SCORED = Scored("a package or run folder", ".edge", TAKES, _score, _show)
