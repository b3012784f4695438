"""`edgewright jobs`: whole problems, from data to a replayed day. Its commands are the files of `cli/jobs`."""

from __future__ import annotations

import click

from edgewright.cli.folder import FolderOfCommands
from edgewright.cli.interrupt import loading
from edgewright.core.formatting import duration_text


@click.group(
    "jobs",
    cls=FolderOfCommands,
    invoke_without_command=True,
    epilog="Example: edgewright jobs run activity",
)
@click.pass_context
def command(context: click.Context) -> None:
    """List jobs: whole problems, each solved from data to package, proof, alarms and a replayed day on the device."""
    if context.invoked_subcommand is not None:
        return
    with loading():
        from edgewright.jobs.catalogue import job_folder, read_job, shipped_jobs

    names = shipped_jobs()
    width = max(map(len, names), default=0)
    for name in names:
        spec = read_job(job_folder(name))
        takes = f" ({duration_text(60 * spec.minutes)})" if spec.minutes else ""
        click.echo(f"{name:<{width}}  {spec.title}{takes}")
        click.echo(f"{'':<{width}}  {spec.shows}")
