"""A forecaster: rows that came after those it knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgewright.cli.scoring import Scored
from edgewright.core.errors import ColumnMissingError, LabelsMissingError

if TYPE_CHECKING:
    from edgewright.workflows.scoring.rows import ScoreRequest
    from edgewright.workflows.scoring.workflow import Score


def _score(file_path: Path, request: ScoreRequest) -> Score:
    import numpy as np

    from edgewright.cli.forecast_rows import coming_rows
    from edgewright.core.records.trace import Interval
    from edgewright.data.contract import read_columns
    from edgewright.data.matching import check_names, find_name, find_names
    from edgewright.language.forecasting.backtest import score_forecaster
    from edgewright.monitor.forecaster import read_forecaster
    from edgewright.workflows.scoring.workflow import Score

    forecaster = read_forecaster(file_path)
    spec, path = forecaster.spec, Path(request.data)
    if not path.is_file():
        got = "none" if not request.data else "no file"
        raise LabelsMissingError(
            "a CSV file with the rows that came", got, request.data or "--data", "Pass it with --data FILE.csv"
        )
    header = read_columns(path, path.name)
    check_names(request.names, header, (spec.column, spec.time))
    column = request.target or find_names([spec.column], header, request.names, path.name)[0]
    time = (request.time or find_name(spec.time, header, request.names) or spec.time) if spec.time else ""
    if column not in header:
        raise ColumnMissingError(f"a column {column!r}", ", ".join(header), path.name, "Set it with --target COLUMN")
    renamed = msgspec.structs.replace(spec, column=column, time=time)
    values = np.array([value for value, _ in coming_rows(renamed, path, path.name)])
    score = score_forecaster(forecaster, values, path.name)
    figures = {"mase": Interval(value=score["mase"], low=score["low"], high=score["high"], method="origin bootstrap")}
    for name in ("smape", "mae"):
        figures[name] = Interval(value=score[name], low=score[name], high=score[name], method="")
    for row in score["coverage"]:
        share = row["held"] / row["of"]
        figures[f"coverage.{row['level']:g}"] = Interval(value=share, low=share, high=share, method="")
    return Score(
        kind="forecaster", name=spec.name, data=request.data, samples=score["origins"], unit="origin", figures=figures,
        notes=(
            f"a forecast of {spec.horizon:,} rows from each of {score['origins']:,} rows; MASE is in units of the "
            "seasonal naive error of the rows it was fitted on, sMAPE is in per cent",
        ),
        details=score,
    )  # fmt: skip


SCORED = Scored("a forecaster", "forecaster.json", frozenset({"target", "time", "names"}), _score)
