"""`edgewright denoise train`: a denoiser from clean signals and noise."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.denoise._options import CleanOptions, decibels
from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, declare, listed, option, refuse_existing
from edgewright.cli.output import print_json
from edgewright.schema.errors import InputError

_EXAMPLE = "Example: edgewright denoise train voices --noise white --noise pink --snr 0:20 --out voice.denoiser"


@declare("train", epilog=_EXAMPLE)
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
    as_json: bool = option("--json", help="Print a summary as JSON."),
) -> None:
    """Train a denoiser on CLEAN (a file, a folder, or --kind of a public set) with noise mixed in.

    Each person (or recording, if no person is named) is used for one purpose only: training, validation, or, for a
    quarter of them, `denoise score`. The noisy signals are synthetic and are not stored. The output file holds the
    float and the int8 network, runs with the base install, and becomes firmware with `edgewright export FILE --to c99`.
    """
    from edgewright.cli.denoise._show import print_epochs, print_trained, told

    refuse_existing(out, force)
    span, config = decibels(snr), _config(sizes)
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
    made = train_denoiser(read.read(clean), request, None if as_json else print_epochs(epochs))
    size = write_denoiser(out, made.file)
    if as_json:
        print_json(told(made, out, size))
        return
    print_trained(made, out, size)


def _config(sizes: tuple[str, ...]) -> dict[str, object]:
    made: dict[str, object] = {}
    for size in sizes:
        key, sign, value = size.partition("=")
        if not sign or not value.isdecimal():
            raise InputError("KEY=N, such as filters=48", repr(size), "--set")
        made[key] = int(value)
    return made
