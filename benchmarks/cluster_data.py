"""What samples cost on their way to Dask workers, and what it costs workers to read them again: HAPT as CSV files."""

from __future__ import annotations

import os
import pickle  # noqa: TID251 - as workers get it
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.dask_machines import machines
from benchmarks.table import ROOT
from edgewright.cluster.contract import engine_for
from edgewright.cluster.mapping import each, on_engine
from edgewright.cluster.packing import packed
from edgewright.data.load import load_data
from edgewright.race.problem import Problem, problem_of_pipeline
from edgewright.schema.config import ModelConfig, PipelineConfig, WindowConfig

DATA = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data" / "har-hapt"
WORKERS, WINDOW = (2, 8), 128
# What this process read, by whether it cuts windows.
_READ: dict[bool, Problem] = {}


def rows_sent(folder: Path) -> tuple[str, str, str, bool]:
    """Print CPU seconds of client, scheduler and workers until each worker has the samples."""
    whole = _csv_folder(folder / "hapt")
    read_s = 0.0
    for workers in WORKERS:
        with machines(folder / "work", workers, PYTHONPATH=str(ROOT)) as cluster:

            def spent() -> Any:  # noqa: ANN401 - an array
                return np.array([time.process_time(), *cluster.cpu_seconds()])

            for config in (whole, msgspec.structs.replace(whole, window=WindowConfig(samples=WINDOW))):
                _READ.clear()
                problem = _problem(config)
                ways: tuple[tuple[str, Any, Callable[[Any, int], int], int], ...] = (
                    ("sent", problem, _count, len(packed(problem))),
                    ("as a plain pickle", pickle.dumps(problem), _count_pickled, len(pickle.dumps(problem))),
                    ("read by workers", config, _count_read, len(packed(config))),
                )
                for title, shared, function, size in ways:
                    with on_engine(engine_for(cluster.address)):
                        list(each(_imported, None, range(4 * workers)))
                        before = spent()
                        counts = set(each(function, shared, range(2 * workers)))
                        client, scheduler, *own = (spent() - before).tolist()
                    assert counts == {len(problem.y)}  # noqa: S101 - a figure of other samples is none
                    figures = f"client {client:.2f}, scheduler {scheduler:.2f}, workers {sum(own):.2f} CPU-s"
                    shape = problem.samples.X.shape
                    print(f"{workers} workers, {shape}, {title}: {size / 1e6:.1f} MB each, {figures}", flush=True)
                    read_s = max(read_s, sum(own)) if function is _count_read else read_s
    return "samples of HAPT to workers, each way", f"as above; read again: {read_s:.1f} CPU-s of workers", "", True


def _csv_folder(folder: Path) -> PipelineConfig:
    folder.mkdir(parents=True)
    dataset = load_data({"kind": "hapt"}, seed=0, path=str(DATA))
    names = [column.name for column in dataset.columns]
    for recording in dataset.recordings:
        (folder / f"{recording.name}.csv").write_text("\n".join(_lines(names, recording, dataset.rate or 1.0)) + "\n")
    table = {"kind": "csv", "path": str(folder), "target": "activity", "group": "person", "time": "t"}
    return PipelineConfig(name="hapt", data=table, model=ModelConfig())


def _lines(names: list[str], recording: Any, rate: float) -> Iterator[str]:  # noqa: ANN401 - a `Recording`
    yield ",".join(("t", *names, "person", "activity"))
    for number, row in enumerate(recording.values):
        values = ",".join(f"{value:.6g}" for value in row)
        yield f"{number / rate:.2f},{values},{recording.groups[number]},{recording.target[number]}"


def _problem(config: PipelineConfig) -> Problem:
    windows = config.window is not None
    if windows not in _READ:
        _READ[windows] = problem_of_pipeline(config).without_recordings()
    return _READ[windows]


def _imported(_: None, task: int) -> int:
    return task


def _count(problem: Problem, _: int) -> int:
    return len(problem.y)


def _count_pickled(content: bytes, _: int) -> int:
    return len(pickle.loads(content).y)  # noqa: S301 - of this benchmark


def _count_read(config: PipelineConfig, _: int) -> int:
    return len(_problem(config).y)
