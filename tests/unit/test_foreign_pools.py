"""Padded pools of other tools: every form answers as ONNX Runtime does to the original, as float and as int8."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise
from edgewright.core.integer.network import run_integer
from edgewright.export.targets.tflite import to_tflite
from edgewright.graph.extract import integer_network
from edgewright.graph.from_onnx import read_model
from edgewright.graph.from_tflite import read_tflite
from foreign import absent_forms, model, node
from integer_layers import litert, need_litert, some

SHAPE = (2, 12, 11)
# Settings as PyTorch and TensorFlow write them; the odd ones ask for every rule of the ONNX standard.
POOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "mean of torch": ("AveragePool", {"strides": (2, 2), "pads": (1, 1, 1, 1), "count_include_pad": 1}),
    "mean of torch with ceil_mode": (
        "AveragePool",
        {"strides": (2, 2), "pads": (1, 1, 1, 1), "count_include_pad": 1, "ceil_mode": 1},
    ),
    "mean that leaves padding out": ("AveragePool", {"strides": (2, 2), "pads": (1, 1, 1, 1)}),
    "mean at the end alone": ("AveragePool", {"strides": (2, 3), "pads": (0, 0, 1, 1)}),
    "mean with ceil_mode": ("AveragePool", {"strides": (2, 2), "ceil_mode": 1}),
    "maximum of torch": ("MaxPool", {"strides": (2, 2), "pads": (1, 1, 1, 1)}),
    "maximum before the image": ("MaxPool", {"strides": (2, 2), "pads": (2, 1, 0, 0)}),
    "maximum with ceil_mode": ("MaxPool", {"strides": (2, 2), "pads": (1, 1, 1, 1), "ceil_mode": 1}),
    "maximum that widens": ("MaxPool", {"strides": (1, 1), "auto_pad": "SAME_UPPER"}),
}


def network(*pools: tuple[str, dict[str, Any]], axes: int = 2) -> bytes:
    """Return a network of a convolution, pools next to each other, a dense layer and softmax."""
    rng = np.random.default_rng(3)

    def f(*shape: int) -> NDArray[np.float32]:
        return rng.normal(0, 0.4, shape).astype(np.float32)

    shape, ends = SHAPE[: 1 + axes], slice(None, None, 3 - axes)
    layers = [node("Conv", ["x", "w", "b"], ["c"], pads=(1,) * 2 * axes)]
    for number, (op, given) in enumerate(pools):
        settings: dict[str, Any] = {k: v[ends] if isinstance(v, tuple) and len(v) > 1 else v for k, v in given.items()}
        layers += [
            node(op, ["c"], [f"p{number}"], kernel_shape=(3,) * axes, **settings),
            node("Flatten", [f"p{number}"], [f"f{number}"]),
        ]
    flat = [f"f{number}" for number in range(len(pools))]
    constants = {"w": f(5, 2, *(3,) * axes), "b": f(5)}
    end = node("Concat", flat, ["y"], axis=1) if len(pools) > 1 else node("Identity", flat, ["y"])
    graph = read_model(model([*layers, end], ["n", *shape], constants=constants))
    constants |= {"v": f(graph.outputs[0].shape[0], 3), "u": f(3)}
    end.output[0] = "f"
    layers += [end, node("Gemm", ["f", "v", "u"], ["g"]), node("Softmax", ["g"], ["y"])]
    return model(layers, ["n", *shape], constants=constants)


# Of each kind of pool: one proof of all of them together is fast, proofs of each alone are slow.
FIRST = ("mean of torch with ceil_mode", "mean that leaves padding out", "maximum of torch", "maximum with ceil_mode")


def test_padded_pools_leave_in_every_form(tmp_path: Path) -> None:
    assert absent_forms(network(*(POOLS[case] for case in FIRST)), tmp_path) == {}


@pytest.mark.slow
@pytest.mark.parametrize("case", POOLS)
def test_a_padded_pool_leaves_in_every_form(case: str, tmp_path: Path) -> None:
    assert absent_forms(network(POOLS[case]), tmp_path) == {}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["mean that leaves padding out", "maximum before the image"])
def test_a_padded_pool_of_one_axis_leaves_in_every_form(case: str, tmp_path: Path) -> None:
    assert absent_forms(network(POOLS[case], axes=1), tmp_path) == {}


@pytest.mark.parametrize("case", POOLS)
def test_a_padded_pool_of_bytes_is_that_of_litert_and_comes_back(case: str) -> None:
    need_litert()
    rng = np.random.default_rng(4)
    graph = read_model(network(POOLS[case]))
    whole = quantise(graph, rng.normal(size=(50, *SHAPE)).astype(np.float32))
    ours = integer_network(whole)
    assert {"average_pool", "max_pool"}.intersection(operator.kind for operator in ours.operators)
    file, rows = to_tflite(ours), some(ours, rng, 20)
    expected = run_integer(ours, rows)
    np.testing.assert_array_equal(litert(file, rows).reshape(expected.shape), expected)
    back = read_tflite(file)
    assert [o.kind for o in back.operators] == [o.kind for o in ours.operators]
    np.testing.assert_array_equal(run_integer(back, rows).reshape(expected.shape), expected)


@pytest.mark.slow
def test_a_dilated_maximum_is_refused_by_tflite_alone(tmp_path: Path) -> None:
    absent = absent_forms(network(("MaxPool", {"dilations": (2, 2)})), tmp_path)
    assert {form.split(" in ")[0] for form in absent} == {"float whole .tflite", "float .tflite"}
    assert all("a max pool without dilations, got dilations (2, 2)" in reason for reason in absent.values())
