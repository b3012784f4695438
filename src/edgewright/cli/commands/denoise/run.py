"""`edgewright denoise run`: a recording with less noise, with the base install alone."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.options import refuse_existing
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.graph.denoising import DenoiserFile


@declare(example="voice.denoiser --wav noisy.wav --out clean.wav")
def command(
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
    return wav_bytes(given, sound.rate), _summary(sound.values, given, notes)


def _rows(denoiser: DenoiserFile, path: Path) -> tuple[bytes, dict[str, object]]:
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
    return text.getvalue().encode(), _summary(values, given, notes)


def _summary(before_run: np.ndarray, given: np.ndarray, notes: list[str]) -> dict[str, object]:
    """Return rows, and how much power was taken away, in decibels."""
    before, after = (float(np.nanvar(part, axis=0).sum()) for part in (before_run, given))
    if before == 0.0:
        notes = [*notes, "the signal is silent"]
    change = 10.0 * np.log10(max(after, 1e-20) / before) if before > 0 else 0.0
    return {"rows": len(before_run), "taken": float(change), "notes": notes}
