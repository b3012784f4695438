"""Outputs of stages in the race: those of a run's stages, with or without memory to keep them."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from edgewright.core.records.config import ModelConfig, PipelineConfig, TrainingConfig
from edgewright.core.records.data import Column, DataSet, Floats, Samples
from edgewright.data.targets import WindowViews
from edgewright.pipeline.fitting import fit_stages, transformed_by
from edgewright.pipeline.plan import parts
from edgewright.race import stage_outputs
from edgewright.race.problem import Problem
from edgewright.race.stage_outputs import StageOutputs, digest
from edgewright.training.contract import augmented


def _problem(X: Floats) -> Problem:
    names = tuple(Column(name=name) for name in "ab")
    places = np.arange(len(X), dtype=np.int64)
    samples = Samples(X=X, y=np.repeat(["still", "moving"], len(X) // 2), groups=None, starts=places,
                      sessions=np.full(len(X), "s"), columns=names, rate=20.0)  # fmt: skip
    dataset = DataSet(name="d", columns=names, recordings=(), target_name="y")
    return Problem("d", dataset, samples, samples.y, "classification", None, "row", places)


def test_parts_of_a_union_and_copies_of_windows_are_those_of_a_run() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 2, 32)).astype(np.float32)
    problem = _problem(X)
    samples = problem.samples
    union = {"kind": "union", "parts": [{"kind": "statistics"}, {"kind": "spectral", "bands": 4}]}
    copies = TrainingConfig(augment=({"kind": "gain", "copies": 2},))
    config = PipelineConfig(name="p", data={}, stages=(union, {"kind": "scale"}), model=ModelConfig(), training=copies)
    train = np.arange(0, 40, 2, dtype=np.int64)
    flow = fit_stages(samples, train, parts(config.stages, "p"), "classification", 0, None, lambda _: None)
    plain = StageOutputs(problem).part(msgspec.structs.replace(config, training=TrainingConfig()), train)
    np.testing.assert_allclose(plain.X, flow.X, rtol=1e-6)
    outputs = StageOutputs(problem, most_bytes=0)  # nothing is kept: everything is worked out again
    for part in (StageOutputs(problem).part(config, train), outputs.part(config, train), outputs.part(config, train)):
        np.testing.assert_allclose(part.X, flow.X, rtol=1e-6)
        assert part.names == flow.context.names
        assert part.training[0].shape == (3 * len(train), flow.X.shape[1])
        assert list(part.training[1]) == 3 * list(samples.y[train])
        assert part.extra is not None
        assert not np.array_equal(part.extra[: len(train)], part.X[train])
        changed = augmented(copies.augment, X[train], config.seed)[0]
        for _, stage in part.steps:
            changed = stage.transform(changed)
        np.testing.assert_allclose(part.extra, changed, rtol=1e-5, atol=1e-6)
        union_ = part.steps[0][1]
        assert union_.transform(X).shape == flow.X.shape


def test_copies_are_made_of_training_samples_alone() -> None:
    X = np.random.default_rng(1).normal(size=(40, 2, 32)).astype(np.float32)
    train = np.arange(0, 40, 2, dtype=np.int64)
    X[1::2] *= 1000  # samples that are asked
    copies = TrainingConfig(augment=({"kind": "noise", "copies": 2, "level": 0.5},))
    config = PipelineConfig(name="p", data={}, model=ModelConfig(), training=copies)
    outputs = StageOutputs(_problem(X))
    for rows in (train, train[:10]):
        extra = outputs.part(config, rows).extra
        np.testing.assert_array_equal(extra, augmented(copies.augment, X[rows], config.seed)[0])


def test_of_windows_that_are_cut_on_demand_no_more_are_copied_than_memory_is_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X = np.random.default_rng(1).normal(size=(40, 2, 32)).astype(np.float32)
    problem = _problem(X)
    lazy: Any = WindowViews.cut_already(X)
    lazy = replace(problem, samples=msgspec.structs.replace(problem.samples, X=lazy))
    train = np.arange(0, 40, 2, dtype=np.int64)
    copies = TrainingConfig(augment=({"kind": "gain", "copies": 2},))
    stages = ({"kind": "impute"}, {"kind": "statistics"})
    config = PipelineConfig(name="p", data={}, stages=stages, model=ModelConfig(), training=copies)
    whole = StageOutputs(problem).part(config, train)
    same = StageOutputs(lazy).part(config, train)
    assert whole.extra is not None and same.extra is not None
    np.testing.assert_array_equal(same.extra, whole.extra)
    monkeypatch.setattr(stage_outputs, "CUT_BYTES", 2 * X[train].nbytes)  # half of two copies of each
    fewer = StageOutputs(lazy).part(config, train)
    assert fewer.extra is not None
    assert len(fewer.extra) == 20
    assert list(fewer.extra_y) == 2 * list(problem.samples.y[train[::2]])
    there = StageOutputs(copy.deepcopy(lazy)).part(config, train)  # on a worker
    assert there.extra is not None
    np.testing.assert_array_equal(there.extra, fewer.extra)


def test_windows_that_are_cut_on_demand_have_the_digest_of_their_values() -> None:
    X = np.random.default_rng(1).normal(size=(40, 2, 32)).astype(np.float32)
    changed = X.copy()
    changed[20, 1, 7] += 1
    assert digest(WindowViews.cut_already(X)) == digest(X) != digest(WindowViews.cut_already(changed))


def test_copies_that_are_many_pass_through_a_stage_once_for_all_parts_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X = np.random.default_rng(1).normal(size=(40, 2, 32)).astype(np.float32)
    train = np.arange(0, 40, 2, dtype=np.int64)
    union = {"kind": "union", "parts": [{"kind": "statistics"}, {"kind": "spectral", "bands": 4}]}
    copies = TrainingConfig(augment=({"kind": "gain", "copies": 2},))
    config = PipelineConfig(name="p", data={}, stages=({"kind": "impute"}, union), model=ModelConfig(), training=copies)
    whole = StageOutputs(_problem(X)).part(config, train)
    together: list[int] = []

    def counted(estimators: tuple[Any, ...], samples: Any) -> list[Floats]:  # noqa: ANN401
        together.append(len(estimators))
        return transformed_by(estimators, samples)

    monkeypatch.setattr(stage_outputs, "_COPIED_BYTES", 0)
    monkeypatch.setattr(stage_outputs, "transformed_by", counted)
    outputs = StageOutputs(_problem(X))
    lazy = outputs.part(config, train)
    assert together == [2]
    assert lazy.extra is not None and whole.extra is not None
    np.testing.assert_array_equal(lazy.extra, whole.extra)
    np.testing.assert_array_equal(lazy.X, whole.X)
    again = outputs.part(config, train)
    assert together == [2]
    np.testing.assert_array_equal(again.extra, whole.extra)


def test_outputs_of_all_samples_stay_within_one_memory_and_equal_ones_are_kept_once() -> None:
    rng = np.random.default_rng(1)
    problems = [_problem(rng.normal(size=(40, 2, 32)).astype(np.float32)) for _ in range(2)]
    config = PipelineConfig(name="p", data={}, stages=({"kind": "impute"},), model=ModelConfig())
    stage = problems[0].samples.X.nbytes

    def kept_bytes(most_bytes: int, **stages: object) -> int:
        first = StageOutputs(problems[0], most_bytes)
        second = StageOutputs(problems[1], neighbour=first)
        for outputs in (first, second):
            for start in range(5):
                train = np.arange(start, 40, 5, dtype=np.int64)
                part = outputs.part(msgspec.structs.replace(config, **stages), train)
                alone = StageOutputs(outputs.problem).part(msgspec.structs.replace(config, **stages), train)
                np.testing.assert_array_equal(part.X, alone.X)
        assert first._kept is second._kept
        return sum(kept.nbytes for kept in first._kept.values())

    assert kept_bytes(100 * stage) == 2 * stage  # nothing is missing, so that all folds give the same
    scaled = ({"kind": "scale"},)
    assert kept_bytes(100 * stage, stages=scaled) == 10 * stage
    assert kept_bytes(3 * stage, stages=scaled) == 3 * stage
    assert kept_bytes(stage, stages=scaled) == 0
