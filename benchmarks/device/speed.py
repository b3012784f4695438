"""How many windows a second one process answers, and how soon after its start it answers the first."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from benchmarks.device.subject import Subject, agent, recording
from benchmarks.table import ONE_THREAD, Spent, median, spent

STARTS = 9


def replayed(subject: Subject, engine: str, count: int) -> tuple[float, Spent]:
    """Windows a second of a whole process that replays so many rows with an engine, and what it cost."""
    rows = recording(subject.folder / "rows.csv", subject.rows, count)
    config = subject.folder / "device.toml"
    config.write_text(f'[[packages]]\npath = "{subject.package}"\nengine = "{engine}"\n')
    command = agent(subject.folder, "--quiet", "--config", str(config), "--source", f"replay:{rows}")
    cost = spent(command)
    return (count - 128) / 64 / cost.seconds, cost


def first_answer(subject: Subject, new: bool) -> tuple[float, float]:
    """Seconds from the start of a process to its first decision, printed, with rows that are already there.

    Args:
        subject: what answers.
        new: make a new store each time; else the store of the last run goes on, as when a service is started again.

    Returns:
        Median, and the smallest of all.
    """
    rows = recording(subject.folder / "first.csv", subject.rows, 512)
    found = []
    for _ in range(STARTS):
        source = f"csv:{rows}?begin=start"
        command = agent(subject.folder, str(subject.package), "--json", "--source", source, new=new)
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **ONE_THREAD})
        if process.stdout is None:
            raise AssertionError
        for line in process.stdout:
            if b'"kind":"decision"' in line:
                found.append(time.perf_counter() - started)
                break
        process.terminate()
        process.communicate(timeout=30)
    return median(found), min(found)


def same_events(subject: Subject, count: int) -> tuple[bool, int, float]:
    """Whether a recording replayed twice gives the same bytes; how many events; seconds of one replay."""
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
