"""ONNX models from elsewhere: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgewright.core.errors import ClassNamesMissingError, InputError, InputShapeOpenError, OnnxDamagedError, OnnxError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.graph.extract import float_network
from edgewright.graph.from_onnx import read_model
from edgewright.graph.onnx_writer import to_onnx
from foreign import MODELS, NAMES, answers, model, node
from runtime_example import classifier


def close(got: Any, expected: NDArray[Any], atol: float = 1e-6) -> None:  # noqa: ANN401 - an array
    spread = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(np.reshape(got, expected.shape) / spread, expected / spread, rtol=0, atol=atol)


def test_there_are_models_of_every_kind() -> None:
    kinds = {name.split("-")[0] for name in NAMES}
    assert kinds == {"channels", "keras", "lightgbm", "sklearn", "torch", "xgboost"}
    assert sum(path.stat().st_size for path in MODELS.iterdir()) < 2_000_000
    assert all(path.stat().st_size < 200_000 for path in MODELS.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_model_answers_what_it_answered(name: str) -> None:
    graph = read_model(MODELS / f"{name}.onnx")
    kept = np.load(MODELS / f"{name}.npz")
    x, y, labels = kept["x"], kept["y"], kept["labels"]
    if name == "sklearn-svm-two":
        # Of two classes ONNX Runtime's SVMClassifier gives each the score of the other.
        assert (np.asarray(graph.labels)[y.argmax(axis=1)] != labels).all()
        y = y[:, ::-1]
    ours = compile_graph(graph)(x)
    written = to_onnx(graph)
    theirs = dict(zip([v.name for v in graph.outputs], answers(written, x), strict=True))
    key = "probabilities" if graph.labels else "prediction"
    # The hundreds of terms of a support vector machine cancel, and its probabilities multiply what is left.
    atol = 1e-5 if "svm" in name else 1e-6
    close(ours[key], y, atol)
    close(theirs[key], y, atol)
    if labels.size:
        assert [graph.labels[i] for i in ours["label"]] == labels.tolist()
        assert [graph.labels[i] for i in theirs["label"]] == labels.tolist()
    assert to_onnx(read_onnx(written)) == written


def test_networks_have_a_boundary_and_the_form_of_ours() -> None:
    conv = read_model(MODELS / "torch-conv2d-script.onnx")
    assert [node.op for node in conv.nodes] == [
        "Conv", "Clip", "Conv", "Relu", "AveragePool", "Reshape", "Gemm", "ReduceLogSumExp", "Sub",
    ]  # fmt: skip
    assert conv.boundary == "input"
    network = float_network(conv)
    assert [operator.kind for operator in network.operators][-3:] == ["average_pool", "reshape", "dense"]
    scaled = read_model(MODELS / "sklearn-mlp.onnx")
    assert scaled.boundary == next(n for n in scaled.nodes if n.op == "Gemm").inputs[0] != "input"
    assert read_model(MODELS / "sklearn-forest.onnx").boundary == ""


def test_transposes_go_and_flattening_goes_into_the_weights() -> None:
    graph = read_model(MODELS / "channels-last.onnx")
    assert [node.op for node in graph.nodes].count("Transpose") == 1
    assert graph.nodes[0].op == "Transpose"


def test_what_converters_add_goes_and_a_network_is_left() -> None:
    ops = [node.op for node in read_model(MODELS / "keras-conv2d.onnx").nodes]
    assert ops == ["Transpose", "Conv", "Relu", "Conv", "Clip", "MaxPool", "Conv", "Reshape", "Gemm", "Softmax",
                   "ArgMax", "ReduceMax"]  # fmt: skip
    dense = read_model(MODELS / "keras-dense.onnx")
    # Preprocessing before the first weights stays as it is; the norm inside the network went into the weights.
    assert [node.op for node in dense.nodes][:5] == ["Sub", "Div", "Gemm", "Relu", "Gemm"]
    assert dense.boundary == dense.nodes[1].outputs[0]
    causal = read_model(MODELS / "keras-conv1d.onnx")
    assert next(node for node in causal.nodes if node.op == "Conv").attributes["pads"] == (4, 0)


def test_trees_are_linear_in_their_nodes() -> None:
    for name in ("lightgbm", "sklearn-forest"):
        path = MODELS / f"{name}.onnx"
        assert len(to_onnx(read_model(path))) < path.stat().st_size


def test_a_model_of_ours_comes_back_as_it_is() -> None:
    graph = classifier()
    assert to_onnx(read_model(to_onnx(graph), "activity")) == to_onnx(graph)
    renamed = read_model(to_onnx(graph), labels=("a", "b", "c"))
    assert renamed.labels == ("a", "b", "c")
    with pytest.raises(ClassNamesMissingError, match="expected 3 names of classes, got 2"):
        read_model(to_onnx(graph), labels=("a", "b"))


def test_names_of_classes_make_logits_a_classifier() -> None:
    path = MODELS / "torch-conv1d-script.onnx"
    x = np.load(path.with_suffix(".npz"))["x"]
    logits = compile_graph(read_model(path))(x)["prediction"]
    named = read_model(path, labels=("a", "b", "c", "d"))
    answer = compile_graph(named)(x)
    np.testing.assert_array_equal(answer["label"], logits.argmax(axis=1))
    np.testing.assert_allclose(answer["probabilities"].sum(axis=1), 1, atol=1e-6)
    with pytest.raises(ClassNamesMissingError, match="expected 4 names of classes, got 3"):
        read_model(path, labels=("a", "b", "c"))
    with pytest.raises(ClassNamesMissingError, match="model torch-conv1d-script"):
        read_model(path, labels=("a",))


def test_columns_in_several_inputs_become_one() -> None:
    graph = helper.make_graph(
        [node("Concat", ["b", "a"], ["c"], axis=1), node("MatMul", ["c", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, k]) for n, k in (("a", 1), ("b", 3))],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.arange(4, dtype=np.float32).reshape(4, 1), "w")],
    )
    encoded = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    read = read_model(encoded.SerializeToString())
    assert read.inputs[0].shape == (4,)
    x = np.asarray([[10, 1, 2, 3]], np.float32)
    assert compile_graph(read)(x)["prediction"] == [[0 * 1 + 1 * 2 + 2 * 3 + 3 * 10]]


def test_metadata_say_where_a_model_came_from() -> None:
    record = msgspec.json.decode(read_model(MODELS / "torch-dense-dynamo.onnx").metadata["source"])
    assert record["format"] == "onnx"
    assert record["producer"] == "pytorch"


_W = np.ones((4, 3), np.float32)
# A tree of one leaf for the first target.
_LEAF: dict[str, Any] = {"nodes_treeids": [0], "nodes_nodeids": [0], "nodes_featureids": [0], "nodes_values": [0.0],
         "nodes_modes": ["LEAF"], "nodes_truenodeids": [0], "nodes_falsenodeids": [0], "target_treeids": [0],
         "target_nodeids": [0], "target_ids": [0], "target_weights": [1.5]}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (model([node("RNN", ["x", "w", "w"], ["y"])], ["n", 4], constants={"w": _W}), "RNN (gives 'y')"),
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
def test_what_cannot_enter_is_refused_in_one_line(data: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_model(data, "g")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_shape_closes_open_axes() -> None:
    data = model([node("Relu", ["x"], ["y"])], ["n", "time", 3])
    assert read_model(data, shape=(20, 3)).inputs[0].shape == (20, 3)
    for wrong in ((20, 4), (20,), (0, 3)):
        with pytest.raises(InputShapeOpenError):
            read_model(data, shape=wrong)


def test_absent_and_odd_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(OnnxDamagedError, match=r"No such file or directory - at .*none.onnx"):
        read_model(tmp_path / "none.onnx")
    with pytest.raises(OnnxDamagedError, match="Is a directory"):
        read_model(tmp_path)


def test_constants_beside_the_model_are_read_from_there_only(tmp_path: Path) -> None:
    given = onnx.load_from_string(model([node("Gemm", ["x", "w"], ["y"])], ["n", 4], constants={"w": _W}))
    onnx.save(given, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    graph = read_model(tmp_path / "m.onnx")
    np.testing.assert_array_equal(compile_graph(graph)(np.ones((2, 4), np.float32))["prediction"], np.full((2, 3), 4))
    elsewhere = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    next(e for e in elsewhere.graph.initializer[0].external_data if e.key == "location").value = "../m.data"
    with pytest.raises(OnnxError, match=r"next to it, got '../m.data'"):
        read_model(elsewhere.SerializeToString())
    (tmp_path / "m.data").unlink()
    with pytest.raises(OnnxError):
        read_model(tmp_path / "m.onnx")
