"""What changed between two looks at a fleet, a line each."""

from __future__ import annotations

from edgewright.cli.fleet._api_options import when
from edgewright.cli.fleet._table import plain
from edgewright.cli.fleet._text_chart import Snapshot
from edgewright.schema.fleet_rollouts import RolloutSeen


class Changes:
    """Remembers the last look.

    Attributes:
        aborted: rollouts that ended so while somebody watched.
    """

    def __init__(self) -> None:
        self._before: dict[str, str] = {}
        self._events: set[str] = set()
        self._going: set[str] = set()
        self.aborted: set[str] = set()

    def of(self, seen: Snapshot) -> list[str]:
        """Lines about what is new; of the first look everything is, but events that lie in the past."""
        now = {f"rollout {one.plan}": _rollout(one) for one in seen.rollouts if self._matters(one)}
        now |= {f"gate {one.plan}": _gates(one) for one in seen.rollouts if one.gates and one.state == "running"}
        for product, counters in seen.overview.counters.items():
            parts = ", ".join(f"{n:,} on {c}" for c, n in sorted(counters.items(), reverse=True))
            now[f"versions {product}"] = parts
        now["in quarantine"] = f"{seen.overview.quarantined:,}"
        lines = [f"{what}: {text}" for what, text in now.items() if self._before.get(what) != text]
        first = not self._before
        fresh = [one for one in reversed(seen.events) if one.key not in self._events]
        if not first:
            lines += [f"{one.kind} {one.subject}: {one.text}" for one in fresh]
        self._before.update(now)
        # What was seen once may not be among the newest next time; a few thousand are remembered.
        self._events = {one.key for one in seen.events} | (self._events if len(self._events) < 5000 else set())
        self._end(seen.rollouts)
        return [f"{when(seen.at)}  {plain(line)}" for line in lines]

    def over(self, seen: Snapshot) -> bool:
        """Whether no rollout is under way."""
        return not any(one.state in ("running", "paused") for one in seen.rollouts)

    def _matters(self, one: RolloutSeen) -> bool:
        return one.state in ("running", "paused") or one.plan in self._going

    def _end(self, rollouts: tuple[RolloutSeen, ...]) -> None:
        for one in rollouts:
            if one.state in ("running", "paused"):
                self._going.add(one.plan)
            elif one.plan in self._going and one.state == "aborted":
                self.aborted.add(one.plan)


def _rollout(one: RolloutSeen) -> str:
    stage = one.stages[one.stage]
    back = ", devices are called back" if one.revert else ""
    said = f"{one.state} at stage {one.stage + 1} of {len(one.stages)} {stage.name!r}, {stage.percent:g} %{back}"
    told = one.holds or (one.why if one.state in ("paused", "aborted") else "")
    return f"{said}; {one.running:,} devices have release {one.counter}" + (f"; {told}" if told else "")


def _gates(one: RolloutSeen) -> str:
    return "; ".join(f"{gate.said} {gate.why}" for gate in one.gates)
