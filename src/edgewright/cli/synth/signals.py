"""`edgewright synth signals`: changed copies of recordings, or windows of a model that was fitted on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.interrupt import loading
from edgewright.cli.options import FILE, declare, option, refuse_existing, settings_of
from edgewright.cli.synth._options import MethodOptions

if TYPE_CHECKING:
    from edgewright.schema.data import DataSet

_EXAMPLE = (
    "Example: edgewright synth signals walk.csv --target activity --group person --time t --method rotation "
    "--set degrees=30 --out turned.parquet"
)


@dataclass(frozen=True, kw_only=True)
class SignalOptions(MethodOptions):
    """Options of the command."""

    window: int = option(type=click.IntRange(0), default=0, help="Rows in a window, for `generate`.")
    out: Path = option(required=True, type=FILE, help="FILE.parquet or FILE.csv.")
    measured: bool = option(help="Also write the measured rows, before the synthetic ones.")
    force: bool = option(help="Replace the file.")
    as_json: bool = option("--json", help="Print a summary as JSON.")


@declare("signals", epilog=_EXAMPLE)
def command(options: SignalOptions) -> None:
    """Generate synthetic signals from DATA (a file, or a folder with --kind of a public set).

    Sessions of synthetic rows begin with `synthetic/`: set `session` to that column in [data] when a pipeline reads
    them. A split then never tests on them, and trains only on those derived from training people.
    """
    out, method = options.out, options.method
    refuse_existing(out, options.force)
    with loading():
        from edgewright.data.table_file import check_table_file, write_table_file
        from edgewright.language.synthesis.recordings import synthetic, with_session

    check_table_file(out)
    whole = options.read()
    made = synthetic(
        whole, method, settings_of(options.settings), copies=options.copies, seed=options.seed, window=options.window
    )
    every = made.recordings
    if options.measured:
        # In a table of both kinds every row names its session.
        every = tuple(with_session(recording) for recording in (*whole.recordings, *every))
    write_table_file(msgspec.structs.replace(made, recordings=every), out)
    rows = sum(len(recording.values) for recording in made.recordings)
    record = {
        "file": str(out),
        "method": method,
        "recordings": len(made.recordings),
        "rows": rows,
        "origin": made.origin,
    }
    if options.as_json:
        click.echo(msgspec.json.encode(record))
        return
    count = len(made.recordings)
    ways = f"{count:,} recording{'s' if count != 1 else ''} by {method}"
    click.echo(f"Simulated: {rows:,} synthetic rows in {ways}; sessions begin with synthetic/")
    click.echo(f"wrote {out}")
    click.echo(f"[data]  {_reading(made)}")


def _reading(made: DataSet) -> str:
    """Return what a pipeline's [data] says to read the file as what it is."""
    one = made.recordings[0]
    parts = {
        "target": made.target_name or "target" if one.target is not None else "",
        "group": made.group_name or "group" if one.groups is not None else "",
        "session": "session",
        "time": "time" if one.time is not None else "",
    }
    named = "; ".join(f'{key} = "{name}"' for key, name in parts.items() if name)
    return f'{named}; ignore = ["recording"]'
