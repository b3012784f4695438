"""`edgewright denoise train`: a denoiser from clean signals and noise."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option, print_ahead, wants_json
from edgewright.cli.commands.denoise._options import CleanOptions, decibels
from edgewright.cli.interrupt import loading
from edgewright.cli.options import listed, refuse_existing, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgewright.schema.trace import EpochRecord
    from edgewright.workflows.denoising.training import Trained

_BARS = 40


@declare(example="voices --noise white --noise pink --snr 0:20 --out voice.denoiser")
def command(
    *,
    clean: str = argument(metavar="CLEAN"),
    read: CleanOptions,
    noise: tuple[str, ...] = option(
        required=True,
        metavar="KIND|WAV|FOLDER",
        help="Kind of noise, such as white or hum, or recorded noise; may be repeated.",
    ),
    snr: str = option(default="0:20", metavar="LOW:HIGH", help="Range of signal-to-noise ratios in decibels."),
    out: Path = option(required=True, help="FILE.denoiser."),
    hold_out: str = option(metavar="A,B", help="People or recordings to hold out. [default: random]"),
    sizes: tuple[str, ...] = option(
        "--set", metavar="KEY=N", help="Size: hop, delay (frames), filters, blocks, kernel, first; may be repeated."
    ),
    windows: int = option(type=click.IntRange(16, 200_000), default=4000, help="Number of noisy training windows."),
    epochs: int = option(type=click.IntRange(1, 1000), default=20, help="Training epochs."),
    rounding: str = option(
        type=click.Choice(["litert", "tflm"]),
        default="litert",
        show_default=False,
        help="Kernels whose int8 results to match bit by bit.",
    ),
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed."),
    force: bool = option(help="Replace the file."),
) -> Result:
    """Train a denoiser on CLEAN (a file, a folder, or --kind of a public set) with noise mixed in.

    Each person (or recording, if no person is named) is used for one purpose only: training, validation, or, for a
    quarter of them, `denoise score`. The noisy signals are synthetic and are not stored. The output file holds the
    float and the int8 network, runs with the base install, and becomes firmware with `edgewright export FILE --to c99`.
    """
    refuse_existing(out, force)
    span, config = decibels(snr), settings_of(sizes)
    with loading():
        from edgewright.training.backend import prepare

        prepare()

        from edgewright.core.toml_tables import convert_table
        from edgewright.graph.denoising import write_denoiser
        from edgewright.models.denoiser import DenoiserConfig
        from edgewright.workflows.denoising.training import DenoiserRequest, train_denoiser

    request = DenoiserRequest(
        noise=noise, snr=span, config=convert_table(config, DenoiserConfig, "--set"), windows=windows, epochs=epochs,
        hold_out=listed(hold_out), seed=seed, name=out.name.split(".")[0] or "denoiser",
        rounding=rounding,  # type: ignore[arg-type]  # click has checked the word
    )  # fmt: skip
    trained = train_denoiser(read.read(clean), request, None if wants_json() else _print_epochs(epochs))
    size = write_denoiser(out, trained.file)
    return Result(_summary(trained, out, size), _lines(trained, out, size))


def _summary(trained: Trained, out: Path, size: int) -> dict[str, Any]:
    """Return what was trained, as JSON has it."""
    from edgewright.graph.denoising import denoiser_bytes

    spec = msgspec.to_builtins(trained.file.spec)
    epochs = [{"epoch": row.epoch, "loss": row.loss, "validation_loss": row.validation_loss, "seconds": row.seconds}
              for row in trained.result.history]  # fmt: skip
    digest = hashlib.sha256(denoiser_bytes(trained.file)).hexdigest()
    return {"file": str(out), "bytes": size, "sha256": digest, "notes": list(trained.notes), **spec, "history": epochs}


def _print_epochs(epochs: int) -> Callable[[EpochRecord], None]:
    """Return a listener that prints each epoch: its losses, and a bar that grows as the validation loss falls."""
    from edgewright.pipeline.cost.duration_estimate import told_by_first

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


def _lines(trained: Trained, out: Path, size: int) -> Iterator[str]:
    """Yield the lines of what the file is, who is held out, and what to do next."""
    spec = trained.file.spec
    learnt = spec.learnt
    word = "people or machines" if learnt.held_by == "group" else "recordings"
    yield from trained.notes
    yield (f"{learnt.rows / spec.rate:,.0f} s of clean signal from {len(learnt.trained)} {word}; "
               f"{len(learnt.validated)} validate, {len(learnt.held_out)} are held out")  # fmt: skip
    yield (f"{spec.parameters:,} parameters, {spec.macs:,.0f} multiply-accumulates a sample, "
               f"{1000 * (spec.delay + spec.hop) / spec.rate:.3g} ms late")  # fmt: skip
    yield f"wrote {click.format_filename(str(out))}, {size:,} bytes"
    yield f"next: edgewright denoise score {click.format_filename(str(out))} CLEAN"
