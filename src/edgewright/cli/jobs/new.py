"""`edgewright jobs new`: the folder of a job for a person's own data."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, declare, option
from edgewright.cli.own_data import OwnDataOptions, echo_choices, first_pipeline
from edgewright.schema.errors import InputError


@declare("new", epilog="Example: edgewright jobs new pump --data pump.csv --target state")
def command(
    options: OwnDataOptions,
    name: str = argument(metavar="FOLDER"),
    data: str = option(metavar="PATH", required=True, help="A CSV, Parquet or WAV file, or a folder."),
    yes: bool = option("--yes", "-y", help="Take what the data suggest, without questions."),
) -> None:
    """Make the FOLDER of a job from your own data: pipeline, steps and device, each file commented.

    Looks at the data as `edgewright init` does and asks at most five questions on a terminal.
    Next: edgewright jobs run.
    """
    with loading():
        from edgewright.core.files import write_together
        from edgewright.data.targets import as_text, task_of
        from edgewright.jobs.new import job_files

    folder = Path(name)
    if folder.exists():
        raise InputError("a folder that does not exist yet", "one that does", str(folder), "Choose another name")
    proposal, files = first_pipeline(options, data, yes, folder)
    targets = [one.target for one in proposal.found.dataset.recordings if one.target is not None]
    classes = bool(targets) and task_of(targets[0], proposal.config.task) == "classification"
    counts = Counter(label for target in targets if classes for label in as_text(target).tolist() if label)
    made = job_files(proposal, folder.name, Path(data).name, tuple(label for label, _ in counts.most_common()))
    folder.mkdir(parents=True)
    write_together(files | {folder / file: text.encode() for file, text in made.items()})
    echo_choices(proposal)
    click.echo(f"wrote {', '.join(sorted(path.name for path in folder.iterdir()))} to {click.format_filename(folder)}")
    click.echo(f"next: edgewright jobs run {click.format_filename(folder)}")
