"""Liars at 5, 20 and 40 %: how often a bad release gets on and a good one does not, over many draws of who lies.

What the gates promise: whatever two fifths say, no bad release finishes. Up to a fifth, none leaves a canary of 40, and
a good one gets there nine times in ten; otherwise it is held, or halted, and a person looks. Above the limit of a share
gate, 30 % of the devices unless a plan says otherwise, a good release is not confirmed on such words either.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from edgewright.core.records.fleet import Gate
from edgewright.fleet.protocol.plans.gates import Vote, judge
from edgewright.fleet.protocol.plans.options import DEFAULT_GATES

SHARE = DEFAULT_GATES[0]
MEDIAN = Gate(measure="alarms", limit=5.0, quorum=5)
SMALL, USUAL = (10, 100, 1000), (40, 200, 400)
DRAWS = 80


def rolled_out(seed: int, rate: float, gate: Gate, sizes: tuple[int, ...], *, bad: bool) -> tuple[str, int]:
    """Return what the gate said last, and in which stage; ('pass', stages) where the release finished.

    As the scheduler does it, the gate is asked again whenever one of the canary has spoken, and now and then later; one
    'fail' is enough.
    """
    chance = random.Random(seed)  # noqa: S311 - of a test
    fine, awful = (0.0, 1.0) if gate is SHARE else (1.0, 50.0)
    voices = [
        Vote(device=f"{n:032x}", batch=f"b{n % 50}", value=awful if bad ^ (chance.random() < rate) else fine)
        for n in range(sizes[-1])
    ]
    before = gate.quorum
    for stage, size in enumerate(sizes):
        for count in range(before, size + 1, max(1, (size - before) // 5) if stage else 1):
            text = judge(gate, 0.0, voices[:count]).verdict
            if text == "fail":
                return text, stage
        if text != "pass":
            return text, stage
        before = size
    return "pass", len(sizes)


def draws(rate: float, gate: Gate, sizes: tuple[int, ...], *, bad: bool) -> Counter[tuple[str, int]]:
    """How often what came of it."""
    return Counter(rolled_out(seed, rate, gate, sizes, bad=bad) for seed in range(DRAWS))


@pytest.mark.parametrize("sizes", [SMALL, USUAL])
@pytest.mark.parametrize("gate", [SHARE, MEDIAN], ids=["failed", "alarms"])
@pytest.mark.parametrize("rate", [0.05, 0.2, 0.4])
def test_no_bad_release_finishes_whatever_two_fifths_say(rate: float, gate: Gate, sizes: tuple[int, ...]) -> None:
    verdicts = draws(rate, gate, sizes, bad=True)
    assert not verdicts["pass", len(sizes)]
    beyond = sum(count for (_, stage), count in verdicts.items() if stage) / DRAWS
    if rate <= 0.2:
        assert beyond <= (0.0 if sizes is USUAL else 0.1), verdicts
    halted = sum(count for (verdict, _), count in verdicts.items() if verdict == "fail") / DRAWS
    assert halted >= (0.95 if rate == 0.05 else 0.5 if rate == 0.2 else 0.2), verdicts
    if sizes is USUAL and rate <= 0.2:
        assert halted >= 0.95, verdicts


@pytest.mark.slow
@pytest.mark.parametrize(("sizes", "min_share"), [(SMALL, 0.8), (USUAL, 0.85)])
@pytest.mark.parametrize("gate", [SHARE, MEDIAN], ids=["failed", "alarms"])
@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_a_good_release_gets_on_where_a_fifth_slanders_it(
    rate: float, gate: Gate, sizes: tuple[int, ...], min_share: float
) -> None:
    verdicts = draws(rate, gate, sizes, bad=False)
    assert verdicts["pass", len(sizes)] / DRAWS >= (1.0 if rate == 0.05 else min_share), verdicts
    assert sum(count for (verdict, _), count in verdicts.items() if verdict == "fail") / DRAWS <= 0.1, verdicts


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [SMALL, USUAL])
def test_a_good_release_that_two_fifths_slander_is_held_or_halted_by_a_share_and_not_by_a_median(
    sizes: tuple[int, ...],
) -> None:
    share, median = (draws(0.4, gate, sizes, bad=False) for gate in (SHARE, MEDIAN))
    assert not share["pass", len(sizes)], share
    assert median["pass", len(sizes)] / DRAWS >= 0.7, median
