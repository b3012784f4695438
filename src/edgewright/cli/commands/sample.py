"""`edgewright sample`: a small file to try the commands on."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.options import argument, declare, option, refuse_existing
from edgewright.data.small_tables import SAMPLES
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.schema.data import TextSet

UTTERANCES, _SENTENCES = "utterances", 150


@declare("sample", epilog="Example: edgewright sample motion --out my.csv")
def command(
    *,
    kind: str = argument(type=click.Choice(sorted((*SAMPLES, UTTERANCES)))),
    out: Path | None = option(help="File to write, .csv or .parquet (sentences: .csv). [default: KIND.csv]"),
    seed: int = option(type=click.IntRange(min=0), default=0, help="Random seed."),
    force: bool = option(help="Replace the file."),
) -> None:
    """Write a small table for a first try: motion, machine, room or utterances.

    `motion` has wearables of 20 people, `machine` pumps with an alarm, `room` offices with and without people,
    `utterances` sentences to lights and heating with their intent.
    The rows are simulated; `edgewright data list` names public sets that sensors measured.
    """
    from edgewright.data.load import load_data
    from edgewright.data.simulated import marked
    from edgewright.data.table_file import check_table_file, write_table_file

    path = out or Path(f"{kind}.csv")
    check_table_file(path)
    if kind == UTTERANCES and path.suffix != ".csv":
        raise InputError("a name that ends in .csv", path.name, "--out", "Sentences are read from CSV files")
    refuse_existing(path, force)
    shown = click.format_filename(path)
    if kind == UTTERANCES:
        made = _utterances(seed)
        write_table_file(made, path)
        click.echo(f"wrote {shown}: {len(made.rows):,} sentences, simulated by a grammar: nobody said them")
        click.echo(f"next: edgewright language train {shown} --out {click.format_filename(path.stem)}.language")
        return
    data = marked(load_data(dict(SAMPLES[kind]), seed=seed))
    write_table_file(data, path)
    rows = sum(len(recording.values) for recording in data.recordings)
    click.echo(f"wrote {shown}: {rows:,} rows, {len(data.columns)} readings, simulated: no sensor measured them")
    click.echo(f"next: edgewright init {shown}")


def _utterances(seed: int) -> TextSet:
    """Return sentences of the sample grammar in columns text and intent."""
    from edgewright.language.synthesis.grammar import read_grammar, sentences
    from edgewright.schema.data import TextSet

    with resources.as_file(resources.files("edgewright.language.synthesis").joinpath("sample.toml")) as file:
        made, _ = sentences(read_grammar(file), _SENTENCES, seed, file.name)
    return TextSet(name=UTTERANCES, columns=("text", "intent"), rows=tuple((one.text, one.intent) for one in made))
