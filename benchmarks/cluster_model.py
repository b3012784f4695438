"""Up to 1,000 workers and 10^9 windows, worked out from measured task times: a table of docs/scale.md.

`python -m benchmarks.cluster_model` prints the table, with `--measure` the figures that it rests on. Nobody has run
1,000 workers. `python -m benchmarks.fleet_scale.ten_million` writes the table into the document.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dask_machines import machines
from benchmarks.table import ROOT, markdown
from edgewright.cluster.contract import engine_for
from edgewright.cluster.mapping import each, on_engine
from edgewright.features import spectral, statistics
from edgewright.graph.stage import Context
from edgewright.pipeline.fitting import transformed

SHAPE = (6, 128)
WINDOWS = 10**9
WORKERS = (1, 10, 100, 1000)
# Windows of one task, as `pipeline.fitting` takes them.
PIECE = 4096
# A fit on a fold, as races and searches take them from a second to some minutes.
FIT_S, FITS = 20.0, 10**6


@dataclass(frozen=True)
class Measured:
    """CPU seconds, on one core of the machine that measured.

    Attributes:
        window: features (statistics and spectrum) of a window of six channels and 128 samples.
        client, scheduler, worker: of each for an empty task.
        client_mb, scheduler_mb, worker_mb: of each for a megabyte that a task brings.
        scheduler_idle, worker_idle: of each in a second, for one worker.
    """

    window: float
    client: float
    scheduler: float
    worker: float
    client_mb: float
    scheduler_mb: float
    worker_mb: float
    scheduler_idle: float
    worker_idle: float


MEASURED = Measured(0, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Work:
    """Tasks of one kind: how many, their CPU seconds, and the megabytes that the client sends with each."""

    title: str
    tasks: float
    seconds: float
    megabytes: float


def kinds(figures: Measured) -> tuple[Work, ...]:
    """Return what the table is about."""
    piece_mb = PIECE * 4 * SHAPE[0] * SHAPE[1] / 1e6
    tasks = WINDOWS / PIECE
    return (
        Work(f"{FITS:,} fits of {FIT_S:g} s on samples that workers hold", FITS, FIT_S, 0.0),
        Work("features of 10^9 windows, read by workers", tasks, PIECE * figures.window, 0.0),
        Work("features of 10^9 windows, sent by the client", tasks, PIECE * figures.window, piece_mb),
    )


def hours(work: Work, workers: int, figures: Measured) -> tuple[float, str, float]:
    """Return the hours of some work, what limits it, and the share of CPU beyond that of its tasks.

    Client and scheduler are one process each: neither does more than a second of work in a second.
    """
    own = work.seconds + figures.worker + work.megabytes * figures.worker_mb
    client = figures.client + work.megabytes * figures.client_mb
    scheduler = figures.scheduler + work.megabytes * figures.scheduler_mb
    free = 1.0 - workers * figures.scheduler_idle
    seconds = {
        "workers": work.tasks * own / workers / (1.0 - figures.worker_idle),
        "client": work.tasks * client,
        "scheduler": work.tasks * scheduler / free if free > 0 else float("inf"),
    }
    limit = max(seconds, key=lambda name: seconds[name])
    spent = work.tasks * (own + client + scheduler)
    spent += seconds[limit] * workers * (figures.scheduler_idle + figures.worker_idle)
    return seconds[limit] / 3600, limit, spent / (work.tasks * work.seconds) - 1.0


def table(figures: Measured = MEASURED) -> str:
    """Return the table."""
    rows = []
    for work in kinds(figures):
        for workers in WORKERS:
            took, limit, more = hours(work, workers, figures)
            rows.append([work.title, f"{workers:,}", f"{took:,.1f}", limit, f"{more:.1%}"])
    return markdown(["work", "workers", "hours", "limited by", "CPU beyond the tasks"], rows)


def measure(folder: Path) -> Measured:
    """Measure on two workers of this machine, with the settings of deploy/cluster/dask.yaml."""
    windows = np.random.default_rng(0).normal(size=(PIECE, *SHAPE)).astype(np.float32)
    names = tuple("abcdef")
    context = Context(shape=SHAPE, names=names, units=("",) * 6, rate=50.0, task="classification", seed=0)
    stages: list[Any] = [
        module.STAGE.build(module.STAGE.config(), context).fit(windows) for module in (statistics, spectral)
    ]  # type: ignore[attr-defined]
    began = time.process_time()
    for stage in stages:
        transformed(stage, windows)
    window = (time.process_time() - began) / PIECE
    with machines(folder, PYTHONPATH=str(ROOT)) as cluster, on_engine(engine_for(cluster.address)):

        def spent() -> Any:  # noqa: ANN401 - an array
            return np.array([time.process_time(), *cluster.cpu_seconds()])

        list(each(size, None, [b""] * 8))
        before = spent()
        time.sleep(20.0)
        idle = (spent() - before) / 20.0
        empty = _cost(spent, 400, 0)
        large = (_cost(spent, 60, 4_000_000) - empty) / 4.0
    return Measured(window, *empty, *large, idle[1] / 2, idle[2:].mean())


def _cost(spent: Any, tasks: int, size_bytes: int) -> Any:  # noqa: ANN401 - functions of arrays
    """Return CPU seconds of client, scheduler and workers for a task."""
    before = spent()
    list(each(size, None, _contents(tasks, size_bytes)))
    client, scheduler, *workers = spent() - before
    return np.array([client, scheduler, sum(workers)]) / tasks


def _contents(tasks: int, size_bytes: int) -> Iterator[bytes]:
    for _ in range(tasks):
        yield bytes(size_bytes)


def size(_: None, content: bytes) -> int:
    """Return the number of bytes that came."""
    return len(content)


def main() -> int:
    """Print the table, or the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--measure", action="store_true", help="Measure the figures, and print the table that they give."
    )
    figures = MEASURED
    if parser.parse_args().measure:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(Path(folder))
        print(figures)
    print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
