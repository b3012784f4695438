"""`edgewright sample`: a small file to try the commands on."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.options import argument, declare, option, refuse_existing

SAMPLES: dict[str, dict[str, object]] = {
    "machine": {"kind": "machine", "rows": 3000, "machines": 25},
    "motion": {"kind": "wearable", "rows": 6000, "people": 20},
    "room": {"kind": "room", "rows": 9600, "rooms": 24},
}
"""Tables [data] of the samples by name."""


@declare("sample", epilog="Example: edgewright sample motion --out my.csv")
def command(
    *,
    kind: str = argument(type=click.Choice(sorted(SAMPLES))),
    out: Path | None = option(help="File to write, .csv or .parquet. [default: KIND.csv]"),
    seed: int = option(type=click.IntRange(min=0), default=0, help="Random seed."),
    force: bool = option(help="Replace the file."),
) -> None:
    """Write a small table for a first try: motion, machine or room.

    `motion` has wearables of 20 people, `machine` pumps with an alarm, `room` offices with and without people.
    The rows are simulated, and their recordings say so: a run on them begins with "Simulated data".
    `edgewright data list` names public sets that sensors measured.
    """
    from edgewright.data.load import load_data
    from edgewright.data.simulated import marked
    from edgewright.data.table_file import check_table_file, write_table_file

    path = out or Path(f"{kind}.csv")
    check_table_file(path)
    refuse_existing(path, force)
    data = marked(load_data(dict(SAMPLES[kind]), seed=seed))
    write_table_file(data, path)
    rows = sum(len(recording.values) for recording in data.recordings)
    shown = click.format_filename(path)
    click.echo(f"wrote {shown}: {rows:,} rows, {len(data.columns)} readings, simulated: no sensor measured them")
    click.echo(f"next: edgewright init {shown}")
