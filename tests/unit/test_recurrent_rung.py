"""The rung of recurrent networks: windows as they are, long ones shortened, sound as frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgewright.pipeline.run import run_pipeline
from edgewright.race.contract import WINDOWS, candidates
from edgewright.race.stages import config_of
from edgewright.schema.config import TrainingConfig, WindowConfig
from edgewright.search.ladder.measurement import Ladder, rung_config
from edgewright.search.ladder.setup import problem_and_config
from ladder_problems import ladder, silent, table
from support import shared_data

NAME = "recurrent_network"
QUICK = TrainingConfig(epochs=30, batch=16, learning_rate=0.01)


def motions(samples: int) -> Ladder:
    """Return the ladder of recordings of four movements, in windows of so many samples."""
    window = WindowConfig(samples=samples, step=samples)
    folder = str(shared_data("basic-motions"))
    problem, config, _ = problem_and_config(folder, {"kind": "basic_motions", "part": "train"}, window=window)
    return Ladder(problem, msgspec.structs.replace(config, training=QUICK), silent, rungs=("majority", NAME))


def test_single_rows_have_no_recurrent_network(tmp_path: Path) -> None:
    started = ladder(table(tmp_path / "rows.csv"), ("majority", NAME))
    assert "windows" in started.rungs[NAME].unsupported_reason(started.problem)
    assert started.climb().rungs[-1].left_out == "it needs windows; the samples are single rows"


def test_long_windows_are_shortened_by_a_convolution_first() -> None:
    tail = candidates((NAME,))[NAME].tail
    started = motions(50)
    of = config_of(started.config, started.problem, WINDOWS)
    assert [layer["kind"] for layer in tail(of).model.layers] == ["gru"]
    long = tail(msgspec.structs.replace(of, window=WindowConfig(samples=500)))
    assert long.model.layers[0] == {"kind": "conv1d", "filters": 16, "kernel": 17, "stride": 8}
    frames = msgspec.structs.replace(of, window=WindowConfig(samples=8000), stages=({"kind": "mfcc"},))
    assert [layer["kind"] for layer in tail(frames).model.layers] == ["gru"]


def test_stages_of_the_pipeline_before_its_features_stay() -> None:
    started = motions(50)
    own = ({"kind": "fill"}, {"kind": "statistics"}, {"kind": "scale"})
    config = msgspec.structs.replace(started.config, stages=own)
    assert config_of(config, started.problem, WINDOWS).stages == (own[0], own[2])
    X = started.problem.samples.X.copy()
    X[0, 0, 0] = np.nan
    holes = replace(started.problem, samples=msgspec.structs.replace(started.problem.samples, X=X))
    assert config_of(started.config, holes, WINDOWS).stages == ({"kind": "fill"},)


@pytest.mark.slow
def test_the_ladder_measures_it_on_recordings_and_makes_a_run(tmp_path: Path) -> None:
    started = motions(50)
    rung = started.climb().rungs[-1]
    assert rung.name == NAME
    assert rung.score is not None
    assert rung.score.value > 0.7
    assert rung.climbed
    assert rung.footprint is not None
    assert rung.footprint.latency_us is not None
    assert "by gru" in rung.says
    config = rung_config(started, NAME)
    result = run_pipeline(config, out=tmp_path)
    assert (result.folder / f"{config.name}.edge").is_file()
