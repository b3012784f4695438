"""What commands read of a file: the data set that the first reader gives, before anything is done with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.cli.main import run
from edgewright.core.records.data import DataSet
from edgewright.data import load
from edgewright.data.resampling import at_one_rate
from edgewright.data.targets import as_text
from odd_files.shape import OddFile

# Commands that read data without a pipeline, and what they need besides. The target is named where they take one.
TARGET = ("--target", "{target}")
COMMANDS: dict[str, tuple[str, ...]] = {
    "init": ("init", "{data}", "--yes", "--out", "first"),
    "run": ("run", "{data}"),
    "check": ("check", "{data}", *TARGET),
    "curve": ("curve", "{data}", *TARGET),
    "advise": ("advise", "{data}", *TARGET, "--out", "advice"),
    "detect fit": ("detect", "fit", "{data}", *TARGET, "--out", "data.detector"),
    "label suggest": ("label", "suggest", "{data}", *TARGET, "--window", "20", "--out", "data.labelling"),
    "restore denoise": ("restore", "denoise", "{data}", "--noise", "pink", "--snr", "0:10", "--out", "data.denoiser"),
    "restore upscale": ("restore", "upscale", "{data}", "--out", "data.upscaler"),
}
# They take signals: columns of text are no inputs.
OF_SIGNALS = ("detect fit", "label suggest", "restore denoise", "restore upscale")
# Commands that read rows for a package, which knows its columns.
OF_PACKAGES: dict[str, tuple[str, ...]] = {
    "predict": ("predict", "{run}", "--csv", "{file}", "--json"),
    "score": ("score", "{run}", "--data", "{data}", "--json"),
    "drift": ("drift", "{run}", "--csv", "{file}", "--json"),
    "trace": ("trace", "{run}", "--csv", "{file}"),
    "prove": ("prove", "{run}", "--data", "{file}", "--rows", "20", "--json"),
    "device run": ("device", "run", "{run}", "--source", "replay:{data}{time}", "--store", "store", "--json"),
}
# Commands that take data of another kind, or that read by one of the ways above.
OTHERS = {
    **dict.fromkeys(("adapt simulate", "learn", "tune"), "the pipeline of the run reads"),
    **dict.fromkeys(("adapt learn", "few-shot learn", "few-shot predict"), "as predict"),
    **dict.fromkeys(("detect run", "restore run", "restore score"), "the file knows its columns"),
    **dict.fromkeys(("forecast fit", "forecast run"), "one series"),
    **dict.fromkeys(("demo", "compress"), "other data"),
    **dict.fromkeys(("device record", "device watch", "fleet simulate"), "a source or a folder of a job"),
}


class _SeenError(BaseException):
    """A data set was read, and the command ends here."""

    def __init__(self, dataset: DataSet) -> None:
        self.dataset = dataset


@dataclass(frozen=True)
class Reading:
    """What a command read, or None and its exit code where it refused the file."""

    dataset: DataSet | None
    code: int = 0


def reading_of(command: str, file: OddFile, monkeypatch: pytest.MonkeyPatch) -> Reading:
    """Return what a command reads of a file; it runs no further."""
    read = load._loaded

    def first(*arguments: Any) -> DataSet:  # noqa: ANN401 - those of the function that it replaces
        raise _SeenError(at_one_rate(read(*arguments)))

    named = [] if file.path.is_dir() else list(TARGET)
    words = [word for word in COMMANDS[command] if word not in TARGET or word in named]
    arguments = [word.format(data=file.path, target=file.truth.target) for word in words]
    with monkeypatch.context() as patch:
        patch.chdir(file.path.parent)
        patch.setattr(load, "_loaded", first)
        try:
            return Reading(None, run(arguments))
        except _SeenError as seen:
            return Reading(seen.dataset)


def differences(command: str, reading: DataSet, usual: DataSet) -> Iterator[str]:
    """Yield what a command reads differently from `init`."""
    names, expected = _names(reading), [name for name in _names(usual) if not _is_text(name, command)]
    # A check looks at columns of numbers that `init` leaves out.
    kept = [name for name in names if name in expected] if command == "check" else names
    if kept != expected:
        yield f"columns {kept}, not {expected}"
        return
    if not np.array_equal(_values(reading, expected), _values(usual, expected), equal_nan=True):
        yield "other values"
    if reading.rate != usual.rate:
        yield f"{reading.rate} Hz, not {usual.rate} Hz"
    for part in ("groups", "sessions", "target", "time"):
        cells = [getattr(one, part) for one in reading.recordings]
        others = [getattr(one, part) for one in usual.recordings]
        if part == "target" and command in ("restore denoise", "restore upscale"):
            continue
        if [_text(one) for one in cells] != [_text(one) for one in others]:
            yield f"other {part}"


def _is_text(name: str, command: str) -> bool:
    return command in OF_SIGNALS and "=" in name


def _names(dataset: DataSet) -> list[str]:
    return [column.name for column in dataset.columns]


def _values(dataset: DataSet, names: list[str]) -> Any:  # noqa: ANN401 - an array
    places = [_names(dataset).index(name) for name in names]
    return np.concatenate([recording.values[:, places] for recording in dataset.recordings])


def _text(cells: Any) -> list[str] | None:  # noqa: ANN401 - an array, or None
    return None if cells is None else as_text(np.asarray(cells)).tolist()


def file_named(path: Path) -> Path:
    """Return the first file of a folder, or the file itself."""
    return min(path.iterdir()) if path.is_dir() else path
