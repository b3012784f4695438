"""A pipeline of steps runs as one of a TOML file does: its record builds the steps again, or the run is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from edgewright import Pipeline
from edgewright.core.catalogue import find, listing
from edgewright.core.errors import InputError, PipelineError
from edgewright.core.records.config import ModelConfig, TrainingConfig
from edgewright.core.records.data import Column, DataSet, Recording, Samples
from edgewright.data.samples import cut
from edgewright.features.select import Select
from edgewright.features.spectral import Spectral
from edgewright.features.statistics import Statistics
from edgewright.models.linear import Linear
from edgewright.models.network import NetworkClassifier
from edgewright.pipeline.plan import MODELS
from edgewright.pipeline.step_tables import step_tables
from edgewright.preprocessing.fill import Fill
from edgewright.preprocessing.filter import Filter
from edgewright.preprocessing.scale import Scale
from edgewright.workflows.model import Model
from small_pipeline import run_small

_LAYERS = ({"kind": "dense", "units": 4},)


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    """Rows of 13 people, 10 a second; the label is in the size of `b` and in how `a` moves."""
    rng, rows = np.random.default_rng(0), 13 * 160
    on = np.arange(rows) // 40 % 2 == 1
    return pl.DataFrame({
        "a": rng.normal(size=rows) * np.where(on, 2.0, 1.0),
        "b": on + 0.7 * rng.normal(size=rows),
        "person": [f"p{number // 160:02d}" for number in range(rows)],
        "time": np.arange(rows) / 10.0,
        "state": np.where(on, "on", "off"),
    })  # fmt: skip


def _network(**changes: Any) -> NetworkClassifier:  # noqa: ANN401 - arguments of the network
    return NetworkClassifier(_LAYERS, **{"epochs": 3, "learning_rate": 0.02, "seed": 4, **changes})


def _samples(window: bool = False, number: bool = False) -> Samples:
    shape = (60, 2, 32) if window else (60, 2)
    X = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    y = X.reshape(60, -1).mean(axis=1) if number else np.where(X.reshape(60, -1)[:, 0] > 0, "on", "off")
    columns = (Column(name="a"), Column(name="b"))
    recording = Recording(name="r", values=np.zeros((60, 2), np.float32) + np.arange(60)[:, None], target=np.asarray(y))
    whole = cut(DataSet(name="d", columns=columns, recordings=(recording,), rate=100.0), None)
    return type(whole)(**{**{name: getattr(whole, name) for name in whole.__struct_fields__}, "X": X})


@pytest.mark.slow
def test_a_run_holds_people_whole_and_leaves_a_record_that_builds_the_same_steps(
    frame: pl.DataFrame, tmp_path: Path
) -> None:
    steps = [("size", Scale("standard", clip=(-3.0, 3.0))), ("net", _network())]
    model = Pipeline(steps).run(frame, "state", group="person", out=tmp_path)
    assert isinstance(model, Model)
    trace = model.result.trace
    assert trace.provenance.command == "Pipeline.run"
    assert "13 people" in model.explain() and "the steps of the pipeline" in model.explain()
    assert "a row, as no step is for windows only" in model.explain()
    assert trace.compression is not None and model.result.package is not None
    assert trace.training is not None and len(trace.training.epochs) == 3
    for again in (Pipeline.from_tables(trace.config), Pipeline.load(model.result.folder)):
        assert step_tables(again.steps, _samples()) == step_tables(steps, _samples())
    assert list(model.predict(frame)[:3]) == list(Pipeline.load(model.result.folder).predict(frame[:3]))
    assert model.prove().passed


@pytest.mark.slow
def test_steps_for_windows_ask_for_one_and_run(frame: pl.DataFrame, tmp_path: Path) -> None:
    steps = [("fill", Fill()), ("moves", Statistics(features=("std", "mean"), channels=(0,))), ("model", Linear())]
    frame.write_csv(tmp_path / "mine.csv")
    result = Pipeline(steps).run(tmp_path / "mine.csv", "state", group="person", window="2 s", out=tmp_path).result
    assert result.folder.name == "mine"
    config: Any = result.trace.config
    assert config["window"]["samples"] == 20
    assert config["stages"][1] == {"kind": "statistics", "features": ["std", "mean"], "channels": ["a"]}
    with pytest.raises(InputError, match=r"Begin with Fill\(\)"):
        Pipeline(steps[1:]).run(frame, "state", group="person", window="2 s", out=tmp_path)
    with pytest.raises(InputError, match=r"Set window, such as '2 s'"):
        Pipeline(steps).run(frame.drop("time"), "state", group="person", out=tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"mine"}


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("kind", listing(MODELS, "MODEL"))
def test_every_model_gives_the_tables_that_build_it(kind: str, task: str) -> None:
    training = TrainingConfig(epochs=7, optimiser="adamw", dropout=0.1)
    table = ModelConfig(kind=kind, rounds=9) if kind == "boosting" else ModelConfig(kind=kind, layers=_LAYERS)
    model = find(MODELS, kind, "MODEL", "model").build(table, training, task, 5)
    tables = step_tables([("model", model)], _samples(number=task == "regression"))
    assert tables["model"]["kind"] == kind and tables["seed"] == 5 and tables["stages"] == []
    if kind == "network":
        assert tables["training"]["epochs"] == 7 and tables["model"]["layers"] == _LAYERS
    if kind == "boosting":
        assert tables["model"]["rounds"] == 9


@pytest.mark.parametrize(("steps", "window", "text"), [
    ([("sk", StandardScaler()), ("model", Linear())], False, "got StandardScaler - at Pipeline.run, step 'sk'"),
    ([("scale", Scale()), ("sk", LogisticRegression())], False, "got LogisticRegression - at Pipeline.run, step 'sk'"),
    ([("scale", Scale()), ("model", Linear("regression"))], False, "got task = 'regression'"),
    ([("scale", Scale(names=("b", "a"))), ("model", Linear())], False, r"got names = \('b', 'a'\)"),
    ([("select", Select(k=1, seed=3)), ("model", Linear())], False, "expected seed = 0 .*got seed = 3"),
    ([("low", Filter(cutoff=5.0)), ("model", Linear())], True, "expected rate = 100.0 .*got rate = 50.0"),
    ([("s", Spectral(rate=100.0, channels=(-1,))), ("model", Linear())], True, r"channels = \(1,\) .*\(-1,\)"),
    ([("scale", Scale()), ("model", _network(schedule="mine"))], False, "a model that a configuration describes"),
])  # fmt: skip
def test_what_a_configuration_would_silently_change_is_refused(steps: list[Any], window: bool, text: str) -> None:
    with pytest.raises(PipelineError, match=text) as caught:
        step_tables(steps, _samples(window))
    assert "\n" not in str(caught.value)


def test_a_stage_of_ones_own_is_not_taken_for_the_one_it_is_made_of() -> None:
    class Shifted(Scale):
        pass

    with pytest.raises(PipelineError, match=r"expected Scale, got Shifted - at Pipeline.run, step 'mine'"):
        step_tables([("mine", Shifted()), ("model", Linear())], _samples())


@pytest.mark.slow
def test_a_pipeline_with_a_configuration_refuses_changed_steps_and_other_data(small: Path, tmp_path: Path) -> None:
    for pipeline in (Pipeline.from_toml(small), Pipeline.load(run_small(small, tmp_path / "runs").folder)):
        with pytest.raises(InputError, match=r"Use Pipeline.from_toml\(..., data=...\)"):
            pipeline.run(small.parent / "rows.csv", "label")
        with pytest.raises(InputError, match=r"step 'model'. Change the configuration: Pipeline.from_toml\("):
            pipeline.set_params(model__learning_rate=0.5).run(out=tmp_path)
        pipeline.steps.pop(0)
        with pytest.raises(InputError, match=r"expected 3 steps, got 2 - at Pipeline.run. Change the configuration"):
            pipeline.run(out=tmp_path)
        with pytest.raises(InputError, match="Give data to run"):
            clone(pipeline).run(out=tmp_path)
