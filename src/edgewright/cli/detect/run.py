"""`edgewright detect run`: JSON lines with score, flag and channel, row by row."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from edgewright.schema.errors import InputError


@click.command("run", epilog="Example: edgewright detect run pump.detector --csv new.csv --alarms")
@click.argument("file", metavar="FILE.detector|PACKAGE", type=click.Path(path_type=Path))
@click.argument("standard_input", metavar="[-]", required=False, type=click.Choice(["-"]))
@click.option("--csv", "csv_path", metavar="FILE", help="CSV file with the detector's columns ('-': standard input).")
@click.option("--alarms", is_flag=True, help="Print only rows that begin an alarm.")
@click.option("--json", "as_json", is_flag=True, help="Accepted for consistency; the output is always JSON lines.")
def command(file: Path, standard_input: str | None, csv_path: str | None, alarms: bool, as_json: bool) -> None:
    """Score rows with a detector, offline, with the base install: one JSON line per row (or window).

    `score` is null while the detector is learning; `odd` says whether it reached the threshold, `alarm` whether an
    alarm begins, `channel` which column contributed most.
    """
    from edgewright.cli.detect._rows import judged, opened

    if bool(standard_input) == bool(csv_path):
        raise InputError("either --csv FILE or -", "both" if standard_input else "neither", "edgewright detect run")
    detector = opened(file)
    path = Path(str(csv_path)) if csv_path and csv_path != "-" else None
    for answer in judged(detector, path or sys.stdin, "standard input" if path is None else path.name):
        if answer["alarm"] or not alarms:
            click.echo(msgspec.json.encode(answer).decode())
