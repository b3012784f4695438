"""`edgewright coach train`: a coach from recordings of read sentences and synthetic speech."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option, print_ahead, wants_json
from edgewright.cli.interrupt import loading
from edgewright.cli.options import refuse_existing


@declare(example="recordings --out english.coach")
def command(
    *,
    recordings: Path = argument(metavar="RECORDINGS"),
    out: Path = option(required=True, help="FILE.coach."),
    sentences: int = option(type=click.IntRange(1, 100_000), default=1200, help="Synthetic sentences by espeak-ng."),
    hold_out: float = option(
        type=click.FloatRange(0.05, 0.9), default=0.3, help="Share of the speakers to hold out for `coach score`."
    ),
    maximum: int = option(
        "--most", type=click.IntRange(0), default=0, show_default=False, help="Recordings of a speaker. [default: all]"
    ),
    epochs: str = option(
        default="6,12,3", metavar="A,B,C", help="Epochs on synthetic speech, on all speech, and with int8 rounding."
    ),
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed."),
    force: bool = option(help="Replace the file."),
) -> Result:
    """Train a coach on RECORDINGS: a folder with `text`, `utt2spk`, `lexicon.txt` and WAV files.

    `text` has a name and a sentence a line; NAME.wav is its sound. Sentences without sound are spoken by espeak-ng.
    `utt2spk` names the speaker of each sentence; `lexicon.txt` has the phones of each word, as the CMU dictionary does.
    """
    from edgewright.schema.errors import InputError

    refuse_existing(out, force)
    parts = epochs.split(",")
    if len(parts) != 3 or not all(part.isdecimal() and 0 < int(part) <= 1000 for part in parts):
        raise InputError("three numbers of epochs, such as 6,12,3", repr(epochs), "--epochs")
    with loading():
        from edgewright.training.backend import prepare

        prepare()

        from edgewright.language.pronunciation.coach import write_coach
        from edgewright.language.pronunciation.takes import read_corpus
        from edgewright.language.pronunciation.training import CoachRequest, train_coach
        from edgewright.pipeline.cost.duration_estimate import told_by_first
        from edgewright.schema.trace import EpochRecord

    first, second, third = map(int, parts)
    request = CoachRequest(
        name=out.name.split(".")[0] or "coach", sentences=sentences, hold_out=hold_out, epochs=(first, second, third),
        seed=seed,
    )  # fmt: skip

    step = told_by_first(lambda _: None, print_ahead, "Training", first + second + third, skipped=1)

    def show(row: EpochRecord) -> None:
        step(1)
        click.echo(f"{row.epoch:>5}  {row.loss:8.3f}")

    if not wants_json():
        click.echo("epoch      loss")
    network = train_coach(read_corpus(recordings, maximum), request, None if wants_json() else show).file
    size = write_coach(out, network)
    spec, learnt = network.spec, network.spec.learnt
    return Result(
        {"file": str(out), "bytes": size, "network_bytes": network.network_bytes, "spec": spec},
        [
            f"{len(learnt.trained)} speakers and {learnt.sentences:,} synthetic sentences train, "
            f"{len(learnt.limits)} speakers choose the limits, {len(learnt.held_out)} are held out",
            f"{spec.parameters:,} parameters, {network.network_bytes:,} bytes in int8, {spec.macs:,} "
            f"multiply-accumulates every 20 ms",
            f"wrote {click.format_filename(str(out))}, {size:,} bytes",
            f"next: edgewright coach score {click.format_filename(str(out))} RECORDINGS",
        ],
    )
