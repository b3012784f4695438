"""A detector: events and false alarms on rows with labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.cli.scoring import Scored
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.schema.score import Score
    from edgewright.schema.trace import Interval
    from edgewright.workflows.scoring.rows import ScoreRequest

_METHODS = {
    "recall": "Wilson", "precision": "Wilson", "f1": "bootstrap over pieces of the data", "false_alarms": "Byar",
}  # fmt: skip


def _score(path: Path, request: ScoreRequest) -> Score:
    from edgewright.cli.scoring import folder_of_set
    from edgewright.monitor.detector_file import read_detector
    from edgewright.schema.score import Score
    from edgewright.workflows.detection.fit import judge
    from edgewright.workflows.scoring.rows import set_of

    if not request.data:
        raise InputError("rows with labels", "none", "--data", "Pass a file, folder or public set: --data DATA")
    named = set_of(request)
    found = judge(
        read_detector(path),
        str(folder_of_set(request)),
        target=request.target,
        normal=request.normal,
        kind=named or request.kind,
    )
    figures = {name: _interval(found[name], method) for name, method in _METHODS.items()}
    for name in ("row_f1", "row_false"):
        figures[name] = _interval({"value": found[name], "low": found[name], "high": found[name]}, "")
    per = "a day" if found["false_alarms"]["per"] == "day" else f"in 1,000 {found['judged']}"
    return Score(
        kind="detector", name=found["kind"], data=request.data, samples=found["rows"],
        unit=found["judged"].removesuffix("s"), figures=figures,
        notes=(
            f"{found['events']:,} events, {found['found']:,} found; {found['alarms']:,} alarms, {found['false']:,} "
            f"false; false_alarms are {per}, row_false is the share of flagged normal {found['judged']}",
        ),
        details=found,
    )  # fmt: skip


def _interval(record: dict[str, Any], method: str) -> Interval:
    from edgewright.schema.trace import Interval

    return Interval(value=record["value"], low=record["low"], high=record["high"], method=method)


SCORED = Scored("a detector", "detector.json", frozenset({"kind", "target", "normal"}), _score)
