"""What a ladder comes to, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.schema.ladder import PeerRecord, RungRecord
from edgewright.schema.trace import Interval
from edgewright.search.ladder.climbing import Climb, Judge
from edgewright.search.ladder.metrics import Metric


def verdict(
    rungs: Sequence[RungRecord],
    metric: Metric,
    judge: Judge,
    climb: Climb,
    peers: Sequence[PeerRecord],
    interrupted: bool,
) -> dict[str, str]:
    """The keys `verdict` and `stopped` of a record."""
    chosen = next((rung for rung in rungs if rung.name == climb.chosen), None)
    if chosen is None or chosen.score is None:
        return {"verdict": "interrupted before anything was measured", "stopped": "interrupted"}
    enough = "stands so far" if interrupted else "is enough"
    said = [f"the rung '{chosen.title}' {enough}: {metric.title} {figure(chosen.score.value)}{_above(chosen, rungs)}"]
    tried = [rung for rung in rungs if rung.gain is not None and not rung.climbed and rung.against == chosen.name]
    if tried:
        best = max(tried, key=lambda rung: rung.gain.value if rung.gain is not None else 0.0)
        many = f"of the {len(tried)} rungs tried above it the best" if len(tried) > 1 else "the rung tried above it"
        said.append(f"{many}, {best.title}, changes {_change(best.gain)}")
    for peer in peers:
        sure = "" if peer.gain.low > 0 or peer.gain.high < 0 else ", which chance may have done"
        said.append(
            f"{peer.title}: {figure(peer.score.value)}; the rung '{chosen.title}' gains {_change(peer.gain)}{sure}"
        )
    untried = [rung.title for rung in rungs if rung.left_out == "not tried"]
    if interrupted:
        stopped = "interrupted: what was measured stands"
    elif untried:
        stopped = (
            f"{climb.idle} rungs in a row brought no sure gain over {chosen.title} (each interval "
            f"{100 * judge.level:.2f} %, corrected for {judge.looks} looks): {', '.join(untried)} not tried"
        )
    else:
        stopped = "the top was reached"
    return {"verdict": "; ".join(said), "stopped": stopped}


def _above(chosen: RungRecord, rungs: Sequence[RungRecord]) -> str:
    """What it gains over the rung that stood before it."""
    before = next((rung for rung in rungs if rung.name == chosen.against), None)
    return "" if before is None else f", {_change(chosen.gain)} over {before.title}"


def _change(gain: Interval | None) -> str:
    return "" if gain is None else f"{signed(gain.value)} ({span(gain)})"


def figure(value: float) -> str:
    """A score with three or four digits."""
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"


def signed(value: float) -> str:
    """A difference with its sign."""
    return f"{value:+.4f}" if abs(value) < 1 else f"{value:+.4g}"


def span(found: Interval) -> str:
    """An interval of a difference."""
    return f"{signed(found.low)} to {signed(found.high)}"
