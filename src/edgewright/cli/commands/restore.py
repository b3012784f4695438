"""Restore signals and pictures: train, run and score small int8 denoisers and upscalers."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option, print_ahead, wants_json
from edgewright.cli.interrupt import loading
from edgewright.cli.options import RowOptions, listed, refuse_existing, settings_of
from edgewright.core.errors import (
    ColumnMissingError,
    FileEndingError,
    InputError,
    MissingFileError,
    OptionError,
    OptionFormatError,
    OptionsConflictError,
    PictureError,
    RateDiffersError,
    SampleShapeError,
)

if TYPE_CHECKING:
    import numpy as np

    from edgewright.core.csv.rows import Rows
    from edgewright.core.records.data import DataSet, Floats
    from edgewright.core.records.trace import EpochRecord
    from edgewright.graph.restoration import DenoiserFile, UpscalerFile
    from edgewright.workflows.restoration.training import Trained

    File = DenoiserFile | UpscalerFile

EXAMPLE = "denoise voices --noise pink --noise fan.wav --snr 0:20 --out voice.denoiser"
_LOSS = "10 log10 of the error left, in dB"
_MAX_BAR = 40


@dataclass(frozen=True, kw_only=True)
class CleanOptions(RowOptions):
    """Options for reading the signals or pictures."""

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
        wanted = listed(self.columns)
        proposed = propose_table(location, named, self.kind, texts=False, kept=wanted)
        if proposed.sentence:
            click.echo(proposed.sentence, err=True)
        data = load_data(proposed.table, seed=0, where="clean signals")
        if not wanted:
            return data
        names = [column.name for column in data.columns]
        if absent := [name for name in wanted if name not in names]:
            raise ColumnMissingError(f"columns of {', '.join(names[:12])}", ", ".join(absent), "--columns")
        order = [names.index(name) for name in wanted]
        recordings = (
            msgspec.structs.replace(recording, values=np.ascontiguousarray(recording.values[:, order]))
            for recording in data.recordings
        )
        columns = tuple(data.columns[i] for i in order)
        return msgspec.structs.replace(data, columns=columns, recordings=tuple(recordings))


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options of both trainings."""

    out: Path = option(required=True, metavar="FILE", help="FILE.denoiser or FILE.upscaler.")
    hold_out: str = option(metavar="A,B", help="People, groups or recordings to hold out. [default: random]")
    sizes: tuple[str, ...] = option("--set", metavar="KEY=N", help="Size of the network; may be repeated.")
    epochs: int = option(type=click.IntRange(1, 1000), default=20, help="Training epochs.")
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed.")
    force: bool = option(help="Replace the file.")

    def request(self, windows: int) -> dict[str, Any]:
        """Return the fields of a request that both trainings have."""
        name = self.out.name.split(".")[0] or "restorer"
        return {"windows": windows, "epochs": self.epochs, "hold_out": listed(self.hold_out), "seed": self.seed,
                "name": name}  # fmt: skip

    def listener(self, loss: str, rise: float) -> Callable[[EpochRecord], None] | None:
        """Return a listener that prints each epoch with a bar, `rise` marks for a loss that is 1 lower."""
        if wants_json():
            return None
        from edgewright.pipeline.cost import told_by_first

        first: list[float] = []
        step = told_by_first(lambda _: None, print_ahead, "Training", self.epochs, skipped=1)

        def show(row: EpochRecord) -> None:
            watched = row.loss if row.validation_loss is None else row.validation_loss
            if not first:
                first.append(watched)
                click.echo(f"epoch  training  validation ({loss})")
            bar = "#" * max(0, min(_MAX_BAR, round(rise * (first[0] - watched))))
            step(1)
            click.echo(f"{row.epoch:>5}  {row.loss:8.4g}  {watched:10.4g}  {bar}".rstrip())

        return show

    def write(self, trained: Trained[Any]) -> Result:
        """Write the file."""
        from edgewright.graph.restoration import DenoiserFile, write_restorer

        write_restorer(self.out, trained.file)
        data, spec, file = trained.file.packed(), trained.file.spec, click.format_filename(str(self.out))
        learnt, is_denoiser = spec.learnt, isinstance(trained.file, DenoiserFile)
        amount = f"{learnt.rows:,} {'samples' if spec.rate else 'pixels'}"
        each = f"for each {'sample of a channel' if spec.rate else 'pixel'} of the input"
        if isinstance(trained.file, DenoiserFile):
            denoiser = trained.file.spec
            amount = f"{learnt.rows / spec.rate:,.0f} s of clean signal"
            each = f"a sample, {1000 * (denoiser.delay + denoiser.hop) / spec.rate:.3g} ms late"
        word = "people or machines" if learnt.held_by == "group" else "recordings"
        lines = [
            *trained.notes,
            f"{amount} from {len(learnt.trained)} {word}; {len(learnt.validated)} validate, {len(learnt.held_out)} are "
            "held out",
            f"{spec.parameters:,} parameters, {spec.macs:,.0f} multiply-accumulates {each}",
            f"wrote {file}, {len(data):,} bytes",
            f"next: edgewright restore score {file} {'CLEAN' if is_denoiser else 'DATA'}",
        ]
        epochs = [{"epoch": row.epoch, "loss": row.loss, "validation_loss": row.validation_loss, "seconds": row.seconds}
                  for row in trained.result.history]  # fmt: skip
        head = {"file": str(self.out), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        record = {**head, "notes": list(trained.notes), **msgspec.to_builtins(spec), "history": epochs}
        return Result(record, lines)


@declare(example="voices --noise white --noise pink --snr 0:20 --out voice.denoiser")
def denoise(
    *,
    clean: str = argument(metavar="CLEAN"),
    read: CleanOptions,
    noise: tuple[str, ...] = option(
        required=True,
        metavar="KIND|WAV|FOLDER",
        help="Kind of noise, such as white or hum, or recorded noise; may be repeated.",
    ),
    snr: str = option(default="0:20", metavar="LOW:HIGH", help="Range of signal-to-noise ratios in decibels."),
    windows: int = option(type=click.IntRange(16, 200_000), default=4000, help="Number of noisy training windows."),
    how: TrainingOptions,
) -> Result:
    """Train a denoiser on CLEAN (a file, a folder, or --kind of a public set) with noise mixed in.

    Each person (or recording, if no person is named) is used for one purpose only: training, validation, or, for a
    quarter of them, `restore score`. The noisy signals are synthetic and are not stored. The output file holds the
    float and the int8 network, runs with the base install, and becomes firmware with `edgewright export FILE --to c99`.
    Sizes for --set: hop, delay (frames), filters, blocks, kernel, first.
    """
    refuse_existing(how.out, how.force)
    span, sizes = _decibels(snr), settings_of(how.sizes)
    with loading():
        from edgewright.training.backend import prepare

        prepare()

        from edgewright.core.toml_tables import convert_table
        from edgewright.models.restoration import DenoiserConfig
        from edgewright.workflows.restoration.denoiser import DenoiserRequest, train_denoiser

    config = convert_table(sizes, DenoiserConfig, "--set")
    request = DenoiserRequest(noise=noise, snr=span, config=config, **how.request(windows))
    return how.write(train_denoiser(read.read(clean), request, how.listener(_LOSS, 2.0)))


@declare(example="motion.csv --group person --out motion.upscaler")
def upscale(
    *,
    data: str = argument(metavar="DATA"),
    read: CleanOptions,
    factor: str = option(
        type=click.Choice(["2", "4"]), default="2", help="Samples, or rows and columns, that come out for each."
    ),
    windows: int = option(type=click.IntRange(16, 200_000), default=8000, help="Number of training windows."),
    how: TrainingOptions,
) -> Result:
    """Train an upscaler on DATA: signals or pictures at the higher rate or resolution.

    Training lowers them itself: a signal to the means of --factor samples, as a sensor at a lower rate gives them, a
    picture by Pillow's bicubic reduction. Each person or group (or recording) is used for one purpose only: training,
    validation, or, for a quarter of them, `restore score`. The output file holds the float and the int8 network, runs
    with the base install, and becomes firmware with `edgewright export FILE --to c99`. Sizes for --set: filters,
    blocks, first, kernel, taps, window.
    """
    refuse_existing(how.out, how.force)
    sizes = settings_of(how.sizes)
    with loading():
        from edgewright.training.backend import prepare

        prepare()

        from edgewright.core.toml_tables import convert_table
        from edgewright.models.restoration import PICTURE, SIGNAL, UpscalerConfig
        from edgewright.workflows.restoration.upscaler import UpscalerRequest, train_upscaler

    originals = read.read(data)
    default = PICTURE if originals.recordings[0].values.ndim == 4 else SIGNAL
    config = convert_table({**msgspec.structs.asdict(default), **sizes}, UpscalerConfig, "--set")
    request = UpscalerRequest(config=config, factor=2 if factor == "2" else 4, **how.request(windows))
    listener = how.listener("mean squared error, 1 for linear interpolation", 100.0)
    return how.write(train_upscaler(originals, request, listener))


@declare(example="voice.denoiser voices --noise brown --snr 0:10")
def score(
    *,
    model: Path = argument(metavar="FILE"),
    data: str = argument(metavar="DATA"),
    read: CleanOptions,
    noise: tuple[str, ...] = option(
        metavar="KIND|WAV|FOLDER", help="Of a denoiser: noise to use instead of the training noise."
    ),
    snr: str = option(metavar="LOW:HIGH", help="Of a denoiser: range of ratios in decibels."),
    seed: int = option(type=click.IntRange(0), default=0, help="Of a denoiser: seed of the noise."),
) -> Result:
    """Measure a denoiser or an upscaler on recordings or pictures of DATA that it was not trained on.

    Training recordings are excluded by name. Of recorded noise, a part never used in training is mixed in; generated
    noise is drawn again. The baselines of a denoiser are a moving average, Savitzky-Golay and a spectral Wiener filter,
    with the settings that are best on validation recordings; they may use the whole recording, the denoiser only the
    past. Those of an upscaler are cubic and linear interpolation (Pillow's for pictures), by the peak signal-to-noise
    ratio: of the luminance of pictures, the mean over the channels of signals. Ratios are in decibels with 95 %
    intervals over whole groups; `over` is by how much int8 is better. The exit code does not depend on the result.
    """
    with loading():
        from edgewright.graph.restoration import DenoiserFile, read_restorer
        from edgewright.workflows.restoration.evaluation import score_denoiser, score_upscaler

    file = read_restorer(model)
    if isinstance(file, DenoiserFile):
        span = _decibels(snr) if snr else None
        return Result(score_denoiser(file, read.read(data), noise=noise, snr_range=span, seed=seed))
    if noise or snr:
        raise OptionError("--noise and --snr with a denoiser", "an upscaler", str(model))
    return Result(score_upscaler(file, read.read(data)))


@declare(example="voice.denoiser --wav noisy.wav --out clean.wav")
def run(
    *,
    model: Path = argument(metavar="FILE"),
    wav: Path | None = option(help="Sound file at the rate of the training; of an upscaler at the lower rate."),
    table: Path | None = option("--csv", help="CSV file with the columns of the training."),
    picture: Path | None = option(help="Picture, for an upscaler of pictures."),
    out: Path = option(required=True, help="FILE.wav, FILE.csv or FILE.png."),
    force: bool = option(help="Replace the file."),
) -> Result:
    """Denoise or upscale a WAV file, a CSV file or a picture with the int8 network.

    A denoiser runs as a stream whose delay is compensated; other columns of a CSV file stay as they are, and a missing
    value stays missing. Of an upscaler only its columns are written, because others have no values for the new rows.
    """
    import numpy as np

    from edgewright.core.files import write_atomic
    from edgewright.graph.restoration import DenoiserFile, read_restorer

    given = {name: path for name, path in (("--wav", wav), ("--csv", table), ("--picture", picture)) if path}
    if len(given) != 1:
        got = " and ".join(given) or "none"
        raise OptionsConflictError("one of --wav FILE, --csv FILE or --picture FILE", got, "restore run")
    kind, path = next(iter(given.items()))
    ending = {"--wav": ".wav", "--csv": ".csv", "--picture": ".png"}[kind]
    if out.suffix.lower() != ending:
        raise FileEndingError(f"FILE{ending} with {kind}", out.name, "--out")
    refuse_existing(out, force)
    file = read_restorer(model)
    if bool(file.spec.rate) == bool(picture):
        kinds = ("signals", "pictures") if file.spec.rate else ("pictures", "signals")
        raise OptionError(f"an option for {kinds[0]}, as the network was trained", kind, str(model))
    readers: dict[str, Any] = {"--wav": _sound, "--csv": _rows, "--picture": _picture}
    data, values, restored, notes = readers[kind](file, path)
    write_atomic(out, data)
    wrote = f"wrote {click.format_filename(str(out))}"
    if isinstance(file, DenoiserFile):
        before, after = (float(np.nanvar(part, axis=0).sum()) for part in (values, restored))
        notes += ["the signal is silent"] if before == 0.0 else []
        change = float(10.0 * np.log10(max(after, 1e-20) / before)) if before > 0 else 0.0
        record = {"file": str(out), "rows": len(values), "taken": change, "notes": notes}
        return Result(record, [*notes, f"{wrote}: {len(values):,} rows, {change:+.1f} dB of power"], compact=True)
    sizes = [f"{part.shape[2]} x {part.shape[1]}" if picture else f"{len(part):,} rows" for part in (values, restored)]
    record = {"file": str(out), "from": sizes[0], "to": sizes[1], "notes": notes}
    return Result(record, [*notes, f"{wrote}: {sizes[1]} from {sizes[0]}"], compact=True)


def _decibels(text: str) -> tuple[float, float]:
    """`0:20` as two numbers, `10` as twice the same.

    Raises:
        InputError: for anything else.
    """
    low, _, high = text.partition(":")
    try:
        return float(low), float(high or low)
    except ValueError:
        raise OptionFormatError("decibels, as 10 or 0:20", repr(text), "--snr") from None


Restored = tuple[bytes, "Floats", "Floats", list[str]]
"""Content of the file, values before and after, and notes."""


def _sound(file: File, path: Path) -> Restored:
    import numpy as np

    from edgewright.core.files import os_errors
    from edgewright.core.input.riff import read_wav, wav_bytes
    from edgewright.graph.restoration import DenoiserFile

    spec = file.spec
    with os_errors(InputError, "a WAV file", path):
        sound = read_wav(path.read_bytes(), str(path))
    # Half of 11,025 Hz is no rate that a WAV file can have: the nearest one counts.
    if abs(sound.rate - spec.rate) >= 1:
        raise RateDiffersError(f"sound at {spec.rate:g} Hz, as in the training", f"{sound.rate} Hz", str(path),
                         "Resample it first")  # fmt: skip
    if sound.values.shape[1] != len(spec.columns):
        raise SampleShapeError(f"{len(spec.columns)} channels", f"{sound.values.shape[1]}", str(path),
                         "Mix the channels, or train on sound with the same number")  # fmt: skip
    restored = _whole(file, sound.values)
    beyond = int((np.abs(restored) > 1.0).sum())
    notes = [f"{beyond:,} samples above full scale are clipped"] if beyond else []
    rate = spec.rate if isinstance(file, DenoiserFile) else spec.rate * file.spec.factor
    return wav_bytes(restored, round(rate)), sound.values, restored, notes


def _rows(file: File, path: Path) -> Restored:
    import numpy as np

    from edgewright.graph.restoration import DenoiserFile

    columns = list(file.spec.columns)
    rows, values = _read_columns(path, columns)
    restored = _whole(file, values)
    cells = {name: ["" if np.isnan(v) else f"{v:.7g}" for v in restored[:, i]] for i, name in enumerate(columns)}
    missing, empty = (int(np.isnan(part).sum()) for part in (values, restored))
    note, names = f"{missing:,} missing values stay missing", list(rows.columns)
    if isinstance(file, DenoiserFile):
        cells |= {name: rows.text[name].tolist() for name in rows.text}
    else:
        names = columns
        note = (f"{missing:,} missing values leave {empty:,} of {restored.size:,} cells empty: what an answer depends "
                f"on reaches {file.spec.halo} rows to each side")  # fmt: skip
    text = io.StringIO()
    writer = csv.writer(text, delimiter=rows.header.delimiter, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*(cells[name] for name in names), strict=True))
    return text.getvalue().encode(), values, restored, [note] if missing else []


def _whole(file: File, values: np.ndarray) -> Floats:
    """Return restored rows (n, channels) of a signal."""
    from edgewright.graph.restoration import DenoiserFile

    return file.start().whole(values) if isinstance(file, DenoiserFile) else file.start().whole(values.T).T


def _read_columns(path: Path, columns: Sequence[str]) -> tuple[Rows, Floats]:
    """Return the rows of a CSV file with all other columns as text, and these columns, shape (n, columns).

    Raises:
        InputError: no such file, or without one of the columns.
    """
    import numpy as np

    from edgewright.core.csv.rows import read_csv

    if not path.is_file():
        raise MissingFileError("a CSV file", "a folder" if path.is_dir() else "no such file", str(path))
    first = read_csv(path, name=path.name, only_columns=columns)
    if absent := [name for name in columns if name not in first.names]:
        raise ColumnMissingError(f"the columns {', '.join(columns)}", f"no {', '.join(absent)}", str(path))
    others = [name for name in first.columns if name not in columns]
    rows = read_csv(path, name=path.name, text_columns=others) if others else first
    return rows, np.ascontiguousarray(rows.values[:, [rows.names.index(name) for name in columns]])


def _picture(file: UpscalerFile, path: Path) -> Restored:
    import numpy as np

    from edgewright.core.files import os_errors
    from edgewright.core.input.pictures import PIXELS, pixels, png, size_of

    with os_errors(InputError, "a picture", path):
        content = path.read_bytes()
    width, height = size_of(content, str(path))
    maximum = PIXELS // file.spec.factor**2
    if width * height > maximum:
        raise PictureError(f"a picture of at most {maximum:,} pixels, for {PIXELS:,} that come out",
                         f"{width} x {height}", str(path))  # fmt: skip
    values = pixels(content, str(path), (height, width), colour=len(file.spec.columns) == 3).astype(np.float32)
    restored = file.start().whole(values)
    return png(np.rint(restored)), values, restored, []
