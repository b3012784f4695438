"""PostgreSQL and the broker crash and come back in the middle of a rollout: everybody goes on by themselves."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from edgewright.fleet.server.database import postgres
from edgewright.schema.fleet_plan import Gate, Stage, TrialLimits
from fleet_servers import Server, Signed, until
from live_agent import LiveAgent, gathered
from mqtt_broker import Broker
from postgres_cluster import own_cluster

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

COUNT = 3
# The first stage lasts until all have told that they confirmed it: what happens to the servers is in its middle.
STAGES = (Stage(name="first", percent=100.0, dwell=1.0), Stage(name="last", percent=100.0, dwell=1.0))
GATE = Gate(measure="failed", limit=0.3, quorum=COUNT)
TRIAL = TrialLimits(seconds=0.5, patience=3600.0)
STEPS = [("plan-1", "rollout.started"), ("plan-1", "rollout.stage"), ("plan-1", "rollout.finished")]


def _plan() -> dict[str, Any]:
    """Who enrols within an hour has a vote."""
    return {"stages": STAGES, "gates": (GATE,), "trial": TRIAL, "enrolled": time.time() + 3600.0}


def started(made: Signed, server: Server) -> int:
    with made.operator() as operator:
        response = operator.post(f"{server.address}/v1/fleet/rollouts", json={"plan": "plan-1"})
    assert response.status_code == 200, response.text
    return made.plans[0].release.counter


def nothing_is_lost(made: Signed, agents: list[LiveAgent]) -> None:
    """All that was to be told arrived once, and nobody was taken for a copy."""
    for agent in agents:
        agent.agent.wake()
    until(
        lambda: gathered(agents, lambda one: not one.notes.waiting and not one.state.outcomes),
        lambda: [(one.notes.waiting, one.agent.why) for one in agents],
    )
    items, reports, shut_out = made.told()
    assert shut_out == []
    for agent in agents:
        assert items[agent.id] == list(range(1, agent.notes.count + 1))
        assert len(set(reports[agent.id])) == len(reports[agent.id])


def status(server: Server, path: str) -> int:
    try:
        return httpx.get(f"{server.address}{path}", timeout=30, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def test_postgresql_crashes_in_the_middle_of_a_rollout_and_two_servers_go_on(tmp_path: Path) -> None:
    with own_cluster() as cluster, ExitStack() as stack:
        made = Signed(tmp_path, _plan())
        postgres.keep(made.folder, cluster.address)
        servers = [Server(made.folder, "--report-every", "5") for _ in range(2)]
        for server in servers:
            stack.callback(server.end, signal.SIGKILL)
            server.wait()
        agents = []
        token = made.token()
        for number in range(COUNT):
            agents.append(LiveAgent(tmp_path / f"device-{number}", servers[number % 2].address, token))
            stack.callback(agents[-1].close)
        counter = started(made, servers[0])
        cluster.stop()
        for agent in agents:
            agent.notes.add()
        # Files are served all the same; whoever wants something written is told to come again.
        assert status(servers[0], "/metadata/timestamp.json") == 200
        assert {status(server, "/healthz") for server in servers} == {200}
        until(lambda: status(servers[0], "/readyz") in (500, 503), lambda: servers[0].log)
        cluster.start()
        until(lambda: gathered(agents, lambda one: one.floor == one.counter == counter), lambda: servers[0].log)
        until(lambda: made.acts() == STEPS, lambda: (made.acts(), servers[0].log, servers[1].log))
        nothing_is_lost(made, agents)
        assert all(server.process.poll() is None for server in servers)
        until(lambda: {status(server, "/readyz") for server in servers} == {200})
        assert {server.end() for server in servers} == {0}
        assert made.acts() == STEPS


def test_the_broker_crashes_in_the_middle_of_a_rollout_and_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    with ExitStack() as stack:
        broker = Broker(tmp_path)
        stack.callback(broker.stop)
        address = f"mqtt://127.0.0.1:{broker.port}"
        made = Signed(tmp_path, _plan())
        server = Server(made.folder, "--report-every", "5", "--broker", address)
        stack.callback(server.end, signal.SIGKILL)
        server.wait()
        agents = []
        token = made.token()
        for number in range(COUNT):
            agents.append(LiveAgent(tmp_path / f"device-{number}", server.address, token, broker=address))
            stack.callback(agents[-1].close)
        until(lambda: gathered(agents, lambda one: one.woken >= 1))  # at the broker
        broker.stop()
        counter = started(made, server)
        for agent in agents:
            agent.notes.add()
        until(lambda: gathered(agents, lambda one: one.counter == counter), lambda: server.log)  # polling is enough
        before = {agent.id: agent.woken for agent in agents}
        broker.start()
        until(lambda: gathered(agents, lambda one: one.woken > before[one.id]))
        until(lambda: made.acts() == STEPS, lambda: (made.acts(), server.log))
        nothing_is_lost(made, agents)
        # What is said from now on is heard again.
        before = {agent.id: agent.woken for agent in agents}
        with made.operator() as operator:
            response = operator.post(f"{server.address}/v1/fleet/rollouts/plan-1/abort", json={"revert": True})
        assert response.status_code == 200, response.text
        until(lambda: gathered(agents, lambda one: one.woken > before[one.id]))
        back = made.plans[0].revert
        assert back is not None
        until(lambda: gathered(agents, lambda one: one.counter == back.counter), lambda: server.log)
        assert server.end() == 0
