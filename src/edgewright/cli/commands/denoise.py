"""Remove noise from signals: train, run and score a small int8 denoiser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import listed, refuse_existing, settings_of
from edgewright.cli.restoration import (
    CleanOptions,
    TrainingOptions,
    cell,
    clipped_note,
    csv_bytes,
    number_cells,
    read_columns,
    read_sound,
    refuse_other_ending,
    side_lines,
    training_record,
)
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from edgewright.graph.denoising import DenoiserFile
    from edgewright.schema.denoise import DenoiseScore
    from edgewright.workflows.denoising.training import Trained

EXAMPLE = "train voices --noise pink --noise fan.wav --snr 0:20 --out voice.denoiser"


def decibels(text: str) -> tuple[float, float]:
    """`0:20` as two numbers, `10` as twice the same.

    Raises:
        InputError: for anything else.
    """
    low, _, high = text.partition(":")
    try:
        return float(low), float(high or low)
    except ValueError:
        raise InputError("decibels, as 10 or 0:20", repr(text), "--snr") from None


_LOSS = "10 log10 of the error left, in dB"


@declare(example="voices --noise white --noise pink --snr 0:20 --out voice.denoiser")
def train(
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
    how: TrainingOptions,
) -> Result:
    """Train a denoiser on CLEAN (a file, a folder, or --kind of a public set) with noise mixed in.

    Each person (or recording, if no person is named) is used for one purpose only: training, validation, or, for a
    quarter of them, `denoise score`. The noisy signals are synthetic and are not stored. The output file holds the
    float and the int8 network, runs with the base install, and becomes firmware with `edgewright export FILE --to c99`.
    """
    refuse_existing(out, how.force)
    span, config = decibels(snr), settings_of(sizes)
    with loading():
        from edgewright.training.backend import prepare

        prepare()

        from edgewright.core.toml_tables import convert_table
        from edgewright.graph.denoising import denoiser_bytes, write_denoiser
        from edgewright.models.denoiser import DenoiserConfig
        from edgewright.workflows.denoising.training import DenoiserRequest, train_denoiser

    request = DenoiserRequest(
        noise=noise, snr=span, config=convert_table(config, DenoiserConfig, "--set"), windows=windows,
        epochs=how.epochs, hold_out=listed(hold_out), seed=how.seed, name=out.name.split(".")[0] or "denoiser",
    )  # fmt: skip
    trained = train_denoiser(read.read(clean), request, how.listener(_LOSS, 2.0))
    write_denoiser(out, trained.file)
    data = denoiser_bytes(trained.file)
    return Result(training_record(trained, out, data), _train_lines(trained, out, len(data)))


def _train_lines(trained: Trained, out: Path, size: int) -> Iterator[str]:
    """Yield the lines of what the file is, who is held out, and what to do next."""
    spec = trained.file.spec
    yield from side_lines(trained, f"{spec.learnt.rows / spec.rate:,.0f} s of clean signal")
    yield (f"{spec.parameters:,} parameters, {spec.macs:,.0f} multiply-accumulates a sample, "
               f"{1000 * (spec.delay + spec.hop) / spec.rate:.3g} ms late")  # fmt: skip
    yield f"wrote {click.format_filename(str(out))}, {size:,} bytes"
    yield f"next: edgewright denoise score {click.format_filename(str(out))} CLEAN"


@declare(example="voice.denoiser voices --noise brown --snr 0:10")
def score(
    *,
    model: Path = argument(metavar="DENOISER"),
    clean: str = argument(metavar="CLEAN"),
    read: CleanOptions,
    noise: tuple[str, ...] = option(metavar="KIND|WAV|FOLDER", help="Noise to use instead of the training noise."),
    snr: str = option(metavar="LOW:HIGH", help="Signal-to-noise ratios in decibels instead of those of the training."),
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
    score = score_denoiser(denoiser, read.read(clean), noise=noise, snr_range=span, seed=seed)
    return Result(score, _score_lines(score))


def _score_lines(score: DenoiseScore) -> Iterator[str]:
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
        cells = "".join(f"{cell(figure):<23}" for figure in (row.snr, row.si_sdr, row.segmental))
        yield f"  {row.method:<16} {cells}{'' if row.over is None else cell(row.over)}".rstrip()
    for sentence in score.wins:
        yield f"better: {sentence}"
    for sentence in score.loses:
        yield f"WORSE: {sentence}"


@declare(example="voice.denoiser --wav noisy.wav --out clean.wav")
def run(
    *,
    model: Path = argument(metavar="DENOISER"),
    wav: Path | None = option(help="Sound file at the denoiser's rate."),
    table: Path | None = option("--csv", help="CSV file with the denoiser's columns."),
    out: Path = option(required=True, help="FILE.wav or FILE.csv."),
    force: bool = option(help="Replace the file."),
) -> Result:
    """Remove the noise from a WAV or CSV file with the int8 network, as a stream.

    Rows keep their place: the delay of the stream is compensated. Other columns of a CSV file stay as they are; a
    missing value stays missing.
    """
    from edgewright.core.files import write_atomic
    from edgewright.graph.denoising import read_denoiser

    if (wav is None) == (table is None):
        raise InputError("--wav FILE or --csv FILE", "both" if wav else "neither", "denoise run")
    refuse_other_ending(out, "--csv" if wav is None else "--wav")
    refuse_existing(out, force)
    denoiser = read_denoiser(model)
    data, record = _sound(denoiser, wav) if wav is not None else _rows(denoiser, table or Path())
    write_atomic(out, data)
    record = {"file": str(out), **record}
    notes = record["notes"] if isinstance(record["notes"], list) else []
    wrote = f"wrote {click.format_filename(str(out))}: {record['rows']:,} rows, {record['taken']:+.1f} dB of power"
    return Result(record, [*notes, wrote], compact=True)


def _sound(denoiser: DenoiserFile, path: Path) -> tuple[bytes, dict[str, object]]:
    from edgewright.core.input.riff import wav_bytes

    values = read_sound(path, denoiser.spec.rate, len(denoiser.spec.columns), "denoiser")
    given = denoiser.start().whole(values)
    return wav_bytes(given, round(denoiser.spec.rate)), _run_summary(values, given, clipped_note(given))


def _rows(denoiser: DenoiserFile, path: Path) -> tuple[bytes, dict[str, object]]:
    import numpy as np

    columns = list(denoiser.spec.columns)
    rows, values = read_columns(path, columns)
    given = denoiser.start().whole(values)
    cells = number_cells(columns, given) | {name: rows.text[name].tolist() for name in rows.text}
    missing = int(np.isnan(values).sum())
    notes = [f"{missing:,} missing values stay missing"] if missing else []
    return csv_bytes(rows.header.delimiter, rows.columns, cells), _run_summary(values, given, notes)


def _run_summary(before_run: np.ndarray, given: np.ndarray, notes: list[str]) -> dict[str, object]:
    """Return rows, and how much power was taken away, in decibels."""
    import numpy as np

    before, after = (float(np.nanvar(part, axis=0).sum()) for part in (before_run, given))
    if before == 0.0:
        notes = [*notes, "the signal is silent"]
    change = 10.0 * np.log10(max(after, 1e-20) / before) if before > 0 else 0.0
    return {"rows": len(before_run), "taken": float(change), "notes": notes}
