"""Decisions over successive answers: what each rule says, worked out by hand."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.core.errors import DecisionError, SampleShapeError
from edgewright.core.prediction.executor import Decider, Decision, check_decision
from edgewright.core.records.device import DecisionSpec

LABELS = ("rest", "walk", "fall")
REST, WALK, FALL = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)


def decided(spec: DecisionSpec, *answers: tuple[float, ...], every: float = 1.0) -> list[str]:
    """Return the label decided at each answer, '!' behind alarms, '-' for no change."""
    decider = Decider(spec, LABELS)
    shown = []
    for index, answer in enumerate(answers):
        decision = decider.push(np.array(answer, np.float32), index * every)
        shown.append("-" if decision is None else LABELS[decision.label] + "!" * decision.alarm)
    return shown


def test_without_settings_every_change_of_the_likeliest_label_is_a_decision() -> None:
    assert decided(DecisionSpec(), REST, REST, WALK, REST) == ["rest", "-", "walk", "rest"]
    assert decided(DecisionSpec(), (0.4, 0.4, 0.2)) == ["rest"], "the first of equals"


def test_means_are_added_from_the_oldest_and_divided_once() -> None:
    decider = Decider(DecisionSpec(smoothing=3), LABELS)
    values = np.random.default_rng(0).dirichlet((1, 1, 1), 7).astype(np.float32)
    for index, row in enumerate(values):
        decider.push(row, float(index))
        last = values[max(0, index - 2) : index + 1]
        total = last[0]
        for one in last[1:]:
            total = total + one
        np.testing.assert_array_equal(decider.means, total / np.float32(len(last)))
    assert decided(DecisionSpec(smoothing=3), REST, REST, WALK, WALK) == ["rest", "-", "-", "walk"]


def test_below_the_threshold_the_last_decision_stays() -> None:
    spec = DecisionSpec(threshold=0.5)
    assert decided(spec, REST, (0.3, 0.4, 0.3), WALK, (0.5, 0.3, 0.2)) == ["rest", "-", "walk", "rest"]
    decider = Decider(spec, LABELS)
    decider.push(np.array(REST, np.float32), 0.0)
    assert decider.push(np.array((0.3, 0.4, 0.3), np.float32), 1.0) is None
    assert decider.decided == 0


def test_a_label_counts_from_its_own_threshold() -> None:
    low = DecisionSpec(thresholds={"fall": 0.25})
    assert decided(low, REST, (0.7, 0.0, 0.3), (0.8, 0.0, 0.2)) == ["rest", "fall", "rest"]
    high = DecisionSpec(thresholds={"fall": 0.9})
    assert decided(high, REST, FALL, (0.05, 0.0, 0.95)) == ["rest", "-", "fall"], "no other label wins instead"
    # Of several, the one furthest above its own in proportion: .3 / .2 against .7 / .6.
    assert decided(DecisionSpec(thresholds={"walk": 0.6, "fall": 0.2}), (0.0, 0.7, 0.3)) == ["fall"]


def test_so_many_windows_in_a_row_must_agree() -> None:
    spec = DecisionSpec(debounce=3)
    assert decided(spec, REST, REST, REST, WALK, WALK, REST, WALK, WALK, WALK) == [
        *("-", "-", "rest", "-", "-", "-", "-", "-", "walk"),
    ]
    unsure = DecisionSpec(debounce=2, threshold=0.5)
    assert decided(unsure, REST, (0.4, 0.3, 0.3), REST, REST) == ["-", "-", "-", "rest"], (
        "nothing decided breaks the row"
    )


def test_alarms_begin_with_their_label_and_keep_their_distance() -> None:
    spec = DecisionSpec(alarms=("fall",), refractory=3.0)
    assert decided(spec, FALL, FALL, REST, FALL, REST, FALL, REST) == [
        "fall!",
        "-",
        "rest",
        "fall!",
        "rest",
        "fall",
        "rest",
    ]
    assert decided(spec, FALL, REST, FALL, every=1.5) == ["fall!", "rest", "fall!"]
    # Thirty steps of a tenth are a little less than three seconds in binary; a microsecond is no reason.
    walk = [WALK] * 29
    assert decided(spec, FALL, *walk, FALL, every=0.1)[-1] == "fall!"
    assert decided(DecisionSpec(alarms=("fall", "walk"), refractory=9), FALL, WALK, FALL) == ["fall!", "walk!", "fall"]


def test_nothing_is_averaged_or_counted_over_a_hole() -> None:
    nan = (math.nan, 0.5, 0.5)
    assert decided(DecisionSpec(smoothing=4), REST, REST, REST, WALK) == ["rest", "-", "-", "-"]
    assert decided(DecisionSpec(smoothing=4), REST, REST, REST, nan, WALK) == ["rest", "-", "-", "-", "walk"]
    assert decided(DecisionSpec(debounce=2), REST, nan, REST, REST) == ["-", "-", "-", "rest"]
    decider = Decider(DecisionSpec(smoothing=4, debounce=2, alarms=("fall",), refractory=60.0), LABELS)
    fall, rest = (np.array(a, np.float32) for a in (FALL, REST))
    assert decider.push(fall, 0.0) is None
    first = decider.push(fall, 1.0)
    assert first is not None and first.alarm
    decider.gap()
    assert decider.decided == 2, "the decision stays"
    assert decider.push(rest, 9.0) is None, "two in a row after the hole"
    second = decider.push(rest, 10.0)
    assert second == Decision(label=0, confidence=float(rest[0]), time=10.0, alarm=False)
    decider.gap()
    decider.push(fall, 20.0)
    third = decider.push(fall, 21.0)
    assert third is not None and not third.alarm, "so does the time without another alarm"
    decider.reset()
    decider.push(fall, 22.0)
    fourth = decider.push(fall, 23.0)
    assert fourth is not None and fourth.alarm


def test_a_full_mean_decides_nothing_by_fewer_answers() -> None:
    nan, spec = (math.nan, 0.5, 0.5), DecisionSpec(smoothing=3, full_mean=True)
    assert decided(spec, WALK, WALK, WALK, WALK) == ["-", "-", "walk", "-"]
    assert decided(spec, REST, REST, REST, nan, FALL, FALL, FALL) == ["-", "-", "rest", "-", "-", "-", "fall"]
    assert decided(DecisionSpec(smoothing=2, debounce=2, full_mean=True), FALL, FALL, FALL) == ["-", "-", "fall"]
    assert decided(DecisionSpec(full_mean=True), FALL) == ["fall"], "each answer is a mean of one"
    assert b"full_mean" not in msgspec.json.encode(DecisionSpec()), "other packages keep their bytes"


SPECS = st.builds(
    DecisionSpec, smoothing=st.integers(1, 5), full_mean=st.booleans(), debounce=st.integers(1, 3),
    threshold=st.sampled_from((0.0, 0.4, 0.6)),
    thresholds=st.sampled_from(({}, {"fall": 0.3}, {"fall": 0.9, "walk": 0.5})), alarms=st.just(("fall",)),
    refractory=st.sampled_from((0.0, 3.0)),
)  # fmt: skip


@given(spec=SPECS, seed=st.integers(0, 2**16), cuts=st.tuples(st.integers(0, 30), st.integers(0, 30)))
def test_many_answers_at_once_are_decided_as_one_after_the_other(
    spec: DecisionSpec, seed: int, cuts: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    answers = rng.dirichlet((0.5, 0.5, 0.5), 30).astype(np.float32)
    answers[rng.random(30) < 0.1] = rng.choice((0.0, math.nan, math.inf))
    times = np.arange(30.0).tolist()
    one, all_ = Decider(spec, LABELS), Decider(spec, LABELS)
    pushed = [(at, decision) for at, time in enumerate(times) if (decision := one.push(answers[at], time))]
    parts = [slice(*edges) for edges in pairwise((0, *sorted(cuts), 30))]
    changes = [(part.start, all_.push_all(answers[part], times[part])) for part in parts]
    together = [(start + at, new) for start, part in changes for at, new in part.items()]
    assert together == pushed
    np.testing.assert_array_equal(all_.means, one.means)
    assert all_.decided == one.decided


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"smoothing": 0}, "decision.smoothing"),
        ({"debounce": 1001}, "decision.debounce"),
        ({"alarms": ("jump",)}, r"labels of the model \(rest, walk, fall\), got 'jump'"),
        ({"thresholds": {"jump": 0.5}}, "decision.thresholds"),
        ({"thresholds": {"fall": 0.0}}, "above 0, at most 1"),
        ({"thresholds": {"fall": 1e-60}}, "above 0, at most 1"),
        ({"thresholds": {"fall": math.nan}}, "above 0, at most 1"),
        ({"threshold": 1.5}, "from 0 to 1"),
        ({"threshold": math.nan}, "from 0 to 1"),
        ({"refractory": -1.0}, "0 or more"),
        ({"refractory": math.inf}, "0 or more"),
    ],
)
def test_what_cannot_be_decided_by_is_refused(settings: dict[str, Any], where: str) -> None:
    with pytest.raises(DecisionError, match=where):
        check_decision(DecisionSpec(**settings), LABELS)


def test_answers_of_another_model_are_refused() -> None:
    with pytest.raises(SampleShapeError, match="3 probabilities, got 2"):
        Decider(DecisionSpec(), LABELS).push(np.zeros(2, np.float32), 0.0)
    for times, width in (([0.0], 2), ([0.0, 1.0], 3)):
        with pytest.raises(SampleShapeError, match=r"probabilities of shape \(., 3\), got \(1, .\)"):
            Decider(DecisionSpec(), LABELS).push_all(np.zeros((1, width), np.float32), times)
    with pytest.raises(DecisionError):
        Decider(DecisionSpec(), ())
