"""A denoiser and a measurement of it on the terminal and as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.output import print_ahead
from edgewright.pipeline.duration_estimate import told_by_first

if TYPE_CHECKING:
    from edgewright.schema.denoise import DenoiseScore
    from edgewright.schema.trace import EpochRecord, Interval
    from edgewright.workflows.denoising.training import Trained

_BARS = 40


def told(made: Trained, out: Path, size: int) -> dict[str, Any]:
    """Return what was trained, as JSON has it."""
    from edgewright.graph.denoising import denoiser_bytes

    spec = msgspec.to_builtins(made.file.spec)
    epochs = [{"epoch": row.epoch, "loss": row.loss, "validation_loss": row.validation_loss, "seconds": row.seconds}
              for row in made.result.history]  # fmt: skip
    digest = hashlib.sha256(denoiser_bytes(made.file)).hexdigest()
    return {"file": str(out), "bytes": size, "sha256": digest, "notes": list(made.notes), **spec, "history": epochs}


def print_epochs(epochs: int) -> Callable[[EpochRecord], None]:
    """Return a listener that prints each epoch: its losses, and a bar that grows as the validation loss falls."""
    first: list[float] = []
    step = told_by_first(lambda _: None, print_ahead, "Training", epochs, skipped=1)

    def show(row: EpochRecord) -> None:
        watched = row.loss if row.validation_loss is None else row.validation_loss
        if not first:
            first.append(watched)
            click.echo("epoch  training  validation (10 log10 of the error left, in dB)")
        bar = "#" * max(0, min(_BARS, round(2 * (first[0] - watched))))
        step(1)
        click.echo(f"{row.epoch:>5}  {row.loss:8.2f}  {watched:10.2f}  {bar}".rstrip())

    return show


def print_trained(made: Trained, out: Path, size: int) -> None:
    """Print what the file is, who is held out, and what to do next."""
    spec = made.file.spec
    learnt = spec.learnt
    word = "people or machines" if learnt.held_by == "group" else "recordings"
    for note in made.notes:
        click.echo(note)
    click.echo(f"{learnt.rows / spec.rate:,.0f} s of clean signal from {len(learnt.trained)} {word}; "
               f"{len(learnt.validated)} validate, {len(learnt.held_out)} are held out")  # fmt: skip
    click.echo(f"{spec.parameters:,} parameters, {spec.macs:,.0f} multiply-accumulates a sample, "
               f"{1000 * (spec.delay + spec.hop) / spec.rate:.3g} ms late")  # fmt: skip
    click.echo(f"wrote {click.format_filename(str(out))}, {size:,} bytes")
    click.echo(f"next: edgewright denoise score {click.format_filename(str(out))} CLEAN")


def print_score(score: DenoiseScore) -> None:
    """Print the table by noise, and where the denoiser wins and loses."""
    word = "mixed in" if score.snr_low == score.snr_high else "mixed in evenly"
    click.echo(f"Simulated noise: {score.recordings:,} recordings of {score.groups:,} held out; noise {word} at "
               f"{score.snr_low:g} to {score.snr_high:g} dB; improvements in dB with 95 % intervals")  # fmt: skip
    noise = ""
    for row in score.rows:
        if row.noise != noise:
            noise = row.noise
            click.echo(f"{noise} ({row.pairs} pairs)")
            click.echo(f"  {'':<16} {'SNR':<22} {'SI-SDR':<22} {'segmental SNR':<22} int8 less this")
        cells = "".join(f"{_cell(figure):<23}" for figure in (row.snr, row.si_sdr, row.segmental))
        click.echo(f"  {row.method:<16} {cells}{'' if row.over is None else _cell(row.over)}".rstrip())
    for sentence in score.wins:
        click.echo(f"better: {sentence}")
    for sentence in score.loses:
        click.echo(f"WORSE: {sentence}")


def _cell(figure: Interval) -> str:
    return f"{figure.value:+.1f} ({figure.low:+.1f} to {figure.high:+.1f})"
