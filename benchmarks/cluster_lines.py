"""Workers and a scheduler on machines of their own, behind a line that is slow, loses, is cut, or leads to no file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.dask_machines import Machines, burn, machines
from benchmarks.lines import Machine
from benchmarks.table import ROOT
from edgewright.cluster.contract import ClusterLostError, engine_for
from edgewright.cluster.mapping import Progress, each, on_engine
from edgewright.data.load import load_data
from edgewright.schema.errors import InputError

DELAY_S, LOSS, CUT_S = 0.05, 0.01, 30.0
TASK_S = 0.3
_ANY = "0.0.0.0"  # noqa: S104 - the addresses of its machines
# Tasks go on for so long after the line is back, and no longer than the second in all.
AFTER_S, MOST_S = 20.0, 120.0
Row = tuple[str, str, str, bool]


def lines(folder: Path, record: Callable[[], object]) -> Row:
    """Print what happens on two machines, the second of which is behind a bad line.

    Args:
        folder: to work in.
        record: result of a ladder, without times.
    """
    files = folder / "files"
    files.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(8):
        rows = "\n".join(f"{a:.3f},{'hot' if a > 0 else 'fine'}" for a in rng.normal(size=50))
        (files / f"{number}.csv").write_text(f"a,y\n{rows}\n", encoding="utf-8")
    here = record()
    checks: dict[str, bool] = {}
    with _two(folder / "work", str(files)) as (cluster, far):
        with on_engine(engine_for(cluster.address)):
            began = time.monotonic()
            checks["a ladder bit for bit"] = record() == here
            print(f"ladder over the bad line: {time.monotonic() - began:.0f} s by the clock", flush=True)
            message = _refusal(files)
            print(message, flush=True)
            checks["a worker without the files named with its machine"] = f"{files}/" in message and (
                f" on {far.name}" in message
            )
        checks |= _cut("one of two lines cut", cluster, far)
    with _two(folder / "alone", alone=True) as (cluster, far):
        checks |= _cut("the only line cut", cluster, far)
    with _far_scheduler(folder / "scheduler") as (cluster, far):
        checks |= _cut("the line to the scheduler cut", cluster, far)
    missed = [name for name, right in checks.items() if not right]
    title = f"two machines, one line with {DELAY_S * 1000:g} ms, {LOSS:.0%} loss and {CUT_S:g} s cut"
    return title, f"not: {', '.join(missed)}" if missed else "; ".join(checks), "all", not missed


@contextmanager
def _two(folder: Path, hidden: str = "", *, alone: bool = False) -> Iterator[tuple[Machines, Machine]]:
    """Provide a cluster with a worker on each of two machines, or on the second alone, and the second machine."""
    with ExitStack() as stack:
        cluster = stack.enter_context(machines(folder, 0, nanny=True, listen=_ANY))
        far = stack.enter_context(closing(Machine(2, DELAY_S, LOSS, hidden)))
        near = [] if alone else [stack.enter_context(closing(Machine(1)))]
        for machine in (*near, far):
            cluster.add(at=machine.here, prefix=machine.prefix, PYTHONPATH=str(ROOT))
        cluster.wait(len(cluster.workers))
        yield cluster, far


@contextmanager
def _far_scheduler(folder: Path) -> Iterator[tuple[Machines, Machine]]:
    """Provide a cluster whose scheduler is on the machine behind the bad line, with a worker here."""
    with (
        closing(Machine(2, DELAY_S, LOSS)) as far,
        machines(folder, 0, nanny=True, listen=_ANY, host=far.there, prefix=far.prefix) as cluster,
    ):
        cluster.add(at=far.there, PYTHONPATH=str(ROOT))
        cluster.wait(1)
        yield cluster, far


def _refusal(files: Path) -> str:
    """Return why a folder is not read, whose files one worker does not see."""
    try:
        load_data({"kind": "csv", "target": "y"}, seed=0, path=str(files), by_workers=True)
    except InputError as error:
        return str(error)
    return "read"


@dataclass
class _Standing:
    progress: Progress | None = None

    def watch(self, progress: Progress) -> None:
        self.progress = progress


def _cut(title: str, cluster: Machines, far: Machine) -> dict[str, bool]:
    """Cut the line to a machine in the middle of tasks; each has to have one result."""
    standing, began, later = _Standing(), time.monotonic(), threading.Event()

    def cut() -> None:
        far.cut(CUT_S)
        time.sleep(AFTER_S)
        later.set()

    def tasks() -> Iterator[int]:
        number = 0
        while not later.is_set() and time.monotonic() - began < MOST_S:
            yield number
            number += 1

    results, lost = list[int](), ""
    with on_engine(engine_for(cluster.address), standing.watch):
        cutting = threading.Timer(8.0, cut)
        cutting.start()
        try:
            results.extend(each(burn, TASK_S, tasks()))
        except ClusterLostError as error:
            lost = str(error)
        finally:
            cutting.join()
    progress = standing.progress
    again, workers = (progress.retried, progress.workers) if progress else (0, 0)
    print(f"{title}: {len(results)} results in {time.monotonic() - began:.0f} s by the clock, {again} tasks again, "
          f"{workers} workers at the end {lost}", flush=True)  # fmt: skip
    return {title: not lost and results == list(range(len(results))) and workers == len(cluster.workers)}
