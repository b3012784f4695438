"""Devices of a fleet with a bad network or a full disk."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from edgewright.core.records.fleet import Stage
from faulty_proxy import FaultyProxy, Mode
from fleet_servers import until
from live_agent import LiveFleet, gathered
from support import small_disk

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


PLAN = {"stages": (Stage(name="all", percent=100.0, dwell=3600.0, gated=True),)}


def fill(folder: Path, leave: int) -> Path:
    """Return a file of somebody else's that takes the rest of the disk but so many bytes."""
    other = folder / "other"
    space = os.statvfs(folder)
    with other.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(4096, space.f_bavail * space.f_frsize - leave))
    return other


# Room for a page but for no package is the same to it but for what it may still write of why.
@pytest.mark.parametrize("leave", [0, pytest.param(6144, marks=pytest.mark.heavy)])
def test_a_device_without_room_runs_what_it_has_and_updates_when_there_is_some(tmp_path: Path, leave: int) -> None:
    with small_disk(tmp_path / "disk", "64m") as disk, LiveFleet(tmp_path, PLAN, PLAN) as here:
        server = here.serve()
        here.join(disk / "device", server.address)
        first = here.roll_out(server)
        here.confirmed(first)
        other = fill(disk, leave)
        assert not here.steer(server, "/plan-1/abort", revert=False)
        second = here.roll_out(server, 2)
        (agent,) = here.agents
        for _ in range(30):
            agent.notes.add()
        until(lambda: "ENOSPC" in agent.agent.why, here.why)
        assert gathered([agent], lambda one: one.counter == first and one.process.up)
        other.unlink()
        here.confirmed(second)
        here.all_there()


def test_a_control_plane_without_room_serves_files_and_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64m") as disk, LiveFleet(disk, PLAN, PLAN) as here:
        signed, server = here.made, here.serve()
        here.join(tmp_path / "device", server.address)
        here.confirmed(here.roll_out(server))
        operator = here.enter_context(signed.operator())
        other = fill(disk, 0)

        def steer(word: str) -> httpx.Response:
            return operator.post(f"{server.address}/v1/fleet/rollouts/plan-1/{word}", json={})

        for _ in range(30):
            here.agents[0].notes.add()
        # Whatever fits into the last pages is kept, what does not is refused: never half of it.
        until(lambda: steer("pause").status_code >= 500 or steer("resume").status_code >= 500, lambda: server.log)
        assert httpx.get(f"{server.address}/metadata/timestamp.json", timeout=30, trust_env=False).status_code == 200
        assert server.process.poll() is None
        server.end(signal.SIGKILL)  # and killed while there is no room
        other.unlink()
        before = signed.seen()
        server = here.serve(port=server.port)
        assert signed.seen().keys() == before.keys() == {"plan-1"}
        until(lambda: steer("abort").status_code == 200, lambda: server.log)
        here.confirmed(here.roll_out(server, 2))
        here.all_there()
        begun = [act for act in signed.acts() if act[1] in ("rollout.started", "rollout.aborted")]
        assert begun == [("plan-1", "rollout.started"), ("plan-1", "rollout.aborted"), ("plan-2", "rollout.started")]
        assert server.end() == 0
