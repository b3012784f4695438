"""`edgewright synth signals`: changed copies of recordings, or windows of a model that was fitted on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import Result, declare, option
from edgewright.cli.commands.synth._options import MethodOptions
from edgewright.cli.interrupt import loading
from edgewright.cli.options import FILE, refuse_existing, settings_of
from edgewright.cli.text import wrote
from edgewright.core.formatting import plural

if TYPE_CHECKING:
    from edgewright.schema.data import DataSet


@dataclass(frozen=True, kw_only=True)
class SignalOptions(MethodOptions):
    """Options of the command."""

    window: int = option(type=click.IntRange(0), default=0, help="Rows in a window, for `generate`.")
    out: Path = option(required=True, type=FILE, help="FILE.parquet or FILE.csv.")
    measured: bool = option(help="Also write the measured rows, before the synthetic ones.")
    force: bool = option(help="Replace the file.")


@declare(
    example="walk.csv --target activity --group person --time t --method rotation --set degrees=30 --out turned.parquet"
)
def command(options: SignalOptions) -> Result:
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
    synthetic_data = synthetic(
        whole, method, settings_of(options.settings), copies=options.copies, seed=options.seed, window=options.window
    )
    every = synthetic_data.recordings
    if options.measured:
        # In a table of both kinds every row names its session.
        every = tuple(with_session(recording) for recording in (*whole.recordings, *every))
    write_table_file(msgspec.structs.replace(synthetic_data, recordings=every), out)
    rows, count = sum(len(recording.values) for recording in synthetic_data.recordings), len(synthetic_data.recordings)
    record = {
        "file": str(out), "method": method, "recordings": count, "rows": rows, "origin": synthetic_data.origin
    }  # fmt: skip
    ways = f"{plural(count, 'recording')} by {method}"
    return Result(
        record,
        [
            f"Simulated: {rows:,} synthetic rows in {ways}; sessions begin with synthetic/", wrote(out),
            f"[data]  {_reading(synthetic_data)}",
        ],
        compact=True,
    )  # fmt: skip


def _reading(data: DataSet) -> str:
    """Return what a pipeline's [data] says to read the file as what it is."""
    recording = data.recordings[0]
    parts = {
        "target": data.target_name or "target" if recording.target is not None else "",
        "group": data.group_name or "group" if recording.groups is not None else "",
        "session": "session",
        "time": "time" if recording.time is not None else "",
    }
    named = "; ".join(f'{key} = "{name}"' for key, name in parts.items() if name)
    return f'{named}; ignore = ["recording"]'
