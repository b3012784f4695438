"""Tasks on a Dask cluster of two workers on loopback: their cost, kills at random moments, a lie, and equal results."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn dependency, untyped

from benchmarks.cluster_data import rows_sent
from benchmarks.cluster_lines import lines
from benchmarks.cluster_model import PIECE, SHAPE, Measured, heartbeats, hours, kinds, table
from benchmarks.dask_machines import SETTINGS, burn, kill_at_random, length, lying_copy, machines
from benchmarks.table import ROOT, markdown, verdict
from edgewright.cluster.contract import engine_for
from edgewright.cluster.mapping import Progress, each, on_engine
from edgewright.features import spectral, statistics
from edgewright.graph.stage import Context
from edgewright.pipeline.fitting import transformed
from edgewright.schema.errors import InputError
from edgewright.search.ladder.measurement import Ladder
from edgewright.search.ladder.setup import problem_and_config

TASKS, TASK_S, OVERHEAD = 12, 2.0, 0.10
KILLS, SEED = 20, 7
_CPU = ("cpu_seconds",)
Row = tuple[str, str, str, bool]


def overhead(folder: Path) -> Row:
    """Return how much more CPU seconds client, scheduler and workers take than the tasks themselves.

    With the settings of deploy/cluster/dask.yaml, which the target is for, and with those that Dask has.
    """
    shares, right = [], True
    for settings in (str(SETTINGS), ""):
        with (
            machines(folder, settings=settings, PYTHONPATH=str(ROOT)) as cluster,
            on_engine(engine_for(cluster.address)),
        ):
            list(each(burn, 0.5, range(8)))  # both workers load their modules
            before, began = time.process_time() + sum(cluster.cpu_seconds()), time.monotonic()
            results = list(each(burn, TASK_S, range(TASKS)))
            spent, took = time.process_time() + sum(cluster.cpu_seconds()) - before, time.monotonic() - began
        right = right and results == list(range(TASKS))
        shares.append((spent / (TASKS * TASK_S) - 1, took))
    (own, took), (usual, took_usual) = shares
    got = f"{own:.1%} in {took:.0f} s by the clock; {usual:.1%} in {took_usual:.0f} s with Dask's own settings"
    title = f"CPU beyond that of {TASKS} tasks of {TASK_S:g} s, load {os.getloadavg()[0]:.0f}"
    return title, got, f"at most {OVERHEAD:.0%}", right and own <= OVERHEAD


def kills(folder: Path) -> Row:
    """Kill workers at random moments until the last of the kills, and count results."""
    standings: list[Progress] = []
    with (
        machines(folder, PYTHONPATH=str(ROOT)) as cluster,
        on_engine(engine_for(cluster.address), standings.append),
    ):
        ended = threading.Event()

        def killing() -> None:
            kill_at_random(cluster, KILLS, SEED, (2.0, 6.0), PYTHONPATH=str(ROOT))
            ended.set()

        def tasks() -> Iterator[int]:
            number = 0
            while not ended.is_set() or number < TASKS:
                yield number
                number += 1

        thread = threading.Thread(target=killing)
        thread.start()
        results = list(each(burn, 0.5, tasks()))
        thread.join()
    right, again = results == list(range(len(results))), standings[-1].retried
    title = f"{KILLS} kills at random moments in {len(results)} tasks, {again} of them with a task on the worker"
    return title, "each result once" if right else "lost or twice", "each result once", right


def lie(folder: Path) -> Row:
    """Join a worker whose files differ, and which says that it has this version."""
    liar = lying_copy(folder / "copy")
    with machines(folder / "work", 1, PYTHONPATH=str(liar)) as cluster:
        try:
            with engine_for(cluster.address):
                got = "accepted"
        except InputError as error:
            got = error.got
    return "a worker with one changed file that claims this version", got, "refused by name", "files of" in got


def equal(folder: Path) -> Row:
    """Compare the record of a ladder, which is a race of one heat, with that of this process."""
    record = _ladder(folder)
    here = record()
    with machines(folder / "work") as cluster, on_engine(engine_for(cluster.address)):
        there = record()
    return "record of a ladder of all rungs", "equal" if here == there else "differs", "bit for bit", here == there


def bad_lines(folder: Path) -> Row:
    """Compare and count results of machines of their own, behind a bad line; needs root."""
    return lines(folder / "machines", _ladder(folder))


def _ladder(folder: Path) -> Callable[[], object]:
    rng, rows = np.random.default_rng(SEED), ["a,b,y"]
    for a, b in rng.uniform(1, 2, (300, 2)):
        rows.append(f"{a:.4f},{b:.4f},{'hot' if a * b > 2.2 else 'fine'}")
    folder.mkdir()
    (folder / "rows.csv").write_text("\n".join(rows) + "\n")

    def record() -> object:
        problem, config, _ = problem_and_config(str(folder / "rows.csv"), {"target": "y"}, by="row")
        return _untimed(msgspec.to_builtins(Ladder(problem, config, _silent, patience=0).climb()))

    return record


@contextmanager
def _silent(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show nothing."""
    yield lambda amount: None


def _untimed(value: object) -> object:
    if isinstance(value, dict):
        return {key: _untimed(entry) for key, entry in value.items() if key not in _CPU}
    return [_untimed(entry) for entry in value] if isinstance(value, list | tuple) else value


def model(folder: Path) -> Row:
    """Measure what the model of docs/scale.md rests on; its table of the figures of now is printed."""
    figures = _figures(folder)
    print(figures, table(figures), sep="\n")
    took, limit, more = hours(kinds(figures)[0], 1000, figures)
    return "10^6 fits of 20 s on 1,000 workers, computed", f"{took:.1f} h by {limit}, {more:.1%} CPU more", "", True


def _figures(folder: Path) -> Measured:
    """Measure on up to ten workers of this machine, with the settings of deploy/cluster/dask.yaml."""
    windows = np.random.default_rng(0).normal(size=(PIECE, *SHAPE)).astype(np.float32)
    names = tuple("abcdef")
    context = Context(shape=SHAPE, names=names, units=("",) * 6, rate=50.0, task="classification", seed=0)
    stages: list[Any] = [
        module.STAGE.build(module.STAGE.config(), context).fit(windows) for module in (statistics, spectral)
    ]
    began = time.process_time()
    with threadpool_limits(1):  # as tasks compute
        for stage in stages:
            transformed(stage, windows)
    window = (time.process_time() - began) / PIECE
    with machines(folder, PYTHONPATH=str(ROOT)) as cluster:

        def spent() -> Any:  # noqa: ANN401 - an array
            return np.array([time.process_time(), *cluster.cpu_seconds()])

        def idle() -> Any:  # noqa: ANN401 - an array
            time.sleep(5.0)  # what starts has ended
            before = spent()
            time.sleep(20.0)
            return (spent() - before) / 20.0

        with on_engine(engine_for(cluster.address)):
            list(each(length, None, [b""] * 8))
            empty = _cost(spent, 400, 0)
            large = (_cost(spent, 60, 4_000_000) - empty) / 4.0
        few = idle()
        for _ in range(8):
            cluster.add(PYTHONPATH=str(ROOT))
        cluster.wait(10)
        many = idle()
    beats = [heartbeats(workers) for workers in (2, 10)]
    heartbeat = max(0.0, float(many[1] - few[1]) / (beats[1] - beats[0]))
    fixed = max(0.0, float(few[1]) - heartbeat * beats[0])
    client, scheduler, worker = empty.tolist()
    client_mb, scheduler_mb, worker_mb = large.tolist()
    return Measured(
        window=window, client=client, scheduler=scheduler, worker=worker, client_mb=client_mb,
        scheduler_mb=scheduler_mb, worker_mb=worker_mb, scheduler_idle=fixed, worker_idle=float(many[2:].mean()),
        heartbeat=heartbeat,
    )  # fmt: skip


def _cost(spent: Any, tasks: int, size_bytes: int) -> Any:  # noqa: ANN401 - functions of arrays
    """Return CPU seconds of client, scheduler and workers for a task."""
    before = spent()
    list(each(length, None, _contents(tasks, size_bytes)))
    client, scheduler, *workers = spent() - before
    return np.array([client, scheduler, sum(workers)]) / tasks


def _contents(tasks: int, size_bytes: int) -> Iterator[bytes]:
    for _ in range(tasks):
        yield bytes(size_bytes)


PARTS: dict[str, Callable[[Path], Row]] = {
    "overhead": overhead, "kills": kills, "lie": lie, "equal": equal, "model": model, "data": rows_sent,
    "machines": bad_lines,
}  # fmt: skip


def main() -> int:
    """Print the table; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    names = parser.parse_args().parts or list(PARTS)
    rows = []
    with tempfile.TemporaryDirectory() as room:
        for name in names:
            rows.append(PARTS[name](Path(room) / name))
            print("; ".join(map(str, rows[-1])), flush=True)
    print(markdown(["what", "result", "target", ""], [[*row[:3], verdict(row[3])] for row in rows]))
    return int(not all(row[3] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
