"""Choosing with few people or days, where no interval of a gain excludes zero.

The choice is the rule of one standard error (Breiman et al., 1984): the lowest rung that is no more than one standard
error worse than the best, both judged on the same people. A higher rung is taken where an exact test shows that it is
better, and one that is better and not larger without a test. The test is that of `training.permutation_test`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import Floats
from edgewright.search.ladder.model_comparison import Climb, Judge, Step
from edgewright.training import permutation_test
from edgewright.training.permutation_test import ERROR


def probabilities(judge: Judge, pairs: dict[str, tuple[Floats, Floats]]) -> dict[str, float]:
    """Two-sided p of each pair of rungs, corrected for the others: how often chance makes so large a difference."""

    def difference(answers: Floats, before: Floats) -> permutation_test.Difference:
        def of(swapped: NDArray[np.bool_]) -> float:
            turned = swapped[judge.groups][:, None]
            return judge.change(judge.every, np.where(turned, before, answers), np.where(turned, answers, before))

        return of

    return permutation_test.probabilities({name: difference(*pair) for name, pair in pairs.items()}, judge.units)


def choose_with_few(climb: Climb) -> None:
    """Chooses among the rungs that were measured, and says of each how sure the choice is."""
    tried, judge = climb.tried, climb.judge
    lowest = next(iter(tried))
    able = [name for name, one in tried.items() if one.fits] or [lowest]
    best = max(able, key=lambda name: tried[name].score)
    chosen = next(name for name in able if judge.behind(tried[name].answers, tried[best].answers) <= 1.0)
    while (better := _shown(climb, chosen, able[able.index(chosen) + 1 :])) is not None:
        chosen = better
    climb.chosen, climb.steps = chosen, {}
    climb.settle()
    chosen, why = climb.chosen, {name: step.why for name, step in climb.steps.items()}
    over = {name: (one.answers, tried[lowest].answers) for name, one in tried.items() if name != lowest}
    others = {name: (one.answers, tried[chosen].answers) for name, one in tried.items() if name != chosen}
    p_over, p_others = probabilities(judge, over), probabilities(judge, others)
    climb.steps = {lowest: Step(climbed=True)}
    for name in (name for name in tried if name != lowest):
        against = lowest if name == chosen else chosen
        climb.steps[name] = Step(
            against, judge.gain(tried[name].answers, tried[against].answers, 0.95), name == chosen,
            p_over[name] if name == chosen else p_others[name], why.get(name, ""),
        )  # fmt: skip
    climb.learned = chosen != lowest


def _shown(climb: Climb, chosen: str, above: list[str]) -> str | None:
    """The lowest of the rungs above that the exact test shows to be better; None where there is none."""
    tried = climb.tried
    found = probabilities(climb.judge, {name: (tried[name].answers, tried[chosen].answers) for name in above})
    return next((n for n in above if found[n] <= ERROR and tried[n].score > tried[chosen].score), None)
