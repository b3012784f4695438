"""`edgewright denoise score`: on people and noise that never trained, beside classical ways to denoise."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.denoise._options import CleanOptions, decibels
from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, declare, option
from edgewright.cli.output import print_json


@declare("score", epilog="Example: edgewright denoise score voice.denoiser voices --noise brown --snr 0:10")
def command(
    *,
    model: Path = argument(metavar="DENOISER"),
    clean: str = argument(metavar="CLEAN"),
    read: CleanOptions,
    noise: tuple[str, ...] = option(metavar="KIND|WAV|FOLDER", help="Noise to use instead of the training noise."),
    snr: str = option(metavar="LOW:HIGH", help="Signal-to-noise ratios in decibels instead of those of the training."),
    most: int = option(
        type=click.IntRange(0),
        default=0,
        show_default=False,
        help="Largest number of held-out recordings. [default: all]",
    ),
    seed: int = option(type=click.IntRange(0), default=0, help="Seed of the noise."),
    as_json: bool = option("--json", help="Print the figures as JSON."),
) -> None:
    """Measure a denoiser on recordings of CLEAN that it was not trained on.

    Training recordings are excluded by name. Of recorded noise, a part never used in training is mixed in; generated
    noise is drawn again. The baselines are a moving average, Savitzky-Golay and a spectral Wiener filter, with the
    settings that are best on validation recordings; they may use the whole recording, the denoiser only the past. The
    exit code does not depend on the result.
    """
    from edgewright.cli.denoise._show import print_score

    with loading():
        from edgewright.graph.denoising import read_denoiser
        from edgewright.workflows.denoising.evaluation import score_denoiser

    made = read_denoiser(model)
    span = decibels(snr) if snr else None
    found = score_denoiser(made, read.read(clean), noise=noise, snr_range=span, seed=seed, most=most)
    if as_json:
        print_json(found)
        return
    print_score(found)
