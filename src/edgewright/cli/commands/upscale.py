"""Upscale signals and pictures: train, run and score a small int8 network for twice or four times the samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

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

    from edgewright.graph.upscaling import UpscalerFile
    from edgewright.schema.denoise import UpscaleScore
    from edgewright.workflows.upscaling.training import TrainedUpscaler

EXAMPLE = "train photos --factor 2 --out photos.upscaler"


@declare(example="motion.csv --group person --out motion.upscaler")
def train(
    *,
    data: str = argument(metavar="DATA"),
    read: CleanOptions,
    factor: str = option(
        type=click.Choice(["2", "4"]), default="2", help="Samples, or rows and columns, that come out for each."
    ),
    out: Path = option(required=True, help="FILE.upscaler."),
    hold_out: str = option(metavar="A,B", help="People, groups or recordings to hold out. [default: random]"),
    sizes: tuple[str, ...] = option(
        "--set", metavar="KEY=N", help="Size: filters, blocks, first, kernel, taps, window; may be repeated."
    ),
    windows: int = option(type=click.IntRange(16, 200_000), default=8000, help="Number of training windows."),
    how: TrainingOptions,
) -> Result:
    """Train an upscaler on DATA: signals or pictures at the higher rate or resolution.

    Training lowers them itself: a signal to the means of --factor samples, as a sensor at a lower rate gives them, a
    picture by Pillow's bicubic reduction. Each person or group (or recording) is used for one purpose only: training,
    validation, or, for a quarter of them, `upscale score`. The output file holds the float and the int8 network, runs
    with the base install, and becomes firmware with `edgewright export FILE --to c99`.
    """
    refuse_existing(out, how.force)
    given = settings_of(sizes)
    with loading():
        from edgewright.training.backend import prepare

        prepare()

        from edgewright.core.toml_tables import convert_table
        from edgewright.graph.upscaling import SPEC, write_upscaler
        from edgewright.models.upscaler import PICTURE, SIGNAL, UpscalerConfig
        from edgewright.workflows.upscaling.training import UpscalerRequest, train_upscaler

    originals = read.read(data)
    default = PICTURE if originals.recordings[0].values.ndim == 4 else SIGNAL
    config = convert_table({**msgspec.structs.asdict(default), **given}, UpscalerConfig, "--set")
    request = UpscalerRequest(
        config=config, factor=2 if factor == "2" else 4, windows=windows, epochs=how.epochs, hold_out=listed(hold_out),
        seed=how.seed, name=out.name.split(".")[0] or "upscaler",
    )  # fmt: skip
    listener = how.listener("mean squared error, 1 for linear interpolation", 100.0)
    trained = train_upscaler(originals, request, listener)
    write_upscaler(out, trained.file)
    packed = trained.file.packed(SPEC)
    return Result(training_record(trained, out, packed), _train_lines(trained, out, len(packed)))


def _train_lines(trained: TrainedUpscaler, out: Path, size: int) -> Iterator[str]:
    """Yield the lines of what the file is, who is held out, and what to do next."""
    spec = trained.file.spec
    unit = "sample of a channel" if spec.rate else "pixel"
    yield from side_lines(trained, f"{spec.learnt.rows:,} {'samples' if spec.rate else 'pixels'}")
    yield f"{spec.parameters:,} parameters, {spec.macs:,.0f} multiply-accumulates for each {unit} that comes in"
    yield f"wrote {click.format_filename(str(out))}, {size:,} bytes"
    yield f"next: edgewright upscale score {click.format_filename(str(out))} DATA"


@declare(example="motion.upscaler motion.csv --group person")
def score(
    *,
    model: Path = argument(metavar="UPSCALER"),
    data: str = argument(metavar="DATA"),
    read: CleanOptions,
) -> Result:
    """Measure an upscaler on DATA that it was not trained on, beside cubic and linear interpolation.

    Prints the peak signal-to-noise ratio (PSNR) with 95 % intervals over groups. Of pictures it is that of the
    luminance, and interpolation is Pillow's. Of signals it is the mean over the channels, each with its own span as the
    peak; cubic interpolation is a spline through the samples. The exit code does not depend on the result.
    """
    with loading():
        from edgewright.graph.upscaling import read_upscaler
        from edgewright.workflows.upscaling.evaluation import score_upscaler

    score = score_upscaler(read_upscaler(model), read.read(data))
    return Result(score, _score_lines(score))


def _score_lines(score: UpscaleScore) -> Iterator[str]:
    """Yield the lines of the table."""
    yield (f"{score.recordings:,} recordings or pictures of {score.groups:,} held out, {score.factor} times; PSNR in "
           "dB with 95 % intervals")  # fmt: skip
    yield f"{'':<8} {'PSNR':<22} int8 less this"
    for row in score.rows:
        psnr = f"{row.psnr.value:.1f} ({row.psnr.low:.1f} to {row.psnr.high:.1f})"
        yield f"{row.method:<8} {psnr:<22} {'' if row.over is None else cell(row.over)}".rstrip()


@declare(example="motion.upscaler --csv slow.csv --out fast.csv")
def run(
    *,
    model: Path = argument(metavar="UPSCALER"),
    wav: Path | None = option(help="Sound file at the lower rate."),
    table: Path | None = option("--csv", help="CSV file with the upscaler's columns."),
    picture: Path | None = option(help="Picture."),
    out: Path = option(required=True, help="FILE.wav, FILE.csv or FILE.png."),
    force: bool = option(help="Replace the file."),
) -> Result:
    """Upscale a WAV file, a CSV file or a picture with the int8 network.

    Of a CSV file only the upscaler's columns are written, because others have no values for the new rows.
    """
    from edgewright.core.files import write_atomic
    from edgewright.graph.upscaling import read_upscaler

    given = {name: path for name, path in (("--wav", wav), ("--csv", table), ("--picture", picture)) if path}
    if len(given) != 1:
        raise InputError("one of --wav FILE, --csv FILE or --picture FILE", " and ".join(given) or "none",
                         "upscale run")  # fmt: skip
    kind, path = next(iter(given.items()))
    refuse_other_ending(out, kind)
    refuse_existing(out, force)
    upscaler = read_upscaler(model)
    if bool(upscaler.spec.rate) == bool(picture):
        kinds = ("signals", "pictures") if upscaler.spec.rate else ("pictures", "signals")
        raise InputError(f"an option for {kinds[0]}, as the upscaler was trained", kind, str(model))
    data, sizes, notes = {"--wav": _sound, "--csv": _rows, "--picture": _picture}[kind](upscaler, path)
    write_atomic(out, data)
    line = f"wrote {click.format_filename(str(out))}: {sizes[1]} from {sizes[0]}"
    record = {"file": str(out), "from": sizes[0], "to": sizes[1], "notes": notes}
    return Result(record, [*notes, line], compact=True)


_Upscaled = tuple[bytes, tuple[str, str], list[str]]
"""Content of the file, sizes before and after, and what there is to say."""


def _sound(upscaler: UpscalerFile, path: Path) -> _Upscaled:
    from edgewright.core.input.riff import wav_bytes

    spec = upscaler.spec
    values = read_sound(path, spec.rate, len(spec.columns), "upscaler")
    given = upscaler.start().whole(values.T).T
    return wav_bytes(given, round(spec.rate * spec.factor)), _counts(len(values), len(given)), clipped_note(given)


def _rows(upscaler: UpscalerFile, path: Path) -> _Upscaled:
    import numpy as np

    columns = list(upscaler.spec.columns)
    rows, values = read_columns(path, columns)
    given = upscaler.start().whole(values.T).T
    missing, empty = (int(np.isnan(part).sum()) for part in (values, given))
    notes = [f"{missing:,} missing values leave {empty:,} of {given.size:,} cells empty: what an answer depends on "
             f"reaches {upscaler.spec.halo} rows to each side"] if missing else []  # fmt: skip
    data = csv_bytes(rows.header.delimiter, columns, number_cells(columns, given))
    return data, _counts(len(values), len(given)), notes


def _picture(upscaler: UpscalerFile, path: Path) -> _Upscaled:
    import numpy as np

    from edgewright.core.files import os_errors
    from edgewright.core.input.pictures import PIXELS, pixels, png, size_of

    with os_errors(InputError, "a picture", path):
        content = path.read_bytes()
    width, height = size_of(content, str(path))
    maximum = PIXELS // upscaler.spec.factor**2
    if width * height > maximum:
        raise InputError(f"a picture of at most {maximum:,} pixels, for {PIXELS:,} that come out",
                         f"{width} x {height}", str(path))  # fmt: skip
    values = pixels(content, str(path), (height, width), colour=len(upscaler.spec.columns) == 3)
    given = upscaler.start().whole(values.astype(np.float32))
    return png(np.rint(given)), (f"{width} x {height}", f"{given.shape[2]} x {given.shape[1]}"), []


def _counts(before: int, after: int) -> tuple[str, str]:
    return f"{before:,} rows", f"{after:,} rows"
