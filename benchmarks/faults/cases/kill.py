"""Processes at work that are killed with signal 9 before an operation on a file, at every step in turn."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.forking import fork
from benchmarks.faults.states import Result, record, scratch
from benchmarks.faults.workload import Workload


def run(workload: Workload, share: float) -> Iterator[tuple[str, Result]]:
    """Kills; the share of the steps lies evenly over all of them."""
    _, steps = record(workload)
    # What is promised by the time of each step, and what is promised next.
    promises = [step.promise for step in steps if step.what == "mark"]
    count = min(len(steps), workload.kills or len(steps), max(4, round(len(steps) * share)))
    fatal = [number * len(steps) // count for number in range(count)]
    result = Result()
    with scratch() as folder:
        for step in fatal:
            path = folder / str(step)
            path.mkdir()
            promise_count = _killed(workload, path, step)
            before, after = ([None, *promises, None][promise_count + shift] for shift in (0, 1))
            try:
                problem = workload.check(path, before, after or before)
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                problem = f"{type(error).__name__}: {error}"
            shutil.rmtree(path)
            result.add("killed", f"step {step}: {problem}" if problem else "")
    yield f"{workload.what}: kill -9 at {len(fatal):,} of {len(steps):,} steps", result


def _killed(workload: Workload, folder: Path, fatal: int) -> int:
    """How many promises a process gave through a pipe before it died."""
    workload.prepare(folder)
    reader, writer = os.pipe()
    child = fork()
    if child == 0:
        try:
            os.close(reader)
            with workload.recorder(folder, fatal) as recorder:
                recorder.told = lambda: os.write(writer, b".")
                workload.use(folder, recorder)
        finally:
            os._exit(3)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        promise_count = len(pipe.read())
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        raise RuntimeError(f"the process that was to die at step {fatal} ended with {status}")
    return promise_count
