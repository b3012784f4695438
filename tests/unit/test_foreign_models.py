"""Support vectors and GELU of models from elsewhere, in every form."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import ClassNamesMissingError, GraphError
from edgewright.core.operators.elementwise import error_function
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import IntegerNetwork, IntegerOperator, IntegerValue
from edgewright.export.targets.tflite import to_tflite
from edgewright.graph.from_onnx import read_model
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.from_tflite_graph import network_graph
from edgewright.workflows.proof.workflow import prove_place
from foreign import MODELS, absent_forms, answers, model, node
from integer_layers import litert, need_litert

ML = "ai.onnx.ml"
KERNELS: dict[str, tuple[float, ...]] = {
    "LINEAR": (0.0, 0.0, 0.0),
    "POLY": (0.3, 0.5, 3.0),
    "RBF": (0.4, 0.0, 0.0),
    "SIGMOID": (0.2, 0.1, 0.0),
}


def machine(classes: int, kind: str = "RBF", *, chance: bool = False, **changes: Any) -> bytes:  # noqa: ANN401
    """Return a classifier of drawn support vectors, with the outputs label and y."""
    rng = np.random.default_rng(classes)
    counts = rng.integers(3, 9, classes).tolist()
    pairs = classes * (classes - 1) // 2
    given: dict[str, Any] = {
        "classlabels_ints": list(range(10, 10 + classes)),
        "vectors_per_class": counts,
        "support_vectors": rng.normal(size=sum(counts) * 4).tolist(),
        "coefficients": rng.normal(size=sum(counts) * (classes - 1)).tolist(),
        "rho": rng.normal(size=pairs).tolist(),
        "kernel_type": kind,
        "kernel_params": KERNELS[kind],
    }
    if chance:
        given |= {"prob_a": rng.uniform(-3, -1, pairs).tolist(), "prob_b": rng.normal(0, 0.2, pairs).tolist()}
    given |= changes
    machine = node("SVMClassifier", ["x"], ["label", "y"], domain=ML, **given)
    return model([machine], ["n", 4], outputs=("label", "y"), domains=(ML,))


def rows(count: int = 400) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(0, 1.5, (count, 4)).astype(np.float32)


@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_coupled_probabilities_and_votes_are_those_of_onnx_runtime(kind: str, classes: int) -> None:
    data, x = machine(classes, kind, chance=True), rows()
    label, expected = answers(data, x)
    ours = compile_graph(read_model(data))(x)
    np.testing.assert_allclose(ours["probabilities"], expected, rtol=0, atol=2e-5)
    assert [10 + i for i in ours["label"]] == label.tolist()


def test_the_label_is_that_of_the_votes_which_need_not_be_the_likeliest_class() -> None:
    label, expected = answers(machine(5, "SIGMOID", chance=True), rows())
    assert (expected.argmax(axis=1) + 10 != label).any()


@pytest.mark.parametrize("kind", KERNELS)
def test_scores_of_pairs_and_votes_are_those_of_onnx_runtime(kind: str) -> None:
    data, x = machine(3, kind), rows()
    label, expected = answers(data, x)
    ours = compile_graph(read_model(data))(x)
    np.testing.assert_allclose(ours["probabilities"], expected, rtol=1e-5, atol=1e-5)
    assert [10 + i for i in ours["label"]] == label.tolist()


def test_each_of_two_classes_has_its_own_score() -> None:
    data, x = machine(2), rows()
    label, expected = answers(data, x)
    ours = compile_graph(read_model(data))(x)
    np.testing.assert_allclose(ours["probabilities"], expected[:, ::-1], rtol=1e-5, atol=1e-5)
    assert [10 + i for i in ours["label"]] == label.tolist() == (10 + ours["probabilities"].argmax(axis=1)).tolist()


def test_support_vectors_with_a_large_offset_keep_their_digits() -> None:
    rng = np.random.default_rng(2)
    vectors, weights = (1000 + rng.normal(size=400)).tolist(), rng.normal(size=200).tolist()
    data = machine(3, chance=True, support_vectors=vectors, vectors_per_class=[40, 30, 30], coefficients=weights)
    x = (1000 + rows(100)).astype(np.float32)
    np.testing.assert_allclose(
        compile_graph(read_model(data))(x)["probabilities"], answers(data, x)[1], rtol=0, atol=2e-5
    )


@pytest.mark.parametrize("kind", KERNELS)
def test_regression_of_any_kernel_is_that_of_onnx_runtime(kind: str) -> None:
    rng = np.random.default_rng(3)
    for changes in ({}, {"one_class": 1}, {"n_supports": 0, "coefficients": rng.normal(size=4).tolist()}):
        given = {"n_supports": 7, "coefficients": rng.normal(size=7).tolist(), "rho": [0.2], **changes}
        machine = node("SVMRegressor", ["x"], ["y"], domain=ML, kernel_type=kind, kernel_params=KERNELS[kind],
                       support_vectors=rng.normal(size=28).tolist(), **given)  # fmt: skip
        data = model([machine], ["n", 4], domains=(ML,))
        expected = answers(data, rows())[0]
        ours = compile_graph(read_model(data))(rows())["prediction"]
        np.testing.assert_allclose(ours.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sklearn-svm", "sklearn-svm-probability", "sklearn-svm-two", "sklearn-svm-regressor"])
def test_a_machine_of_scikit_learn_leaves_in_every_form(name: str, tmp_path: Path) -> None:
    assert absent_forms((MODELS / f"{name}.onnx").read_bytes(), tmp_path) == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel_params": (0.1, 0, 0), "kernel_type": "CHI"}, "kernel_type LINEAR, POLY, RBF or SIGMOID, got 'CHI'"),
        ({"rho": (0.1,)}, "expected 3 numbers in rho, got 1"),
        ({"coefficients": (0.1,) * 9}, "numbers in coefficients, got 9"),
        ({"vectors_per_class": (4, 4)}, "support vectors of 3 classes, got of 2"),
        ({"post_transform": "PROBIT"}, "post_transform NONE, LOGISTIC or SOFTMAX, got 'PROBIT'"),
    ],
)
def test_a_machine_that_does_not_fit_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        read_model(machine(3, **changes))
    assert message in str(caught.value) and "operator ai.onnx.ml.SVMClassifier that gives 'label'" in str(caught.value)


def test_scores_of_pairs_for_more_classes_are_refused() -> None:
    with pytest.raises(ClassNamesMissingError, match="a score for each class, got 10 scores of 5 classes"):
        read_model(machine(5))


def network(approximate: int) -> IntegerNetwork:
    """Dense layer, GELU, dense layer, as a .tflite holds them."""
    rng = np.random.default_rng(1)
    gelu: dict[str, tuple[int, ...]] = {"approximate": (approximate,)}

    def layer(source: int, ins: int, outs: int) -> IntegerOperator:
        arrays = {"weights": rng.normal(size=(outs, ins)), "bias": rng.normal(size=outs)}
        arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
        return IntegerOperator(kind="dense", inputs=(source,), output=source + 1, arrays=arrays)

    operators = (layer(0, 6, 9), IntegerOperator(kind="gelu", inputs=(1,), output=2, numbers=gelu), layer(2, 9, 3))
    values = tuple(IntegerValue(shape=(n,)) for n in (6, 9, 9, 3))
    return IntegerNetwork(name="g", rounding="none", values=values, operators=operators, input=0, output=3)


def test_the_error_function_is_right_to_the_last_digit() -> None:
    x = np.concatenate([np.linspace(-12, 12, 200_001), np.geomspace(1e-38, 1e-2, 2000)]).astype(np.float32)
    true = np.asarray([math.erf(float(value)) for value in x])
    digits = np.spacing(np.maximum(np.abs(true), 1e-38).astype(np.float32))
    assert np.max(np.abs(error_function(x) - true) / digits) < 1.3
    assert np.abs(error_function(x)).max() == 1.0
    odd = np.asarray([np.inf, -np.inf, np.nan, 0.0, -0.0], np.float32)
    np.testing.assert_array_equal(error_function(odd), np.asarray([1, -1, np.nan, 0, 0], np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_of_onnx_leaves_in_every_form(approximate: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    constants = {"w": rng.normal(size=(6, 9)).astype(np.float32), "v": rng.normal(size=(9, 3)).astype(np.float32)}
    nodes = [
        node("MatMul", ["x", "w"], ["a"]),
        node("Gelu", ["a"], ["b"], approximate=approximate),
        node("MatMul", ["b", "v"], ["y"]),
    ]
    data = model(nodes, ["n", 6], constants=constants, opset=20)
    x = rng.normal(0, 3, (50, 6)).astype(np.float32)
    np.testing.assert_allclose(compile_graph(read_model(data))(x)["prediction"], answers(data, x)[0], atol=3e-6)
    assert absent_forms(data, tmp_path) == {}


@pytest.mark.slow
@pytest.mark.parametrize("approximate", [0, 1])
def test_gelu_of_tflite_enters_and_leaves(approximate: int, tmp_path: Path) -> None:
    need_litert()
    file = to_tflite(network(approximate))
    path = tmp_path / "gelu.tflite"
    path.write_bytes(file)
    read = read_tflite(file, "g")
    assert [operator.kind for operator in read.operators] == ["dense", "gelu", "dense"]
    assert to_tflite(read) == file
    x = np.random.default_rng(3).normal(0, 2, (40, 6)).astype(np.float32)
    graph = network_graph(read)
    expected = litert(file, x)
    np.testing.assert_allclose(compile_graph(graph)(x)["prediction"], expected, atol=3e-6)
    np.testing.assert_allclose(litert(file, x, reference=False), expected, atol=3e-6)
    record = prove_place(str(path), rows=20)
    names = {form.name for form in record.forms}
    assert record.passed, record.breaks
    assert {"the .tflite file itself in LiteRT reference", "float whole .tflite in LiteRT reference"} <= names
