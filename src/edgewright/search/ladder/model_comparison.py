"""Comparison of rungs: the gain of each rung over the chosen rung, with an interval corrected for all comparisons.

A rung with a better score and no more flash or RAM is chosen without a test, because the other rung has no advantage.
With few units (people, days) no interval excludes zero; then `choose_with_few` chooses after all measurements.

Every rung above the lowest may be compared, so each interval has the level 1 - 0.05/looks (Bonferroni): the
probability that any rung is climbed without a gain is at most 5 %. Each rung is compared with the chosen rung instead
of its neighbour, so a weak rung does not hide a strong one above it. The ladder stops after `patience` consecutive
rungs without a significant gain. The patience applies only after a rung was climbed; until then all rungs are tried.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgewright.race.judge import ComparisonCriteria
from edgewright.race.metrics import Metric
from edgewright.schema.data import Floats
from edgewright.schema.race import RungRecord
from edgewright.schema.trace import Interval
from edgewright.training import permutation_test
from edgewright.training.permutation_test import ERROR


def probabilities(judge: ComparisonCriteria, pairs: dict[str, tuple[Floats, Floats]]) -> dict[str, float]:
    """Return the two-sided permutation p-value of each pair of rungs, corrected for the number of pairs."""

    def difference(answers: Floats, before: Floats) -> permutation_test.Difference:
        def of(swapped: NDArray[np.bool_]) -> float:
            turned = swapped[judge.groups][:, None]
            return judge.change(judge.every, np.where(turned, before, answers), np.where(turned, answers, before))

        return of

    return permutation_test.probabilities({name: difference(*pair) for name, pair in pairs.items()}, judge.units)


def choose_with_few(climb: LadderState) -> None:
    """Choose among the measured rungs where units are few, and store a p-value for each rung."""
    measured, judge = climb.measured_rungs, climb.judge
    lowest = next(iter(measured))
    able = [name for name, rung in measured.items() if rung.fits] or [lowest]
    best = max(able, key=lambda name: measured[name].score)
    chosen = next(name for name in able if operator.le(*judge.behind(measured[name].answers, measured[best].answers)))
    while (better := _shown(climb, chosen, able[able.index(chosen) + 1 :])) is not None:
        chosen = better
    climb.chosen, climb.steps = chosen, {}
    climb.settle()
    chosen, why = climb.chosen, {name: step.why for name, step in climb.steps.items()}
    over = {name: (rung.answers, measured[lowest].answers) for name, rung in measured.items() if name != lowest}
    others = {name: (rung.answers, measured[chosen].answers) for name, rung in measured.items() if name != chosen}
    p_over, p_others = probabilities(judge, over), probabilities(judge, others)
    climb.steps = {lowest: Step(climbed=True)}
    for name in (name for name in measured if name != lowest):
        against = lowest if name == chosen else chosen
        climb.steps[name] = Step(
            against, judge.gain(measured[name].answers, measured[against].answers, 0.95), name == chosen,
            p_over[name] if name == chosen else p_others[name], why.get(name, ""),
        )  # fmt: skip
    climb.learned = chosen != lowest


def _shown(climb: LadderState, chosen: str, above: list[str]) -> str | None:
    """Return the lowest rung above that is significantly better by the exact test; None where there is none."""
    measured = climb.measured_rungs
    chances = probabilities(climb.judge, {name: (measured[name].answers, measured[chosen].answers) for name in above})
    return next((n for n in above if chances[n] <= ERROR and measured[n].score > measured[chosen].score), None)


# Above a good linear model, trees, boosting and neighbours may not gain although a network does: a patience of four
# would stop before the network (docs/adr/0041).
PATIENCE = 5
NO_SIZE = (math.inf, math.inf)


@dataclass(frozen=True)
class MeasuredRung:
    """A measured rung.

    Attributes:
        answers: predictions for all samples.
        score: score of the predictions, negated where lower is better.
        fits: whether it fits the device.
        size: estimated flash and RAM in bytes.
    """

    answers: Floats
    score: float
    fits: bool = True
    size: tuple[float, float] = NO_SIZE

    def beats(self, other: MeasuredRung) -> bool:
        """Return whether it fits the device, scores better and takes no more flash and RAM than the other rung."""
        smaller = all(own <= others < math.inf for own, others in zip(self.size, other.size, strict=True))
        return self.fits and self.score > other.score and smaller


@dataclass(frozen=True)
class Step:
    """Result of comparing a rung.

    Attributes:
        against: name of the rung it was compared with; empty for the lowest rung.
        gain: gain over that rung.
        climbed: whether the rung was chosen.
        p: p-value of the exact test of the gain; None where no test was run.
        why: reason for a choice without a test; empty otherwise.
    """

    against: str = ""
    gain: Interval | None = None
    climbed: bool = False
    p: float | None = None
    why: str = ""


@dataclass
class LadderState:
    """State of the climb.

    Attributes:
        judge: criteria for all comparisons.
        patience: number of consecutive rungs without a gain (with few units: without a better score) after which the
            climb stops, once a rung was climbed; 0 for no limit.
        chosen: name of the chosen rung.
        learned: whether a rung above the lowest was climbed.
        rungs_without_gain: number of consecutive rungs without a gain since then.
        measured_rungs: measured rungs by name, lowest first.
        steps: result of each measured rung by name.
    """

    judge: ComparisonCriteria
    patience: int = PATIENCE
    chosen: str = ""
    learned: bool = False
    rungs_without_gain: int = 0
    measured_rungs: dict[str, MeasuredRung] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)

    @property
    def answers(self) -> Floats:
        """Predictions of the chosen rung."""
        return self.measured_rungs[self.chosen].answers

    def step(
        self, name: str, answers: Floats, fits: bool = True, size: tuple[float, float] = NO_SIZE
    ) -> tuple[Interval | None, bool]:
        """Compare the next rung with the chosen one; return its gain and whether it is climbed.

        With few units the rung with the best score is chosen for now; the final choice follows after all measurements.

        Args:
            name: name of the rung.
            answers: predictions for all samples.
            fits: whether it fits the device.
            size: estimated flash and RAM in bytes.
        """
        score = self.judge.scored(self.judge.every, answers) * (1 if self.judge.metric.higher else -1)
        new = self.measured_rungs[name] = MeasuredRung(answers, score, fits, size)
        if not self.chosen:
            self.chosen, self.steps[name] = name, Step(climbed=True)
            return None, True
        stands = self.measured_rungs[self.chosen]
        gain = self.judge.gain(answers, stands.answers, 0.95 if self.judge.few else None)
        sure = score > stands.score if self.judge.few else gain.low > 0
        climbed = fits and (sure or new.beats(stands))
        self.steps[name] = Step(self.chosen, gain, climbed, why="" if sure or not climbed else self._smaller())
        if climbed:
            self.chosen, self.learned, self.rungs_without_gain = name, True, 0
            self.settle()
        else:
            self.rungs_without_gain += self.learned
        return gain, climbed

    def beats_chance(self) -> bool:
        """Return whether answers of any rung above the lowest agree with the truth beyond chance (1 % for all)."""
        above = [rung.answers for rung in list(self.measured_rungs.values())[1:]]
        return not above or any(self.judge.is_beyond_chance(answers, len(above)) for answers in above)

    def settle(self) -> None:
        """Choose the best rung that scores better than the chosen one and is not larger, where there is one."""
        stands = self.measured_rungs[self.chosen]
        better = [name for name, rung in self.measured_rungs.items() if rung.beats(stands)]
        if better:
            name = max(better, key=lambda rung: self.measured_rungs[rung].score)
            gain = self.judge.gain(self.measured_rungs[name].answers, stands.answers, 0.95 if self.judge.few else None)
            self.steps[name] = Step(self.chosen, gain, climbed=True, why=self._smaller())
            self.chosen = name

    def _smaller(self) -> str:
        return f"better than {self.chosen} and not larger: no test is needed"

    @property
    def tired(self) -> bool:
        """Whether the patience is exhausted, so that no further rung is tried."""
        return bool(self.patience) and self.rungs_without_gain >= self.patience


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
    best = max(
        (name for name, row in climb.measured_rungs.items() if row.fits),
        key=lambda name: climb.measured_rungs[name].score,
    )
    if chosen.why:
        return f"'{chosen.title}' is {chosen.why}"
    if best == chosen.name:
        return f"'{chosen.title}' scored best, and no lower rung comes within a standard error of it"
    if operator.gt(*climb.judge.behind(climb.answers, climb.measured_rungs[best].answers)):
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


def chosen_text(rung: RungRecord) -> str:
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


def span(interval: Interval) -> str:
    """Format the interval of a difference."""
    return f"{signed(interval.low)} to {signed(interval.high)}"
