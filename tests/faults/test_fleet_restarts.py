"""PostgreSQL and the broker crash and come back in the middle of a rollout: everybody goes on by themselves."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from edgewright.fleet.server.database import postgres
from edgewright.schema.fleet_plan import Gate, Stage
from fleet_servers import Server, until
from live_agent import LiveFleet
from mqtt_broker import Broker
from postgres_cluster import own_cluster

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

COUNT = 3
# The first stage lasts until all have told that they confirmed it: what happens to the servers is in its middle.
STAGES = (Stage(name="first", percent=100.0, dwell=1.0), Stage(name="last", percent=100.0, dwell=1.0))
GATE = Gate(measure="failed", limit=0.3, quorum=COUNT)
STEPS = [("plan-1", "rollout.started"), ("plan-1", "rollout.stage"), ("plan-1", "rollout.finished")]


def _plan() -> dict[str, Any]:
    """Who enrols within an hour has a vote."""
    return {"stages": STAGES, "gates": (GATE,), "enrolled": time.time() + 3600.0}


def status(server: Server, path: str) -> int:
    try:
        return httpx.get(f"{server.address}{path}", timeout=30, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def test_postgresql_crashes_in_the_middle_of_a_rollout_and_two_servers_go_on(tmp_path: Path) -> None:
    with own_cluster() as cluster, LiveFleet(tmp_path, _plan()) as here:
        signed, agents = here.made, here.agents
        postgres.keep(signed.folder, cluster.address)
        servers = [here.serve() for _ in range(2)]
        for number in range(COUNT):
            here.join(tmp_path / f"device-{number}", servers[number % 2].address)
        counter = here.roll_out(servers[0])
        cluster.stop()
        for agent in agents:
            agent.notes.add()
        # Files are served all the same; whoever wants something written is told to come again.
        assert status(servers[0], "/metadata/timestamp.json") == 200
        assert {status(server, "/healthz") for server in servers} == {200}
        until(lambda: status(servers[0], "/readyz") in (500, 503), lambda: servers[0].log)
        cluster.start()
        here.confirmed(counter)
        until(lambda: signed.acts() == STEPS, lambda: (signed.acts(), servers[0].log, servers[1].log))
        here.all_there()
        assert all(server.process.poll() is None for server in servers)
        until(lambda: {status(server, "/readyz") for server in servers} == {200})
        assert {server.end() for server in servers} == {0}
        assert signed.acts() == STEPS


def test_the_broker_crashes_in_the_middle_of_a_rollout_and_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    with LiveFleet(tmp_path, _plan()) as here:
        broker = Broker(tmp_path)
        here.callback(broker.stop)
        address = f"mqtt://127.0.0.1:{broker.port}"
        signed, agents, server = here.made, here.agents, here.serve("--broker", address)
        for number in range(COUNT):
            here.join(tmp_path / f"device-{number}", server.address, address)
        here.gathered(lambda one: one.woken >= 1)  # at the broker
        broker.stop()
        counter = here.roll_out(server)
        for agent in agents:
            agent.notes.add()
        here.gathered(lambda one: one.counter == counter)  # polling is enough
        before = {agent.id: agent.woken for agent in agents}
        broker.start()
        here.gathered(lambda one: one.woken > before[one.id])
        until(lambda: signed.acts() == STEPS, lambda: (signed.acts(), server.log))
        here.all_there()
        # What is said from now on is heard again.
        before = {agent.id: agent.woken for agent in agents}
        assert not here.steer(server, "/plan-1/abort", revert=True)
        here.gathered(lambda one: one.woken > before[one.id])
        back = signed.plans[0].revert
        assert back is not None
        here.gathered(lambda one: one.counter == back.counter)
        assert server.end() == 0
