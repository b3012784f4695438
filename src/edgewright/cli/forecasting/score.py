"""`edgewright forecast score`: how good a forecaster is on rows that it has not seen."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("score", epilog="Example: edgewright forecast score load.forecaster --csv next-month.csv")
@click.argument("file", metavar="FORECASTER", type=click.Path(path_type=Path))
@click.option("--csv", "csv_path", required=True, type=click.Path(path_type=Path), help="Rows after those it knows.")
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
def command(file: Path, csv_path: Path, as_json: bool) -> None:
    """Forecast from every row of FILE, go on with what came, and compare: MASE, sMAPE, share within the intervals.

    Values that are missing are not judged. MASE is in units of the seasonal naive error of the rows it was fitted on.
    """
    import msgspec
    import numpy as np

    from edgewright.cli.forecasting._rows import coming_rows
    from edgewright.runtime.forecasting.forecaster_file import read_forecaster
    from edgewright.schema.errors import InputError

    made = read_forecaster(file)
    spec, running = made.spec, made.start()
    values = np.array([value for value, _ in coming_rows(spec, csv_path, csv_path.name)])
    origins = len(values) - spec.horizon + 1
    if origins < 1:
        do = f"Give {spec.horizon} rows or more"
        raise InputError(f"rows for a horizon of {spec.horizon}", f"{len(values)}", csv_path.name, do)
    errors, ratios, within = [], [], np.zeros(len(spec.levels), np.int64)
    for origin in range(origins):
        coming, truth = running.forecast(spec.horizon), values[origin : origin + spec.horizon]
        known = np.isfinite(truth)
        error = np.abs(coming.middle - truth)[known]
        size = (np.abs(coming.middle) + np.abs(truth))[known]
        errors.append(error)
        ratios.append(np.where(size > 0, 200 * error / np.where(size > 0, size, 1.0), 0.0))
        within += ((truth >= coming.low) & (truth <= coming.high)).sum(axis=1)
        running.push(float(values[origin]))
    every = np.concatenate(errors)
    if not len(every):
        raise InputError("rows with values", "none", csv_path.name)
    answer = {
        "rows": len(values), "origins": origins, "mase": float(every.mean() / spec.naive),
        "smape": float(np.concatenate(ratios).mean()),
        "coverage": [{"level": a, "held": int(b), "of": len(every)} for a, b in zip(spec.levels, within, strict=True)],
    }  # fmt: skip
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=1).decode())
        return
    click.echo(f"{spec.name}, {spec.horizon} rows ahead from {origins:,} rows of {csv_path.name}")
    click.echo(f"  MASE {answer['mase']:.3f}, sMAPE {answer['smape']:.2f} %")
    for level, held in zip(spec.levels, within, strict=True):
        click.echo(f"  {level:g} % interval held {100 * held / len(every):.0f} % of {len(every):,} values")


COMMAND = command
