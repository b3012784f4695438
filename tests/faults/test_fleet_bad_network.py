"""Partition, loss and slow links between agents and their server: updates complete or wait, no report is lost."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from edgewright.schema.fleet_plan import Stage
from faulty_proxy import FaultyProxy, Mode
from fleet_servers import until
from live_agent import LiveFleet, gathered

pytestmark = pytest.mark.slow

ALL = (Stage(name="all", percent=100.0, dwell=1.0, gated=True),)
COUNT = 3


class ProxiedFleet(LiveFleet):
    """A fleet whose devices reach it over a bad network."""

    def __init__(self, folder: Path, plans: int = 1) -> None:
        super().__init__(folder, *[{"stages": ALL}] * plans)
        self.server, self._ended = self.serve(), threading.Event()
        self.proxy = FaultyProxy(self.server.port)
        self.callback(self.proxy.close)
        for number in range(COUNT):
            self.join(folder / f"device-{number}", self.proxy.address)
        self._thread = threading.Thread(target=self._notes, daemon=True)
        self._thread.start()

    def _notes(self) -> None:
        while not self._ended.wait(0.25):
            for agent in self.agents:
                agent.notes.add()

    def settled(self) -> None:
        """Nothing more is said; all that was said arrived, once."""
        self.proxy.mode = "clean"
        self._ended.set()
        self._thread.join()
        self.all_there()


@pytest.mark.parametrize("mode", ["lossy", pytest.param("slow", marks=pytest.mark.heavy)])
def test_updates_complete_over_lossy_and_slow_links(tmp_path: Path, mode: Mode) -> None:
    with ProxiedFleet(tmp_path) as here:
        here.proxy.bytes, here.proxy.delay = 40_000, 0.02
        here.proxy.mode = mode
        here.confirmed(here.roll_out(here.server))
        if mode == "lossy":
            assert here.proxy.cut > 0
        here.settled()


def test_a_package_whose_body_is_cut_again_and_again_is_put_together(tmp_path: Path) -> None:
    with ProxiedFleet(tmp_path) as here:
        here.proxy.bytes = here.made.plans[0].release.length // 3
        here.proxy.mode = "cut"
        counter = here.roll_out(here.server)
        # Metadata is small and comes through; the package needs several connections, each goes on where one ended.
        until(lambda: here.proxy.cut >= 2 * COUNT, here.why)
        assert gathered(here.agents, lambda one: one.counter in (0, counter))
        here.confirmed(counter)
        here.settled()


@pytest.mark.heavy
@pytest.mark.parametrize("mode", ["refused", "silent"])
def test_in_a_partition_devices_wait_and_go_on_after_it(tmp_path: Path, mode: Mode) -> None:
    with ProxiedFleet(tmp_path, plans=2) as here:
        first = here.roll_out(here.server)
        here.confirmed(first)
        here.proxy.mode = mode
        passed = here.proxy.passed
        second = here.roll_out(here.server, 2)
        until(lambda: here.proxy.passed >= passed + COUNT, here.why)
        began = time.monotonic()
        until(lambda: time.monotonic() > began + 2.0)
        assert gathered(here.agents, lambda one: one.counter == first and one.process.up)
        here.proxy.mode = "clean"
        here.confirmed(second)
        here.settled()
