"""GELU of other tools: ONNX's Gelu in both forms, the operator of .tflite, and the error function within them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.executor import compile_graph
from edgewright.core.operators._error_function import error_function
from edgewright.export.tflite import to_tflite
from edgewright.graph.from_onnx import read_model
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.from_tflite_graph import network_graph
from edgewright.schema.errors import InputError
from edgewright.schema.integer import IntegerNetwork, IntegerOperator, IntegerValue
from edgewright.workflows.proof.workflow import prove_place
from foreign import absent_forms, answers, model, node
from integer_layers import litert, need_litert


def network(approximate: int, scale: float = 0.0) -> IntegerNetwork:
    """Dense layer, GELU, dense layer, as a .tflite holds them; GELU alone where its values are bytes."""
    rng = np.random.default_rng(1)
    gelu: dict[str, tuple[int, ...]] = {"approximate": (approximate,)}
    if scale:
        value = IntegerValue(shape=(6,), scale=scale, zero=3)
        only = IntegerOperator(kind="gelu", inputs=(0,), output=1, numbers=gelu)
        return IntegerNetwork(name="g", rounding="none", values=(value, value), operators=(only,), input=0, output=1)

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


@pytest.mark.parametrize("approximate", [0, 1])
def test_gelu_of_tflite_enters_and_leaves(approximate: int, tmp_path: Path) -> None:
    need_litert()
    file = to_tflite(network(approximate))
    place = tmp_path / "gelu.tflite"
    place.write_bytes(file)
    read = read_tflite(file, "g")
    assert [operator.kind for operator in read.operators] == ["dense", "gelu", "dense"]
    assert to_tflite(read) == file
    x = np.random.default_rng(3).normal(0, 2, (40, 6)).astype(np.float32)
    graph = network_graph(read)
    expected = litert(file, x)
    np.testing.assert_allclose(compile_graph(graph)(x)["prediction"], expected, atol=3e-6)
    np.testing.assert_allclose(litert(file, x, reference=False), expected, atol=3e-6)
    record = prove_place(str(place), rows=20)
    names = {form.name for form in record.forms}
    assert record.passed, record.breaks
    assert {"the .tflite file itself in LiteRT reference", "float whole .tflite in LiteRT reference"} <= names


def test_gelu_of_bytes_is_refused_by_name() -> None:
    need_litert()
    with pytest.raises(InputError, match=r"GELU of real numbers, got of bytes.* - at GELU\. Convert the model"):
        read_tflite(to_tflite(network(0, 0.05)))
