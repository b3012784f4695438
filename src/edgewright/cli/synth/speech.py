"""`edgewright synth speech`: keywords said by espeak-ng."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from pathlib import Path

import click
import msgspec

from edgewright.schema.errors import InputError


@click.command("speech", epilog="Example: edgewright synth speech stop go --voice en-us --copies 5 --out prompts")
@click.argument("words", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="A new folder.")
@click.option(
    "--voice", "voices", multiple=True, help="Voice of espeak-ng; may be repeated. [default: eight English voices]"
)
@click.option(
    "--copies", type=click.IntRange(1, 1000), default=3, show_default=True, help="Copies of each word in each voice."
)
@click.option(
    "--speakers",
    type=click.IntRange(1),
    default=None,
    help="Draw so many speakers: a voice with a variant of espeak-ng each.",
)
@click.option(
    "--rate", type=click.IntRange(4000, 192_000), default=None, help="Hz of the files.  [default: that of espeak-ng]"
)
@click.option(
    "--recorded", is_flag=True, help="Record each prompt with another microphone and noise, half of them in a room."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of everything random.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(
    words: tuple[str, ...],
    out: Path,
    voices: tuple[str, ...],
    copies: int,
    speakers: int | None,
    rate: int | None,
    recorded: bool,
    seed: int,
    as_json: bool,
) -> None:
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
        made = speak(
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
        for recording in made.recordings:
            groups = "" if recording.groups is None else str(recording.groups[0])
            label = str(recording.target[0])
            writer.writerow((recording.name.rpartition("/")[2] + ".wav", label, groups, recording.name))
        (folder / "labels.csv").write_text(table.getvalue(), encoding="utf-8")
        folder.chmod(0o755)
        folder.rename(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    record = {"folder": str(out), "files": len(made.recordings), "rate": made.rate}
    click.echo(
        msgspec.json.encode(record)
        if as_json
        else f"Simulated: wrote {len(made.recordings)} synthetic prompts to {out}"
    )
