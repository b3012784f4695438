"""`edgewright denoise score`: on people and noise that never trained, beside classical ways to denoise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.denoise._options import CleanOptions, decibels
from edgewright.cli.interrupt import loading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.schema.denoise import DenoiseScore
    from edgewright.schema.trace import Interval


@declare(example="voice.denoiser voices --noise brown --snr 0:10")
def command(
    *,
    model: Path = argument(metavar="DENOISER"),
    clean: str = argument(metavar="CLEAN"),
    read: CleanOptions,
    noise: tuple[str, ...] = option(metavar="KIND|WAV|FOLDER", help="Noise to use instead of the training noise."),
    snr: str = option(metavar="LOW:HIGH", help="Signal-to-noise ratios in decibels instead of those of the training."),
    maximum: int = option(
        "--most",
        type=click.IntRange(0),
        default=0,
        show_default=False,
        help="Largest number of held-out recordings. [default: all]",
    ),
    seed: int = option(type=click.IntRange(0), default=0, help="Seed of the noise."),
) -> Result:
    """Measure a denoiser on recordings of CLEAN that it was not trained on.

    Training recordings are excluded by name. Of recorded noise, a part never used in training is mixed in; generated
    noise is drawn again. The baselines are a moving average, Savitzky-Golay and a spectral Wiener filter, with the
    settings that are best on validation recordings; they may use the whole recording, the denoiser only the past. The
    exit code does not depend on the result.
    """
    with loading():
        from edgewright.graph.denoising import read_denoiser
        from edgewright.workflows.denoising.evaluation import score_denoiser

    denoiser = read_denoiser(model)
    span = decibels(snr) if snr else None
    score = score_denoiser(denoiser, read.read(clean), noise=noise, snr_range=span, seed=seed, maximum=maximum)
    return Result(score, _lines(score))


def _lines(score: DenoiseScore) -> Iterator[str]:
    """Yield the lines of the table by noise, and where the denoiser wins and loses."""
    word = "mixed in" if score.snr_low == score.snr_high else "mixed in evenly"
    yield (f"Simulated noise: {score.recordings:,} recordings of {score.groups:,} held out; noise {word} at "
               f"{score.snr_low:g} to {score.snr_high:g} dB; improvements in dB with 95 % intervals")  # fmt: skip
    noise = ""
    for row in score.rows:
        if row.noise != noise:
            noise = row.noise
            yield f"{noise} ({row.pairs} pairs)"
            yield f"  {'':<16} {'SNR':<22} {'SI-SDR':<22} {'segmental SNR':<22} int8 less this"
        cells = "".join(f"{_cell(figure):<23}" for figure in (row.snr, row.si_sdr, row.segmental))
        yield f"  {row.method:<16} {cells}{'' if row.over is None else _cell(row.over)}".rstrip()
    for sentence in score.wins:
        yield f"better: {sentence}"
    for sentence in score.loses:
        yield f"WORSE: {sentence}"


def _cell(figure: Interval) -> str:
    return f"{figure.value:+.1f} ({figure.low:+.1f} to {figure.high:+.1f})"
