"""`python -m benchmarks.device`: what the agent reaches on this machine, each figure beside its target."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.device.delay import delays, echoed
from benchmarks.device.gateway import gateway
from benchmarks.device.speed import first_answer, replayed, same_events
from benchmarks.device.subject import RATE, prepare
from benchmarks.table import TargetReport, markdown

WINDOWS, CORE, MEMORY, START, DELAY = 1000.0, 0.5, 60e6, 0.3, 0.005
DAY = int(24 * 3600 * RATE)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device")
    parser.add_argument("--package", type=Path, help="package of the pipeline hapt, instead of training it")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the gateway and of the delay")
    parser.add_argument("--day", type=int, default=DAY, help="rows of the recording that is replayed twice")
    given = parser.parse_args(arguments)
    report = TargetReport()
    with tempfile.TemporaryDirectory() as folder:
        subject = prepare(Path(folder), given.package)
        for engine in ("extension", "numpy"):
            done = replayed(subject, engine, 400_000)
            used = f"{done.windows:,.0f} windows/s, {done.peak / 1e6:.0f} MB"
            within = done.windows >= WINDOWS and done.peak <= MEMORY
            report(f"replay of 400,000 rows, engine {engine}", used, f"{WINDOWS:,.0f}, {MEMORY / 1e6:.0f} MB", within)
        for new in (True, False):
            first, minimum = first_answer(subject, new)
            title = f"process start to first decision, {'a new' if new else 'its own'} store"
            report(title, f"{first * 1e3:.0f} ms, least {minimum * 1e3:.0f}", f"{START * 1e3:.0f} ms", first <= START)
        for a_second, packages in ((1, 1), (5, 1), (1, 20)):
            measured = gateway(subject, 100, given.seconds, a_second, packages)
            title = f"100 devices x 6 x 50 Hz, {a_second} posts/s each, {packages} package{'s' * (packages > 1)}"
            used = f"{measured.core:.0%} of a core, {measured.peak / 1e6:.0f} MB, {measured.rows:,.0f} rows/s"
            within = measured.core <= CORE and measured.peak <= MEMORY and not measured.refused
            report(title, used, f"{CORE:.0%}, {MEMORY / 1e6:.0f} MB", within)
        bare = echoed(subject, given.seconds / 2)
        machine = f"{bare[int(0.99 * len(bare))] * 1e3:.2f} ms"
        late = delays(subject, given.seconds, 2)
        p50, p99 = late[len(late) // 2], late[int(0.99 * len(late))]
        shown = f"p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms of {len(late)}"
        shown += f"; a bare echo p99 {machine}"
        report("row written to answer printed, another process", shown, f"{DELAY * 1e3:.0f} ms", p99 < DELAY)
        same, events, seconds = same_events(subject, given.day)
        shown = f"{'the same' if same else 'other'} bytes, {events:,} events, {seconds:.0f} s a replay"
        report(f"{given.day / RATE / 3600:.1f} h at 50 Hz, replayed twice", shown, "the same", same)
    print(markdown(["agent", "measured", "target", ""], report.rows))
    return 0 if report.reached else 1


if __name__ == "__main__":
    sys.exit(main())
