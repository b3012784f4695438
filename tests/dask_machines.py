"""A Dask scheduler and workers as processes on loopback, which stand for machines: each can be killed or replaced."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

import edgewright

SETTINGS = Path(__file__).resolve().parent.parent / "deploy" / "cluster" / "dask.yaml"


class Machines:
    """A scheduler and workers.

    Args:
        folder: they work there, so that nothing relative to the caller's folder is found.
        nanny: whether a worker that dies is started again by a process that watches it.
        settings: file with settings of Dask; empty for its own.
        listen, host: addresses of the scheduler, its own and for this machine.
        prefix: stands before the command of the scheduler.
    """

    def __init__(
        self, folder: Path, *, nanny: bool = False, settings: str = str(SETTINGS),
        listen: str = "127.0.0.1", host: str = "127.0.0.1", prefix: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.settings = settings
        self._nanny = [] if nanny else ["--no-nanny"]
        self.folder, self.port = folder, free_port()
        self.host, self.address = host, f"dask://{host}:{self.port}"
        self.workers = list[subprocess.Popen[bytes]]()
        words = ["scheduler", "--host", listen, "--port", str(self.port), "--no-dashboard"]
        self.scheduler = self._start(*words, prefix=prefix)

    def add(self, *, at: str = "127.0.0.1", prefix: Sequence[str] = (), **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker; `at` is the scheduler's address for it, `prefix` stands before the command."""
        words = ["worker", f"{at}:{self.port}", "--nthreads", "1", "--no-dashboard", *self._nanny]
        worker = self._start(*words, prefix=prefix, **environment)
        self.workers.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """End a worker as a power cut does."""
        worker.kill()
        worker.wait()
        self.workers.remove(worker)

    def wait(self, workers: int) -> None:
        """Wait until so many workers are known to the scheduler."""
        with Client(  # type: ignore[no-untyped-call]
            f"tcp://{self.host}:{self.port}", timeout=180, set_as_default=False
        ) as client:
            client.wait_for_workers(workers, timeout=180)

    def close(self) -> None:
        """End all."""
        for process in (self.scheduler, *self.workers):
            process.kill()
            process.wait()

    def _start(self, *words: str, prefix: Sequence[str] = (), **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*prefix, sys.executable, "-m", "dask", *words], cwd=self.folder, stdout=log, stderr=log,
                env={
                    **os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "DASK_CONFIG": self.settings,
                    **environment,
                },
            )  # fmt: skip


@contextmanager
def machines(
    folder: Path, workers: int = 2, *, nanny: bool = False, settings: str = str(SETTINGS), listen: str = "127.0.0.1",
    host: str = "127.0.0.1", prefix: Sequence[str] = (), **environment: str,
) -> Iterator[Machines]:  # fmt: skip
    """Provide a scheduler with workers; all end with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = Machines(folder, nanny=nanny, settings=settings, listen=listen, host=host, prefix=prefix)
    try:
        for _ in range(workers):
            cluster.add(**environment)
        if workers:
            cluster.wait(workers)
        yield cluster
    finally:
        cluster.close()


def lying_copy(folder: Path) -> Path:
    """Return a folder for PYTHONPATH with another Edgewright that says it has this version."""
    source = Path(edgewright.__file__).parent
    copy = folder / "edgewright"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    changed = copy / "race" / "race.py"
    changed.write_text(changed.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    return folder


def kill_at_random(
    cluster: Machines, kills: int, seed: int, between_s: tuple[float, float], **environment: str
) -> None:
    """Kill workers at random moments, each replaced at once.

    Args:
        cluster: whose workers.
        kills: number of kills.
        seed: of the moments and the workers.
        between_s: fewest and most seconds between kills.
        environment: of the workers that take their place.
    """
    chance = random.Random(seed)  # noqa: S311 - moments of kills
    for _ in range(kills):
        # Without waiting, kills come faster than workers start on a machine under load, and no task can end.
        cluster.wait(len(cluster.workers))
        time.sleep(chance.uniform(*between_s))
        cluster.kill(chance.choice(cluster.workers))
        cluster.add(**environment)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
