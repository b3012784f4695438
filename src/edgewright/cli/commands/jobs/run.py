"""`edgewright jobs run`: all steps of a job, and one page."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import command_line
from edgewright.schema.errors import CheckFailedError, InputError


@declare(example="activity --data har-hapt")
def command(
    name: str = argument(metavar="NAME|FOLDER"),
    data: Path | None = option(
        metavar="DIR", help="Folder of the job's data, or of folders of public sets, instead of the loaded ones."
    ),
    out: Path = option(default=Path("runs"), help="Folder for runs."),
    force: bool = option(help="Replace the folder of an earlier run instead of using the next free number."),
    resume: bool = option(help="Go on behind the last finished step of the job that was stopped."),
) -> Result:
    """Run a job: NAME as `edgewright jobs` lists it, or a FOLDER with job.toml.

    The folder in --out gets the runs, `job.json` and the page `job.html`. Exits with 1 if a check fails; a missed
    target is shown and is no failure. When it is stopped its finished steps are kept, and --resume goes on.
    """
    with loading():
        from edgewright.cli.listeners import says_what_is_kept, working
        from edgewright.jobs.catalogue import job_folder
        from edgewright.jobs.workflow import PAGE, run_job
        from edgewright.pipeline.run_folder.journal import JobJournal, journalled
        from edgewright.trace.views.job import job_blocks

    if data is not None and not data.exists():
        raise InputError("a folder of data", "nothing there", str(data))
    folder = job_folder(name)
    journal = JobJournal(out, None, command_line())
    with says_what_is_kept(out, folder.name, steps=True), journalled(journal, working()) as listener:
        result = run_job(folder, data=data, out=out, force=force, resume=resume, listener=listener)
        journal.end("finished", "", result.folder.name)
    failed, failure = [step.name for step in result.record.steps if not step.passed], None
    if failed:
        text = f"the job {result.record.name} failed at {', '.join(failed)}"
        failure = CheckFailedError(text, do=f"See {result.folder}")
    page = f"page {click.format_filename(result.folder / PAGE)}"
    return Result(result.record, [*job_blocks(result.record), page], failure=failure)
