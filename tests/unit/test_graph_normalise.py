"""Operators and attributes that others use mean the same after they are brought into the dialect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgewright.core.executor import compile_graph
from edgewright.graph.from_onnx import read_model
from edgewright.graph.onnx_writer import to_onnx
from edgewright.schema.errors import InputError
from foreign import answers, model, node

_UNARY = [
    ("Elu", {"alpha": 0.7}), ("Selu", {}), ("HardSigmoid", {"alpha": 0.3}), ("HardSwish", {}), ("Softplus", {}),
    ("Softsign", {}), ("Mish", {}), ("LogSoftmax", {"axis": 1}), ("Gelu", {}), ("Gelu", {"approximate": "tanh"}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "attributes"), _UNARY, ids=str)
def test_operators_said_by_others_mean_the_same(op: str, attributes: dict[str, Any]) -> None:
    data = model([node(op, ["x"], ["y"], **attributes)], ["n", 5], opset=20)
    x = np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32) * 4
    x[0] = [-90, 90, 0, 3, -3]
    np.testing.assert_allclose(
        compile_graph(read_model(data))(x)["prediction"], answers(data, x)[0], atol=2e-6, rtol=2e-6
    )


@pytest.mark.parametrize(
    ("nodes", "constants", "shape", "opset"),
    [
        ([node("PRelu", ["x", "s"], ["y"])], {"s": np.asarray([0.1, 0.2, 0.3], np.float32)}, ["n", 3], 18),
        ([node("Sum", ["x", "s", "x"], ["y"])], {"s": np.asarray([0.1, 0.2, 0.3], np.float32)}, ["n", 3], 13),
        ([node("Mean", ["x", "s"], ["y"])], {"s": np.asarray([0.1, 0.2, 0.3], np.float32)}, ["n", 3], 13),
        ([node("Split", ["x"], ["a", "b"], axis=1), node("Sub", ["b", "a"], ["y"])], {}, ["n", 4], 11),
        ([node("Split", ["x", "p"], ["a", "b"], axis=-1), node("Concat", ["b", "a"], ["y"], axis=1)],
         {"p": np.asarray([1, 3], np.int64)}, ["n", 4], 13),
        ([node("Softmax", ["x"], ["y"], axis=1)], {}, ["n", 3, 2], 11),
        ([node("Clip", ["x"], ["y"], min=-0.5, max=0.25)], {}, ["n", 3], 7),
        ([node("Unsqueeze", ["x"], ["a"], axes=[1]), node("ReduceMean", ["a"], ["b"], axes=[2], keepdims=0),
          node("Squeeze", ["b"], ["c"], axes=[1]), node("Unsqueeze", ["c"], ["y"], axes=[1])], {}, ["n", 3], 11),
        ([node("LayerNormalization", ["x", "s", "t"], ["y"], axis=-1)],
         {"s": np.asarray([1, 2, 3], np.float32), "t": np.asarray([0, 1, 0], np.float32)}, ["n", 2, 3], 17),
        ([node("Gemm", ["x", "w", "b"], ["y"], alpha=0.5, beta=2.0, transB=1)],
         {"w": np.arange(12, dtype=np.float32).reshape(4, 3), "b": np.ones((1, 4), np.float32)}, ["n", 3], 11),
        ([node("BatchNormalization", ["x", "s", "t", "t", "s"], ["y"])],
         {"s": np.asarray([1, 2, 3], np.float32), "t": np.asarray([0, 1, 0], np.float32)}, ["n", 3, 4], 11),
        ([node("Slice", ["x"], ["y"], starts=[1], ends=[3], axes=[1])], {}, ["n", 4], 9),
        ([node("Pad", ["x"], ["y"], pads=[0, 1, 0, 2], value=0.5)], {}, ["n", 4], 9),
        ([node("Pad", ["x", "p"], ["a"]), node("Transpose", ["a"], ["b"], perm=[0, 2, 1]),
          node("Conv", ["b", "w"], ["y"])], {"p": np.asarray([0, 2, 0, 0, 1, 0]), "w": np.ones((2, 3, 2), np.float32)},
         ["n", 5, 3], 13),
        ([node("Transpose", ["x"], ["a"], perm=[0, 2, 1]), node("ReduceMax", ["a", "p"], ["y"], keepdims=0)],
         {"p": np.asarray([1])}, ["n", 5, 3], 18),
        ([node("Cast", ["x"], ["a"], to=1), node("Cast", ["a"], ["y"], to=1)], {}, ["n", 5], 13),
        ([node("Shape", ["x"], ["a"], end=1), node("Concat", ["a", "p"], ["b"], axis=0),
          node("ConstantOfShape", ["b"], ["c"]), node("Concat", ["c", "x"], ["y"], axis=1)],
         {"p": np.asarray([2])}, ["n", 5], 18),
        ([node("InstanceNormalization", ["x", "s", "s"], ["y"])], {"s": np.asarray([1, 2, 3], np.float32)},
         ["n", 3, 4], 13),
        ([node("Dropout", ["x"], ["a", "mask"]), node("Relu", ["a"], ["y"])], {}, ["n", 4], 12),
        ([node("Identity", ["x"], ["y"])], {}, ["n", 4], 12),
        ([node("Binarizer", ["x"], ["y"], domain="ai.onnx.ml", threshold=0.2)], {}, ["n", 4], 15),
        ([node("Normalizer", ["x"], ["y"], domain="ai.onnx.ml", norm="L2")], {}, ["n", 4], 15),
        ([node("LinearRegressor", ["x"], ["y"], domain="ai.onnx.ml", coefficients=[1.0, 2, 3, 4, 5, 6, 7, 8],
               intercepts=[0.5, -1.0], targets=2)], {}, ["n", 4], 15),
    ],
    ids=lambda v: v[0].op_type if isinstance(v, list) and v and hasattr(v[0], "op_type") else "",
)  # fmt: skip
def test_other_ways_of_saying_mean_the_same(nodes: list[Any], constants: Any, shape: list[Any], opset: int) -> None:  # noqa: ANN401
    data = model(nodes, shape, constants=constants, opset=opset, domains=("ai.onnx.ml",))
    x = np.random.default_rng(1).normal(size=(5, *shape[1:])).astype(np.float32)
    graph = read_model(data)
    value = graph.outputs[1 if graph.labels else 0].name
    expected = answers(data, x)[0]
    np.testing.assert_allclose(compile_graph(graph)(x)[value], expected, atol=2e-6)
    np.testing.assert_allclose(answers(to_onnx(graph), x)[1 if graph.labels else 0], expected, atol=2e-6)


_SCALE = {"w": np.ones((4, 3), np.float32), "s": np.asarray([1, 2, 3], np.float32), "t": np.asarray(2, np.float32)}


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("first", [True, False])
def test_factors_beside_weights_go_into_them(op: str, first: bool) -> None:
    nodes = [
        node("Gemm", ["x", "w"], ["a"]),
        node(op, ["a", "s"] if first else ["s", "a"], ["b"]),
        node(op, ["b", "t"], ["c"]),
        node("Relu", ["c"], ["d"]),
        node(op, ["d", "s"] if first else ["s", "d"], ["e"]),
        node("MatMul", ["e", "v"], ["y"]),
    ]
    weights = np.random.default_rng(3).normal(size=(4, 3)).astype(np.float32)
    constants = {**_SCALE, "w": weights, "v": weights[:3, :2]}
    data = model(nodes, ["n", 4], constants=constants)
    x = np.random.default_rng(4).uniform(0.5, 1, (6, 4)).astype(np.float32)
    graph = read_model(data)
    expected = answers(data, x)[0]
    if not np.isfinite(expected).all():
        expected, x = expected[:0], x[:0]
    np.testing.assert_allclose(compile_graph(graph)(x)["prediction"], expected, rtol=1e-4, atol=1e-5)
    if op != "Div" or first:
        assert [n.op for n in graph.nodes] == ["Gemm", "Relu", "Gemm"]


def trees(modes: list[str], tracks: list[int]) -> bytes:
    """One tree with three splits on the three columns, of the modes given."""
    made = node(
        "TreeEnsembleRegressor",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=[0] * 7,
        nodes_nodeids=[0, 1, 2, 3, 4, 5, 6],
        nodes_featureids=[0, 1, 2, 0, 0, 0, 0],
        nodes_values=[0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0],
        nodes_modes=[*modes, "LEAF", "LEAF", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 3, 5, 0, 0, 0, 0],
        nodes_falsenodeids=[2, 4, 6, 0, 0, 0, 0],
        nodes_missing_value_tracks_true=[*tracks, 0, 0, 0, 0],
        target_treeids=[0] * 4,
        target_nodeids=[3, 4, 5, 6],
        target_ids=[0] * 4,
        target_weights=[1.0, 2.0, 3.0, 4.0],
    )
    return model([made], ["n", 3], domains=("ai.onnx.ml",))


@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"])
@pytest.mark.parametrize("track", [0, 1])
def test_every_comparison_and_missing_values_as_onnx_runtime_has_them(mode: str, track: int) -> None:
    data = trees([mode] * 3, [track] * 3)
    grid = np.asarray(
        [0.0, 0.5, np.nextafter(np.float32(0.5), np.float32(1)), 1.0, np.nan, np.inf, -np.inf], np.float32
    )
    x = np.stack([part.ravel() for part in np.meshgrid(grid, grid, grid)], axis=1)
    np.testing.assert_array_equal(compile_graph(read_model(data))(x)["prediction"], answers(data, x)[0])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"nodes_modes": ["BRANCH_EQ", "LEAF", "LEAF"]}, "splits by"),
        ({"nodes_truenodeids": [0, 0, 0]}, "root"),
        ({"nodes_truenodeids": [9, 0, 0]}, "lead to nodes of their tree"),
        ({"nodes_nodeids": [0, 1, 1]}, "one twice"),
        ({"nodes_values": [0.5]}, "one length"),
        ({"target_nodeids": [1, 7]}, "leaves of the trees"),
        ({"nodes_featureids": [8, 0, 0]}, "Gather"),
        ({"aggregate_function": "MAX"}, "SUM or AVERAGE"),
    ],
)
def test_trees_that_are_none_are_refused(change: dict[str, Any], told: str) -> None:
    whole: dict[str, Any] = {
        "nodes_treeids": [0] * 3, "nodes_nodeids": [0, 1, 2], "nodes_featureids": [0, 0, 0],
        "nodes_values": [0.5, 0.0, 0.0], "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0], "n_targets": 1, "target_treeids": [0, 0],
        "target_nodeids": [1, 2], "target_ids": [0, 0], "target_weights": [1.0, 2.0],
    }  # fmt: skip
    one = node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **{**whole, **change})
    with pytest.raises(InputError, match=told):
        read_model(model([one], ["n", 3], domains=("ai.onnx.ml",)))
