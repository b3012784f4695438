"""`takes`: a word is found at other places and tempos, and other words are not like it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import InputError
from edgewright.core.records.data import Column, Floats
from edgewright.features.takes import Takes
from edgewright.pipeline.config import read_config
from edgewright.pipeline.evaluation import evaluate as simplest
from edgewright.pipeline.fitting import fit_stages
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan, parts

_FRAMES, _SIZE = 50, 8


def _spoken(word: NDArray[np.floating[Any]], start: int, tempo: float, rng: np.random.Generator) -> Floats:
    """Return a window (coefficients, frames) with a word of that form at a tempo, and faint noise."""
    window = 0.05 * rng.normal(size=(_SIZE, _FRAMES))
    count = round(word.shape[1] / tempo)
    at = np.linspace(0, word.shape[1] - 1, count)
    spoken = [np.interp(at, np.arange(word.shape[1]), row) for row in word]
    window[1:, start : start + count] += spoken
    window[0, start : start + count] = 10.0
    return window.astype(np.float32)


def _word(rng: np.random.Generator) -> Floats:
    return np.cumsum(rng.normal(size=(_SIZE - 1, 24)), axis=1).astype(np.float32)


def _fitted(rng: np.random.Generator, word: Floats, tempos: tuple[float, ...] = (0.8, 0.9, 1.0, 1.1, 1.25)) -> Takes:
    takes = [_spoken(word + 0.3 * rng.normal(size=word.shape), 4 + 5 * i, 1.0, rng) for i in range(3)]
    others = [_spoken(_word(rng), 8, 1.0, rng) for _ in range(40)]
    X = np.stack([*takes, *others])
    return Takes(label="call", tempos=tempos).fit(X, np.array(["call"] * 3 + ["other"] * 40))


def test_a_word_is_like_its_takes_at_other_places_and_tempos_and_other_words_are_not() -> None:
    rng = np.random.default_rng(1)
    word = _word(rng)
    stage = _fitted(rng, word)
    spoken = np.stack([_spoken(word, start, tempo, rng) for start in (1, 9, 18) for tempo in (0.85, 1.0, 1.2)])
    other = np.stack([_spoken(_word(rng), 9, 1.0, rng) for _ in range(100)])
    assert stage.transform(spoken).shape == (9, 1)
    assert stage.transform(spoken).min() > 0.8 > stage.transform(other).max() + 0.05
    assert abs(float(stage.transform(other).mean())) < 0.25
    assert list(stage.get_feature_names_out()) == ["like call"]


def test_without_other_tempos_a_fast_word_is_less_like_its_takes() -> None:
    rng = np.random.default_rng(2)
    word = _word(rng)
    fast = _spoken(word, 9, 1.25, rng)[None]
    assert _fitted(rng, word, tempos=(1.0,)).transform(fast) < _fitted(rng, word).transform(fast)


def test_two_people_have_takes_of_their_own() -> None:
    rng = np.random.default_rng(3)
    words = [_word(rng), _word(rng)]
    takes = [_spoken(word + 0.3 * rng.normal(size=word.shape), 6, 1.0, rng) for word in words for _ in range(3)]
    others = [_spoken(_word(rng), 8, 1.0, rng) for _ in range(40)]
    X, y = np.stack([*takes, *others]), np.array(["call"] * 6 + ["other"] * 40)
    stage = Takes(label="call").fit(X, y)
    assert {tuple(rows) for rows in stage.groups_} == {(0, 1, 2), (3, 4, 5)}
    assert stage.transform(np.stack([_spoken(word, 9, 1.0, rng) for word in words])).min() > 0.8


def test_what_are_no_takes_is_said() -> None:
    rng = np.random.default_rng(4)
    different = [_spoken(5.0 * _word(rng), 4, 1.0, rng) for _ in range(3)]
    X = np.stack([*different, *(_spoken(_word(rng), 8, 1.0, rng) for _ in range(40))])
    y = np.array(["call"] * 3 + ["other"] * 40)
    with pytest.raises(InputError, match="0 of 43 windows"):
        Takes(label="cal").fit(X, y)
    with pytest.raises(InputError, match="takes that are more like each other"):
        Takes(label="call").fit(X, y)


def test_recordings_that_validate_are_no_takes() -> None:
    rng = np.random.default_rng(5)
    word = _word(rng)
    spoken = [_spoken(word + 0.3 * rng.normal(size=word.shape), 6, 1.0, rng) for _ in range(70)]
    X = np.stack([*spoken, *(_spoken(_word(rng), 8, 1.0, rng) for _ in range(40))])
    y = np.array(["call"] * 70 + ["other"] * 40)
    known = prepare(data_plan(read_config("demo")), None).samples
    columns = tuple(Column(name=f"mfcc {i}") for i in range(_SIZE))
    samples = msgspec.structs.replace(known, X=X, y=y, columns=columns, rate=50.0)
    stages = parts(({"kind": "takes", "label": "call"},), "here")
    train = np.r_[0:3, 70:110]
    every = np.arange(len(X))
    flow = fit_stages(samples, every, stages, "classification", 0, None, lambda _: None, train)
    assert len(flow.steps[0][1].takes_) == 3
    with pytest.raises(InputError, match="70 of 110 windows"):
        fit_stages(samples, every, stages, "classification", 0, None, lambda _: None)


def test_one_column_with_thresholds_learns_a_class_of_a_few_samples_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    material = prepare(data_plan(read_config("demo")), None)
    X = np.random.default_rng(6).normal(size=(400, 6, 100)).astype(np.float32)
    y = np.where(np.arange(400) < 24, "call", "other")
    X[:24] += 50.0
    material = replace(material, samples=msgspec.structs.replace(material.samples, X=X, y=y))
    monkeypatch.setattr(simplest, "_ROWS", 20)
    answers = simplest.simplest_answers(material, np.r_[12:400], np.arange(4), 0)
    assert list(answers) == ["call"] * 4
