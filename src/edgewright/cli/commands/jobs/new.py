"""`edgewright jobs new`: the folder of a job for a person's own data."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.own_data import OwnDataOptions, echo_choices, first_pipeline
from edgewright.schema.errors import InputError

_NEW = "a folder that does not exist yet", "one that does"


@declare(example="pump --data pump.csv --target state")
def command(
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
        from edgewright.jobs.new import job_files, wake_files

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
