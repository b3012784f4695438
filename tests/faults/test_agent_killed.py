"""The agent killed and started again on a stream that goes on: no alarm twice, none that nothing calls for."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_example import RATE, Floats, package, parsed
from agent_example import signal as rows_of
from edgewright.device.store import status

COMMAND = str(Path(sys.executable).with_name("edgewright"))
PERIOD, REFRACTORY, LONG = 10.0, 25.0, 3.0
DEVICE = f"""
[agent]
summary = 0.3

[[packages]]
path = "switch.edge"
[packages.decision]
smoothing = 4
debounce = 2
alarms = ["on"]
refractory = {REFRACTORY}

[[rules]]
path = "press.toml"
"""
TABLE = f"""
name = "press"
states = ["idle", "busy", "long"]
initial = "idle"
fallback = "stay"
steps = [
  {{ state = "idle", event = "decision", when = 'decided == "on"', to = "busy" }},
  {{ state = "busy", event = "decision", when = 'decided == "off"', to = "idle" }},
  {{ state = "busy", event = "timeout", after = {LONG}, to = "long", actions = [{{ alarm = "busy for long" }}] }},
  {{ state = "long", event = "decision", when = 'decided == "off"', to = "idle" }},
]
"""


def start(folder: Path) -> subprocess.Popen[bytes]:
    """On what is appended to the rows from now on; waits until it looks."""
    before = (folder / "printed").read_bytes().count(b'"label":"start"') if (folder / "printed").exists() else 0
    command = [COMMAND, "device", "run", "--config", "device.toml", "--store", "store", "--source", "csv:rows.csv"]
    with (folder / "printed").open("ab") as out, (folder / "said").open("ab") as err:
        process = subprocess.Popen([*command, "--json"], cwd=folder, stdout=out, stderr=err)
    until = time.monotonic() + 30
    while (folder / "printed").read_bytes().count(b'"label":"start"') == before:
        assert time.monotonic() < until, (folder / "said").read_text()
        time.sleep(0.01)
    time.sleep(0.2)
    return process


def append(folder: Path, values: Floats, begin: int, end: int) -> None:
    lines = [f"{index / RATE:.3f},{a:.5f},{b:.5f}\n" for index, (a, b) in enumerate(values.tolist())][begin:end]
    with (folder / "rows.csv").open("a") as file:
        file.write("".join(lines))


def events_of(folder: Path) -> list[dict[str, Any]]:
    """Whole lines: a kill may have cut the last one short."""
    text = (folder / "printed").read_text()
    return parsed("\n".join(line for line in text.splitlines() if line.endswith("}")))


@pytest.mark.slow
@pytest.mark.heavy
def test_killed_again_and_again_it_raises_no_alarm_twice_and_none_for_nothing(tmp_path: Path) -> None:
    package(tmp_path / "switch.edge")
    (tmp_path / "device.toml").write_text(DEVICE)
    (tmp_path / "press.toml").write_text(TABLE)
    values, rng, at = rows_of(200.0, period=PERIOD, seed=8), np.random.default_rng(2), 0
    (tmp_path / "rows.csv").write_text("time,level,heat\n")
    for turn in range(5):
        process = start(tmp_path)
        rows = int(rng.integers(900, 1500))
        for step in range(at, at + rows, 25):
            append(tmp_path, values, step, min(step + 25, at + rows))
            time.sleep(0.02)
        at += rows
        time.sleep(0.1 + float(rng.random()) * 0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if turn % 2:  # rows that nobody reads: up to half a period
            append(tmp_path, values, at, at + 250)
            at += 250
    assert (tmp_path / "said").read_text() == ""
    assert status.read_state(tmp_path / "store").source is not None
    alarms = [event for event in events_of(tmp_path) if event["kind"] == "alarm"]
    on = [event["time"] for event in alarms if event["label"] == "on"]
    long = [event["time"] for event in alarms if event["label"] == "busy for long"]
    # Level is on in the second half of each period; four windows are averaged, two decide.
    assert len(on) >= 3
    assert all(moment % PERIOD >= PERIOD / 2 or moment % PERIOD < 0.7 for moment in (*on, *long))
    assert all(later - before >= REFRACTORY for before, later in pairwise(on))
    assert len({int(moment // PERIOD) for moment in long}) == len(long) >= 3
