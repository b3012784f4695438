"""A server that is killed at transitions, and a database that is damaged or locked."""

from __future__ import annotations

import asyncio
import functools
import signal
import sqlite3
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.records.fleet import Stage
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database import engine, postgres, sqlite
from edgewright.fleet.server.database.tables import items
from fleet_folder import fleet
from fleet_plane import Client, plane_of
from fleet_servers import FALLING, Server, Signed, until
from postgres_database import fresh_database
from rollout_example import FAILED, NOW

MOMENTS = ("signed", "written", "committed", "half", "published")
STAGES = (Stage(name="some", percent=50.0, dwell=0.5), Stage(name="all", percent=100.0, dwell=0.5))
# (plan, what the audit log calls it, whether a person asks for it)
STEPS = (
    (1, "started", True), (1, "paused", True), (1, "resumed", True), (1, "stage", False), (1, "finished", False),
    (2, "started", True), (2, "aborted", True), (3, "started", True), (3, "halted", False),
)  # fmt: skip
STATES = {"started": "running", "resumed": "running", "stage": "running", "halted": "aborted"}


def ask(operator: httpx.Client, address: str, number: int, act: str) -> int:
    """Return what a person does; the answer's status."""
    where = f"{address}/v1/fleet/rollouts"
    if act == "started":
        return operator.post(where, json={"plan": f"plan-{number}"}).status_code
    word, record = {"paused": ("pause", {}), "resumed": ("resume", {}), "aborted": ("abort", {"revert": True})}[act]
    return operator.post(f"{where}/plan-{number}/{word}", json=record).status_code


def _accepted(operator: httpx.Client, address: str, number: int, act: str) -> bool:
    return ask(operator, address, number, act) == 200


def killed_at_each(
    folder: Path, moments: tuple[str, ...], steps: tuple[tuple[int, str, bool], ...], address: str = ""
) -> None:  # fmt: skip
    """Kill a server at each step; the next server finishes what the last one began."""
    signed = Signed(folder, *[{"stages": STAGES, "gates": (FAILED,), "unconfirmed": 100.0}] * 3)
    if address:
        postgres.keep(signed.folder, address)
    devices = signed.devices(60)
    expected = [(f"plan-{number}", f"rollout.{act}") for number, act, _ in steps]
    again: tuple[int, str] | None = None
    with ExitStack() as stack:
        operator = stack.enter_context(signed.operator())
        for index, (number, act, person) in enumerate(steps):
            fall = f"rollout.{act}:{moments[index % len(moments)]}"
            server = Server(signed.folder, command=FALLING, FALL=fall)
            stack.callback(server.end, signal.SIGKILL)
            if again is not None or person:
                server.wait()
            if again is not None:  # nobody was answered, so whoever asked asks again
                assert ask(operator, server.address, *again) == 200, (fall, server.log)
            if person:
                with pytest.raises(httpx.TransportError):  # the server may not have taken the plan in yet
                    until(functools.partial(_accepted, operator, server.address, number, act))
            elif act != "finished":  # trials end, and by themselves stages end with them
                signed.ended(devices, number - 1, "reverted" if act == "halted" else "confirmed")
            assert server.died() == -signal.SIGKILL, (fall, server.log)
            again = (number, act) if person else None
            done = signed.acts()
            assert done in (expected[:index], expected[: index + 1]), fall
            assert set(signed.seen()) <= {name for name, _ in expected[: index + 1]}, fall
        server = Server(signed.folder).wait()
        stack.callback(server.end, signal.SIGKILL)
        if again is not None:
            assert ask(operator, server.address, *again) == 200
        until(lambda: signed.acts() == expected, lambda: (signed.acts(), server.log))
        plan, act = f"plan-{steps[-1][0]}", steps[-1][1]
        state = STATES.get(act, act)
        until(lambda: signed.seen()[plan].state == state, signed.seen)
        assert signed.states()[plan] == state
        assert server.end() == 0
    assert signed.acts() == expected


@pytest.mark.slow
def test_killed_between_signature_and_commit_a_start_and_a_pause_are_done_once(tmp_path: Path) -> None:
    killed_at_each(tmp_path, ("signed", "half"), STEPS[:2])


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("first", [0, 2])
def test_killed_at_every_transition_a_server_goes_on_and_steps_once(tmp_path: Path, first: int) -> None:
    killed_at_each(tmp_path, MOMENTS[first:] + MOMENTS[:first], STEPS)


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("first", [1])
def test_killed_at_every_transition_over_postgresql(tmp_path: Path, first: int) -> None:
    with fresh_database() as address:
        killed_at_each(tmp_path, MOMENTS[first:] + MOMENTS[:first], STEPS, address)


@pytest.mark.parametrize(
    "words", [("devices",), ("rollout", "status"), ("token", "new"), ("audit", "verify"), ("restore",)]
)
def test_a_damaged_database_is_told(tmp_path: Path, words: tuple[str, ...], cli: Cli) -> None:
    device_fleet = fleet(tmp_path / "fleet", NOW)
    (device_fleet.folder / sqlite.NAME).write_bytes(b"no database at all" * 100)
    text = cli("fleet", *words, "--fleet", device_fleet.folder, code=2)
    assert text.startswith("edgewright: error[fleet-database-invalid]")
    assert "fleet restore --backup" in text


def test_a_locked_database_is_told(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE_MS", 100)
    device_fleet = fleet(tmp_path / "fleet", NOW)
    assert run(["fleet", "devices", "--fleet", str(device_fleet.folder)]) == 0
    other = sqlite3.connect(device_fleet.folder / sqlite.NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert "database is locked" in cli("fleet", "token", "new", "--fleet", device_fleet.folder, code=74)
    finally:
        other.close()


def test_a_damaged_page_that_nobody_reads_is_found_at_the_start(tmp_path: Path) -> None:
    with plane_of(tmp_path) as plane:
        rows = [{"device": "d", "boot": 1, "sequence": n, "kind": "k", "priority": 1, "at": 1.0, "body": b"x" * 900}
                for n in range(200)]  # fmt: skip
        plane.committer.submit(lambda c: c.execute(sa.insert(items), rows)).result(10)
    file = tmp_path / sqlite.NAME
    content = bytearray(file.read_bytes())
    middle = content.index(b"x" * 900) // 4096 * 4096
    content[middle : middle + 100] = b"\xff" * 100
    file.write_bytes(content)

    async def answer(plane: Plane) -> httpx.Response:
        stop = engine.start_integrity_check(plane.database, plane.ready)
        for _ in range(500):
            if "database" in plane.ready:
                break
            await asyncio.sleep(0.01)
        stop()
        return await Client(plane).ask("GET", "/readyz")

    with plane_of(tmp_path) as plane:
        reply = asyncio.run(answer(plane))
    assert reply.status_code == 503
    assert "database: the file is damaged" in reply.json()["why"]
    assert "fleet restore --backup" in reply.json()["why"]
    with plane_of(tmp_path / "whole") as plane:
        engine.start_integrity_check(plane.database, plane.ready)()
        assert plane.ready == {}
