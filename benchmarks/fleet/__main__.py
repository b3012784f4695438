"""`python -m benchmarks.fleet`: what a control plane and its devices reach on this machine, beside the targets."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.fleet.agent import resident
from benchmarks.fleet.polling import polled
from benchmarks.fleet.refresh import refreshed
from benchmarks.fleet.reporting import reported
from benchmarks.table import TargetReport, markdown

P99, TIMES, DOWNLOAD, REFRESH, RESIDENT = 0.1, 20.0, 0.05, 0.02, 48e6
_SLOW_US = 6000


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet")
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--period", type=float, default=10.0, help="seconds between a device's polls")
    parser.add_argument("--seconds", type=float, default=30.0, help="of polling, after one period of warming up")
    parser.add_argument("--packages", type=int, default=1000)
    given = parser.parse_args(arguments)
    report = TargetReport()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        polls = polled(_new(folder, "polls"), given.devices, given.period, given.seconds)
        got = f"{polls.errors} errors{polls.what}, p50 {polls.p50 * 1e3:.1f} ms, p99 {polls.p99 * 1e3:.1f} ms"
        got += f", worst {polls.worst * 1e3:.0f} ms of {polls.answers:,} answers, {polls.changed:,} of them new; "
        got += f"{polls.cores:.0%} of a core, {polls.resident / 1e6:.0f} MB"
        within = polls.errors == 0 and polls.p99 < P99 and polls.answers > 0
        title = f"{given.devices:,} devices poll every {given.period:g} s"
        report(title, got, f"0 errors, p99 {P99 * 1e3:.0f} ms", within)
        for late in (0, _SLOW_US):
            rate = reported(_new(folder, f"reports{late}"), late)
            times = rate.grouped / rate.each
            got = f"{rate.grouped:,.0f}/s against {rate.each:,.0f}/s, {times:.0f}x; a flush takes "
            title = f"durable reports, group commit, {'this disk' if not late else 'every flush made 6 ms longer'}"
            report(title, got + f"{rate.flush * 1e3:.1f} ms", f"{TIMES:.0f}x", times >= TIMES)
        fresh = refreshed(_new(folder, "refresh"), given.packages)
        among = f"at {given.packages:,} packages"
        for title, took, target in (
            (f"metadata refresh {among}, a rollout moved on", fresh.moved, REFRESH),
            (f"metadata refresh {among}, a package was added", fresh.added, REFRESH),
            ("100 kB package verified and downloaded", fresh.fetched, DOWNLOAD),
        ):
            got = f"median {took.middle * 1e3:.1f} ms, worst {took.worst * 1e3:.1f} ms; "
            got += f"{took.cpu * 1e3:.1f} ms of the device's processor"
            report(title, got, f"{target * 1e3:.0f} ms", took.middle < target)
        agent_bytes = resident(_new(folder, "agent"))
        report(
            "agent without the model engine",
            f"{agent_bytes / 1e6:.1f} MB",
            f"{RESIDENT / 1e6:.0f} MB",
            agent_bytes <= RESIDENT,
        )
    print(markdown(["what", "here", "target", ""], report.rows))
    print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end; server and generator on one machine")
    return 0 if report.reached else 1


def _new(folder: Path, name: str) -> Path:
    new_folder = folder / name
    new_folder.mkdir()
    return new_folder


if __name__ == "__main__":
    sys.exit(main())
