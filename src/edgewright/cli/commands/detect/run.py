"""`edgewright detect run`: JSON lines with score, flag and channel, row by row."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edgewright.cli.command import Stream, argument, declare, json_line, option
from edgewright.schema.errors import DONE, InputError


@declare(
    example="pump.detector --csv new.csv --alarms",
    view=lambda answer: [json_line(answer)],
    json="Accepted for consistency; the output is always JSON lines.",
)
def command(
    *,
    file: Path = argument(metavar="FILE.detector|PACKAGE"),
    standard_input: str | None = argument(metavar="[-]", required=False, type=click.Choice(["-"])),
    csv_path: str | None = option(
        "--csv", metavar="FILE", help="CSV file with the detector's columns ('-': standard input)."
    ),
    alarms: bool = option(help="Print only rows that begin an alarm."),
) -> Stream:
    """Score rows with a detector, offline, with the base install: one JSON line per row (or window).

    `score` is null while the detector is learning; `odd` says whether it reached the threshold, `alarm` whether an
    alarm begins, `channel` which column contributed most.
    """
    from edgewright.cli.commands.detect._rows import answers, opened

    if bool(standard_input) == bool(csv_path):
        raise InputError("either --csv FILE or -", "both" if standard_input else "neither", "edgewright detect run")
    detector = opened(file)
    path = Path(str(csv_path)) if csv_path and csv_path != "-" else None
    for answer in answers(detector, path or sys.stdin, "standard input" if path is None else path.name):
        if answer["alarm"] or not alarms:
            yield answer
    return DONE
