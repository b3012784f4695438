"""List jobs: whole problems, each solved from data to package, proof, alarms and a replayed day on the device."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.folder import FolderOfCommands
from edgewright.cli.interrupt import loading
from edgewright.cli.options import command_line
from edgewright.cli.own_data import OwnDataOptions, echo_choices, first_pipeline
from edgewright.core.formatting import duration_text
from edgewright.schema.errors import CheckFailedError, InputError

EXAMPLE = "run activity"


_NEW = "a folder that does not exist yet", "one that does"


@declare(example="pump --data pump.csv --target state", spreads=True)
def new(
    options: OwnDataOptions,
    name: str = argument(metavar="FOLDER"),
    data: str = option(metavar="PATH", help="A CSV, Parquet or WAV file, or a folder."),
    word: str = option(help="A wake word, for a job that needs no data but espeak-ng."),
    voice: tuple[str, ...] = option(
        help="Voice of espeak-ng for the wake word; may be repeated.  [default: English ones]"
    ),
    takes: Path | None = option(metavar="DIR", help="Folder in which you say the wake word in three WAV files."),
    yes: bool = option("--yes", "-y", help="Take what the data suggest, without questions."),
) -> Result:
    """Make the FOLDER of a job from your own data, or for a wake word: pipeline, steps and device.

    Looks at the data as `edgewright init` does and asks at most five questions on a terminal.
    Next: edgewright jobs run.
    """
    with loading():
        from edgewright.data.targets import as_text, task_of
        from edgewright.jobs.catalogue import job_files, wake_files

    folder = Path(name)
    if folder.exists():
        raise InputError(*_NEW, str(folder), "Choose another name")
    if bool(data) == bool(word):
        raise InputError("either --data or --word", "both" if data else "neither", "jobs new")
    if data and (voice or takes):
        given = "--voice" if voice else "--takes"
        raise InputError("--voice and --takes beside --word", f"{given} beside --data", "jobs new", "Say --word WORD")
    if word:
        texts = wake_files(folder.name, word, voice, takes)
        return _write(folder, {folder / file: text.encode() for file, text in texts.items()})
    proposal, files = first_pipeline(options, data, yes, folder)
    recordings = proposal.data.dataset.recordings
    targets = [recording.target for recording in recordings if recording.target is not None]
    classes = bool(targets) and task_of(targets[0], proposal.config.task) == "classification"
    counts = Counter(label for target in targets if classes for label in as_text(target).tolist() if label)
    texts = job_files(proposal, folder.name, Path(data).name, tuple(label for label, _ in counts.most_common()))
    echo_choices(proposal)
    return _write(folder, files | {folder / file: text.encode() for file, text in texts.items()})


def _write(folder: Path, files: dict[Path, bytes]) -> Result:
    from edgewright.core.files import write_together

    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        # Another command made it while this one read the data.
        raise InputError(*_NEW, str(folder), "Choose another name") from None
    write_together(files)
    names, shown = sorted(path.name for path in folder.iterdir()), click.format_filename(folder)
    following = f"edgewright jobs run {shown}"
    record = {"folder": str(folder), "files": names, "next": following}
    return Result(record, [f"wrote {', '.join(names)} to {shown}", f"next: {following}"])


@declare(example="activity --data har-hapt")
def run(
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


command = FolderOfCommands(__name__, invoke_without_command=True, callback=_list)
