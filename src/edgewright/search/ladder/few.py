"""Choosing with few people or days, where no interval of a gain excludes zero.

The choice is the rule of one standard error (Breiman et al., 1984): the lowest rung that is no more than one standard
error worse than the best, both judged on the same people. A higher rung is taken where an exact test shows that it is
better, and one that is better and not larger without a test. The test exchanges the answers of two rungs for whole
people: if the rungs were alike, each of the 2^n exchanges would be as likely as what was measured. Several rungs are
corrected for by the largest statistic of each exchange (Westfall and Young, 1993).
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import Floats
from edgewright.search.ladder.climbing import ERROR, Climb, Judge, Step


def exchanged(judge: Judge, answers: Floats, before: Floats) -> NDArray[np.float64]:
    """How much better `answers` are, for each exchange of whole units with `before`, the first as measured.

    Exchanging the others of the units gives the same with the other sign, so half of the 2^n exchanges are enough.
    """
    every = np.ones(len(judge.y), bool)
    found = []
    for swaps in itertools.product((False, True), repeat=judge.units - 1):
        turned = np.array((False, *swaps))[judge.groups][:, None]
        found.append(judge.change(every, np.where(turned, before, answers), np.where(turned, answers, before)))
    return np.array(found)


def probabilities(judge: Judge, pairs: dict[str, tuple[Floats, Floats]]) -> dict[str, float]:
    """Two-sided p of each pair of rungs, corrected for the others: how often chance makes so large a difference."""
    spread = {name: exchanged(judge, *pair) for name, pair in pairs.items()}
    scaled = {name: np.abs(x) / max(math.sqrt(float((x**2).mean())), 1e-12) for name, x in spread.items()}
    if not scaled:
        return {}
    largest = np.max(list(scaled.values()), axis=0)
    return {name: float((largest >= x[0] - 1e-9).mean()) for name, x in scaled.items()}


def smallest_p(units: int) -> float:
    """The smallest two-sided p that so many units can give: all of them agree."""
    return 2.0 / 2.0**units


def power(units: int, kept: str) -> str:
    """What a paired test over so many units can show, in a sentence."""
    smallest = smallest_p(units)
    if smallest > ERROR:
        return f"with {units} {kept}s no difference could be shown at 5 %: the smallest p is {smallest:.3g}"
    agree = next(k for k in range(units // 2, units + 1) if _sign_test(k, units) <= ERROR)
    which = f"all {units}" if agree == units else f"at least {agree} of {units}"
    return (
        f"with {units} {kept}s the smallest p is {smallest:.2g}: by the sign test a difference is shown at 5 % only "
        f"where {which} {kept}s agree"
    )


def _sign_test(agree: int, units: int) -> float:
    return min(1.0, 2.0 * sum(math.comb(units, k) for k in range(agree, units + 1)) / 2.0**units)


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
