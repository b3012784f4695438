"""Small problems for the race."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edgewright.core.records.config import PipelineConfig, WindowConfig
from edgewright.race.pipeline_end import entrants_of
from edgewright.race.problem import Problem, problem_of_pipeline
from edgewright.race.race import Race
from small_pipeline import write_rows


@contextmanager
def silent(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show no progress."""
    yield lambda amount: None


def table(path: Path, count: int = 400, kind: str = "threshold") -> Path:
    """Return rows whose label is a threshold of a, a product of a and b, or whose amount is that product."""
    rng = np.random.default_rng(3)
    a, b = rng.uniform(1, 2, count), rng.uniform(1, 2, count)
    rows = []
    for index in range(count):
        product = a[index] * b[index]
        label = {
            "threshold": "on" if a[index] + rng.normal() * 0.02 > 1.5 else "off",
            "product": "hot" if product > 3.2 else "fine",
            "amount": f"{product:.4f}",
        }[kind]
        rows.append([f"{a[index]:.4f}", f"{b[index]:.4f}", label])
    return write_rows(path, rows, header="a,b,y")


def problem_of(path: Path | str, window: WindowConfig | None = None, **data: object) -> tuple[Problem, PipelineConfig]:
    """Return the problem and the pipeline of a CSV file or another source."""
    table: dict[str, object] = {"kind": "csv", "path": str(path), **data}
    config = PipelineConfig(name="race", data=table, window=window)
    return problem_of_pipeline(config), config


def race(path: Path | str, names: tuple[str, ...] = ()) -> Race:
    """Return a race on column y of a file."""
    problem, config = problem_of(path, target="y")
    entrants = [one for one in entrants_of(problem, config) if not names or one.name in names]
    return Race(problem, entrants, "cortex-m4")
