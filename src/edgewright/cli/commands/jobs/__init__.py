"""List jobs: whole problems, each solved from data to package, proof, alarms and a replayed day on the device."""

from __future__ import annotations

import click

from edgewright.cli.folder import FolderOfCommands
from edgewright.cli.interrupt import loading
from edgewright.core.formatting import duration_text


def _list() -> None:
    """Print the jobs that come with the package, where no command follows."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    with loading():
        from edgewright.jobs.catalogue import job_folder, read_job, shipped_jobs

    specs = {name: read_job(job_folder(name)) for name in shipped_jobs()}
    width = max(map(len, specs), default=0)
    for name, spec in specs.items():
        takes = f" ({duration_text(60 * spec.minutes)})" if spec.minutes else ""
        click.echo(f"{name:<{width}}  {spec.title}{takes}\n{'':<{width}}  {spec.shows}")


EXAMPLE = "run activity"
command = FolderOfCommands(__name__, invoke_without_command=True, callback=_list)
