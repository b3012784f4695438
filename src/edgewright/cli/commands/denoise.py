"""Remove noise from signals: train, run and score a small int8 denoiser."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option, print_ahead, wants_json
from edgewright.cli.interrupt import loading
from edgewright.cli.options import listed, refuse_existing, settings_of
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from edgewright.graph.denoising import DenoiserFile
    from edgewright.schema.data import DataSet
    from edgewright.schema.denoise import DenoiseScore
    from edgewright.schema.trace import EpochRecord, Interval
    from edgewright.workflows.denoising.training import Trained

EXAMPLE = "train voices --noise pink --noise fan.wav --snr 0:20 --out voice.denoiser"


@dataclass(frozen=True, kw_only=True)
class CleanOptions:
    """Options that say how CLEAN is read."""

    kind: str = option(help="Kind of source or public set of CLEAN; detected from the path by default.")
    group: str = option(help="Column with the person or machine of a row.")
    session: str = option(help="Column with the session of a row.")
    time: str = option(help="Column with the time of a row.")
    ignore: tuple[str, ...] = option(metavar="COLUMN", help="Column that is not a measurement; may be repeated.")
    pattern: str = option(metavar="TEXT", help="Parts of WAV names: {label}_{speaker}_{index}.")
    columns: str = option(metavar="A,B", help="Channels to use. [default: all]")

    def read(self, location: str) -> DataSet:
        """Read clean signals at a path.

        Raises:
            InputError: as `data.load.load_data`, or for columns that are not there.
        """
        import numpy as np

        from edgewright.data.load import load_data
        from edgewright.data.table_proposal import propose_table

        named = {key: getattr(self, key) for key in ("group", "session", "time", "ignore", "pattern")}
        wanted = [name.strip() for name in self.columns.split(",")] if self.columns else []
        proposed = propose_table(location, named, self.kind, texts=False, kept=wanted)
        if proposed.sentence:
            click.echo(proposed.sentence, err=True)
        data = load_data(proposed.table, seed=0, where="denoise")
        if not wanted:
            return data
        names = [column.name for column in data.columns]
        absent = [name for name in wanted if name not in names]
        if absent:
            raise InputError(f"columns of {', '.join(names[:12])}", ", ".join(absent), "--columns")
        places = [names.index(name) for name in wanted]
        return msgspec.structs.replace(
            data, columns=tuple(data.columns[i] for i in places),
            recordings=tuple(
                msgspec.structs.replace(recording, values=np.ascontiguousarray(recording.values[:, places]))
                for recording in data.recordings
            ),
        )  # fmt: skip


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


_BARS = 40


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
    return Result(_train_summary(trained, out, size), _train_lines(trained, out, size))


def _train_summary(trained: Trained, out: Path, size: int) -> dict[str, Any]:
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


def _train_lines(trained: Trained, out: Path, size: int) -> Iterator[str]:
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


@declare(example="voice.denoiser voices --noise brown --snr 0:10")
def score(
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
        cells = "".join(f"{_cell(figure):<23}" for figure in (row.snr, row.si_sdr, row.segmental))
        yield f"  {row.method:<16} {cells}{'' if row.over is None else _cell(row.over)}".rstrip()
    for sentence in score.wins:
        yield f"better: {sentence}"
    for sentence in score.loses:
        yield f"WORSE: {sentence}"


def _cell(figure: Interval) -> str:
    return f"{figure.value:+.1f} ({figure.low:+.1f} to {figure.high:+.1f})"


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
    refuse_existing(out, force)
    denoiser = read_denoiser(model)
    data, record = _sound(denoiser, wav) if wav is not None else _rows(denoiser, table or Path())
    write_atomic(out, data)
    record = {"file": str(out), **record}
    notes = record["notes"] if isinstance(record["notes"], list) else []
    wrote = f"wrote {click.format_filename(str(out))}: {record['rows']:,} rows, {record['taken']:+.1f} dB of power"
    return Result(record, [*notes, wrote], compact=True)


def _sound(denoiser: DenoiserFile, path: Path) -> tuple[bytes, dict[str, object]]:
    import numpy as np

    from edgewright.core.files import os_errors
    from edgewright.core.input.riff import read_wav, wav_bytes

    spec = denoiser.spec
    with os_errors(InputError, "a WAV file", path):
        sound = read_wav(path.read_bytes(), str(path))
    if sound.rate != spec.rate:
        raise InputError(f"sound at {spec.rate:g} Hz, as the denoiser was trained", f"{sound.rate} Hz", str(path),
                         "Resample it first")  # fmt: skip
    if sound.values.shape[1] != len(spec.columns):
        raise InputError(f"{len(spec.columns)} channels", f"{sound.values.shape[1]}", str(path),
                         "Mix the channels, or train on sound with the same number")  # fmt: skip
    given = denoiser.start().whole(sound.values)
    beyond = int((np.abs(given) > 1.0).sum())
    notes = [f"{beyond:,} samples above full scale are clipped"] if beyond else []
    return wav_bytes(given, sound.rate), _run_summary(sound.values, given, notes)


def _rows(denoiser: DenoiserFile, path: Path) -> tuple[bytes, dict[str, object]]:
    import numpy as np

    from edgewright.core.csv.rows import read_csv

    columns = list(denoiser.spec.columns)
    if not path.is_file():
        raise InputError("a CSV file", "no such file", str(path))
    first = read_csv(path, name=path.name, only_columns=columns)
    absent = [name for name in columns if name not in first.names]
    if absent:
        raise InputError(f"the columns {', '.join(columns)}", f"no {', '.join(absent)}", str(path))
    others = [name for name in first.columns if name not in columns]
    rows = read_csv(path, name=path.name, text_columns=others) if others else first
    values = np.ascontiguousarray(rows.values[:, [rows.names.index(name) for name in columns]])
    given = denoiser.start().whole(values)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=first.header.delimiter, lineterminator="\n")
    writer.writerow(first.columns)
    made_columns = {name: ["" if np.isnan(v) else f"{v:.7g}" for v in given[:, i]] for i, name in enumerate(columns)}
    made_columns |= {name: rows.text[name].tolist() for name in others}
    writer.writerows(zip(*(made_columns[name] for name in first.columns), strict=True))
    missing = int(np.isnan(values).sum())
    notes = [f"{missing:,} missing values stay missing"] if missing else []
    return text.getvalue().encode(), _run_summary(values, given, notes)


def _run_summary(before_run: np.ndarray, given: np.ndarray, notes: list[str]) -> dict[str, object]:
    """Return rows, and how much power was taken away, in decibels."""
    import numpy as np

    before, after = (float(np.nanvar(part, axis=0).sum()) for part in (before_run, given))
    if before == 0.0:
        notes = [*notes, "the signal is silent"]
    change = 10.0 * np.log10(max(after, 1e-20) / before) if before > 0 else 0.0
    return {"rows": len(before_run), "taken": float(change), "notes": notes}
