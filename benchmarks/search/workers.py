"""Two workers against one: the same batches of trainings through the local engine, by the clock."""

from __future__ import annotations

import os
import sys
import time

import numpy as np

from benchmarks.table import markdown, verdict
from edgewright.cluster.contract import BatchError, Engine, engine_for
from edgewright.models.architecture import architecture
from edgewright.training.loop import Sampled, Settings
from edgewright.training.padded import fit_padded
from edgewright.training.rows import ArrayRows

BATCHES, AT_LEAST = 16, 1.7


def work(shared: bytes, batch: bytes) -> bytes:
    """Train four networks; gives the last one's loss."""
    rng = np.random.default_rng(int(shared))
    x = rng.standard_normal((8000, 10)).astype(np.float32)
    y = np.argmax(x @ rng.standard_normal((10, 3)), axis=1).astype(np.float32)
    samples = Sampled(ArrayRows(x), y, np.ones(len(x), np.float32))
    network = architecture([{"kind": "dense", "units": 8 + int(batch)}] * 2, (10,), 3)
    for seed in range(4):
        start = network.initialise(np.random.default_rng(seed))
        result = fit_padded(start, samples, Settings("softmax_cross_entropy", seed=seed))
    return str(result.history[-1].loss).encode()


def _seconds(engine: Engine) -> float:
    """By the clock, for all batches after one that compiles and starts the workers."""
    began = 0.0
    batches = [str(number).encode() for number in range(BATCHES + engine.workers)]
    for done, (_, answer) in enumerate(engine.run("benchmarks.search.workers:work", b"0", batches), start=1):
        if isinstance(answer, BatchError):
            raise SystemExit(answer.reason)
        if done == engine.workers:
            began = time.perf_counter()
    return time.perf_counter() - began


def main(rest: list[str]) -> int:
    """Print the table; 1 when two workers are not fast enough."""
    del rest
    spent = []
    for workers in (1, 2):
        with engine_for(f"local:{workers}") as engine:
            spent.append(_seconds(engine))
    gain, load = spent[0] / spent[1], os.getloadavg()[0]
    row = [f"{spent[0]:.1f} s", f"{spent[1]:.1f} s", f"{gain:.2f}x", f"{AT_LEAST}x", verdict(gain >= AT_LEAST)]
    print(markdown(["one worker", "two workers", "gain", "at least", ""], [row]))
    print(f"{BATCHES} batches of four trainings, load of the machine {load:.1f} on {os.cpu_count()} cores")
    return int(gain < AT_LEAST)


if __name__ == "__main__":
    sys.exit(main([]))
