"""`edgewright forecast score`: how good a forecaster is on rows that it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgewright.cli.command import Result, argument, declare, option


@declare(example="load.forecaster --csv next-month.csv")
def command(
    *,
    file: Path = argument(metavar="FORECASTER"),
    csv_path: Path = option("--csv", required=True, help="Rows after those that it was fitted on."),
) -> Result:
    """Forecast from every row of FILE and compare with what followed: MASE, sMAPE, interval coverage.

    Missing values are not scored. MASE is in units of the seasonal naive error on the rows that the forecaster was
    fitted on.
    """
    import numpy as np

    from edgewright.cli.forecast_rows import coming_rows
    from edgewright.language.forecasting.backtest import score_forecaster
    from edgewright.monitor.forecaster import read_forecaster

    forecaster = read_forecaster(file)
    spec = forecaster.spec
    values = np.array([value for value, _ in coming_rows(spec, csv_path, csv_path.name)])
    answer = score_forecaster(forecaster, values, csv_path.name)

    def text() -> Iterator[str]:
        yield f"{spec.name}, {spec.horizon} rows ahead from {answer['origins']:,} rows of {csv_path.name}"
        yield f"  MASE {answer['mase']:.3f}, sMAPE {answer['smape']:.2f} %"
        for row in answer["coverage"]:
            covered, of = row["held"], row["of"]
            yield f"  {row['level']:g} % interval covered {100 * covered / of:.0f} % of {of:,} values"

    return Result(answer, text())
