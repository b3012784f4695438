"""The control plane at work: devices enrolled and heard, plans taken in, two rollouts through all their transitions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from benchmarks.faults.recorder import Recorder
from benchmarks.faults.workload import Workload
from benchmarks.faults_fleet.control import HOUR, Control, Watcher, lay_fleet
from benchmarks.faults_fleet.load import LOADS
from benchmarks.faults_fleet.recorded_sqlite import through
from edgewright.fleet.protocol.layout import RELEASES, TIMESTAMP, plan_target
from edgewright.fleet.repository import metadata
from edgewright.fleet.server import restore
from edgewright.fleet.server.database import tables
from edgewright.fleet.server.database.tables import audit, devices, items, outcomes, reports, rollouts, standing_of


class Promise(NamedTuple):
    """What was acknowledged to people and devices, and must hold from now on.

    Attributes:
        now: the server's clock, seconds since 1970.
        acts: steps of rollouts in their order.
        plans: ids that were signed offline and handed over.
        rows: of the audit log, and `last`: the hash of the last of them.
        version: of the timestamp that devices have seen.
        enrolled, heard: ids of devices; (device, sequence) of reports whose acknowledgement was given.
    """

    now: float
    acts: tuple[tuple[str, str], ...]
    plans: frozenset[str]
    rows: int
    last: str
    version: int
    enrolled: frozenset[str]
    heard: frozenset[tuple[str, int]]


def use(folder: Path, recorder: Recorder) -> None:
    """From a folder without a database to the end of two rollouts, whose old files go; started anew in between."""
    enrolled: set[str] = set()
    reports_taken: set[tuple[str, int]] = set()
    plans: set[str] = set()

    def promise_state() -> None:
        recorder.promise(_control_state(control, plans, enrolled, reports_taken))

    def run_step(step: Callable[[], object]) -> None:
        step()
        promise_state()

    with through(recorder.connect):
        control = Control(folder)
        promise_state()
        nonces = {one.device: one.nonce for one in control.enrol()}
        enrolled |= set(nonces)
        promise_state()

        def report(sequence: int) -> None:
            for device, nonce in tuple(nonces.items()):
                nonces[device] = control.report(device, nonce, sequence).nonce
                reports_taken.add((device, sequence))
            promise_state()

        report(0)
        body = control.plan(1)
        plans.add("plan-1")
        promise_state()
        run_step(control.scheduler.tick)
        run_step(lambda: control.rollouts.start(body, "ada"))
        run_step(lambda: control.rollouts.steer("plan-1", "ada", "paused"))
        report(1)
        control.close()
        control = Control(folder, control.clock.day)
        run_step(lambda: control.rollouts.steer("plan-1", "ada", "running"))
        for _ in range(2):
            control.clock.forward(HOUR)
            run_step(control.scheduler.tick)
        body = control.plan(3)
        plans.add("plan-3")
        promise_state()
        run_step(control.scheduler.tick)
        run_step(lambda: control.rollouts.start(body, "ada"))
        run_step(lambda: control.rollouts.steer("plan-3", "ada", "aborted", revert=True, why="it is worse"))
        report(2)
        control.clock.forward(9 * 24 * HOUR)  # what was followed more than a week ago goes, from rows and folder
        run_step(control.scheduler.tick)
        run_step(control.prune)
        control.close()


def recover(folder: Path, recorder: Recorder) -> None:
    """Start again and run the first round."""
    with through(recorder.connect):
        control = Control(folder, _latest(folder))
        control.scheduler.tick()
        control.close()


def check(folder: Path, before: Promise | None, after: Promise | None) -> str:
    """Return what is wrong with a control plane after a cut, and with what devices find; empty for nothing."""
    watcher = Watcher(folder / "watcher", folder / "fleet" / "public")
    version, _ = watcher.look()  # devices go on reading while it is down
    if before is not None and version < before.version:
        return f"timestamp {version} after {before.version}"
    latest = after or before
    control = Control(folder, max(latest.now if latest else 0.0, _latest(folder)))
    try:
        control.scheduler.tick()
        problem = _kept(control, before, after or before) if before is not None else ""
        return problem or _alive(control, watcher, version)
    finally:
        control.close()
        shutil.rmtree(folder / "watcher", ignore_errors=True)


def _latest(folder: Path) -> float:
    """Return the latest moment that the signer has seen: clocks of servers are set by others, and do not go back."""
    path = folder / "fleet" / "keys" / "online" / "signed.json"
    return float(msgspec.json.decode(path.read_bytes())["issued"]) if path.is_file() else 0.0


def _acts(connection: sa.Connection) -> tuple[tuple[str, str], ...]:
    query = sa.select(audit.c.subject, audit.c.what).where(audit.c.what.like("rollout.%")).order_by(audit.c.number)
    return tuple((row.subject, row.what) for row in connection.execute(query))


def _control_state(
    control: Control, plans: set[str], enrolled: set[str], reports_taken: set[tuple[str, int]]
) -> Promise:
    with control.database.reading() as connection:
        rows, last, problem = tables.verify_audit_log(connection)
        version = metadata.version(restore.role_files(connection), TIMESTAMP)
        acts = _acts(connection)
    if problem:
        raise AssertionError(problem)
    return Promise(
        control.clock.day, acts, frozenset(plans), rows, last, version, frozenset(enrolled), frozenset(reports_taken)
    )


def _kept(control: Control, before: Promise, after: Promise) -> str:
    with control.database.reading() as connection:
        problem = tables.verify_audit_log(connection)[2]
        if problem:
            return f"audit log: {problem}"
        stored_hash = connection.execute(
            sa.select(audit.c.hash).where(audit.c.number == before.rows)
        ).scalar_one_or_none()
        if stored_hash != before.last:
            return f"row {before.rows} of the audit log is another one"
        acts = _acts(connection)
        if acts[: len(before.acts)] != before.acts or acts != after.acts[: len(acts)]:
            return f"steps {acts}, between {before.acts} and {after.acts}"
        lost = before.enrolled - set(connection.execute(sa.select(devices.c.id)).scalars())
        for table in (reports, items):
            query = sa.select(table.c.device, table.c.sequence)
            there = [(row.device, row.sequence) for row in connection.execute(query)]
            if len(there) != len(set(there)):
                return f"{table.name} counted twice"
            lost |= {f"{one}" for one in before.heard - set(there)}
        query = sa.select(outcomes.c.device, outcomes.c.number - 1)
        lost |= {f"{one}" for one in before.heard - {(d, n) for d, n in connection.execute(query)}}
        if lost:
            return f"acknowledged and lost: {sorted(lost)}"
        signed = metadata.read(restore.role_files(connection)[RELEASES], RELEASES).signed.targets
        missing = {name for name in before.plans if plan_target(name) not in signed}
    return f"plans {missing} were handed over and are lost" if missing else ""


def _alive(control: Control, watcher: Watcher, version: int) -> str:
    """Return devices find what the database says, and the next signature follows."""
    for _ in range(2):
        number, standings = watcher.look()
        if number < version:
            return f"timestamp {number} after {version}"
        with control.database.reading() as connection:
            rows: list[dict[str, Any]] = [dict(row._mapping) for row in connection.execute(sa.select(rollouts))]
        known = {one.plan: one for one in standings.rollouts} if standings else {}
        if known != {row["plan"]: standing_of(row) for row in rows}:
            return f"devices find {known}"
        version = number + 1
        control.clock.forward(60.0)
        control.rollouts.refresh("checker")
    return ""


WORKLOAD = Workload("control plane at work", use, recover, check, prepare=lay_fleet, share=0.25, kills=50, loads=LOADS)
