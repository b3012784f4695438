"""Support vector machines of other tools: kernels, votes, coupled probabilities, and every form of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.executor import compile_graph
from edgewright.graph.from_onnx import read_model
from edgewright.schema.errors import InputError
from foreign import MODELS, absent_forms, answers, model, node

ML = "ai.onnx.ml"
KERNELS: dict[str, tuple[float, ...]] = {
    "LINEAR": (0.0, 0.0, 0.0),
    "POLY": (0.3, 0.5, 3.0),
    "RBF": (0.4, 0.0, 0.0),
    "SIGMOID": (0.2, 0.1, 0.0),
}


def machine(classes: int, kind: str = "RBF", *, chance: bool = False, **changes: Any) -> bytes:  # noqa: ANN401
    """A classifier of drawn support vectors, with the outputs label and y."""
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
    made = node("SVMClassifier", ["x"], ["label", "y"], domain=ML, **given)
    return model([made], ["n", 4], outputs=("label", "y"), domains=(ML,))


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
        made = node("SVMRegressor", ["x"], ["y"], domain=ML, kernel_type=kind, kernel_params=KERNELS[kind],
                    support_vectors=rng.normal(size=28).tolist(), **given)  # fmt: skip
        data = model([made], ["n", 4], domains=(ML,))
        expected = answers(data, rows())[0]
        ours = compile_graph(read_model(data))(rows())["prediction"]
        np.testing.assert_allclose(ours.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["sklearn-svm", "sklearn-svm-probability", "sklearn-svm-two", "sklearn-svm-regressor"])
def test_a_machine_of_scikit_learn_leaves_in_every_form(name: str, tmp_path: Path) -> None:
    assert absent_forms((MODELS / f"{name}.onnx").read_bytes(), tmp_path) == {}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kernel_params": (0.1, 0, 0), "kernel_type": "CHI"}, "kernel_type LINEAR, POLY, RBF or SIGMOID, got 'CHI'"),
        ({"rho": (0.1,)}, "expected 3 numbers in rho, got 1"),
        ({"coefficients": (0.1,) * 9}, "numbers in coefficients, got 9"),
        ({"vectors_per_class": (4, 4)}, "support vectors of 3 classes, got of 2"),
        ({"post_transform": "PROBIT"}, "post_transform NONE, LOGISTIC or SOFTMAX, got 'PROBIT'"),
    ],
)
def test_a_machine_that_does_not_fit_is_refused_by_name(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        read_model(machine(3, **changes))
    assert told in str(caught.value) and "operator ai.onnx.ml.SVMClassifier that gives 'label'" in str(caught.value)


def test_scores_of_pairs_for_more_classes_are_refused() -> None:
    with pytest.raises(InputError, match="a score for each class, got 10 scores of 5 classes"):
        read_model(machine(5))
