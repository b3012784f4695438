"""What 40 s of a running rollout take where devices have a long history: the gates of 20 rounds, in processor time."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.fleet_scale._history import DAY, NOW, RECENT, fill, plan
from benchmarks.table import TargetReport
from edgewright.fleet.server.database.engine import Database, open_file
from edgewright.fleet.server.rollouts.offered import RolloutTimes
from edgewright.fleet.server.rollouts.stage_verdict import judge_stage

DEVICES = 1000
_ROUNDS = 20
_GROWTH = 1.5
"""Largest factor by which ten times the history may raise the cost."""


def measure(report: TargetReport) -> None:
    """Rows for 98,000 and for a million reports, with the same ones within the last day."""
    took = {}
    for count in (RECENT, 1_000_000 // DEVICES):
        with tempfile.TemporaryDirectory() as name:
            database = open_file(Path(name) / "fleet.sqlite")
            try:
                with database.writing.begin() as connection:
                    fill(connection, DEVICES, count)
                took[count] = _rounds(database)
            finally:
                database.close()
            size = (Path(name) / "fleet.sqlite").stat().st_size
        within = took[count] <= _GROWTH * took[RECENT]
        report(
            f"40 s of a rollout, {DEVICES * count:,} reports ({size / 1e6:.0f} MB)",
            f"{took[count]:.2f} CPU-s",
            "-" if count == RECENT else f"at most {_GROWTH:g} times that of {DEVICES * RECENT:,}",
            within,
        )


def _rounds(database: Database) -> float:
    began = time.process_time()
    for number in range(_ROUNDS):
        now = NOW + 2.0 * number
        times = RolloutTimes(now=now, began=NOW - 7200.0, entered=NOW - 7200.0, due=NOW + DAY, listening=NOW - DAY)
        with database.reading() as connection:
            judge_stage(connection, plan(), 0, times)
    return time.process_time() - began
