"""The runs whose pages are measured: the lessons as they ship, and a long one of many rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgewright.core.records.trace import Trace
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline


@dataclass(frozen=True)
class Measured:
    """A run with the limit of its page in bytes."""

    name: str
    folder: Path
    trace: Trace
    limit: int


# The long run is the first lesson on 100,000 rows, 200 epochs without stopping early.
_RUNS = (
    ("activity", "activity", (), 400_000),
    ("latency", "latency", (), 400_000),
    ("scalability", "scalability", (), 400_000),
    (
        "activity, 100,000 rows, 200 epochs",
        "activity",
        ("data.rows=100000", "training.epochs=200", "training.patience=0"),
        1_000_000,
    ),
)


def runs(folder: Path) -> list[Measured]:
    """Run them all into `folder`."""
    measured = []
    for name, pipeline, changes, limit in _RUNS:
        done = run_pipeline(read_config(pipeline, changes), out=folder)
        measured.append(Measured(name, done.folder, done.trace, limit))
    return measured
