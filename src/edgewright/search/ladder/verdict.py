"""Verdict of a ladder in sentences."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from edgewright.race.metrics import Metric
from edgewright.schema.ladder import RungRecord
from edgewright.schema.trace import Interval
from edgewright.search.ladder.model_comparison import LadderState


def verdict(
    rungs: Sequence[RungRecord],
    metric: Metric,
    climb: LadderState,
    interrupted: bool,
) -> tuple[str, str]:
    """Return which rung is enough, and why nothing further was tried."""
    judge = climb.judge
    chosen = next((rung for rung in rungs if rung.name == climb.chosen), None)
    if chosen is None or chosen.score is None:
        return "interrupted before anything was measured", "interrupted"
    enough = "is chosen so far" if interrupted else "is chosen" if judge.few else "is enough"
    text = f"the rung '{chosen.title}' {enough}: {metric.title} {figure(chosen.score.value)}{compared(chosen, rungs)}"
    untried = [rung.title for rung in rungs if rung.left_out == "not tried"]
    if interrupted:
        stopped = "interrupted: the results so far are valid"
    elif untried and judge.few:
        stopped = f"{climb.rungs_without_gain} rungs in a row scored no better: {', '.join(untried)} not tried"
    elif untried:
        stopped = (
            f"{climb.rungs_without_gain} rungs in a row gave no significant gain over {chosen.title} (each interval "
            f"{100 * judge.level:.2f} %, corrected for {judge.comparisons} comparisons): {', '.join(untried)} not tried"
        )
    else:
        stopped = "every rung was tried"
    if judge.few and not interrupted:
        stopped += f"; {_rule(chosen, rungs, climb)}"
    return text, stopped


def _rule(chosen: RungRecord, rungs: Sequence[RungRecord], climb: LadderState) -> str:
    """Return the rule by which a rung was chosen where units are few."""
    titles = {rung.name: rung.title for rung in rungs}
    best = max((name for name, one in climb.tried.items() if one.fits), key=lambda name: climb.tried[name].score)
    if chosen.why:
        return f"'{chosen.title}' is {chosen.why}"
    if best == chosen.name:
        return f"'{chosen.title}' scored best, and no lower rung comes within a standard error of it"
    if operator.gt(*climb.judge.behind(climb.answers, climb.tried[best].answers)):
        return f"'{chosen.title}' is the lowest rung that fits the device"
    return f"'{chosen.title}' is the lowest rung within a standard error of the best, '{titles[best]}'"


def compared(rung: RungRecord, rungs: Sequence[RungRecord]) -> str:
    """Return the gain over the rung before as text, and the change by the best of the rungs tried above it."""
    before = next((other for other in rungs if other.name == rung.against), None)
    text = "" if before is None or not rung.climbed else f", {change(rung)} over {before.title}"
    if above := rivals(rung, rungs):
        many = f"the best of {len(above)} rungs tried above it" if len(above) > 1 else "tried above it"
        text += f"; {above[0].title}, {many}, changes the score by {change(above[0])}"
    return text


def rivals(rung: RungRecord, rungs: Sequence[RungRecord]) -> list[RungRecord]:
    """Return the rungs that were compared with this one and not climbed, largest gain first."""
    others = [other for other in rungs if other.gain and not other.climbed and other.against == rung.name]
    return sorted(others, key=lambda other: -other.gain.value if other.gain else 0.0)


def taken(rung: RungRecord) -> str:
    """Return the result of a rung as a word; 'chosen' instead of 'climbed' where units are few."""
    if rung.climbed:
        return "climbed" if rung.p is None else "chosen"
    if rung.beyond:
        return f"beyond the device's {rung.beyond}"
    return "not climbed" if rung.p is None else "not chosen"


def change(rung: RungRecord) -> str:
    """Format a gain with its interval, and the p-value of the exact test where there is one."""
    if rung.gain is None:
        return ""
    exact = "" if rung.p is None else f", p {rung.p:.2g}"
    return f"{signed(rung.gain.value)} ({span(rung.gain)}{exact})"


def figure(value: float) -> str:
    """Format a score with four digits."""
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"


def signed(value: float) -> str:
    """Format a difference with its sign."""
    return f"{value:+.4f}" if abs(value) < 1 else f"{value:+.4g}"


def span(found: Interval) -> str:
    """Format the interval of a difference."""
    return f"{signed(found.low)} to {signed(found.high)}"
