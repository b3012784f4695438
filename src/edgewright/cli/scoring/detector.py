"""A detector: events and false alarms on rows with labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.cli.scoring import Scored
from edgewright.core.errors import LabelsMissingError

if TYPE_CHECKING:
    from edgewright.core.records.trace import Interval
    from edgewright.workflows.scoring.rows import ScoreRequest
    from edgewright.workflows.scoring.workflow import Score

_MUCH = 0.5
_METHODS = {
    "recall": "Wilson", "precision": "Wilson", "f1": "bootstrap over pieces of the data", "false_alarms": "Byar",
}  # fmt: skip


def _score(path: Path, request: ScoreRequest) -> Score:
    from edgewright.monitor.detector_stream import read_detector
    from edgewright.workflows.detection.fit import judge
    from edgewright.workflows.scoring.workflow import Score

    if not request.data:
        raise LabelsMissingError("rows with labels", "none", "--data", "Pass a file or folder: --data DATA")
    score = judge(
        read_detector(path),
        request.data,
        target=request.target,
        normal=request.normal,
        kind=request.kind,
    )
    figures = {name: _interval(score[name], method) for name, method in _METHODS.items()}
    for name in ("row_f1", "row_false"):
        figures[name] = _interval({"value": score[name], "low": score[name], "high": score[name]}, "")
    flagged = "most normal rows are flagged: an alarm that never ends finds no event"
    per = "a day" if score["false_alarms"]["per"] == "day" else f"in 1,000 {score['judged']}"
    return Score(
        kind="detector", name=score["kind"], data=request.data, samples=score["rows"],
        unit=score["judged"].removesuffix("s"), figures=figures,
        notes=(
            f"{score['events']:,} events, {score['found']:,} found; {score['alarms']:,} alarms, {score['false']:,} "
            f"false; false_alarms are {per}, row_false is the share of flagged normal {score['judged']}",
            *([flagged] if score["row_false"] > _MUCH else []),
        ),
        details=score,
    )  # fmt: skip


def _interval(record: dict[str, Any], method: str) -> Interval:
    from edgewright.core.records.trace import Interval

    return Interval(value=record["value"], low=record["low"], high=record["high"], method=method)


SCORED = Scored("a detector", "detector.json", frozenset({"kind", "target", "normal"}), _score)
