"""`edgewright synth utterances`: sentences of a grammar, for `language train`."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import click
import msgspec

from edgewright.cli.options import FILE, refuse_existing
from edgewright.schema.errors import InputError


@click.command("utterances", epilog="Example: edgewright synth utterances grammar.toml --count 200 --out more.csv")
@click.argument("grammar", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=FILE, help="FILE.csv")
@click.option("--count", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Sentences per intent.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed.")
@click.option("--force", is_flag=True, help="Replace the file.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(grammar: Path, out: Path, count: int, seed: int, force: bool, as_json: bool) -> None:
    """Generate sentences from the templates, rules and paraphrases of GRAMMAR, with marked slots.

    The column `provenance` has `synthetic/grammar` for every sentence.
    """
    from edgewright.core.files import write_atomic
    from edgewright.language.synthesis.grammar import METHOD, read_grammar, sentences

    refuse_existing(out, force)
    if out.suffix != ".csv":
        raise InputError("a name that ends in .csv", out.name, "--out")
    made, findings = sentences(read_grammar(grammar), count, seed, grammar.name)
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(("text", "intent", "provenance"))
    for one in made:
        text, last, parts = one.text, 0, []
        for slot in one.slots:
            parts += [text[last : slot.begin], f"[{slot.text}]({slot.name})"]
            last = slot.end
        writer.writerow(("".join([*parts, text[last:]]), one.intent, METHOD))
    write_atomic(out, table.getvalue().encode())
    if as_json:
        click.echo(msgspec.json.encode({"file": str(out), "sentences": len(made), "findings": findings}))
        return
    click.echo(f"Simulated: wrote {len(made):,} synthetic sentences to {out}")
    for finding in findings:
        click.echo(f"note: {finding}")
