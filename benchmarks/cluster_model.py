"""Up to 1,000 workers and 10^9 windows, worked out from measured task times: a table of docs/scale.md.

`python -m benchmarks.cluster_model` prints the table, `make bench-cluster PARTS=model` measures its figures again.
Nobody has run 1,000 workers. `python -m benchmarks.fleet_scale.ten_million` writes the table into the document.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from benchmarks.table import markdown

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
        scheduler_idle, worker_idle: of each in a second.
        heartbeat: of the scheduler for a heartbeat of a worker.
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
    heartbeat: float


# On two x86 cores under a load of 7, by `make bench-cluster PARTS=model`.
MEASURED = Measured(
    window=2.7e-5, client=2.7e-3, scheduler=3.4e-3, worker=4.9e-3, client_mb=9.8e-4, scheduler_mb=3.2e-3,
    worker_mb=1.1e-3, scheduler_idle=2.1e-3, worker_idle=2.9e-3, heartbeat=5.9e-4,
)  # fmt: skip


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
    idle = figures.scheduler_idle + figures.heartbeat * heartbeats(workers)
    seconds = {
        "workers": work.tasks * own / workers / (1.0 - figures.worker_idle),
        "client": work.tasks * client,
        "scheduler": work.tasks * scheduler / (1.0 - idle),
    }
    limit = max(seconds, key=lambda name: seconds[name])
    spent = work.tasks * (own + client + scheduler)
    spent += seconds[limit] * (idle + workers * figures.worker_idle)
    return seconds[limit] / 3600, limit, spent / (work.tasks * work.seconds) - 1.0


def table(figures: Measured = MEASURED) -> str:
    """Return the table."""
    rows = []
    for work in kinds(figures):
        for workers in WORKERS:
            took, limit, more = hours(work, workers, figures)
            rows.append(
                [work.title, f"{workers:,}", f"{took:,.1f}" if took >= 10 else f"{took:.2g}", limit, f"{more:.1%}"]
            )
    return markdown(["work", "workers", "hours", "limited by", "CPU beyond the tasks"], rows)


def heartbeats(workers: int) -> float:
    """Return the heartbeats that Dask's scheduler gets in a second: it asks many workers for them less often."""
    limits = ((10, 2.0 * workers), (49, 1.0 * workers), (199, workers / 2.0))
    return next((beats for limit, beats in limits if workers <= limit), workers / (workers / 200 + 1.0))


def main() -> int:
    """Print the table."""
    argparse.ArgumentParser(prog="python -m benchmarks.cluster_model", description=__doc__).parse_args()
    print(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
