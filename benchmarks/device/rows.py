"""`python -m benchmarks.device.rows [ROWS]`: single rows a CPU-second with store, alarms and drift; memory by rows."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from benchmarks.device.subject import EDGEWRIGHT, agent, peak
from benchmarks.table import ONE_THREAD, TargetReport, markdown, python, spent
from edgewright.data.load import load_data

A_SECOND, GROWTH = 60_000.0, 1.05
FEWER, MORE = 300_000, 10_000_000
_CONFIG = """
[drift]
rhythm = 86400.0
[[packages]]
path = "{package}"
[packages.decision]
alarms = ["yes"]
debounce = 3
"""
# What somebody would write who needs the answers alone: read, scale, three layers, the larger output.
_BARE = """
import sys
import numpy as np
rng = np.random.default_rng(0)
weights = [rng.normal(size=shape).astype(np.float32) for shape in ((10, 32), (32, 32), (32, 2))]
yes = 0
with open(sys.argv[1]) as file:
    file.readline()
    while lines := file.readlines(65536):
        x = np.loadtxt(lines, delimiter=",", dtype=np.float32)[:, 1:] / 100
        for weight in weights[:-1]:
            x = np.maximum(x @ weight, 0)
        yes += int((x @ weights[-1]).argmax(1).sum())
print(yes)
"""


def main() -> int:
    """Print the table; 1 when a target is missed."""
    counts = (FEWER, int(sys.argv[1]) if sys.argv[1:] else MORE)
    report = TargetReport()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spent([EDGEWRIGHT, "run", "latency", "--out", str(folder / "runs")])
        config = folder / "device.toml"
        config.write_text(_CONFIG.format(package=folder / "runs" / "latency"))
        peaks: list[int] = []
        for count in counts:
            rows = machine_rows(folder / "rows.csv", count)
            command = agent(folder, "--quiet", "--config", str(config), "--source", f"replay:{rows}")
            process, peaks = subprocess.Popen(command, env={**os.environ, **ONE_THREAD}), [*peaks, 0]
            # Of the process itself: what the kernel tells at its end includes the memory of the one that started it.
            while (at_end := os.wait4(process.pid, os.WNOHANG))[0] == 0:
                peaks[-1] = max(peaks[-1], peak(process.pid))
                time.sleep(0.02)
            process.returncode = os.waitstatus_to_exitcode(at_end[1])
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, command)
            a_second = count / (at_end[2].ru_utime + at_end[2].ru_stime)
            with sqlite3.connect(folder / "store" / "store.sqlite") as store:
                kinds = dict(store.execute("select kind, count(*) from events group by kind"))
            events = ", ".join(f"{kinds[kind]:,} {kind}" for kind in sorted(kinds))
            text = f"{a_second:,.0f} a CPU-second, {peaks[-1] / 1e6:.0f} MB; events kept: {events}"
            report(f"{count:,} rows of 10 columns", text, f"{A_SECOND:,.0f}", a_second >= A_SECOND)
        bare = FEWER / spent([python(), "-c", _BARE, str(machine_rows(folder / "rows.csv", FEWER))]).cpu_seconds
        report("peer: NumPy alone, no store, alarm or drift", f"{bare:,.0f} a CPU-second", "", True)
        growth = peaks[1] / peaks[0]
        report("memory, most rows against fewest", f"{growth:.3f}", f"{GROWTH}", growth <= GROWTH)
    print(markdown(["agent", "measured", "target", ""], report.rows))
    return 0 if report.reached else 1


def machine_rows(path: Path, count: int) -> Path:
    """Write so many rows of a machine that no training saw, a minute apart."""
    data = load_data({"kind": "machine", "rows": 100_000, "machines": 1}, seed=11)
    lines = [",".join(f"{value:.5g}" for value in row) for row in data.recordings[0].values.tolist()]
    with path.open("w", encoding="ascii") as file:
        file.write(f"time,{','.join(column.name for column in data.columns)}\n")
        file.writelines(f"{60 * row},{line}\n" for row, line in enumerate(islice(cycle(lines), count)))
    return path


if __name__ == "__main__":
    sys.exit(main())
