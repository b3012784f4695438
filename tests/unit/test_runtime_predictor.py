"""Prediction from a package."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pytest

from edgewright.core import engines
from edgewright.core.csv.rows import read_csv
from edgewright.core.engines import Engine
from edgewright.core.errors import (
    CheckFailedError,
    InputError,
    MissingExtraError,
    PackageDamagedError,
    SampleShapeError,
    TooFewRowsError,
    UnknownNameError,
)
from edgewright.core.package import Package, package_bytes, parse_package, vector_files, write_package
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.predictor import Predictor
from edgewright.core.records.network import Graph
from edgewright.graph.builder import Builder
from runtime_example import LABELS, classifier, numbers, parts, window_parts

# Those that run any ONNX model, whatever was compiled of it.
_ENGINES = ["onnxruntime", "numpy"]


def package(graph: Graph | None = None, **changes: object) -> Package:
    return parse_package(package_bytes(*parts(graph, **changes)), "activity.edge")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(package(), engine="numpy")


@pytest.mark.parametrize("engine", _ENGINES)
def test_answers_are_those_of_the_graph(engine: str) -> None:
    x = numbers(5000, 10, seed=9)
    x[:, 3] = np.nan
    answers = Predictor(package(), engine=engine).predict(x)
    expected = compile_graph(classifier())(x)
    np.testing.assert_allclose(answers.probabilities, expected["probabilities"], atol=1e-6)
    assert answers.labels.tolist() == [LABELS[i] for i in answers.probabilities.argmax(1)]
    np.testing.assert_array_equal(answers.confidence, answers.probabilities.max(1))
    np.testing.assert_array_equal(answers.unsure, answers.confidence < 0.5)
    assert answers.predictions is None
    assert len(answers) == 5000


@pytest.mark.parametrize("engine", _ENGINES)
def test_regression_on_windows(engine: str, tmp_path: Path) -> None:
    write_package(tmp_path / "level.edge", *window_parts())
    level = Predictor(tmp_path / "level.edge", engine=engine)
    one = level.predict(numbers(2, 8))
    assert one.predictions is not None
    assert one.predictions.shape == (1,)
    rows: dict[str, Any] = {"y": numbers(20, 2)[:, 1], "x": numbers(20, 2)[:, 0], "z": [0] * 20}
    cut = level.predict(pd.DataFrame(rows))
    assert cut.predictions is not None
    windows = np.stack([numbers(20, 2)[i : i + 8].T for i in (0, 4, 8, 12)])
    again = level.predict(windows).predictions
    assert again is not None
    np.testing.assert_allclose(cut.predictions, again, rtol=1e-6)
    with pytest.raises(TooFewRowsError, match="at least 8 rows, one window, got 7 rows"):
        level.predict({name: values[:7] for name, values in rows.items()})
    with pytest.raises(SampleShapeError):
        level.predict(numbers(8, 2))


def test_one_sample_lists_frames_and_rows_give_the_same(predictor: Predictor) -> None:
    x = numbers(4, 10, seed=9)
    names = [f"c{i}" for i in range(10)]
    expected = predictor.predict(x).probabilities
    shuffled = {name: x[:, names.index(name)] for name in reversed(names)}
    text = ",".join(names) + ",note\n" + "".join(",".join(map(str, row)) + ",hello\n" for row in x.tolist())
    rows = read_csv(io.StringIO(text), name="rows.csv", text_columns=["note"])
    for given in (x.tolist(), x.astype(np.float64), pl.DataFrame(shuffled), pd.DataFrame(shuffled), shuffled, rows):
        np.testing.assert_array_equal(predictor.predict(given).probabilities, expected)
    np.testing.assert_allclose(predictor.predict(x[0]).probabilities, expected[:1], atol=1e-6)
    first = {name: float(values[0]) for name, values in shuffled.items()}
    np.testing.assert_allclose(predictor.predict(first).probabilities, expected[:1], atol=1e-6)


def test_missing_values_of_frames_are_nan(predictor: Predictor) -> None:
    columns: dict[str, list[float | None]] = {f"c{i}": [0.5, 1.0] for i in range(10)}
    columns["c4"] = [None, 1.0]
    x = np.array([[0.5] * 4 + [np.nan] + [0.5] * 5, [1.0] * 10], np.float32)
    expected = predictor.predict(x).probabilities
    for frame in (pl.DataFrame(columns), pd.DataFrame(columns), columns):
        np.testing.assert_array_equal(predictor.predict(frame).probabilities, expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (numbers(2, 9), r"samples of shape \(n, 10\) or one of \(10,\), got shape \(2, 9\)"),
        (numbers(2, 10, 1), "samples of shape"),
        ([["a"] * 10], "expected numbers"),
        ([[1.0] * 10, [1.0] * 9], "expected numbers"),
        (pl.DataFrame({"c0": [1.0], "b": [2.0]}), "got c0, b. Add c1, c2"),
        (pd.DataFrame({f"c{i}": ["x"] for i in range(10)}), "numbers.* - at column c0"),
        ({f"c{i}": [1.0] * (1 + i) for i in range(10)}, "columns of one length"),
        (pd.DataFrame([[1.0] * 12], columns=[f"c{i}" for i in (*range(10), 4, 4)]), "names, got 'c4' 3 times. Rename"),
    ],
)
def test_samples_the_model_cannot_take_are_refused(predictor: Predictor, given: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        predictor.predict(given)


def test_no_samples_give_no_answers(predictor: Predictor) -> None:
    assert len(predictor.predict(np.empty((0, 10), np.float32))) == 0


def test_values_outside_the_declared_range_are_named(predictor: Predictor) -> None:
    x = np.zeros((3, 10), np.float32)
    x[1, 0], x[2, 1] = -51, -51
    assert predictor.predict(x).out_of_range == ((), ("c0",), ())


def test_a_sigmoid_gives_two_probabilities() -> None:
    builder = Builder("binary", (10,))
    p = builder.op("Sigmoid", builder.op("MatMul", builder.input, builder.constant(numbers(10, 1))))
    positive = builder.op("Squeeze", builder.op("Greater", p, builder.number(0.5)), builder.integers(1))
    label = builder.op("Cast", positive, to=7)
    sure = builder.op("Squeeze", builder.op("Max", p, builder.op("Sub", builder.number(1), p)), builder.integers(1))
    graph = builder.finish(
        {
            "label": (label, "int64", ()),
            "probabilities": (p, "float32", (1,)),
            "confidence": (sure, "float32", ()),
        }
    )
    for engine in _ENGINES:
        answers = Predictor(package(graph, labels=("no", "yes")), engine=engine).predict(numbers(50, 10, seed=8))
        np.testing.assert_allclose(answers.probabilities.sum(1), 1, atol=1e-6)
        np.testing.assert_allclose(answers.probabilities.max(1), answers.confidence, atol=1e-6)
        assert answers.labels.tolist() == [("no", "yes")[i] for i in answers.probabilities.argmax(1)]


def wrong_vectors(value: float) -> Package:
    manifest, files = parts()
    good = parse_package(package_bytes(manifest, files), "p")
    expected = good.expected("float").copy()
    expected[5, 1] += value
    return parse_package(
        package_bytes(manifest, {**files, **vector_files(good.vectors(), {"float": expected})}), "activity.edge"
    )


@pytest.mark.parametrize("engine", _ENGINES)
@pytest.mark.parametrize("value", [0.001, float("nan")])
def test_an_engine_that_answers_otherwise_is_refused(engine: str, value: float) -> None:
    message = rf"self-test of activity \(float\) with the engine {engine}: test vector 5 gives \[0\."
    with pytest.raises(CheckFailedError, match=message) as caught:
        Predictor(wrong_vectors(value), engine=engine)
    assert caught.value.exit_code == 1
    assert len(Predictor(wrong_vectors(value), engine=engine, self_test=False).predict(numbers(1, 10))) == 1


def test_within_the_tolerance_is_accepted() -> None:
    assert 0 < Predictor(wrong_vectors(5e-6), engine="numpy").check() < 1e-5


def test_vectors_of_another_shape_are_refused() -> None:
    manifest, files = parts()
    files.update(vector_files(numbers(8, 9), {"float": numbers(8, 3)}))
    with pytest.raises(PackageDamagedError):
        Predictor(parse_package(package_bytes(manifest, files), "p"))


def test_names_that_are_not_known() -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"no engine 'numpi'\. Known: .*extension, litert, .*numpy, onnxruntime, .*\. Did you mean 'numpy'",
    ):
        Predictor(package(), engine="numpi")
    with pytest.raises(PackageDamagedError, match="one of the forms float, got 'int8'"):
        Predictor(package(), form="int8")


def test_the_engine_is_chosen_for_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = []

    def choose(preferred: str | None, model: bytes, rows: float) -> Engine:
        requests.append((preferred, model, rows))
        return engines.get("numpy")

    monkeypatch.setattr(engines, "choose", choose)
    small_package = package()
    assert Predictor(small_package, rows=3).engine.name == "numpy"
    assert requests == [(None, small_package.model("float"), 3)]
    first = [engine.name for engine in engines.known()][:4]
    assert first == ["extension", "litert", "onnxruntime", "numpy"], "no accelerator before these"


_PROGRAM = """
import importlib.util, json, socket, sys
def refuse(*_): raise OSError("no network here")
socket.socket.connect = refuse
blocked = {"onnxruntime"}
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in blocked else find(name, package)
from edgewright.core import engines
from edgewright.core.predictor import Predictor
imported = sorted({name.partition(".")[0] for name in sys.modules})
predictor = Predictor(sys.argv[1])
answers = predictor.predict([0.0] * 10)
try:
    engines.choose("onnxruntime")
except Exception as error:
    message = [type(error).__name__, str(error)]
used = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps([imported, used, predictor.engine.name, answers.labels.tolist(), message]))
"""


@pytest.mark.slow
def test_base_install_predicts_with_sockets_refused(tmp_path: Path) -> None:
    write_package(tmp_path / "activity.edge", *parts())
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path / "activity.edge")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported, used, engine, labels, message = json.loads(done.stdout)
    heavy = {"jax", "sklearn", "scipy", "onnx", "onnxruntime", "polars", "pandas", "rich", "optax", "cbor2", "sktime"}
    assert heavy & set(imported) == set()
    assert heavy & set(used) == set()
    assert engine == "numpy"
    assert labels[0] in LABELS
    assert message[0] == MissingExtraError.__name__
    assert "pip install 'edgewright[engines]'" in message[1]


def test_manifest_of_a_package_survives_json() -> None:
    manifest = package().manifest
    assert msgspec.json.decode(msgspec.json.encode(manifest), type=type(manifest)) == manifest
