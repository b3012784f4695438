"""The benchmark on people never seen: its figures by hand, and two folds of it on real recordings."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import HAPT
from benchmarks.hapt.answers import Answers, f1_of_present, mean_over_people, share_right
from benchmarks.hapt.crossvalidation import cross_validate, others, people_of
from benchmarks.hapt.network_file import network_file

from edgewright.compression.int8 import quantise
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.models.network import NetworkClassifier
from edgewright.pipeline.config import read_config
from edgewright.pipeline.fitting import graph_of
from edgewright.preprocessing.scale import Scale
from support import shared_data

ANSWERS = Answers(
    truth=np.array(["sit", "sit", "walk", "walk", "walk", "walk"]),
    answer=np.array(["sit", "walk", "walk", "walk", "walk", "sit"]),
    people=np.array(["2", "2", "2", "10", "10", "10"]),
)


def test_figures_by_hand() -> None:
    assert ANSWERS.accuracy().value == pytest.approx(4 / 6)
    assert ANSWERS.macro_f1().value == pytest.approx((0.5 + 0.75) / 2)
    assert ANSWERS.by_person(share_right) == pytest.approx({"2": 2 / 3, "10": 2 / 3})
    assert list(ANSWERS.by_person(f1_of_present)) == ["2", "10"]
    assert ANSWERS.confusion().tolist() == [[1, 1], [1, 3]]


def test_the_interval_over_people_is_students() -> None:
    mean, half = mean_over_people({"1": 0.9, "2": 1.0, "3": 0.95})
    assert mean == pytest.approx(0.95)
    assert half == pytest.approx(4.3027 * 0.05 / np.sqrt(3), rel=1e-4)


@pytest.mark.slow
def test_the_network_alone_answers_as_the_whole() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(3.0, 2.0, (200, 7)).astype(np.float32)
    y = np.argmax(X[:, :3], axis=1).astype(str)
    scale = Scale(method="standard").fit(X)
    Z = scale.transform(X)
    model = NetworkClassifier(({"kind": "dense", "units": 8}, {"kind": "dropout"}), epochs=2).fit(Z, y)
    whole = quantise(graph_of([("scale", scale), ("model", model)], (7,), "whole"), X)
    alone = read_onnx(network_file(whole, 7))
    assert len(alone.nodes) < len(whole.nodes)
    name = "probabilities"
    np.testing.assert_array_equal(compile_graph(alone)(Z)[name], compile_graph(whole)(X)[name])


@pytest.mark.slow
@pytest.mark.needs_data
def test_people_who_evaluate_take_no_part_in_choosing() -> None:
    config = read_config(HAPT)
    assert config.split.test_groups == ("26", "27", "28", "29", "30")
    people = people_of(others(str(shared_data("har-hapt")), config))
    assert len(people) == 16
    assert not set(people) & set(config.split.test_groups)


@pytest.mark.slow
@pytest.mark.needs_data
@pytest.mark.heavy
def test_two_folds_reach_people_never_seen() -> None:
    lines: list[str] = []
    results = cross_validate(str(shared_data("har-hapt")), seed=7, only=2, report_line=lines.append)
    assert len(lines) == 2
    assert set(results["int8"].people.tolist()) == {"1", "3"}
    assert results["int8"].accuracy().value > 0.96
    assert abs(results["int8"].accuracy().value - results["float"].accuracy().value) < 0.005
