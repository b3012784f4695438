"""A broker that never answers: polling alone brings a rollout to every device, and nobody waits for the broker."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgewright.schema.fleet_plan import Stage, TrialLimits
from fleet_servers import Server, Signed, until
from live_agent import LiveAgent, gathered

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


def test_with_the_broker_gone_polling_alone_brings_a_rollout(tmp_path: Path) -> None:
    stages = (Stage(name="all", percent=100.0, dwell=1.0, gated=True),)
    trial = TrialLimits(seconds=0.5, patience=3600.0)
    made = Signed(tmp_path, {"stages": stages, "gates": (), "trial": trial})
    with ExitStack() as stack:
        # Bound and not listening: nobody else gets the port, and whoever asks is refused.
        nobody = stack.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))
        broker = f"mqtt://127.0.0.1:{nobody.getsockname()[1]}"
        server = Server(made.folder, "--report-every", "5", "--broker", broker)
        stack.callback(server.end, signal.SIGKILL)
        server.wait()
        agents = []
        for number in range(2):
            agents.append(LiveAgent(tmp_path / f"d{number}", server.address, made.token(), broker))
            stack.callback(agents[-1].close)
        counter = made.plans[0].release.counter
        with made.operator() as operator:
            started = operator.post(f"{server.address}/v1/fleet/rollouts", json={"plan": "plan-1"})
            assert started.status_code == 200, started.text
            until(
                lambda: gathered(agents, lambda one: one.floor == one.counter == counter),
                lambda: [(one.counter, one.agent.why) for one in agents],
            )
            until(lambda: made.states() == {"plan-1": "finished"}, made.states)
        assert [one.woken for one in agents] == [0, 0]
        assert sum("broker.away" in line for line in server.log) == 1  # said once, not at each try
        assert server.end() == 0  # in order, though it still waits for the broker
