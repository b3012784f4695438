"""Processes that are killed at work, and killed again at a step of the start that follows."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.forking import fork
from benchmarks.faults.model import lay
from benchmarks.faults.states import Result, State, record, recovery, scratch, states
from benchmarks.faults.workload import Workload

_SEED = 11
_FIRST, _SECOND = 60, 10
"""First kills that are looked at, and second ones of each, where all are asked for."""


def run(workload: Workload, share: float) -> Iterator[tuple[str, Result]]:
    """Lay down the files of a first kill; the process that starts over them is killed at a step of its own."""
    start, steps = record(workload)
    seed = _SEED + 1000 * workload.seed
    # A kill takes nothing that was written: the machine goes on.
    killed = [state for state in states(start, steps, seed) if state.way == "kept"]
    chance = random.Random(seed)  # noqa: S311 - no secret
    chosen = chance.sample(killed, min(len(killed), max(2, round(_FIRST * share))))
    result = Result()
    with scratch() as folder:
        for number, state in enumerate(chosen):
            count = len(recovery(workload, state))
            for step in sorted(chance.sample(range(count), min(count, max(2, round(_SECOND * share))))):
                path = folder / f"{number}-{step}"
                lay(state.files, path)
                _die(workload, path, step)
                problem = _wrong(workload, path, state)
                shutil.rmtree(path)
                result.add("killed twice", f"step {state.point}, then {step}: {problem}" if problem else "")
    yield f"{workload.what}: kill -9, and again while it recovers", result


def _wrong(workload: Workload, folder: Path, state: State) -> str:
    try:
        return workload.check(folder, state.before, state.after)
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"{type(error).__name__}: {error}"


def _die(workload: Workload, folder: Path, fatal: int) -> None:
    child = fork()
    if child == 0:
        try:
            with workload.recorder(folder, fatal) as recorder:
                workload.recover(folder, recorder)
        finally:
            os._exit(3)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        raise RuntimeError(f"the start that was to die at step {fatal} ended with {status}")
