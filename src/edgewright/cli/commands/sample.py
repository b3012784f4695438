"""`edgewright sample`: a small file or folder to try the commands on."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.options import refuse_existing
from edgewright.core.errors import ExistingFileError, FileEndingError, InputError
from edgewright.core.formatting import plural
from edgewright.data.tabular import SAMPLES, SPEECH

if TYPE_CHECKING:
    from edgewright.core.records.data import TextSet

SPEECH_SAMPLE, UTTERANCES, _SENTENCES = "speech", "utterances", 150


@declare(example="motion --out my.csv")
def command(
    *,
    kind: str = argument(type=click.Choice(sorted((*SAMPLES, SPEECH_SAMPLE, UTTERANCES)))),
    out: Path | None = option(
        help="File to write, .csv or .parquet (sentences: .csv); of speech a folder. [default: KIND.csv]"
    ),
    seed: int = option(type=click.IntRange(min=0), default=0, help="Random seed."),
    force: bool = option(help="Replace the file, or the recordings of the folder."),
) -> Result:
    """Write small data for a first try: motion, machine, room, speech or utterances.

    `motion` has wearables of 20 people, `machine` pumps with an alarm, `room` offices with and without people,
    `speech` a folder of WAV files with four synthetic words of 20 voices, `utterances` sentences to lights and heating
    with their intent.
    The data are simulated; examples (`edgewright examples`) read public data sets that sensors measured.
    """
    from edgewright.data.load import load_data
    from edgewright.data.simulated import marked
    from edgewright.data.table_file import check_table_file, write_table_file

    if kind == SPEECH_SAMPLE:
        folder = out or Path(kind)
        count = _write_speech(folder, seed, force)
        return _written(folder, f"{count:,} recordings of 4 words, simulated by a synthesiser: nobody said them")
    path = out or Path(f"{kind}.csv")
    check_table_file(path)
    if kind == UTTERANCES and path.suffix != ".csv":
        raise FileEndingError("a name that ends in .csv", path.name, "--out", "Sentences are read from CSV files")
    refuse_existing(path, force)
    if kind == UTTERANCES:
        sentences = _utterances(seed)
        write_table_file(sentences, path)
        train = f"language train {click.format_filename(path)} --out {click.format_filename(path.stem)}.language"
        return _written(path, f"{len(sentences.rows):,} sentences, simulated by a grammar: nobody said them", train)
    data = marked(load_data(dict(SAMPLES[kind]), seed=seed))
    write_table_file(data, path)
    rows = sum(len(recording.values) for recording in data.recordings)
    return _written(path, f"{rows:,} rows, {len(data.columns)} readings, simulated: no sensor measured them")


def _written(path: Path, contents: str, following: str = "") -> Result:
    """Return what was written, and the command that follows: `init` by default."""
    shown = click.format_filename(path)
    following = f"edgewright {following or f'init {shown}'}"
    record = {"path": str(path), "contents": contents, "next": following}
    return Result(record, [f"wrote {shown}: {contents}", f"next: {following}"])


def _write_speech(folder: Path, seed: int, force: bool) -> int:
    """Write a WAV file a recording and return how many; the folder holds nothing else: its names have one pattern.

    Raises:
        InputError: the folder holds other files, or recordings without `force`.
    """
    from edgewright.core.files import os_errors, write_together
    from edgewright.core.input.riff import wav_bytes
    from edgewright.data.load import load_data
    from edgewright.data.simulated import PREFIX

    data = load_data(dict(SPEECH), seed=seed)
    files = {
        folder / f"{one.name}.wav": wav_bytes(one.values, int(data.rate or 0), comment=PREFIX + one.name)
        for one in data.recordings
    }
    with os_errors(InputError, "a new folder", folder, "Choose another --out"):
        folder.mkdir(exist_ok=True)
        existing = set(folder.iterdir())
    if existing and not (force and existing <= files.keys()):
        do = "Choose another --out, or replace an earlier sample with --force"
        raise ExistingFileError("an empty folder", f"{plural(len(existing), 'file')} in it", str(folder), do)
    write_together(files)
    return len(files)


def _utterances(seed: int) -> TextSet:
    from edgewright.core.records.data import TextSet
    from edgewright.language.synthesis import read_grammar, sentences

    with resources.as_file(resources.files("edgewright.language").joinpath("sample-grammar.toml")) as file:
        utterances, _ = sentences(read_grammar(file), _SENTENCES, seed, file.name)
    return TextSet(
        name=UTTERANCES, columns=("text", "intent"), rows=tuple((item.text, item.intent) for item in utterances)
    )
