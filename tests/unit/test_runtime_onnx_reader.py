"""Reading ONNX without the onnx package."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgewright.core.errors import InputError, OnnxError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph
from edgewright.graph.onnx_writer import to_onnx
from runtime_example import classifier, regressor

_BYTES = to_onnx(classifier((4, 5, 3)))


@pytest.mark.parametrize("graph", [classifier(), regressor()], ids=lambda g: g.name)
def test_what_the_writer_wrote_comes_back(graph: Graph) -> None:
    read = read_onnx(to_onnx(graph))
    for field in ("name", "inputs", "outputs", "nodes", "stages", "boundary", "labels", "metadata"):
        assert getattr(read, field) == getattr(graph, field), field
    assert read.constants.keys() == graph.constants.keys()
    for name, array in graph.constants.items():
        assert read.constants[name].dtype == array.dtype
        np.testing.assert_array_equal(read.constants[name], array)
    assert to_onnx(read) == to_onnx(graph)


def model(*nodes: object, initialisers: tuple[object, ...] = (), opset: int = 18, domain: str = "") -> bytes:
    body = helper.make_graph(
        list(nodes),  # type: ignore[arg-type]
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "M"])],
        list(initialisers),  # type: ignore[arg-type]
    )
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return bytes(helper.make_model(body, opset_imports=opsets).SerializeToString())


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        ("float32", TensorProto.FLOAT),
        ("float64", TensorProto.DOUBLE),
        ("float16", TensorProto.FLOAT16),
        ("int64", TensorProto.INT64),
        ("int32", TensorProto.INT32),
        ("int8", TensorProto.INT8),
        ("uint8", TensorProto.UINT8),
        ("bool", TensorProto.BOOL),
    ],
)
def test_constants_of_every_type(dtype: str, kind: int, raw: bool) -> None:
    array = np.array([[1, 0, 3], [100, 7, 1]]).astype(dtype)
    if dtype.startswith("i"):
        array[0, 0] = -128
    tensor = (
        numpy_helper.from_array(array, "c")
        if raw
        else helper.make_tensor("c", kind, array.shape, array.ravel().tolist())
    )
    read = read_onnx(model(initialisers=(tensor,))).constants["c"]
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


def test_attributes_of_every_kind_and_constant_nodes() -> None:
    node = helper.make_node("Op", ["x"], ["y"], i=-5, f=0.5, s="text", many=[1, -2], floats=[0.5, 2.0], zero=0)
    constant = helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(np.array([1.5], np.float32)))
    read = read_onnx(model(constant, node))
    assert read.constants["k"].tolist() == [1.5]
    assert read.nodes[0].attributes == {
        "i": -5,
        "f": 0.5,
        "s": "text",
        "many": (1, -2),
        "floats": (0.5, 2.0),
        "zero": 0,
    }
    assert read.inputs[0].shape == (3,)
    assert read.outputs[0].shape == (-1,)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "bytes without a graph"),
        (b"not a model at all", "expected an ONNX model"),
        (model(opset=9), "expected opset 13 to 24, got 9"),
        (
            model(helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml"), domain="ai.onnx.ml"),
            "ai.onnx.ml.Scaler",
        ),
        (model(initialisers=(numpy_helper.from_array(np.array(["a"], object), "c"),)), "ONNX type 8"),
        (
            model(helper.make_node("If", ["x"], ["y"], then_branch=helper.make_graph([], "t", [], []))),
            "got 'then_branch' - at operator If",
        ),
        (model(helper.make_node("Clip", ["x"], ["y"], limit=float("inf"))), "a finite attribute"),
    ],
)
def test_what_the_dialect_has_no_word_for_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_onnx(data)


def test_a_shape_larger_than_the_data_is_refused_before_memory_is_taken() -> None:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "c")
    del tensor.dims[:]
    tensor.dims.extend([1 << 30, 1 << 30])
    with pytest.raises(OnnxError):
        read_onnx(model(initialisers=(tensor,)))
    tensor.dims[:] = [-1, 4]
    with pytest.raises(OnnxError):
        read_onnx(model(initialisers=(tensor,)))


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, len(_BYTES) - 1), st.integers(0, 255)), min_size=1, max_size=6))
@example([(0, 0xFF)])
@settings(max_examples=400)
def test_changed_bytes_give_a_graph_or_an_input_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(_BYTES)
    for at, byte in changes:
        data[at] = byte
    try:
        compile_graph(read_onnx(bytes(data)))(np.zeros((1, 4), np.float32))
    except InputError as error:
        assert str(error)
