"""A pipeline over a few rows of two columns, for tests that need a whole run but not its result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgewright.core.records.trace import EpochRecord
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.pipeline.run_folder.journal import Journalling, Listener
from edgewright.trace.journal import FOLDER
from trace_example import epochs

ROWS = 120
TOML = """\
name = "small"
seed = 3
refit = false

[data]
kind = "csv"
path = "{path}"
target = "label"

[[stages]]
kind = "impute"

[[stages]]
kind = "scale"
method = "standard"

[[model.layers]]
kind = "dense"
units = 8

[training]
epochs = 2
"""


def rows(classes: Sequence[str] = ("off", "on"), count: int = ROWS) -> list[list[str]]:
    """Return rows of two measurements and a label that follows their sum, split evenly."""
    X = np.random.default_rng(0).normal(size=(count, 2))
    order = np.argsort(np.argsort(X.sum(axis=1)))
    labels = [classes[position * len(classes) // count] for position in order]
    return [[f"{a:.4f}", f"{b:.4f}", label] for (a, b), label in zip(X, labels, strict=True)]


def write_rows(path: Path, table: list[list[str]] | None = None, *, header: str = "a,b,label", by: str = ",") -> Path:
    """Return a CSV file of `rows`, or of another table."""
    lines = [header.replace(",", by), *(by.join(row) for row in (rows() if table is None else table))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_toml(path: Path, data: Path, more: str = "") -> Path:
    """Return the pipeline's TOML for a data file."""
    path.write_text(TOML.format(path=data) + more, encoding="utf-8")
    return path


def names(folder: Path) -> list[str]:
    """Return the names in a folder, hidden files included and journals of interrupted runs left out."""
    return sorted(path.name for path in folder.iterdir() if path.name != FOLDER) if folder.exists() else []


def run_small(toml: Path, out: Path, *changes: str, force: bool = False) -> RunResult:
    """Run the pipeline with `--set` changes."""
    return run_pipeline(read_config(str(toml), changes), out=out, force=force)


def break_off(out: Path, title: str = "") -> str:
    """Write the journal of a run that was interrupted after twelve epochs, and return its identity."""
    listener = Journalling(out, read_config("activity"), "edgewright run activity")
    listener.start("activity", title, "")
    listener.training_started(30, 3)
    for epoch in epochs(12):
        listener.epoch(epoch)
    listener.end("cancelled", "interrupted")
    return max((out / FOLDER / "journals").iterdir(), key=lambda file: file.stat().st_mtime).stem


class Cancels(Listener):
    """Asks for the end of training after the third epoch."""

    seen = 0

    def epoch(self, record: EpochRecord) -> None:
        self.seen += 1

    def cancelled(self) -> bool:
        return self.seen == 3
