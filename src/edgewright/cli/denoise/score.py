"""`edgewright denoise score`: on people and noise that never trained, beside classical ways to denoise."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.denoise._options import data_options, decibels, read_clean
from edgewright.cli.interrupt import loading
from edgewright.cli.output import print_json


@click.command("score", epilog="Example: edgewright denoise score voice.denoiser voices --noise brown --snr 0:10")
@click.argument("model", metavar="DENOISER", type=click.Path(path_type=Path))
@click.argument("clean", metavar="CLEAN")
@data_options
@click.option("--noise", multiple=True, metavar="KIND|WAV|FOLDER", help="Other noise than that of the training.")
@click.option("--snr", default="", metavar="LOW:HIGH", help="Other ratios than those of the training.")
@click.option("--most", type=click.IntRange(0), default=0, help="Held-out recordings at most. [default: all]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the noise.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(
    model: Path, clean: str, noise: tuple[str, ...], snr: str, most: int, seed: int, as_json: bool, **named: object
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
    found = score_denoiser(made, read_clean(clean, named), noise=noise, snr_range=span, seed=seed, most=most)
    if as_json:
        print_json(found)
        return
    print_score(found)
