"""Forests and extra trees: pruned to a size in flash, with answers that add up exactly in every form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_friedman1
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier

from c99_stages import need_compiler
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.errors import Int8Error, PipelineError
from edgewright.core.records.config import ModelConfig, TrainingConfig
from edgewright.core.records.data import Column
from edgewright.core.records.network import Graph
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_host.host import STRICT, load_c99
from edgewright.export.contract import Subject, find_target
from edgewright.export.write import program_of
from edgewright.graph.onnx_writer import to_onnx
from edgewright.models.extra_trees import MODEL as EXTRA_TREES
from edgewright.models.extra_trees import ExtraTrees
from edgewright.models.forest import Forest
from edgewright.models.rules import Rules
from edgewright.models.tree import Trees, _shares, leaves_within, whole_numbers
from edgewright.pipeline.config import parse
from edgewright.pipeline.fitting import graph_of
from edgewright.pipeline.plan import build_model

X, AMOUNT = make_friedman1(600, 10, noise=1.0, random_state=0)
X = X.astype(np.float32)
NEW = np.random.default_rng(1).uniform(-0.2, 1.2, (300, 10)).astype(np.float32)
KINDS = np.array(["low", "middle", "high"])[np.digitize(AMOUNT, np.quantile(AMOUNT, (0.3, 0.7)))]


def graph_with(model: Trees, columns: int = 10) -> Graph:
    return graph_of([("model", model)], (columns,), "trees", tuple(Column(name=f"x{n}") for n in range(columns)))


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("kind", [Forest, ExtraTrees])
@pytest.mark.parametrize("size_bytes", [300, 1_500, 16_000, 50_000])
def test_the_tables_in_c_take_the_size_that_is_asked_for(kind: type[Forest], size_bytes: int, task: str) -> None:
    model = kind(task, trees=12, size_bytes=size_bytes).fit(X, KINDS if task == "classification" else AMOUNT)
    constants = program_of(graph_with(model)).constants
    assert constants <= size_bytes
    # Trees that are grown to the end, splits that go together, and numbers of a second byte leave something.
    assert constants > 0.8 * size_bytes or size_bytes == 50_000


def test_more_columns_and_nodes_take_more_bytes() -> None:
    assert leaves_within(1_000, 2, 10, 3, "classification") == (1_000 + 2 * (7 - 1)) // 10
    assert leaves_within(1_000, 2, 300, 3, "classification") == (1_000 + 2 * (8 - 1)) // 11
    assert leaves_within(64_000, 50, 10, 1, "regression") == (64_000 + 50 * (9 - 2)) // 11
    assert leaves_within(4_000_000, 50, 10, 1, "regression") == (4_000_000 + 50 * (13 - 4)) // 15


@pytest.mark.slow
def test_pruning_keeps_the_splits_that_help() -> None:
    """A tenth of the leaves keeps nine tenths of what is explained; a tree cut at a level keeps less."""
    test_X, test_y = make_friedman1(1000, 10, noise=1.0, random_state=1)

    def explained(model: Any) -> float:  # noqa: ANN401 - models of two tools
        rest = np.square(np.ravel(model.predict(test_X.astype(np.float32))) - test_y).mean()
        return float(1 - rest / test_y.var())

    whole = explained(ExtraTrees("regression", size_bytes=4_000_000).fit(X, AMOUNT))
    small = ExtraTrees("regression", size_bytes=20_000).fit(X, AMOUNT)
    leaves = int((small.nodes_["yes"] == np.arange(len(small.nodes_["yes"]))).sum())
    levels = RandomForestRegressor(50, max_depth=5, max_features=1 / 3, random_state=0).fit(X, AMOUNT)
    assert leaves < sum(tree.tree_.n_leaves for tree in levels.estimators_) * 1.4
    assert explained(small) > 0.9 * whole
    assert explained(small) > explained(levels)


def test_folds_choose_larger_leaves_for_extra_trees_where_an_amount_is_noisy() -> None:
    def fewest(noise: float) -> int:
        rows, amount = make_friedman1(600, 10, noise=noise, random_state=0)
        ensemble = ExtraTreesRegressor(4, random_state=0)
        ExtraTrees("regression")._choose(ensemble, rows.astype(np.float32), amount)
        return int(ensemble.min_samples_leaf)

    assert (fewest(0.0), fewest(8.0)) == (1, 3)


def test_copies_of_samples_that_choose_leaves_do_not_train() -> None:
    rows, amount = make_friedman1(600, 10, noise=8.0, random_state=0)
    copies = TrainingConfig(augment=({"kind": "gain", "copies": 2},))
    model = EXTRA_TREES.build(ModelConfig(kind="extra_trees"), copies, "regression", 0)
    ensemble = ExtraTreesRegressor(4, random_state=0)
    model._choose(ensemble, np.tile(rows, (3, 1)).astype(np.float32), np.tile(amount, 3))
    assert ensemble.min_samples_leaf == 3


def test_trees_that_fit_are_those_of_scikit_learn() -> None:
    digits = load_digits()
    rows = digits.data.astype(np.float32)
    train, test = slice(0, 400), slice(400, 800)
    model = ExtraTrees(trees=8, size_bytes=8_000_000).fit(rows[train], digits.target[train])
    peer = ExtraTreesClassifier(8, max_depth=20, random_state=0, max_leaf_nodes=100_000)
    peer.fit(rows[train], digits.target[train])
    np.testing.assert_allclose(model.predict_proba(rows[test]), peer.predict_proba(rows[test]), atol=1 / 255)
    assert (model.predict(rows[test]) == peer.predict(rows[test])).mean() > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_form_adds_the_answers_up_to_the_same_bits(task: str, tmp_path: Path) -> None:
    need_compiler()
    model = ExtraTrees(task, size_bytes=30_000).fit(X, KINDS if task == "classification" else AMOUNT)
    name = "probabilities" if task == "classification" else "prediction"
    own = model.predict_proba(NEW) if task == "classification" else model.predict(NEW)
    graph = graph_with(model)
    labels = open_session(to_onnx(graph)).run([name], {"input": NEW})[0]
    np.testing.assert_array_equal(labels, own)
    files = write_c99(graph, CodeOptions("trees"))
    in_c = load_c99(files, tmp_path, flags=(*STRICT, "-O1", "-ffp-contract=off")).predict(NEW).outputs[name]
    np.testing.assert_array_equal(in_c.reshape(own.shape), own)
    # One loop over the trees, without memory for what each of them says.
    assert files["trees.c"].count("level < ") == 1
    assert program_of(graph).values < 40


def test_answers_of_leaves_are_whole_numbers() -> None:
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 9, (500, 7)) + np.eye(7, dtype=np.int64)[rng.integers(0, 7, 500)]
    rounded = _shares(counts.astype(np.float64))
    assert (rounded.sum(axis=1) == 255).all()
    assert np.abs(rounded / 255 - counts / counts.sum(axis=1, keepdims=True)).max() < 1 / 255
    values = rng.normal(size=1000) * 1e6
    for trees in (1, 50, 1000):
        whole, step = whole_numbers(values, trees)
        assert np.abs(whole).max() * trees < 2**24
        np.testing.assert_allclose(whole * step, values, atol=step)
    assert whole_numbers(np.zeros(3), 5)[1] == 1.0


def test_columns_of_large_numbers_and_an_amount_far_from_zero_keep_their_digits() -> None:
    rng = np.random.default_rng(3)
    pressure = (101_325 + rng.normal(size=(400, 1))).astype(np.float32)
    y = 1e6 + np.where(pressure[:, 0] > 101_325, 1.0, 0.0)
    model = Forest("regression", trees=5).fit(pressure, y)
    assert np.abs(model.predict(pressure) - y).max() < 0.2
    peer = DecisionTreeClassifier(random_state=0).fit(pressure, y > 1e6)
    assert ((model.predict(pressure) > 1e6 + 0.5) == peer.predict(pressure)).mean() > 0.99


def test_one_row_twice_gives_trees_of_one_leaf() -> None:
    model = ExtraTrees("regression", trees=4).fit(np.ones((6, 2), np.float32), np.full(6, 3.5))
    assert len(model.nodes_["yes"]) == 4
    assert model.predict(np.zeros((2, 2), np.float32)).tolist() == [3.5, 3.5]
    graph = graph_with(model, 2)
    assert open_session(to_onnx(graph)).run(["prediction"], {"input": np.zeros((1, 2), np.float32)})[0] == [3.5]


@pytest.mark.parametrize("table", ["kind = 'boosting'\ntrees = 9", "kind = 'linear'\nsize_bytes = 9000"])
def test_keys_of_trees_are_refused_elsewhere(table: str) -> None:
    text = f'name = "m"\n[data]\nkind = "csv"\n[model]\n{table}\n'
    with pytest.raises(PipelineError):
        build_model(parse(text, "m.toml"), "classification")


@pytest.mark.parametrize("target", ["verilog", "ethosu"])
def test_nobody_is_told_to_quantise_trees(target: str) -> None:
    subject = Subject("trees", graph_with(Forest("classification", trees=3, size_bytes=1_500).fit(X, KINDS)))
    with pytest.raises(Int8Error, match=r"a graph with a network after its boundary, got none - at graph trees$"):
        find_target(target).files(subject)


def test_a_rule_is_narrowed_by_what_few_samples_can_tell() -> None:
    X = np.random.default_rng(0).uniform(0, 1, (6000, 3)).astype(np.float32)
    y = np.where((X[:, 0] > 0.99) & (X[:, 1] < 0.8), "fails", "runs")
    model = Rules(task="classification").fit(X, y)
    assert "and b <= 0.81" in model.says(("a", "b", "c"))
    assert (model.predict(X) == y).all()
