"""How many windows a second one process answers, and how soon after its start it answers the first."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.device.subject import Subject, agent, peak, recording
from benchmarks.table import ONE_THREAD, median

STARTS = 9


@dataclass(frozen=True)
class Replayed:
    """Windows a second of the whole process, its start included, and its most bytes in memory."""

    windows: float
    peak: int


def replayed(subject: Subject, engine: str, count: int) -> Replayed:
    """Return a whole process that replays so many rows with an engine."""
    rows = recording(subject.folder / "rows.csv", subject.rows, count)
    config = subject.folder / "device.toml"
    config.write_text(f'[[packages]]\npath = "{subject.package}"\nengine = "{engine}"\n')
    command = agent(subject.folder, "--quiet", "--config", str(config), "--source", f"replay:{rows}")
    started = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, **ONE_THREAD})
    maximum = 0
    # Of the process itself: what the kernel tells at its end includes the memory of the one that started it.
    while process.poll() is None:
        maximum = max(maximum, peak(process.pid))
        time.sleep(0.02)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Replayed((count - 128) / 64 / (time.perf_counter() - started), maximum)


def first_answer(subject: Subject, new: bool) -> tuple[float, float]:
    """Return seconds from the start of a process to its first decision, printed, with rows that are already there.

    Args:
        subject: what answers.
        new: make a new store each time; else the store of the last run goes on, as when a service is started again.

    Returns:
        Median, and the smallest of all.
    """
    rows = recording(subject.folder / "first.csv", subject.rows, 512)
    durations = []
    for _ in range(STARTS):
        source = f"csv:{rows}?begin=start"
        command = agent(subject.folder, str(subject.package), "--json", "--source", source, new=new)
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **ONE_THREAD})
        if process.stdout is None:
            raise AssertionError
        for line in process.stdout:
            if b'"kind":"decision"' in line:
                durations.append(time.perf_counter() - started)
                break
        process.terminate()
        process.communicate(timeout=30)
    return median(durations), min(durations)


def same_events(subject: Subject, count: int) -> tuple[bool, int, float]:
    """Return whether a recording replayed twice gives the same bytes; how many events; seconds of one replay."""
    rows = recording(subject.folder / "day.csv", subject.rows, count)
    outputs: list[bytes] = []
    seconds = 0.0
    for number in range(2):
        out = Path(subject.folder / f"events-{number}.jsonl")
        started = time.perf_counter()
        with out.open("wb") as file:
            command = agent(subject.folder, str(subject.package), "--json", "--source", f"replay:{rows}")
            subprocess.run(command, check=True, stdout=file, env={**os.environ, **ONE_THREAD})
        seconds = time.perf_counter() - started
        outputs.append(out.read_bytes())
    return outputs[0] == outputs[1], outputs[0].count(b"\n"), seconds
