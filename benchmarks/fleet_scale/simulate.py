"""A simulated week of 10,000 devices and a simulated day of 100,000: seconds of a processor, and memory.

`EDGEWRIGHT_SIMULATED=0.1` takes a tenth of the devices, and of the targets.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

from benchmarks.table import TargetReport
from edgewright.fleet.protocol.plans.options import PlanOptions, gate, stages
from edgewright.fleet.simulator.fleet import Settings
from edgewright.fleet.simulator.simulation import simulate

RUNS = ((10_000, 7.0, 600.0, 8e9), (100_000, 1.0, 1200.0, 8e9))
"""Devices, days, seconds of one processor, bytes."""
PLAN = PlanOptions(
    stages=stages("canary:1%@3h,quarter:25%,all:100%", 7200.0), silence=1800.0,
    gates=tuple(map(gate, ("failed<=20%", "silent<=30%", "unsure<=30%", "alarms<=20", "latency<=500ms"))),
)  # fmt: skip
_SHARE = float(os.environ.get("EDGEWRIGHT_SIMULATED", "1"))


def measure(report: TargetReport) -> None:
    """Measure each run in a process of its own, in CPU-seconds."""
    for devices, days, seconds, size in RUNS:
        count, within = int(devices * _SHARE), seconds * _SHARE
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.fleet_scale.simulate", str(count), str(days)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        cpu_s, wall, peak_bytes, good = map(float, done.stdout.split())
        got = f"{cpu_s:,.0f} s of a core ({wall:,.0f} s by the clock), {peak_bytes / 1e6:,.0f} MB"
        got += "" if good else "; something that must hold did not"
        title = f"a rollout to {count:,} simulated devices over {days:g} days"
        report(title, got, f"{within:,.0f} s, {size / 1e9:g} GB", bool(good) and cpu_s <= within and peak_bytes <= size)


def _one(devices: int, days: float) -> str:
    began = time.perf_counter()
    result = simulate(Settings(devices=devices, days=days, plan=PLAN))
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return f"{time.process_time()} {time.perf_counter() - began} {peak_bytes} {float(result.good)}"


if __name__ == "__main__":
    print(_one(int(sys.argv[1]), float(sys.argv[2])))
