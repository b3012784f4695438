"""Processes at work on a store that are killed with signal 9 before an operation on a file, at every step in turn."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.faults.cases.store_power import check, record
from benchmarks.faults.recorder import recorded
from benchmarks.faults.states import Result, State, scratch
from benchmarks.faults.workload import Promise, use

_KILLS = 240


def run(share: float) -> Iterator[tuple[str, Result]]:
    """Kills."""
    steps = record()
    promises = [(place, step.promise) for place, step in enumerate(steps) if step.what == "mark"]
    result = Result()
    count = max(4, round(_KILLS * share))
    with scratch() as folder:
        for number in range(count):
            fatal = 1 + number * (len(steps) - 1) // count
            place = folder / str(number)
            place.mkdir()
            heard = _killed(place, fatal)
            before = heard[-1] if heard else None
            after = next((promise for at, promise in promises if at >= fatal), before)
            problem = check(place, State(fatal, "kept", {}, before, after))
            result.add("killed", f"step {fatal}: {problem}" if problem else "")
    yield "store: kill -9 at a step", result


def _killed(folder: Path, fatal: int) -> list[Promise]:
    """What a process promised through a pipe before it died."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            with recorded(fatal) as recorder:

                def told(promise: Promise) -> None:
                    recorder.promise(promise)
                    os.write(writer, msgspec.json.encode(promise) + b"\n")

                use(folder, recorder.connect, told)
        finally:
            os._exit(3)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        lines = pipe.read().splitlines()
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        raise RuntimeError(f"the process that was to die at step {fatal} ended with {status}")
    return [msgspec.json.decode(line, type=Promise) for line in lines]
