"""A broker that never answers: polling alone brings a rollout to every device, and nobody waits for the broker."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from edgewright.schema.fleet_plan import Stage
from fleet_servers import until
from live_agent import LiveFleet

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


def test_with_the_broker_gone_polling_alone_brings_a_rollout(tmp_path: Path) -> None:
    stages = (Stage(name="all", percent=100.0, dwell=1.0, gated=True),)
    with LiveFleet(tmp_path, {"stages": stages}) as here:
        # Bound and not listening: nobody else gets the port, and whoever asks is refused.
        nobody = here.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))
        broker = f"mqtt://127.0.0.1:{nobody.getsockname()[1]}"
        server = here.serve("--broker", broker)
        for number in range(2):
            here.join(tmp_path / f"d{number}", server.address, broker)
        here.confirmed(here.roll_out(server))
        until(lambda: here.made.states() == {"plan-1": "finished"}, here.made.states)
        assert [one.woken for one in here.agents] == [0, 0]
        assert sum("broker.away" in line for line in server.log) == 1  # said once, not at each try
        assert server.end() == 0  # in order, though it still waits for the broker
