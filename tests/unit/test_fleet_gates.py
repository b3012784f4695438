"""Gates: what few devices can and cannot show, and what liars can and cannot do."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.measures import columns, measures
from edgewright.core.records.fleet import Gate, Vitals
from edgewright.fleet.protocol.plans.gates import (
    Vote,
    distance,
    failed,
    judge,
    quantile,
    share_bounds,
    together,
    weigh,
)

FAILED = Gate(measure="failed", limit=0.3, quorum=5)
ALARMS = Gate(measure="alarms", limit=5.0, quorum=5)
SLOWER = Gate(measure="latency", ratio=2.0, quorum=5)


def voices(values: list[float], batches: int = 50, enrolled: float = 0.0) -> list[Vote]:
    return [Vote(device=f"{n:032x}", batch=f"b{n % batches}", enrolled=enrolled, value=v) for n, v in enumerate(values)]


def test_below_the_quorum_a_gate_holds() -> None:
    gate_seen = judge(ALARMS, 0.0, voices([900.0] * 4))
    assert (gate_seen.verdict, gate_seen.counted, gate_seen.needed) == ("hold", 4, 5)
    assert "4 of the 5" in gate_seen.why


@pytest.mark.parametrize("gate", [FAILED, ALARMS])
def test_a_bad_model_on_ten_devices_is_sure_and_a_good_one_passes(gate: Gate) -> None:
    bad = 1.0 if gate is FAILED else 50.0
    assert judge(gate, 0.0, voices([bad] * 10)).verdict == "fail"
    assert judge(gate, 0.0, voices([bad] * 8 + [0.0] * 2)).verdict == "fail"
    assert judge(gate, 0.0, voices([0.0] * 10)).verdict == "pass"
    few = judge(gate, 0.0, voices([bad] * 3 + [0.0] * 3))
    assert few.verdict in ("hold", "pass")  # three of six show nothing for sure


@pytest.mark.slow
@settings(max_examples=60)
@given(st.integers(20, 400), st.randoms(use_true_random=False), st.sampled_from([FAILED, ALARMS, SLOWER]))
def test_a_fifth_of_liars_neither_stops_a_good_release_nor_pushes_a_bad_one(
    count: int, chance: random.Random, gate: Gate
) -> None:
    liars = count // 5
    good, bad = (0.0, 1.0) if gate is FAILED else (1.0, 1e6)
    old = voices([1.0] * 50)

    def crowd(honest: float, lie: float) -> list[Vote]:
        values = [lie] * liars + [honest] * (count - liars)
        chance.shuffle(values)
        return voices(values)

    assert judge(gate, 0.0, crowd(good, bad), old).verdict == "pass"
    assert judge(gate, 0.0, crowd(bad, good), old).verdict == "fail"


def test_liars_of_one_enrolment_have_no_more_votes_than_the_cap() -> None:
    liars = [Vote(device=f"{n:032x}", batch="bought", value=1e6) for n in range(500)]
    honest = [Vote(device=f"{n:032x}", batch=f"b{n}", value=1.0) for n in range(500, 600)]
    gate = Gate(measure="alarms", limit=5.0, quorum=5, batch=0.2)
    assert judge(gate, 0.0, [*liars, *honest]).verdict == "pass"
    assert judge(Gate(measure="alarms", limit=5.0, batch=1.0), 0.0, [*liars, *honest]).verdict == "fail"


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.floats(0.1, 1.0))
def test_no_batch_has_more_than_its_share_where_there_are_enough_of_them(sizes: list[int], cap: float) -> None:
    votes = [
        Vote(device=f"{batch:016x}{n:016x}", batch=str(batch), value=float(batch))
        for batch, size in enumerate(sizes)
        for n in range(size)
    ]
    counted = weigh(votes, cap, 1)
    total = sum(counted.weights)
    assert 0 < counted.sample <= len(votes) + 1e-6
    assert all(0 < weight <= 1 for weight in counted.weights)
    of_batch = [
        sum(w for v, w in zip(counted.values, counted.weights, strict=True) if v == batch)
        for batch in range(len(sizes))
    ]
    if cap * len(sizes) >= 1.0:
        assert max(of_batch) <= cap * total + 1e-6 or max(of_batch) <= 1.0 + 1e-6


def test_one_odd_device_of_its_own_batch_does_not_speak_for_half_of_the_fleet() -> None:
    crowd = [Vote(device=f"{n:032x}", batch="all", value=1.0) for n in range(100)]
    odd = Vote(device="f" * 32, batch="odd", value=1e9)
    assert judge(ALARMS, 0.0, [*crowd, odd]).verdict == "pass"


def test_devices_enrolled_after_the_plan_do_not_count() -> None:
    late = voices([1e6] * 50, enrolled=2.0)
    assert judge(ALARMS, 1.0, late).verdict == "hold"
    assert judge(ALARMS, 1.0, [*late, *voices([1.0] * 9, enrolled=1.0)]).counted == 9


def test_a_ratio_compares_with_those_that_wait_and_needs_them() -> None:
    slow, fast = voices([0.5] * 10), voices([0.1] * 10)
    assert judge(SLOWER, 0.0, slow, fast).verdict == "fail"
    assert judge(SLOWER, 0.0, slow, voices([0.4] * 10)).verdict == "pass"
    assert judge(SLOWER, 0.0, slow, fast[:2]).verdict == "hold"
    assert judge(SLOWER, 0.0, slow, [], last=True).verdict == "pass"
    # Within its own limit a value needs no comparison.
    assert judge(Gate(measure="latency", ratio=2.0, limit=0.6), 0.0, slow, []).verdict == "pass"
    assert judge(Gate(measure="latency", ratio=2.0, limit=0.4), 0.0, slow, []).verdict == "hold"
    # A rise for everybody, such as a hot day, is nobody's fault.
    assert judge(SLOWER, 0.0, voices([5.0] * 10), voices([4.0] * 10)).verdict == "pass"
    silent = Gate(measure="alarms", ratio=2.0, limit=3.0)
    assert judge(silent, 0.0, voices([2.0] * 10), voices([0.0] * 10)).verdict == "pass"
    assert judge(silent, 0.0, voices([9.0] * 10), voices([0.0] * 10)).verdict == "fail"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.floats(0.0, 1.0))
def test_a_quantile_is_one_of_the_values_and_rises_with_its_level(values: list[float], level: float) -> None:
    counted = weigh(voices(values), 1.0, 1)
    assert quantile(counted, level) in values
    assert quantile(counted, 0.0) == min(values)
    assert quantile(counted, 1.0) == max(values)
    assert quantile(counted, level / 2.0) <= quantile(counted, level)


def test_the_interval_of_a_share_covers_as_often_as_it_says() -> None:
    """Each one-sided bound is wrong in about one case of twenty."""
    chance = random.Random(3)  # noqa: S311
    for truth in (0.1, 0.3, 0.7):
        missed = 0
        for _ in range(2000):
            successes = sum(chance.random() < truth for _ in range(30))
            missed += share_bounds(successes / 30, 30.0)[0] > truth
        assert missed / 2000 < 0.08


def test_a_good_release_is_rarely_halted_by_chance() -> None:
    """At most one in twenty of looks at releases that are just at the limit."""
    chance = random.Random(5)  # noqa: S311
    halted = sum(
        judge(ALARMS, 0.0, voices([chance.expovariate(0.6931 / 5.0) for _ in range(40)])).verdict == "fail"
        for _ in range(400)
    )
    assert halted / 400 < 0.08


def test_values_that_are_no_numbers_are_no_votes() -> None:
    assert judge(ALARMS, 0.0, voices([float("nan"), float("inf")] * 5)).verdict == "hold"


def test_the_strictest_word_counts() -> None:
    good, bad, few = voices([0.0] * 9), voices([1e6] * 9), voices([0.0])
    gate_seens = [judge(ALARMS, 0.0, crowd) for crowd in (good, few, bad)]
    assert [together(gate_seens[:n]) for n in (0, 1, 2, 3)] == ["pass", "pass", "hold", "fail"]


def value(name: str, vitals: Vitals) -> float | None:
    return measures()[name].value(columns(vitals))


def test_measures_are_rates_and_shares() -> None:
    vitals = Vitals(
        seconds=3600.0, windows=200, unsure=20, alarms=1, anomalies=2, crashes=3, latency=(0.1, 0.2), memory=5,
        drifting=("x",), channels=4, processor=900.0,
    )  # fmt: skip
    names = ("alarms", "anomalies", "unsure", "latency", "processor", "drift", "crashes")
    assert {name: value(name, vitals) for name in names} == {
        "alarms": 24.0, "anomalies": 48.0, "unsure": 0.1, "latency": 0.2, "processor": 0.25, "drift": 0.25,
        "crashes": 72.0,
    }  # fmt: skip
    assert value("processor", Vitals(seconds=60.0)) is None  # an agent that does not measure it
    assert value("alarms", Vitals()) is None
    assert value("memory", Vitals()) is None
    assert value("failed", vitals) is None
    assert distance({"a": 1, "b": 1}, {"a": 2}) == 0.5
    assert distance({}, {"a": 2}) is None
    assert failed("reverted", "crash") is True
    assert failed("confirmed", "") is False
    assert failed("reverted", "aborted") is None
    assert failed("activated", "") is None
