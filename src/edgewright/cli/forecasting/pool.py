"""`edgewright forecast pool`: recursions learnt on many series, for series that were never seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.interrupt import loading
from edgewright.cli.options import FILE, refuse_existing
from edgewright.cli.output import print_ahead, print_json
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SUFFIXES = (".csv", ".parquet")


@click.command("pool", epilog="Example: edgewright forecast pool m/ --season 24,168 --horizon 48 --out hourly.pool")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--season", required=True, metavar="N[,N]", help="Rows after which the series repeat, or none.")
@click.option("--horizon", type=click.IntRange(1, 10_000), required=True, help="Number of rows to forecast.")
@click.option("--column", default="", metavar="NAME", help="Column with the values, if there are several.")
@click.option(
    "--time", default="", metavar="NAME", help="Column with the times; detected by name or values by default."
)
@click.option("--out", type=FILE, required=True, help="FILE.pool.")
@click.option("--force", is_flag=True, help="Replace the file.")
@click.option("--json", "as_json", is_flag=True, help="Print what was learnt as JSON.")
def command(
    folder: Path, season: str, horizon: int, column: str, time: str, out: Path, force: bool, as_json: bool
) -> None:
    """Learn recursions from the series in FOLDER (one CSV or Parquet file each), all with the same step.

    `edgewright forecast NEW.csv --pooled FILE.pool` then forecasts a series without fitting on it; the series' own past
    only decides how the recursions are weighted.
    """
    with loading():
        from edgewright.cli.forecasting.fit import asked_seasons
        from edgewright.language.forecasting.pool import fit_pool, write_pool

    refuse_existing(out, force)
    seasons = asked_seasons(season)
    series, notes = _series(folder, column, time, seasons)
    pool = fit_pool(series, seasons, horizon, name=out.stem, ahead=(lambda _: None) if as_json else print_ahead)
    size = write_pool(out, pool)
    if as_json:
        record = {"file": str(out), "bytes": size, "notes": notes, **msgspec.to_builtins(pool)}
        print_json(record)
        return
    for note in notes:
        click.echo(f"note: {note}")
    click.echo(f"trained on {pool.series:,} of {len(series):,} series, {pool.rows:,} rows")
    for one in pool.members:
        click.echo(f"  {one.name:<34} {one.series:>6,} series, {len(one.weights)} weights")
    click.echo(f"wrote {click.format_filename(str(out))}, {size:,} bytes")


def _series(
    folder: Path, column: str, time: str, seasons: tuple[int, ...]
) -> tuple[list[NDArray[np.float64]], list[str]]:
    """Return the series of a folder, holes filled, and which files were left out."""
    from edgewright.language.forecasting.series import filled, read_series

    if not folder.is_dir():
        raise InputError("a folder of series", "a file" if folder.exists() else "no such folder", str(folder))
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
    made, notes, steps = [], [], dict[float, str]()
    for path in files:
        try:
            series = read_series(str(path), column=column, time=time)
            whole, _ = filled(series, seasons[-1] if seasons else 1)
        except InputError as error:
            notes.append(f"skipped {path.name}: {error}")
            continue
        if series.step:
            steps.setdefault(series.step, path.name)
        made.append(whole.values)
    if not made:
        raise InputError("a folder of series (.csv, .parquet)", notes[0] if notes else "none in it", str(folder))
    if len(steps) > 1:
        text = " and ".join(f"{step:g} s ({name})" for step, name in list(steps.items())[:2])
        raise InputError("series at the same steps", text, str(folder), "Pool only series with the same step")
    return made, notes
