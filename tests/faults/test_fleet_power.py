"""A sample of `make faults-fleet`: power cuts and kills; and that those tests see a control plane that is careless."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.faults.states import check_all, record, states
from benchmarks.faults.workload import workloads
from benchmarks.faults_fleet import recorded_sqlite

from edgewright.fleet.device import agent_choice
from edgewright.fleet.device.launcher_record import LauncherRecord, RecordFile
from edgewright.fleet.repository import folder
from support import ROOT

pytestmark = pytest.mark.slow

KIND = "benchmarks.faults_fleet.workloads"


# A process of its own: it forks, which a process that other tests have filled with threads may not.
def test_a_cut_or_a_kill_at_any_step_takes_nothing_that_was_promised() -> None:
    command = [sys.executable, "-m", "benchmarks.faults_fleet", "--share", "0.01"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines() if line.startswith("|")]
    assert {row[4] for row in rows[2:]} == {"0"}
    table_counts = {row[1]: int(row[2].replace(",", "")) for row in rows[2:]}
    for workload in workloads(KIND).values():
        for variant in workload.variants():
            counts = [count for name, count in table_counts.items() if name.startswith(f"{variant.what}:")]
            assert len(counts) == 4
            assert sum(count >= 1 for count in counts) >= 3  # of so small a share, a second cut may draw none
    assert [count for name, count in table_counts.items() if name.startswith("fleet serve under load:")] == [3]


CARELESS = """
import os
from benchmarks.faults.states import record
from benchmarks.faults.workload import workloads
from benchmarks.faults_fleet import load

ask = load._Companion.ask


def careless(self, *arguments):
    for number in range(400):
        try:
            os.close(os.dup(number))
        except OSError:
            pass
    ask(self, *arguments)


load._Companion.ask = careless
record(workloads("benchmarks.faults_fleet.workloads")["control_plane"].variants()[1])
"""


# Acknowledged reports were lost so: closing a copy of a descriptor drops the locks of the process on that file.
def test_a_listener_that_copies_and_closes_descriptors_is_seen() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CARELESS], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert "a process that wrote nothing changed fleet/fleet.sqlite" in done.stderr


@pytest.mark.heavy
def test_a_control_plane_that_flushes_less_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = recorded_sqlite.Connection.execute

    def weak(self: recorded_sqlite.Connection, sql: str, arguments: tuple[object, ...] = ()) -> object:
        return real(self, sql.replace("synchronous=FULL", "synchronous=OFF"), arguments)

    monkeypatch.setattr(recorded_sqlite.Connection, "execute", weak)
    workload = workloads(KIND)["control_plane"]
    start, steps = record(workload)
    monkeypatch.undo()
    checked = check_all(states(start, steps, 3, 0.02), workload.check)
    assert len(checked.wrong) > 3


@pytest.mark.heavy
def test_an_agent_that_is_installed_without_a_flush_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_choice, "_flush", lambda folder, alive: None)
    workload = workloads(KIND)["agent_update"]
    start, steps = record(workload)
    monkeypatch.undo()
    assert len(check_all(states(start, steps, 3, 0.005), workload.check).wrong) > 10


@pytest.mark.heavy
def test_a_launcher_that_forgets_ends_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = RecordFile.write

    def forgetful(self: RecordFile, record: LauncherRecord) -> None:
        if record.running:
            real(self, record)

    monkeypatch.setattr(RecordFile, "write", forgetful)
    workload = workloads(KIND)["agent_hangs"]
    start, steps = record(workload)
    monkeypatch.undo()
    assert len(check_all(states(start, steps, 3, 0.1), workload.check).wrong) > 3


@pytest.mark.heavy
def test_files_that_are_published_without_care_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(path: Path, data: bytes, mode: int = 0o644) -> None:
        path.write_bytes(data)
        path.chmod(mode)

    monkeypatch.setattr(folder, "write_atomic", careless)
    monkeypatch.setattr("edgewright.fleet.server.rollouts.scheduler.write_again", careless)
    workload = workloads(KIND)["control_plane"]
    start, steps = record(workload)
    monkeypatch.undo()
    checked = check_all(states(start, steps, 3, 0.02), workload.check)
    assert len(checked.wrong) > 3
