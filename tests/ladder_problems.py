"""Small problems for the ladder, and its parts without progress on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edgewright.search.ladder.measurement import Ladder
from edgewright.search.ladder.setup import problem_and_config
from small_pipeline import write_rows


@contextmanager
def silent(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Nobody watches."""
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


def ladder(path: Path, rungs: tuple[str, ...] = (), **data: object) -> Ladder:
    """Return the ladder of a file's column y, rows for themselves."""
    problem, config, _ = problem_and_config(
        str(path), {"target": "y", **data}, by="row" if "time" not in data else "auto"
    )
    return Ladder(problem, config, silent, rungs=rungs)
