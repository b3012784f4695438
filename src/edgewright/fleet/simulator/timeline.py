"""The timeline of a simulated fleet: versions, trials, offline devices, and the counts of each fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fleet import SimulatedFleet
from edgewright.fleet.simulator.result import Point

APART = 60.0


class Timeline:
    """Collects points of the timeline, at regular times and within a minute of every change.

    A device's release and trial change only together with an outcome. So a point after a change updates only the
    changed devices, and a point at a regular time updates all devices.

    Attributes:
        points: points so far.
    """

    def __init__(self, fleet: SimulatedFleet, counts: Callable[[], dict[str, int]]) -> None:
        self._fleet, self._counts = fleet, counts
        self.points: list[Point] = []
        self._shown: list[tuple[int, bool]] = []
        self._versions: Counter[int] = Counter()
        self._trials = 0
        self._changed: set[int] = set()
        self._looking = False

    def look(self, whole: bool = True) -> None:
        """Add a point.

        Args:
            whole: update all devices, not only the changed ones.
        """
        devices = self._fleet.devices
        for device in devices[len(self._shown) :]:
            self._shown.append((device.held.counter, False))
            self._versions[device.held.counter] += 1
            self._changed.add(device.number)
        for device in devices if whole else [devices[number] for number in sorted(self._changed)]:
            self._take(device)
        self._changed.clear()
        self.points.append(
            Point(
                at=self._fleet.events.elapsed, versions={v: n for v, n in sorted(self._versions.items()) if n},
                trial=self._trials, away=sum(one.off or (bool(one.link.away) and one.link.down) for one in devices),
                did=self._counts(), ended=dict(sorted(self._fleet.observer.ends.items())),
            )
        )  # fmt: skip

    def changed(self, device: Device) -> None:
        """Record a changed device; at most one additional point per minute is added."""
        self._changed.add(device.number)
        if not self._looking:
            self._looking = True
            self._fleet.events.after(APART, self._soon)

    def _soon(self) -> None:
        self._looking = False
        self.look(whole=False)

    def _take(self, device: Device) -> None:
        held = device.held
        now = (held.counter, held.trial is not None)
        before = self._shown[device.number]
        if now == before:
            return
        self._versions[before[0]] -= 1
        self._versions[now[0]] += 1
        self._trials += now[1] - before[1]
        self._shown[device.number] = now
