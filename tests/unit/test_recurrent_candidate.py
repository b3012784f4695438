"""The recurrent network of the race: windows as they are, long ones shortened, sound as frames."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from edgewright.core.records.config import PipelineConfig, TrainingConfig, WindowConfig
from edgewright.race.pipeline_end import entrants_of
from edgewright.race.problem import WINDOWS, Problem, candidates
from edgewright.race.race import Race
from edgewright.race.stages import config_of
from race_problems import problem_of
from support import shared_data

NAME = "recurrent_network"
QUICK = TrainingConfig(epochs=30, batch=16, learning_rate=0.01)


def motions(samples: int) -> tuple[Problem, PipelineConfig]:
    """Return recordings of four movements, in windows of this length."""
    window = WindowConfig(samples=samples, step=samples)
    problem, config = problem_of(shared_data("basic-motions"), window, kind="basic_motions", part="train")
    return problem, msgspec.structs.replace(config, training=QUICK)


def test_long_windows_are_shortened_by_a_convolution_first() -> None:
    tail = candidates((NAME,))[NAME].tail
    problem, config = motions(50)
    of = config_of(config, problem, WINDOWS)
    assert [layer["kind"] for layer in tail(of).model.layers] == ["gru"]
    long = tail(msgspec.structs.replace(of, window=WindowConfig(samples=500)))
    assert long.model.layers[0] == {"kind": "conv1d", "filters": 16, "kernel": 17, "stride": 8}
    frames = msgspec.structs.replace(of, window=WindowConfig(samples=8000), stages=({"kind": "mfcc"},))
    assert [layer["kind"] for layer in tail(frames).model.layers] == ["gru"]


def test_stages_of_the_pipeline_before_its_features_stay() -> None:
    problem, config = motions(50)
    own = ({"kind": "fill"}, {"kind": "statistics"}, {"kind": "scale"})
    assert config_of(msgspec.structs.replace(config, stages=own), problem, WINDOWS).stages == (own[0], own[2])
    X = problem.samples.X.copy()
    X[0, 0, 0] = np.nan
    holes = replace(problem, samples=msgspec.structs.replace(problem.samples, X=X))
    assert config_of(config, holes, WINDOWS).stages == ({"kind": "fill"},)


@pytest.mark.slow
def test_the_race_measures_it_on_recordings() -> None:
    problem, config = motions(50)
    entrants = [entrant for entrant in entrants_of(problem, config) if entrant.name in ("majority", NAME)]
    record = Race(problem, entrants, "cortex-m4").run()
    rung = next(entrant for entrant in record.entrants if entrant.name == NAME)
    assert record.chosen == NAME
    assert rung.score is not None and rung.score.value > 0.7
    assert rung.footprint is not None and rung.footprint.latency_us is not None
    assert "by gru" in rung.says
