"""A simulated device's agent, watched: its outcomes once they are durable, and when it next wants to report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from edgewright.fleet.device.ports import Facts, Teller
from edgewright.fleet.device.state_database import State
from edgewright.fleet.device.state_values import Held
from edgewright.fleet.simulator.disk import Disk, DiskDatabase, KeptState
from edgewright.fleet.simulator.world import Clock
from edgewright.schema.fleet_report import Outcome


class _Watching:
    """Of the agent's state: who watches hears of every outcome once it is durable."""

    watch: Callable[[Outcome], None] = staticmethod(lambda _: None)
    held: Held

    def change(self, told: Sequence[Outcome] = (), **fields: Any) -> Held:  # noqa: ANN401 - fields of `Held`
        """As `State.change`."""
        before = self.held.outcome
        held: Held = super().change(told, **fields)  # type: ignore[misc]
        for place, one in enumerate(told, start=1):
            self.watch(msgspec.structs.replace(one, number=before + place))
        return held


class _Watched(_Watching, State):
    """Over the text of the device's database."""


class _WatchedKept(_Watching, KeptState):
    """Over what it means."""


def plain_state(disk: Disk) -> State:
    """What a disk says, watched by nobody."""
    return State(DiskDatabase(disk)) if disk.written else KeptState(disk)


def watched_state(disk: Disk, watch: Callable[[Outcome], None]) -> State:
    """What a disk says; `watch` is called with each outcome that is written to it from now."""
    state = _Watched(DiskDatabase(disk)) if disk.written else _WatchedKept(disk)
    state.watch = watch
    return state


class RememberedTeller:
    """A teller that remembers when it wants to be asked again.

    Args:
        teller: that reports.
        clock: of the device.
        slowest: seconds that the agent waits where it is refused.

    Attributes:
        due: monotonic seconds at which it wants to be asked again.
    """

    def __init__(self, teller: Teller, clock: Clock, slowest: float) -> None:
        self._teller, self._clock, self._slowest, self.due = teller, clock, slowest, 0.0

    def tell(self, facts: Facts) -> float:
        """As `Teller.tell`."""
        self.due = self._clock.monotonic() + self._slowest
        wait = self._teller.tell(facts)
        self.due = self._clock.monotonic() + wait
        return wait
