"""Every rung, registered by the files of the folder: answers, its own sentence, its graph, its price, its pipeline."""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.config import PipelineConfig
from edgewright.graph.onnx_writer import to_onnx
from edgewright.models.network import NetworkClassifier
from edgewright.pipeline.fitting import graph_of
from edgewright.pipeline.plan import build_model, model_of
from edgewright.pipeline.run_folder.store import pack, unpack
from edgewright.race.pipeline_end import entrant_of, price
from edgewright.race.problem import WINDOWS, candidates
from edgewright.race.race import Race
from race_problems import race, table
from support import ROOT

RUNGS = candidates()


@pytest.fixture(scope="module", params=["threshold", "amount"])
def problem(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Race:
    return race(table(tmp_path_factory.mktemp("rungs") / "rows.csv", kind=str(request.param)))


def test_the_ladder_goes_from_the_majority_to_networks() -> None:
    names = [name for name, candidate in RUNGS.items() if candidate.rung]
    assert names == [
        "majority", "threshold", "rules", "state_machine", "linear", "linear_features", "tree", "forest", "boosting",
        "neighbours", "small_network", "large_network", "recurrent_network", "small_convolutions", "large_convolutions",
    ]  # fmt: skip
    assert len({candidate.rank for candidate in RUNGS.values()}) == len(RUNGS)


def test_no_candidate_hides_another_of_its_name() -> None:
    files = (ROOT / "src" / "edgewright" / "race" / "candidates").glob("*.py")
    names = [name for file in files for name in re.findall(r'^(?:\w+ = )?candidate\("(\w+)"\)', file.read_text(), re.M)]
    assert sorted(names) == sorted(RUNGS)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, rung in RUNGS.items() if rung.columns != WINDOWS])
def test_a_rung_answers_says_itself_and_is_priced(name: str, problem: Race) -> None:
    if RUNGS[name].unsupported_reason(problem.problem):
        pytest.skip(RUNGS[name].unsupported_reason(problem.problem))
    config = PipelineConfig(name="race", data=problem.standings[0].entrant.config.data)
    entrant = entrant_of(name, RUNGS[name], problem.problem, config)
    training = msgspec.structs.replace(entrant.config.training, epochs=2)
    quick = msgspec.structs.replace(entrant.config, training=training)
    fitted = problem.heats.fit(problem.heats.whole, replace(entrant, config=quick))
    rows = np.arange(len(problem.problem.y), dtype=np.int64)
    answers = fitted.answers(rows)
    classify = problem.problem.task == "classification"
    assert answers.shape == (len(rows), 2 if classify else 1)
    if classify:
        assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert len(fitted.says()) > 5
    steps = list(fitted.steps())
    graph = graph_of(steps, (2,), "rung", problem.problem.samples.columns)
    key = "probabilities" if classify else "prediction"
    read = read_onnx(to_onnx(graph))
    values = np.asarray(compile_graph(read, [key])(problem.problem.samples.X)[key]).reshape(len(rows), -1)
    assert np.allclose(values, answers, atol=2e-3 if name == "neighbours" else 1e-5)
    footprint, why = price(fitted, problem.problem, quick, problem.profile)
    assert not why
    assert footprint is not None
    assert 0 <= footprint.flash.value < 1e6
    assert footprint.flash.value > 0 or footprint.instructions is None
    model = steps[-1][1]
    arrays: dict[str, np.ndarray] = {}
    stored = {key: pack(getattr(model, key), arrays, key) for key in model_of(quick).state}
    again = build_model(quick, problem.problem.task)
    for key, value in msgspec.json.decode(msgspec.json.encode(stored)).items():
        setattr(again, key, unpack(value, arrays))
    X = np.ones((3, 2), np.float32)
    assert np.array_equal(again.predict(X), model.predict(X))
    assert isinstance(model, NetworkClassifier) or model.layer_records()[0].parameters >= 0


def test_candidates_that_are_asked_for_alone() -> None:
    assert list(candidates(("tree", "majority"))) == ["majority", "tree"]
