"""What the commands of networks that restore signals and pictures share: what they read, and what they print."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import option, print_ahead, wants_json
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from edgewright.core.csv.rows import Rows
    from edgewright.schema.data import DataSet, Floats
    from edgewright.schema.trace import EpochRecord, Interval
    from edgewright.workflows.denoising.training import Trained
    from edgewright.workflows.upscaling.training import TrainedUpscaler


@dataclass(frozen=True, kw_only=True)
class CleanOptions:
    """Options that say how the signals or pictures are read."""

    kind: str = option(help="Kind of source or public set; detected from the path by default.")
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
        data = load_data(proposed.table, seed=0, where="clean signals")
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


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options that say how a network that restores is trained."""

    epochs: int = option(type=click.IntRange(1, 1000), default=20, help="Training epochs.")
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed.")
    force: bool = option(help="Replace the file.")

    def listener(self, loss: str, rise: float) -> Callable[[EpochRecord], None] | None:
        """Return what `print_epochs` does; None where the output is JSON."""
        return None if wants_json() else print_epochs(self.epochs, loss, rise)


_BARS = 40


def print_epochs(epochs: int, loss: str, rise: float) -> Callable[[EpochRecord], None]:
    """Return a listener that prints each epoch: its losses, and a bar that grows as the validation loss falls.

    Args:
        epochs: of the training.
        loss: what it is, in words.
        rise: marks of the bar for a loss that is 1 lower.
    """
    from edgewright.pipeline.cost.duration_estimate import told_by_first

    first: list[float] = []
    step = told_by_first(lambda _: None, print_ahead, "Training", epochs, skipped=1)

    def show(row: EpochRecord) -> None:
        watched = row.loss if row.validation_loss is None else row.validation_loss
        if not first:
            first.append(watched)
            click.echo(f"epoch  training  validation ({loss})")
        bar = "#" * max(0, min(_BARS, round(rise * (first[0] - watched))))
        step(1)
        click.echo(f"{row.epoch:>5}  {row.loss:8.4g}  {watched:10.4g}  {bar}".rstrip())

    return show


def training_record(trained: Trained | TrainedUpscaler, out: Path, data: bytes) -> dict[str, Any]:
    """Return what was trained, as JSON has it; `data` is the file."""
    epochs = [{"epoch": row.epoch, "loss": row.loss, "validation_loss": row.validation_loss, "seconds": row.seconds}
              for row in trained.result.history]  # fmt: skip
    head = {"file": str(out), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    spec = msgspec.to_builtins(trained.file.spec)
    return {**head, "notes": list(trained.notes), **spec, "history": epochs}


def side_lines(trained: Trained | TrainedUpscaler, amount: str) -> Iterator[str]:
    """Yield notes, and who trains, validates and is held out."""
    learnt = trained.file.spec.learnt
    word = "people or machines" if learnt.held_by == "group" else "recordings"
    yield from trained.notes
    yield (f"{amount} from {len(learnt.trained)} {word}; {len(learnt.validated)} validate, "
           f"{len(learnt.held_out)} are held out")  # fmt: skip


def cell(figure: Interval) -> str:
    """Return a difference with its interval."""
    return f"{figure.value:+.1f} ({figure.low:+.1f} to {figure.high:+.1f})"


def read_sound(path: Path, rate: float, channels: int, kind: str) -> Floats:
    """Return samples of a WAV file, shape (n, channels).

    Raises:
        InputError: no such file, another rate or other channels.
    """
    from edgewright.core.files import os_errors
    from edgewright.core.input.riff import read_wav

    with os_errors(InputError, "a WAV file", path):
        sound = read_wav(path.read_bytes(), str(path))
    # Half of 11,025 Hz is no rate that a WAV file can have: the nearest one counts.
    if abs(sound.rate - rate) >= 1:
        raise InputError(f"sound at {rate:g} Hz, as the {kind} was trained", f"{sound.rate} Hz", str(path),
                         "Resample it first")  # fmt: skip
    if sound.values.shape[1] != channels:
        raise InputError(f"{channels} channels", f"{sound.values.shape[1]}", str(path),
                         "Mix the channels, or train on sound with the same number")  # fmt: skip
    return sound.values


def read_columns(path: Path, columns: list[str]) -> tuple[Rows, Floats]:
    """Return the rows of a CSV file with all other columns as text, and these columns, shape (n, columns).

    Raises:
        InputError: no such file, or without one of the columns.
    """
    import numpy as np

    from edgewright.core.csv.rows import read_csv

    if not path.is_file():
        raise InputError("a CSV file", "a folder" if path.is_dir() else "no such file", str(path))
    first = read_csv(path, name=path.name, only_columns=columns)
    absent = [name for name in columns if name not in first.names]
    if absent:
        raise InputError(f"the columns {', '.join(columns)}", f"no {', '.join(absent)}", str(path))
    others = [name for name in first.columns if name not in columns]
    rows = read_csv(path, name=path.name, text_columns=others) if others else first
    return rows, np.ascontiguousarray(rows.values[:, [rows.names.index(name) for name in columns]])


def refuse_other_ending(out: Path, given: str) -> None:
    """Refuse a name whose ending promises another kind of file than is written.

    Args:
        out: the file that is written.
        given: option that names the input: '--wav', '--csv' or '--picture'.

    Raises:
        InputError: naming the ending.
    """
    ending = {"--wav": ".wav", "--csv": ".csv", "--picture": ".png"}[given]
    if out.suffix.lower() != ending:
        raise InputError(f"FILE{ending} with {given}", out.name, "--out")


def clipped_note(values: Floats) -> list[str]:
    """Return what to say of samples that a WAV file cannot hold: nothing, or a line."""
    import numpy as np

    beyond = int((np.abs(values) > 1.0).sum())
    return [f"{beyond:,} samples above full scale are clipped"] if beyond else []


def number_cells(columns: Sequence[str], values: np.ndarray) -> dict[str, list[str]]:
    """Return cells by column of values (n, columns); a missing value is an empty cell."""
    import numpy as np

    return {name: ["" if np.isnan(v) else f"{v:.7g}" for v in values[:, i]] for i, name in enumerate(columns)}


def csv_bytes(delimiter: str, columns: Sequence[str], cells: dict[str, list[str]]) -> bytes:
    """Return a CSV file of columns in this order."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(cells[name] for name in columns), strict=True))
    return text.getvalue().encode()
