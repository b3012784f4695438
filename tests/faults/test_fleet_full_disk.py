"""A disk of 64 MB that is full: of a device in the middle of a rollout, and of the control plane."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from edgewright.schema.fleet_plan import Stage, TrialLimits
from fleet_servers import Server, Signed, until
from live_agent import LiveAgent, gathered
from support import small_disk

pytestmark = pytest.mark.slow

ALL = (Stage(name="all", percent=100.0, dwell=3600.0, gated=True),)
TRIAL = TrialLimits(seconds=0.5, patience=3600.0)
PLAN = {"stages": ALL, "gates": (), "trial": TRIAL}


def fill(folder: Path, leave: int) -> Path:
    """Return a file of somebody else's that takes the rest of the disk but so many bytes."""
    other = folder / "other"
    space = os.statvfs(folder)
    with other.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(4096, space.f_bavail * space.f_frsize - leave))
    return other


def start(made: Signed, server: Server, number: int, over: int = 0) -> int:
    """Begin a plan's rollout after that of the one that is over; its release."""
    with made.operator() as operator:
        if over:
            where = f"{server.address}/v1/fleet/rollouts/plan-{over}/abort"
            assert operator.post(where, json={"revert": False}).status_code == 200
        response = operator.post(f"{server.address}/v1/fleet/rollouts", json={"plan": f"plan-{number}"})
    assert response.status_code == 200, response.text
    return made.plans[number - 1].release.counter


def confirmed(agent: LiveAgent, counter: int) -> None:
    until(lambda: gathered([agent], lambda one: one.floor == one.counter == counter), lambda: agent.agent.why)


def all_there(made: Signed, agent: LiveAgent) -> None:
    agent.agent.wake()
    until(
        lambda: gathered([agent], lambda one: not one.notes.waiting and not one.state.outcomes),
        lambda: (agent.notes.waiting, agent.agent.why),
    )
    items, reports, shut_out = made.told()
    assert shut_out == []
    assert items[agent.id] == list(range(1, agent.notes.count + 1))
    assert len(set(reports[agent.id])) == len(reports[agent.id])


# Room for a page but for no package is the same to it but for what it may still write of why.
@pytest.mark.parametrize("leave", [0, pytest.param(6144, marks=pytest.mark.heavy)])
def test_a_device_without_room_runs_what_it_has_and_updates_when_there_is_some(tmp_path: Path, leave: int) -> None:
    with small_disk(tmp_path / "disk", "64m") as disk, ExitStack() as stack:
        made = Signed(tmp_path, PLAN, PLAN)
        server = Server(made.folder, "--report-every", "5")
        stack.callback(server.end, signal.SIGKILL)
        server.wait()
        agent = LiveAgent(disk / "device", server.address, made.token())
        stack.callback(agent.close)
        first = start(made, server, 1)
        confirmed(agent, first)
        other = fill(disk, leave)
        second = start(made, server, 2, over=1)
        for _ in range(30):
            agent.notes.add()
        until(lambda: "space" in agent.agent.why or "full" in agent.agent.why, lambda: agent.agent.why)
        assert gathered([agent], lambda one: one.counter == first and one.process.up)
        other.unlink()
        confirmed(agent, second)
        all_there(made, agent)


def test_a_control_plane_without_room_serves_files_and_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64m") as disk, ExitStack() as stack:
        made = Signed(disk, PLAN, PLAN)
        server = Server(made.folder, "--report-every", "5")
        stack.callback(server.end, signal.SIGKILL)
        server.wait()
        agent = LiveAgent(tmp_path / "device", server.address, made.token())
        stack.callback(agent.close)
        first = start(made, server, 1)
        confirmed(agent, first)
        operator = stack.enter_context(made.operator())
        other = fill(disk, 0)

        def steer(word: str) -> httpx.Response:
            return operator.post(f"{server.address}/v1/fleet/rollouts/plan-1/{word}", json={})

        for _ in range(30):
            agent.notes.add()
        # Whatever fits into the last pages is kept, what does not is refused: never half of it.
        until(lambda: steer("pause").status_code >= 500 or steer("resume").status_code >= 500, lambda: server.log)
        assert httpx.get(f"{server.address}/metadata/timestamp.json", timeout=30, trust_env=False).status_code == 200
        assert server.process.poll() is None
        server.end(signal.SIGKILL)  # and killed while there is no room
        other.unlink()
        before = made.seen()
        server = Server(made.folder, "--report-every", "5", port=server.port)
        stack.callback(server.end, signal.SIGKILL)
        server.wait()
        assert made.seen().keys() == before.keys() == {"plan-1"}
        until(lambda: steer("abort").status_code == 200, lambda: server.log)
        confirmed(agent, start(made, server, 2))
        all_there(made, agent)
        begun = [act for act in made.acts() if act[1] in ("rollout.started", "rollout.aborted")]
        assert begun == [("plan-1", "rollout.started"), ("plan-1", "rollout.aborted"), ("plan-2", "rollout.started")]
        assert server.end() == 0
