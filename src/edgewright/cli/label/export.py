"""`edgewright label export`: labelled data for training, with the record of the audit beside it."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from edgewright.cli.interrupt import loading
from edgewright.cli.label._options import JSON, PROJECT
from edgewright.cli.options import declare, option
from edgewright.cli.output import print_json


@declare("export", epilog="Example: edgewright label export calls.labelling --out calls.csv")
def command(
    project: Path = PROJECT,
    out: Path = option(required=True, help="File .csv, or .parquet for recordings."),
    human: bool = option(help="Only labels by people, which need no audit."),
    force: bool = option(help="Replace the files."),
    as_json: bool = JSON,
) -> None:
    """Write the labelled items, the source of each label, and FILE.labels.json with the audit.

    `run` and `language train` refuse data with a machine's labels if the audit is missing, unfinished, of other labels,
    or above the limit.
    """
    with loading():
        from edgewright.data.audited_labels import LIMIT, beside
        from edgewright.language.labelling.export import export
        from edgewright.language.labelling.project import Project

    with Project(project) as opened:
        found = export(opened, out, force=force, human_only=human)
    record = found.record
    if as_json:
        print_json({"file": str(found.path), **msgspec.to_builtins(record), "data": found.table, "left": found.left})
        return
    names = " and ".join(click.format_filename(str(path)) for path in (found.path, beside(found.path)))
    counts = f"{record.human:,} labels by people, {record.machine:,} by a machine, {found.left:,} items left"
    click.echo(f"wrote {names}: {counts}")
    if found.table:
        click.echo("[data]")
        for key, value in found.table.items():
            click.echo(f"{key} = {msgspec.json.encode(value).decode()}")
    high = record.audit.high
    if record.machine and (record.audit.state != "done" or high > LIMIT):
        far = f"up to {100 * high:.1f} % of the machine's labels may be wrong, the limit is {100 * LIMIT:g} %"
        why = far if record.audit.state == "done" else f"audit: {record.audit.state}"
        click.echo(f"note: training refuses it ({why}); edgewright label audit {project}")
