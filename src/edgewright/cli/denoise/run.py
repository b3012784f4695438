"""`edgewright denoise run`: a recording with less noise, with the base install alone."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
import numpy as np

from edgewright.cli.options import refuse_existing
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.graph.denoising import DenoiserFile


@click.command("run", epilog="Example: edgewright denoise run voice.denoiser --wav noisy.wav --out clean.wav")
@click.argument("model", metavar="DENOISER", type=click.Path(path_type=Path))
@click.option("--wav", type=click.Path(path_type=Path), help="Sound file at the denoiser's rate.")
@click.option("--csv", "table", type=click.Path(path_type=Path), help="CSV file with the denoiser's columns.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="FILE.wav or FILE.csv.")
@click.option("--force", is_flag=True, help="Replace the file.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(model: Path, wav: Path | None, table: Path | None, out: Path, force: bool, as_json: bool) -> None:
    """Remove the noise from a WAV or CSV file with the int8 network, as a stream.

    Rows keep their place: the delay of the stream is compensated. Other columns of a CSV file stay as they are; a
    missing value stays missing.
    """
    from edgewright.core.files import write_atomic
    from edgewright.graph.denoising import read_denoiser

    if (wav is None) == (table is None):
        raise InputError("--wav FILE or --csv FILE", "both" if wav else "neither", "denoise run")
    refuse_existing(out, force)
    made = read_denoiser(model)
    data, record = _sound(made, wav) if wav is not None else _rows(made, table or Path())
    write_atomic(out, data)
    record = {"file": str(out), **record}
    if as_json:
        click.echo(msgspec.json.encode(record).decode())
        return
    for note in record["notes"] if isinstance(record["notes"], list) else []:
        click.echo(note)
    click.echo(f"wrote {click.format_filename(str(out))}: {record['rows']:,} rows, {record['taken']:+.1f} dB of power")


def _sound(made: DenoiserFile, path: Path) -> tuple[bytes, dict[str, object]]:
    from edgewright.core.files import os_errors
    from edgewright.core.riff import read_wav, wav_bytes

    spec = made.spec
    with os_errors(InputError, "a WAV file", path):
        sound = read_wav(path.read_bytes(), str(path))
    if sound.rate != spec.rate:
        raise InputError(f"sound at {spec.rate:g} Hz, as the denoiser was trained", f"{sound.rate} Hz", str(path),
                         "Resample it first")  # fmt: skip
    if sound.values.shape[1] != len(spec.columns):
        raise InputError(f"{len(spec.columns)} channels", f"{sound.values.shape[1]}", str(path),
                         "Mix the channels, or train on sound with the same number")  # fmt: skip
    given = made.start().whole(sound.values)
    beyond = int((np.abs(given) > 1.0).sum())
    notes = [f"{beyond:,} samples above full scale are clipped"] if beyond else []
    return wav_bytes(given, sound.rate), _told(sound.values, given, notes)


def _rows(made: DenoiserFile, path: Path) -> tuple[bytes, dict[str, object]]:
    from edgewright.core.csv.rows import read_csv

    columns = list(made.spec.columns)
    if not path.is_file():
        raise InputError("a CSV file", "no such file", str(path))
    first = read_csv(path, name=path.name, only_columns=columns)
    absent = [name for name in columns if name not in first.names]
    if absent:
        raise InputError(f"the columns {', '.join(columns)}", f"no {', '.join(absent)}", str(path))
    others = [name for name in first.columns if name not in columns]
    rows = read_csv(path, name=path.name, text_columns=others) if others else first
    values = np.ascontiguousarray(rows.values[:, [rows.names.index(name) for name in columns]])
    given = made.start().whole(values)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=first.header.delimiter, lineterminator="\n")
    writer.writerow(first.columns)
    made_columns = {name: ["" if np.isnan(v) else f"{v:.7g}" for v in given[:, i]] for i, name in enumerate(columns)}
    made_columns |= {name: rows.text[name].tolist() for name in others}
    writer.writerows(zip(*(made_columns[name] for name in first.columns), strict=True))
    missing = int(np.isnan(values).sum())
    notes = [f"{missing:,} missing values stay missing"] if missing else []
    return text.getvalue().encode(), _told(values, given, notes)


def _told(taken: np.ndarray, given: np.ndarray, notes: list[str]) -> dict[str, object]:
    """Return rows, and how much power was taken away, in decibels."""
    before, after = (float(np.nanvar(part, axis=0).sum()) for part in (taken, given))
    if before == 0.0:
        notes = [*notes, "the signal is silent"]
    change = 10.0 * np.log10(max(after, 1e-20) / before) if before > 0 else 0.0
    return {"rows": len(taken), "taken": float(change), "notes": notes}
