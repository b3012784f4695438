"""`edgewright synth utterances`: sentences of a grammar, for `language train`."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.options import FILE, refuse_existing
from edgewright.schema.errors import InputError


@declare(example="grammar.toml --count 200 --out more.csv")
def command(
    *,
    grammar: Path = argument(),
    out: Path = option(required=True, type=FILE, help="FILE.csv"),
    count: int = option(type=click.IntRange(1, 100_000), default=100, help="Sentences per intent."),
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed."),
    force: bool = option(help="Replace the file."),
) -> Result:
    """Generate sentences from the templates, rules and paraphrases of GRAMMAR, with marked slots.

    The column `provenance` has `synthetic/grammar` for every sentence.
    """
    from edgewright.core.files import write_atomic
    from edgewright.language.synthesis.grammar import METHOD, read_grammar, sentences

    refuse_existing(out, force)
    if out.suffix != ".csv":
        raise InputError("a name that ends in .csv", out.name, "--out")
    utterances, findings = sentences(read_grammar(grammar), count, seed, grammar.name)
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
