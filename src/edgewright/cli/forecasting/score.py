"""`edgewright forecast score`: how good a forecaster is on rows that it has not seen."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.output import print_json


@click.command("score", epilog="Example: edgewright forecast score load.forecaster --csv next-month.csv")
@click.argument("file", metavar="FORECASTER", type=click.Path(path_type=Path))
@click.option(
    "--csv", "csv_path", required=True, type=click.Path(path_type=Path), help="Rows after those that it was fitted on."
)
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
def command(file: Path, csv_path: Path, as_json: bool) -> None:
    """Forecast from every row of FILE and compare with what followed: MASE, sMAPE, interval coverage.

    Missing values are not scored. MASE is in units of the seasonal naive error on the rows that the forecaster was
    fitted on.
    """
    import numpy as np

    from edgewright.cli.forecasting._rows import coming_rows
    from edgewright.language.forecasting.backtest import score_forecaster
    from edgewright.monitor.forecaster import read_forecaster

    made = read_forecaster(file)
    spec = made.spec
    values = np.array([value for value, _ in coming_rows(spec, csv_path, csv_path.name)])
    answer = score_forecaster(made, values, csv_path.name)
    if as_json:
        print_json(answer)
        return
    click.echo(f"{spec.name}, {spec.horizon} rows ahead from {answer['origins']:,} rows of {csv_path.name}")
    click.echo(f"  MASE {answer['mase']:.3f}, sMAPE {answer['smape']:.2f} %")
    for row in answer["coverage"]:
        held, of = row["held"], row["of"]
        click.echo(f"  {row['level']:g} % interval covered {100 * held / of:.0f} % of {of:,} values")
