"""`edgewright forecast pool`: recursions learnt on many series, for series that were never seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option, print_ahead
from edgewright.cli.interrupt import loading
from edgewright.cli.options import FILE, refuse_existing
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SUFFIXES = (".csv", ".parquet")


@declare(example="m/ --season 24,168 --horizon 48 --out hourly.pool")
def command(
    *,
    folder: Path = argument(metavar="FOLDER"),
    season: str = option(required=True, metavar="N[,N]", help="Rows after which the series repeat, or none."),
    horizon: int = option(type=click.IntRange(1, 10_000), required=True, help="Number of rows to forecast."),
    column: str = option(metavar="NAME", help="Column with the values, if there are several."),
    time: str = option(metavar="NAME", help="Column with the times; detected by name or values by default."),
    out: Path = option(type=FILE, required=True, help="FILE.pool."),
    force: bool = option(help="Replace the file."),
) -> Result:
    """Learn recursions from the series in FOLDER (one CSV or Parquet file each), all with the same step.

    `edgewright forecast NEW.csv --pooled FILE.pool` then forecasts a series without fitting on it; the series' own past
    only decides how the recursions are weighted.
    """
    with loading():
        from edgewright.cli.commands.forecast.fit import asked_seasons
        from edgewright.language.forecasting.pool import fit_pool, write_pool

    refuse_existing(out, force)
    seasons = asked_seasons(season)
    series, notes = _series(folder, column, time, seasons)
    pool = fit_pool(series, seasons, horizon, name=out.stem, ahead=print_ahead)
    size = write_pool(out, pool)
    return Result(
        {"file": str(out), "bytes": size, "notes": notes, **msgspec.to_builtins(pool)},
        [
            *(f"note: {note}" for note in notes),
            f"trained on {pool.series:,} of {len(series):,} series, {pool.rows:,} rows",
            *(f"  {row.name:<34} {row.series:>6,} series, {len(row.weights)} weights" for row in pool.members),
            f"wrote {click.format_filename(str(out))}, {size:,} bytes",
        ],
    )


def _series(
    folder: Path, column: str, time: str, seasons: tuple[int, ...]
) -> tuple[list[NDArray[np.float64]], list[str]]:
    """Return the series of a folder, holes filled, and which files were left out."""
    from edgewright.language.forecasting.series import filled, read_series

    if not folder.is_dir():
        raise InputError("a folder of series", "a file" if folder.exists() else "no such folder", str(folder))
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
    kept, notes, steps = [], [], dict[float, str]()
    for path in files:
        try:
            series = read_series(str(path), column=column, time=time)
            whole, _ = filled(series, seasons[-1] if seasons else 1)
        except InputError as error:
            notes.append(f"skipped {path.name}: {error}")
            continue
        if series.step:
            steps.setdefault(series.step, path.name)
        kept.append(whole.values)
    if not kept:
        raise InputError("a folder of series (.csv, .parquet)", notes[0] if notes else "none in it", str(folder))
    if len(steps) > 1:
        text = " and ".join(f"{step:g} s ({name})" for step, name in list(steps.items())[:2])
        raise InputError("series at the same steps", text, str(folder), "Pool only series with the same step")
    return kept, notes
