"""Models that cannot enter: one line that names the operator, the nodes, the axis or the tensor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from edgewright.core.executor import compile_graph
from edgewright.graph.from_onnx import read_model
from edgewright.schema.errors import InputError
from foreign import MODELS, NAMES, model, node

_W = np.ones((4, 3), np.float32)
# A tree of one leaf for the first target.
_LEAF: dict[str, Any] = {"nodes_treeids": [0], "nodes_nodeids": [0], "nodes_featureids": [0], "nodes_values": [0.0],
         "nodes_modes": ["LEAF"], "nodes_truenodeids": [0], "nodes_falsenodeids": [0], "target_treeids": [0],
         "target_nodeids": [0], "target_ids": [0], "target_weights": [1.5]}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (model([node("LSTM", ["x", "w", "w"], ["y"])], ["n", 4], constants={"w": _W}), "LSTM (gives 'y')"),
        (model([node("Foo", ["x"], ["y"], domain="com.acme")], ["n", 4]), "com.acme.Foo (gives 'y')"),
        (model([node("NonZero", ["x"], ["a"]), node("Det", ["a"], ["y"])], ["n", 4]),
         "NonZero (gives 'a'); Det (gives 'y')"),
        (model([node("Einsum", ["x"], ["a"], equation="ij->ij"), node("Det", ["a"], ["y"])], ["n", 4]),
         "got Det (gives 'y') - at"),
        (model([node("Gemm", ["x", "w"], ["y"])], ["n", 4], constants={"w": np.full((4, 3), np.nan, np.float32)}),
         "expected weights that are numbers, got 12 that are not (NaN) in 'w'"),
        (model([node("Relu", ["x"], ["y"])], ["n", "time", 3]), "open axes (time,3)"),
        (model([node("Relu", ["x"], ["y"])], ["n", "time", 3]), "--shape 100,3"),
        (model([node("Relu", ["x"], ["y"])], ["n", 3], opset=6), "expected opset 7 to 24, got 6"),
        (model([node("Relu", ["x"], ["y"])], ["n", 3], dtype=TensorProto.DOUBLE), "got float64"),
        (model([node("Relu", ["x"], ["y"])], ["n", 3], dtype=TensorProto.STRING), "got ONNX type 8"),
        (model([node("Gemm", ["x", "w"], ["y"])], ["n", 5], constants={"w": _W}), "operator Gemm that gives 'y'"),
        (model([node("Relu", ["missing"], ["y"])], ["n", 5]), "got 'missing' - at operator Relu"),
        (model([node("ReduceSum", ["x", "a"], ["y"])], ["n", 5], constants={"a": np.asarray([0])}),
         "answers to rows that do not depend on each other"),
        (model([node("SVMClassifier", ["x"], ["l", "y"], domain="ai.onnx.ml")], ["n", 5], domains=("ai.onnx.ml",)),
         "names or numbers of the classes, got none - at operator ai.onnx.ml.SVMClassifier that gives 'l'"),
        (model([node("Relu", ["x"], ["y"])], ["n", 3], opset=0), "expected opset 7 to 24, got 0"),
        (model([node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=2, **_LEAF)], ["n", 4],
               domains=("ai.onnx.ml",)), "leaves of each target, got of 1 of 2 - at operator ai.onnx.ml.TreeEnsemble"),
        (b"", "bytes without a graph"),
        (b"# not a model", "ONNX model"),
    ],
)  # fmt: skip
def test_what_cannot_enter_is_refused_in_one_line(data: bytes, told: str) -> None:
    with pytest.raises(InputError) as caught:
        read_model(data, "g")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_shape_closes_open_axes() -> None:
    data = model([node("Relu", ["x"], ["y"])], ["n", "time", 3])
    assert read_model(data, shape=(20, 3)).inputs[0].shape == (20, 3)
    for wrong in ((20, 4), (20,), (0, 3)):
        with pytest.raises(InputError, match=r"fits \(\?,3\)"):
            read_model(data, shape=wrong)


def test_absent_and_odd_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No such file or directory - at .*none.onnx"):
        read_model(tmp_path / "none.onnx")
    with pytest.raises(InputError, match="Is a directory"):
        read_model(tmp_path)


def test_constants_beside_the_model_are_read_from_there_only(tmp_path: Path) -> None:
    given = onnx.load_from_string(model([node("Gemm", ["x", "w"], ["y"])], ["n", 4], constants={"w": _W}))
    onnx.save(given, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    graph = read_model(tmp_path / "m.onnx")
    np.testing.assert_array_equal(compile_graph(graph)(np.ones((2, 4), np.float32))["prediction"], np.full((2, 3), 4))
    elsewhere = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    next(e for e in elsewhere.graph.initializer[0].external_data if e.key == "location").value = "../m.data"
    with pytest.raises(InputError, match=r"beside it, got '../m.data'"):
        read_model(elsewhere.SerializeToString())
    (tmp_path / "m.data").unlink()
    with pytest.raises(InputError, match="the model's file of constants"):
        read_model(tmp_path / "m.onnx")


_SMALL = {name: (MODELS / f"{name}.onnx").read_bytes() for name in NAMES}


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    cut=st.floats(0, 1),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
)
@example(name="lightgbm", cut=0.5, changes=[])
def test_damaged_bytes_are_refused_or_read_and_nothing_else(
    name: str, cut: float, changes: list[tuple[float, int]]
) -> None:
    data = bytearray(_SMALL[name])
    for place, byte in changes:
        data[int(place * (len(data) - 1))] = byte
    if not changes:
        data = data[: int(cut * len(data))]
    try:
        graph = read_model(bytes(data))
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert graph.outputs
