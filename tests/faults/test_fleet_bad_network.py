"""Partition, loss and slow links between agents and their server: updates complete or wait, no report is lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from edgewright.schema.fleet_plan import Stage, TrialLimits
from faulty_proxy import FaultyProxy, Mode
from fleet_servers import Server, Signed, until
from live_agent import LiveAgent, gathered

pytestmark = pytest.mark.slow

ALL = (Stage(name="all", percent=100.0, dwell=1.0, gated=True),)
TRIAL = TrialLimits(seconds=0.5, patience=3600.0)
COUNT = 3


class Place:
    """A fleet whose devices reach it over a bad network."""

    def __init__(self, made: Signed, server: Server, proxy: FaultyProxy, agents: list[LiveAgent]) -> None:
        self.made, self.server, self.proxy, self.agents = made, server, proxy, agents
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._notes, daemon=True)
        self._thread.start()

    def _notes(self) -> None:
        while not self._ended.wait(0.25):
            for agent in self.agents:
                agent.notes.add()

    def roll_out(self, number: int) -> int:
        """Start a plan, on the server's own side of the network; the release's number."""
        records = []

        def taken() -> bool:
            """Return the rollout before ends a moment after its last device."""
            with self.made.operator() as operator:
                records.append(
                    operator.post(f"{self.server.address}/v1/fleet/rollouts", json={"plan": f"plan-{number}"})
                )
            return records[-1].status_code == 200

        until(taken, lambda: records[-1].text)
        return self.made.plans[number - 1].release.counter

    def confirmed(self, counter: int) -> None:
        """Wait until every device has it for good."""
        until(
            lambda: gathered(self.agents, lambda one: one.floor == one.counter == counter),
            lambda: [(one.counter, one.agent.why) for one in self.agents],
        )

    def settled(self) -> None:
        """Nothing more is said; all that was said arrived, once."""
        self.proxy.mode = "clean"
        self._ended.set()
        self._thread.join()
        for agent in self.agents:
            agent.agent.wake()
        until(
            lambda: gathered(self.agents, lambda one: not one.notes.waiting and not one.state.outcomes),
            lambda: [(one.notes.waiting, one.agent.why) for one in self.agents],
        )
        items, reports, shut_out = self.made.told()
        assert shut_out == []
        for agent in self.agents:
            assert items[agent.id] == list(range(1, agent.notes.count + 1))
            assert len(set(reports[agent.id])) == len(reports[agent.id])


@contextmanager
def place(folder: Path, plans: int = 1) -> Iterator[Place]:
    made = Signed(folder, *[{"stages": ALL, "gates": (), "trial": TRIAL}] * plans)
    with ExitStack() as stack:
        server = Server(made.folder, "--report-every", "5")
        stack.callback(server.end, signal.SIGKILL)
        server.wait()
        proxy = FaultyProxy(server.port)
        stack.callback(proxy.close)
        token = made.token()
        agents = []
        for number in range(COUNT):
            agents.append(LiveAgent(folder / f"device-{number}", proxy.address, token))
            stack.callback(agents[-1].close)
        yield Place(made, server, proxy, agents)


@pytest.mark.parametrize("mode", ["lossy", pytest.param("slow", marks=pytest.mark.heavy)])
def test_updates_complete_over_lossy_and_slow_links(tmp_path: Path, mode: Mode) -> None:
    with place(tmp_path) as here:
        here.proxy.bytes, here.proxy.delay = 40_000, 0.02
        here.proxy.mode = mode
        here.confirmed(here.roll_out(1))
        if mode == "lossy":
            assert here.proxy.cut > 0
        here.settled()


def test_a_package_whose_body_is_cut_again_and_again_is_put_together(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        here.proxy.bytes = here.made.plans[0].release.length // 3
        here.proxy.mode = "cut"
        counter = here.roll_out(1)
        # Metadata is small and comes through; the package needs several connections, each goes on where one ended.
        until(lambda: here.proxy.cut >= 2 * COUNT, lambda: [one.agent.why for one in here.agents])
        assert gathered(here.agents, lambda one: one.counter in (0, counter))
        here.confirmed(counter)
        here.settled()


@pytest.mark.heavy
@pytest.mark.parametrize("mode", ["refused", "silent"])
def test_in_a_partition_devices_wait_and_go_on_after_it(tmp_path: Path, mode: Mode) -> None:
    with place(tmp_path, plans=2) as here:
        first = here.roll_out(1)
        here.confirmed(first)
        here.proxy.mode = mode
        passed = here.proxy.passed
        second = here.roll_out(2)
        until(lambda: here.proxy.passed >= passed + COUNT, lambda: [one.agent.why for one in here.agents])
        began = time.monotonic()
        until(lambda: time.monotonic() > began + 2.0)
        assert gathered(here.agents, lambda one: one.counter == first and one.process.up)
        here.proxy.mode = "clean"
        here.confirmed(second)
        here.settled()
