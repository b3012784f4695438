"""Outputs of stages in the race: those of a run's stages, with or without memory to keep them."""

from __future__ import annotations

import msgspec
import numpy as np

from edgewright.pipeline.fitting import fit_stages
from edgewright.pipeline.plan import parts
from edgewright.race.problem import Problem
from edgewright.race.stage_outputs import StageOutputs
from edgewright.schema.config import ModelConfig, PipelineConfig, TrainingConfig
from edgewright.schema.data import Column, DataSet, Samples


def test_parts_of_a_union_and_copies_of_windows_are_those_of_a_run() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 2, 32)).astype(np.float32)
    names = tuple(Column(name=name) for name in "ab")
    places = np.arange(40, dtype=np.int64)
    samples = Samples(X=X, y=np.repeat(["still", "moving"], 20), groups=None, sessions=np.full(40, "s"), starts=places,
                      columns=names, rate=20.0)  # fmt: skip
    dataset = DataSet(name="d", columns=names, recordings=(), target_name="y")
    problem = Problem("d", dataset, samples, samples.y, "classification", None, "row", places)
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
        union_ = part.steps[0][1]
        assert union_.transform(X).shape == flow.X.shape
