"""What dies in the composition of `deploy`, or begins anew, is noticed by no device."""

from __future__ import annotations

from functools import partial

import pytest

from composed_devices import counted, refused_as_usual, reporting
from composed_fleet import Composed, ready
from fleet_servers import until

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


def test_a_server_is_killed_and_nginx_reads_its_files_anew_and_no_device_notices(fleet: Composed) -> None:
    engine = fleet.engine
    with reporting(fleet) as devices:
        for name in ("server-1", "server-2"):
            engine.kill(name)
            devices.go_on()
            # The name of the dead one is gone, and nginx takes its configuration all the same.
            fleet.ask("nginx", "-s", "reload", service="nginx")
            devices.go_on()
            engine.again(name)
            until(lambda: ready(fleet), partial(engine.log, name))
        fleet.ask("nginx", "-s", "reload", service="nginx")
        devices.go_on()
    assert [noticed for _, noticed in devices.told.values() if noticed] == []
    after = counted(fleet)
    assert {name: after[name] for name in devices.names} == {name: counts[0] for name, counts in devices.told.items()}


def test_nginx_begins_beside_a_server_that_is_dead(fleet: Composed) -> None:
    """A machine comes back without one of them, say; an engine starts it again, and no name leads to the dead one."""
    engine = fleet.engine
    engine.kill("server-2")
    try:
        engine.again("nginx")
        until(lambda: refused_as_usual(fleet), lambda: engine.log("nginx"))
        assert engine.running["nginx"].ask("nginx", "-t").returncode == 0
    finally:
        engine.again("server-2")
        until(lambda: ready(fleet), lambda: engine.log("server-2"))


def test_a_server_ends_in_order_when_an_engine_asks_it_to(fleet: Composed) -> None:
    with reporting(fleet, 2) as devices:
        assert fleet.engine.running["server-1"].stop() == 0
        devices.go_on()
        fleet.engine.again("server-1")
        until(lambda: ready(fleet), lambda: fleet.engine.log("server-1"))
        devices.go_on()
    assert [noticed for _, noticed in devices.told.values() if noticed] == []
