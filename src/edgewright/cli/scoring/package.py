"""A package or run folder: classes or amounts of rows and windows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.cli.scoring import OPTIONS, Scored

if TYPE_CHECKING:
    from edgewright.cli.terminal import Terminal
    from edgewright.schema.score import Score
    from edgewright.workflows.scoring.rows import ScoreRequest


def _score(place: Path, asked: ScoreRequest) -> Score:
    from edgewright.workflows.scoring.workflow import score_package

    return score_package(place, asked)


def _show(console: Terminal, score: Score) -> None:
    """The evaluation as a run prints it, then the forms."""
    from edgewright.trace.page import page_of, print_parts
    from edgewright.trace.score_view import score_parts

    page = page_of(console)
    print_parts(score_parts(score, page), console, page)


TAKES = frozenset(OPTIONS) - {"normal", "encoder"}
SCORED = Scored("a package or run folder", ".edge", TAKES, _score, _show)
