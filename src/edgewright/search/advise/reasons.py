"""Why readings with a target are framed as they are."""

from __future__ import annotations

import numpy as np

from edgewright.data.targets import labelled
from edgewright.schema.advice import Frame
from edgewright.search.advise.contract import capabilities
from edgewright.search.advise.inspection import Look
from edgewright.search.problem import Problem


def of_target(
    problem: Problem,
    why: tuple[str, ...],
    left_out: tuple[tuple[str, str], ...],
    commands: tuple[str, ...],
    seen: Look,
    by: str,
) -> Frame:
    """The frame of a problem with a target: type and share of the labels, time, what stays together.

    Args:
        problem: as it is judged.
        why: sentences on how its samples were cut.
        left_out: columns that are no part of it.
        commands: that look closer.
        seen: the first look.
        by: what was asked to be kept whole: 'auto', 'row' or 'block'.
    """
    told = [_target(problem), _share(problem), *why, _kept(problem, by)]
    if seen.sentences:
        told.append(f"columns of sentences are left out: {', '.join(seen.sentences)}")
    return Frame(
        task=problem.task,
        why=tuple(told),
        capabilities=capabilities(),
        commands=commands,
        left_out=left_out,
    )


def _target(problem: Problem) -> str:
    name = f"the target {problem.dataset.target_name}".rstrip()
    if problem.task == "regression":
        low, high = float(np.min(problem.y)), float(np.max(problem.y))
        return f"{name} is an amount ({len(np.unique(problem.y)):,} values from {low:.5g} to {high:.5g}): a regression"
    counts = np.unique(problem.y, return_counts=True)[1]
    shares = sorted(zip(problem.classes, counts / counts.sum(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    some = ", ".join(f"{label} {100 * share:.3g} %" for label, share in shares[:6])
    more = " and more" if len(shares) > 6 else ""
    return f"{name} has {len(shares)} values ({some}{more}): a classification"


def _share(problem: Problem) -> str:
    rows = known = 0
    for recording in problem.dataset.recordings:
        rows += len(recording.values)
        known += int(labelled(np.asarray(recording.target)).sum()) if recording.target is not None else 0
    share = known / rows if rows else 0.0
    said = f"{100 * share:.3g} % of {rows:,} rows are labelled"
    if problem.held:
        said += f", without those of {', '.join(problem.held)}, which are held back for the report of a run"
    if share < 0.2:
        said += "; `edgewright label suggest` would make more of the rest"
    return said


def _kept(problem: Problem, by: str) -> str:
    units = int(problem.units.max()) + 1
    if problem.by == "row" and by == "row":
        return "each row is judged for itself, as --by row says that rows do not know each other"
    if problem.by == "row":
        return "rows that follow each other do not know each other (measured): each is judged for itself"
    what = {
        "group": "people or machines", "session": "sessions", "day": "days", "block": "blocks of time"
    }.get(problem.by, f"{problem.by}s")  # fmt: skip
    return f"{units:,} {what} stay whole in every fold: a model is judged on those that it has not seen"
