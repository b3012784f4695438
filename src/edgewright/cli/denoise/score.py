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
    noise: tuple[str, ...] = option(metavar="KIND|WAV|FOLDER", help="Other noise than that of the training."),
    snr: str = option(metavar="LOW:HIGH", help="Other ratios than those of the training."),
    most: int = option(
        type=click.IntRange(0), default=0, show_default=False, help="Held-out recordings at most. [default: all]"
    ),
    seed: int = option(type=click.IntRange(0), default=0, help="Of the noise."),
    as_json: bool = option("--json", help="Print the figures as JSON."),
) -> None:
    """Measure a denoiser on recordings of CLEAN that it was not trained on.

    Those that trained are left out by their names. Recorded noise keeps a part that never trained; drawn noise is
    drawn anew. Baselines are a moving average, Savitzky-Golay and a spectral Wiener filter, with the settings that are
    best on validation recordings; they may see the whole recording, the denoiser only what came before. Exit code 0
    whatever comes out.
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
