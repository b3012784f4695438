"""Generate synthetic sentences and speech to train on.

They are always marked, and no model is tested on them.
"""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.options import FILE, refuse_existing
from edgewright.core.errors import ExistingFileError, FileEndingError, MissingFileError

EXAMPLE = "utterances grammar.toml --count 200 --out more.csv"

_FOLDER = click.Path(path_type=Path, file_okay=False)


@dataclass(frozen=True, kw_only=True)
class SpeechOptions:
    """Options of the command."""

    words: tuple[str, ...] = argument(nargs=-1, required=True)
    out: Path = option(required=True, type=_FOLDER, help="A new folder.")
    voices: tuple[str, ...] = option(
        "--voice", help="Voice of espeak-ng; may be repeated. [default: eight English voices]"
    )
    copies: int = option(type=click.IntRange(1, 1000), default=3, help="Copies of each word in each voice.")
    speakers: int | None = option(
        type=click.IntRange(1), help="Draw so many speakers: a voice with a variant of espeak-ng each."
    )
    rate: int | None = option(type=click.IntRange(4000, 192_000), help="Hz of the files.  [default: that of espeak-ng]")
    recorded: bool = option(help="Record each prompt with another microphone and noise, half of them in a room.")
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed.")


@declare(example="stop go --copies 5 --out prompts")
def speech(options: SpeechOptions) -> Result:
    """Synthesise WORDS in several voices, at random speeds and pitches, as WAV files.

    `labels.csv` in the folder has the word, the voice and, as the session, the mark that the file is synthetic.
    `[training] synthetic` of a pipeline trains on such a folder and tests on measured recordings alone.
    """
    from edgewright.language.synthesis import VOICES, speak

    out = options.out
    if out.exists():
        raise ExistingFileError("a new folder", "an existing one", str(out))
    if not out.parent.is_dir():
        raise MissingFileError("a folder in an existing one", "no such folder", str(out.parent))
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        recordings = speak(
            list(options.words),
            options.voices or VOICES,
            options.copies,
            options.seed,
            folder,
            speakers=options.speakers or 0,
            rate=options.rate or 0,
            recorded=options.recorded,
        )
        table = io.StringIO(newline="")
        writer = csv.writer(table)
        writer.writerow(("file", "label", "group", "session"))
        for recording in recordings.recordings:
            group = "" if recording.groups is None else str(recording.groups[0])
            writer.writerow((recording.name.rpartition("/")[2] + ".wav", recording.target[0], group, recording.name))
        (folder / "labels.csv").write_text(table.getvalue(), encoding="utf-8")
        folder.chmod(0o755)
        folder.rename(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    count = len(recordings.recordings)
    record = {"folder": str(out), "files": count, "rate": recordings.rate}
    return Result(record, f"Simulated: wrote {count} synthetic prompts to {out}", compact=True)


@dataclass(frozen=True, kw_only=True)
class UtteranceOptions:
    """Options of the command."""

    grammar: Path = argument()
    out: Path = option(required=True, type=FILE, help="FILE.csv")
    count: int = option(type=click.IntRange(1, 100_000), default=100, help="Sentences per intent.")
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed.")
    force: bool = option(help="Replace the file.")


@declare(example="grammar.toml --count 200 --out more.csv")
def utterances(options: UtteranceOptions) -> Result:
    """Generate sentences from the templates, rules and paraphrases of GRAMMAR, with marked slots.

    The column `provenance` has `synthetic/grammar` for every sentence: `language train` trains on them and never
    evaluates on them.
    """
    from edgewright.core.files import write_atomic
    from edgewright.language.synthesis import METHOD, read_grammar, sentences

    out = options.out
    refuse_existing(out, options.force)
    if out.suffix != ".csv":
        raise FileEndingError("a name that ends in .csv", out.name, "--out")
    grammar = options.grammar
    utterances, findings = sentences(read_grammar(grammar), options.count, options.seed, grammar.name)
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(("text", "intent", "provenance"))
    for utterance in utterances:
        text, last, parts = utterance.text, 0, []
        for slot in utterance.slots:
            parts += [text[last : slot.begin], f"[{slot.text}]({slot.name})"]
            last = slot.end
        writer.writerow(("".join([*parts, text[last:]]), utterance.intent, METHOD))
    write_atomic(out, table.getvalue().encode())
    record = {"file": str(out), "sentences": len(utterances), "findings": findings}
    wrote = f"Simulated: wrote {len(utterances):,} synthetic sentences to {out}"
    return Result(record, [wrote, *(f"note: {finding}" for finding in findings)], compact=True)
