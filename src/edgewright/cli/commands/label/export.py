"""`edgewright label export`: labelled data for training, with the record of the audit beside it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.cli.command import Result, declare, json_line, option
from edgewright.cli.commands.label._options import PROJECT
from edgewright.cli.interrupt import loading
from edgewright.cli.text import wrote


@declare(example="calls.labelling --out calls.csv")
def command(
    project: Path = PROJECT,
    out: Path = option(required=True, help="File .csv, or .parquet for recordings."),
    human: bool = option(help="Only labels by people, which need no audit."),
    force: bool = option(help="Replace the files."),
) -> Result:
    """Write the labelled items, the source of each label, and FILE.labels.json with the audit.

    `run` and `language train` refuse data with a machine's labels if the audit is missing, unfinished, of other labels,
    or above the limit.
    """
    with loading():
        from edgewright.data.audited_labels import LIMIT, record_path
        from edgewright.language.labelling.export import export
        from edgewright.language.labelling.project import Project

    with Project(project) as opened:
        exported = export(opened, out, force=force, human_only=human)
    record = exported.record
    counts = f"{record.human:,} labels by people, {record.machine:,} by a machine, {exported.left:,} items left"
    lines = [f"{wrote(exported.path, record_path(exported.path))}: {counts}"]
    if exported.table:
        lines += ["[data]", *(f"{key} = {json_line(value)}" for key, value in exported.table.items())]
    high = record.audit.high
    if record.machine and (record.audit.state != "done" or high > LIMIT):
        far = f"up to {100 * high:.1f} % of the machine's labels may be wrong, the limit is {100 * LIMIT:g} %"
        why = far if record.audit.state == "done" else f"audit: {record.audit.state}"
        lines.append(f"note: training refuses it ({why}); edgewright label audit {project}")
    value = {"file": str(exported.path), **msgspec.to_builtins(record), "data": exported.table, "left": exported.left}
    return Result(value, lines)
