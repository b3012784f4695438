"""Splits keep groups, sessions and time apart; properties hold for any samples."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgewright.core.errors import InputError, SplitLeaksError, SplitTooSmallError, UnknownNameError
from edgewright.core.records.config import SplitConfig
from edgewright.core.records.data import Column, Samples, Split
from edgewright.data.splits import split, touching

Values = NDArray[Any] | list[str] | list[int]


def _samples(
    y: Values,
    groups: Values | None = None,
    sessions: Values | None = None,
    starts: Values | None = None,
    rate: float | None = None,
) -> Samples:
    count = len(y)
    return Samples(
        X=np.arange(count, dtype=np.float32)[:, None],
        y=np.asarray(y),
        groups=None if groups is None else np.asarray(groups),
        sessions=np.full(count, "s") if sessions is None else np.asarray(sessions),
        starts=np.arange(count, dtype=np.int64) if starts is None else np.asarray(starts, dtype=np.int64),
        columns=(Column(name="a"),),
        rate=rate,
    )


def _sides(result: Split) -> list[NDArray[np.int64]]:
    return [result.train, result.validation, result.test]


def _people(count: int = 10, each: int = 30) -> Samples:
    groups = np.repeat([f"p{i}" for i in range(count)], each)
    return _samples(np.tile(["x", "y", "z"], count * each // 3), groups, sessions=groups)


def test_groups_are_the_default_and_shares_are_exact_for_equal_groups() -> None:
    samples = _people()
    result = split(samples, SplitConfig(test=0.2, validation=0.25), seed=3, window=None)
    assert result.by == "group"
    assert [len(side) for side in _sides(result)] == [180, 60, 60]
    groups = samples.groups
    assert groups is not None
    for one, other in (
        (result.train, result.test),
        (result.train, result.validation),
        (result.validation, result.test),
    ):
        assert not set(groups[one]) & set(groups[other])


def test_the_seed_chooses_and_repeats() -> None:
    chosen = {tuple(split(_people(), SplitConfig(), seed=seed, window=None).test) for seed in (1, 1, 2, 3, 4)}
    assert 2 <= len(chosen) <= 4


def test_the_mix_of_classes_is_met() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 20, 2000).astype(str)
    y = np.where(rng.random(2000) < (groups.astype(int) + 1) / 25, "rare", "usual")
    test = split(_samples(y, groups), SplitConfig(validation=0), seed=0, window=None).test
    assert len(test) / 2000 == pytest.approx(0.2, abs=0.02)
    assert (y[test] == "rare").mean() == pytest.approx((y == "rare").mean(), abs=0.05)


def test_recordings_of_one_class_each_are_dealt_out_by_class() -> None:
    sessions = np.repeat([f"r{i}" for i in range(40)], 3)
    y = np.repeat(["a", "b", "c", "d"], 30)
    result = split(_samples(y, sessions=sessions, rate=10), SplitConfig(), seed=0, window=3)
    assert result.by == "session"
    assert {name: int((y[result.test] == name).sum()) for name in "abcd"} == {"a": 6, "b": 6, "c": 6, "d": 6}


def test_named_groups() -> None:
    samples = _people(5)
    result = split(samples, SplitConfig(test_groups=("p3",), validation_groups=("p0", "p1")), seed=0, window=None)
    groups = samples.groups
    assert groups is not None
    assert [set(groups[side]) for side in _sides(result)] == [{"p2", "p4"}, {"p0", "p1"}, {"p3"}]
    with pytest.raises(UnknownNameError, match=r"no group 'p9'. Known: p0, .* - at \[split\] test_groups"):
        split(samples, SplitConfig(test_groups=("p9",)), seed=0, window=None)
    with pytest.raises(SplitLeaksError, match="'p1' in both"):
        split(samples, SplitConfig(test_groups=("p1",), validation_groups=("p1",)), seed=0, window=None)
    with pytest.raises(SplitTooSmallError):
        split(samples, SplitConfig(by="row", test_groups=("p1",)), seed=0, window=None)


@pytest.mark.parametrize(
    ("samples", "config", "message"),
    [
        (_people(1), SplitConfig(), "expected at least two groups to take test samples from, got one"),
        (_people(2), SplitConfig(), "at least two groups to take validation samples from"),
        (_samples(["x", "y"] * 9), SplitConfig(by="group"), r"expected a group \(person or machine\) for every sample"),
        (_samples(["x"] * 9 + ["y"], np.array(list("aaaaaaaaab"))), SplitConfig(validation=0),
         "expected every class of the test samples also in training, got"),
        (_samples(["x", "y"], sessions=["r", "q"], rate=1.0), SplitConfig(by="time"), "test samples, got none"),
        (_samples(["x"] * 8 + ["y"] * 2, rate=1.0), SplitConfig(by="time"), "'y' outside training only"),
    ],
)  # fmt: skip
def test_what_cannot_be_split(samples: Samples, config: SplitConfig, message: str) -> None:
    with pytest.raises(InputError, match=message):
        split(samples, config, seed=0, window=None)


def test_time_takes_the_end_of_every_session_and_leaves_a_gap() -> None:
    sessions = np.repeat(["r", "q"], 20)
    starts = np.tile(np.arange(20) * 2, 2)
    result = split(_samples(np.tile(["x", "y"], 20), sessions=sessions, starts=starts, rate=10),
                   SplitConfig(validation=0), seed=0, window=4)  # fmt: skip
    assert result.by == "time"
    assert result.test.tolist() == [16, 17, 18, 19, 36, 37, 38, 39]
    assert result.train.tolist() == [*range(15), *range(20, 35)]


def test_rows_are_shuffled_with_the_mix_kept() -> None:
    y = np.array(["x"] * 80 + ["y"] * 20)
    result = split(_samples(y), SplitConfig(validation=0.25), seed=0, window=None)
    assert result.by == "row"
    assert [int((y[side] == "y").sum()) for side in _sides(result)] == [12, 4, 4]
    assert [len(side) for side in _sides(result)] == [60, 20, 20]


def test_row_splits_of_overlapping_windows_lose_few() -> None:
    result = split(
        _samples(np.tile(["x", "y"], 500), starts=np.arange(1000) * 2), SplitConfig(by="row"), seed=0, window=4
    )
    kept = sum(len(side) for side in _sides(result))
    assert 880 < kept < 1000
    assert len(result.test) / kept == pytest.approx(0.2, abs=0.04)


def test_amounts_are_spread_over_both_sides() -> None:
    y = np.random.default_rng(0).normal(size=400)
    test = split(_samples(y), SplitConfig(), seed=0, window=None).test
    assert len(test) == 80
    assert abs(float(np.median(y[test]))) < 0.2


@pytest.mark.slow
def test_a_million_rows_split_in_time() -> None:
    y = np.random.default_rng(0).integers(0, 2, 200_000).astype(str)
    result = split(_samples(y), SplitConfig(), seed=0, window=None)
    assert [len(side) for side in _sides(result)] == [128_000, 32_000, 40_000]


@pytest.mark.slow
@settings(max_examples=80)
@given(data=st.data())
def test_sides_are_disjoint_and_apart(data: st.DataObject) -> None:
    count = data.draw(st.integers(4, 60))
    window = data.draw(st.sampled_from([None, 1, 4]))
    by = data.draw(st.sampled_from(["auto", "group", "session", "time", "row"]))
    pick = st.lists(st.integers(0, 4), min_size=count, max_size=count)
    sessions = np.array(data.draw(pick)).astype(str)
    groups = np.array(data.draw(pick)).astype(str)
    step = data.draw(st.integers(1, 5))
    starts = np.zeros(count, dtype=np.int64)
    for name in np.unique(sessions):
        starts[sessions == name] = np.arange((sessions == name).sum()) * step
    samples = _samples(np.array(data.draw(pick)) % 2, groups, sessions, starts)
    config = msgspec.convert({"by": by, "test": 0.3, "validation": data.draw(st.sampled_from([0.0, 0.3]))}, SplitConfig)
    try:
        result = split(samples, config, seed=data.draw(st.integers(0, 9)), window=window)
    except InputError as error:
        assert "\n" not in str(error)
        return
    sides = _sides(result)
    joined = np.concatenate(sides)
    assert len(np.unique(joined)) == len(joined)
    assert all((np.diff(side) > 0).all() for side in sides)
    assert len(result.train) and len(result.test)
    if (window or 1) <= step:  # no two windows overlap: nothing may be left out
        assert len(joined) == count
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not touching(samples, sides[one], sides[other], window or 1).any()
        if result.by == "group":
            assert not set(groups[sides[one]]) & set(groups[sides[other]])
        if result.by == "session":
            assert not set(sessions[sides[one]]) & set(sessions[sides[other]])
    assert set(samples.y[result.test]) <= set(samples.y[result.train]) or samples.y.dtype.kind != "U"


def test_touching_knows_sessions() -> None:
    samples = _samples(["x"] * 4, sessions=["a", "a", "b", "a"], starts=[0, 3, 3, 9])
    everything = np.arange(4)
    assert touching(samples, everything[:1], everything[1:], 4).tolist() == [True]
    assert touching(samples, everything[:1], everything[1:], 3).tolist() == [False]
    assert touching(samples, everything[2:3], everything[:2], 4).tolist() == [False]


def _in_sessions(sessions: int) -> Samples:
    return Samples(
        X=np.zeros((40, 1), np.float32),
        y=np.array(["a", "b"] * 20),
        groups=None,
        sessions=np.array([f"s{i % sessions}" for i in range(40)]),
        starts=np.arange(40) // sessions,
        columns=(Column(name="x"),),
        rate=None,
    )


@pytest.mark.parametrize(("sessions", "side"), [(1, "test"), (2, "validation")])
def test_one_session_is_not_told_to_split_by_session(sessions: int, side: str) -> None:
    with pytest.raises(SplitTooSmallError) as caught:
        split(_in_sessions(sessions), SplitConfig(by="session"), seed=0, window=None)
    message = str(caught.value)
    assert f"to take {side} samples from" in message
    assert message.endswith("or split by = 'time' or 'row'")
    assert ("set validation = 0" in message) == (side == "validation")
    assert "test = 0" not in message


@pytest.mark.parametrize("seed", range(4))
def test_ten_windows_of_a_chain_stay_together_counted_from_its_beginning(seed: int) -> None:
    """Windows of two recordings that overlap: 7 of the first, 40 of the second."""
    sessions = ["a"] * 7 + ["b"] * 40
    samples = _samples(["x", "y"] * 23 + ["x"], sessions=sessions, starts=[*range(7), *range(40)])
    result = split(samples, SplitConfig(by="row", test=0.3, validation=0.3), seed=seed, window=2)
    test, others = set(result.test.tolist()), {*result.train.tolist(), *result.validation.tolist()}
    for begin in range(7, 47, 10):
        chunk = set(range(begin, begin + 10))
        assert not chunk & test or not chunk & others
