"""`edgewright synth speech`: keywords said by espeak-ng."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.schema.errors import InputError

_FOLDER = click.Path(path_type=Path, file_okay=False)


@declare(example="stop go --voice en-us --copies 5 --out prompts")
def command(
    *,
    words: tuple[str, ...] = argument(nargs=-1, required=True),
    out: Path = option(required=True, type=_FOLDER, help="A new folder."),
    voices: tuple[str, ...] = option(
        "--voice", help="Voice of espeak-ng; may be repeated. [default: eight English voices]"
    ),
    copies: int = option(type=click.IntRange(1, 1000), default=3, help="Copies of each word in each voice."),
    speakers: int | None = option(
        type=click.IntRange(1), help="Draw so many speakers: a voice with a variant of espeak-ng each."
    ),
    rate: int | None = option(
        type=click.IntRange(4000, 192_000), help="Hz of the files.  [default: that of espeak-ng]"
    ),
    recorded: bool = option(help="Record each prompt with another microphone and noise, half of them in a room."),
    seed: int = option(type=click.IntRange(0), default=0, help="Seed of the random number generators."),
) -> Result:
    """Synthesise WORDS in several voices, at random speeds and pitches, as WAV files.

    `labels.csv` in the folder has the word, the voice and, as the session, the mark that the file is synthetic.
    """
    from edgewright.language.synthesis.speech import VOICES, speak

    if out.exists():
        raise InputError("a new folder", "an existing one", str(out))
    if not out.parent.is_dir():
        raise InputError("a folder in an existing one", "no such folder", str(out.parent))
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        recordings = speak(
            list(words),
            voices or VOICES,
            copies,
            seed,
            folder,
            speakers=speakers or 0,
            rate=rate or 0,
            recorded=recorded,
        )
        table = io.StringIO(newline="")
        writer = csv.writer(table)
        writer.writerow(("file", "label", "group", "session"))
        for recording in recordings.recordings:
            groups = "" if recording.groups is None else str(recording.groups[0])
            label = str(recording.target[0])
            writer.writerow((recording.name.rpartition("/")[2] + ".wav", label, groups, recording.name))
        (folder / "labels.csv").write_text(table.getvalue(), encoding="utf-8")
        folder.chmod(0o755)
        folder.rename(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    record = {"folder": str(out), "files": len(recordings.recordings), "rate": recordings.rate}
    wrote = f"Simulated: wrote {len(recordings.recordings)} synthetic prompts to {out}"
    return Result(record, [wrote], compact=True)
