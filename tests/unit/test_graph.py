"""Graphs: models from elsewhere brought into the dialect, tables of configuration, costs, files of boosted trees."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.errors import (
    ConfigError,
    EdgewrightError,
    GraphError,
    InputError,
    InputShapeOpenError,
    UnknownNameError,
)
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.config import PipelineConfig, SplitConfig, WindowConfig
from edgewright.core.records.network import Graph, Value
from edgewright.core.toml_tables import convert_table
from edgewright.graph.builder import Builder
from edgewright.graph.cost import cost
from edgewright.graph.ensembles import read_ubjson
from edgewright.graph.from_onnx import read_model
from edgewright.graph.onnx_writer import to_onnx
from foreign import MODELS, answers, model, node
from runtime_example import classifier, numbers, regressor

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
    trees = node(
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
    return model([trees], ["n", 3], domains=("ai.onnx.ml",))


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
    ("change", "message"),
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
def test_trees_that_are_none_are_refused(change: dict[str, Any], message: str) -> None:
    whole: dict[str, Any] = {
        "nodes_treeids": [0] * 3, "nodes_nodeids": [0, 1, 2], "nodes_featureids": [0, 0, 0],
        "nodes_values": [0.5, 0.0, 0.0], "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0], "n_targets": 1, "target_treeids": [0, 0],
        "target_nodeids": [1, 2], "target_ids": [0, 0], "target_weights": [1.0, 2.0],
    }  # fmt: skip
    one = node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **{**whole, **change})
    with pytest.raises(GraphError, match=message):
        read_model(model([one], ["n", 3], domains=("ai.onnx.ml",)))


def test_a_good_table_becomes_the_struct() -> None:
    assert convert_table({"samples": 128, "step": 64}, WindowConfig, "p.toml [window]") == WindowConfig(
        samples=128, step=64
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"sampels": 3, "samples": 2},
            "Known: fill_start, pad, samples, step, target, within. Did you mean 'samples'? - at w [window]",
        ),
        ({"samples": "x"}, "expected a whole number, got 'x' - at w [window] samples"),
        ({"samples": 0}, "expected a whole number of at least 1, got 0 - at w [window] samples"),
        ({}, "expected the key `samples`, got none - at w [window]. Add samples = ... there"),
        ({"samples": 3, "within": "labl"}, "Did you mean 'label'? - at w [window] within"),
    ],
)
def test_messages_name_the_key(table: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        convert_table(table, WindowConfig, "w [window]")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (
            {"window": {"samples": 1, "stp": 2}},
            "Known: fill_start, pad, samples, step, target, within. Did you mean 'step'? - at f window",
        ),
        (
            {"scaling": {"rows": [1, "a"], "architectures": {}}},
            "expected a whole number, got 'a' - at f scaling.rows[1]",
        ),
        ({"stages": [1]}, "expected a table, got 1 - at f stages[0]"),
        ({"training": {"augment": [{1: 2}]}}, "expected text, got a whole number - at f training.augment[0]"),
        ({"name": "a b"}, "got 'a b' - at f name"),
        ({"split": {"by": "row", "test": 1.5}}, "expected a number below 1, got 1.5 - at f split.test"),
    ],
)
def test_nested_keys_are_named(table: dict[str, object], key: str) -> None:
    with pytest.raises(InputError) as caught:
        convert_table({"name": "n", "data": {}, **table}, PipelineConfig, "f")
    assert key in str(caught.value)


class _Kinds(msgspec.Struct, frozen=True, kw_only=True):
    count: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    share: Annotated[float, msgspec.Meta(gt=0.0)] = 1.0
    on: bool = False
    name: Annotated[str, msgspec.Meta(min_length=1)] = "x"
    pair: tuple[float, float] = (0.0, 1.0)
    table: dict[str, int] = {}
    mixed: float | str = ""


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"count": "3"}, "expected a whole number, got '3'"),
        ({"count": 9}, "expected a whole number of at most 5, got 9"),
        ({"share": 0}, "expected a number above 0, got 0"),
        ({"on": "yes"}, "expected true or false, got 'yes'"),
        ({"name": True}, "expected text, got true"),
        ({"name": ""}, "expected text of at least 1 character, got ''"),
        ({"pair": [1]}, "expected a list of 2 values, got [1]"),
        ({"pair": 1}, "expected a list, got 1"),
        ({"table": {"a": "b"}}, "expected a whole number, got text"),
        ({"mixed": [1]}, "expected a number or text, got [1]"),
    ],
)
def test_kinds_of_values_are_told_in_words(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        convert_table(table, _Kinds, "f")
    assert str(caught.value).startswith(f"{message} - at f ")
    assert "`" not in str(caught.value)


def test_an_unknown_key_knows_its_neighbours() -> None:
    with pytest.raises(UnknownNameError) as caught:
        convert_table({"group": "x"}, SplitConfig, "p.toml [split]")
    assert {"by", "test", "test_groups", "validation", "validation_groups"} <= set(caught.value.known)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)
_KEYS = st.sampled_from(["name", "data", "window", "split", "stages", "training", "scaling", "samples", "by", "x.y[0]"])


@pytest.mark.slow
@settings(max_examples=150)
@given(st.dictionaries(_KEYS, _VALUES | st.dictionaries(_KEYS, _VALUES, max_size=2), max_size=4))
def test_any_table_is_converted_or_refused_in_one_line(table: dict[str, object]) -> None:
    try:
        config = convert_table(table, PipelineConfig, "f.toml")
    except EdgewrightError as error:
        assert str(error)
    else:
        assert isinstance(config, PipelineConfig)


def test_the_lesson_network_has_the_known_figures() -> None:
    counted = cost(classifier())
    # 10*64 + 64, 64*64 + 64, 64*3 + 3.
    assert counted.network.parameters == 5059
    assert counted.network.macs == 10 * 64 + 64 * 64 + 64 * 3
    assert counted.total.macs == counted.network.macs
    assert counted.preprocessing.parameters == 20
    assert counted.preprocessing.macs == 0
    assert counted.total.parameters == 5079
    # Between the layers of 64 both are alive, as float32; nothing else is needed any more.
    assert counted.network.peak_bytes == 2 * 64 * 4
    assert counted.network.nodes + counted.preprocessing.nodes == counted.total.nodes == len(counted.nodes)


def test_stages_add_up() -> None:
    counted = cost(classifier())
    assert list(counted.stages) == ["Impute", "Normalise", "Network", "answer"]
    assert counted.stages["Network"].parameters == 5059
    assert counted.stages["Impute"].parameters == 10
    assert sum(part.nodes for part in counted.stages.values()) == counted.total.nodes
    assert counted.stages["Impute"].weight_bytes == 40


def test_convolution_counts_positions_times_kernel() -> None:
    counted = cost(regressor())
    assert counted.total.macs == 3 * 6 * (2 * 3) + 3
    assert counted.total.parameters == 3 * 2 * 3 + 3 + 3
    assert counted.network.nodes == 0, "no boundary, no network"
    shapes = {node.op: node.shape for node in counted.nodes}
    assert shapes["Conv"] == (1, 3, 6)
    assert shapes["Flatten"] == (1, 3)


def test_quantised_weights_count_as_bytes_of_the_network() -> None:
    builder = Builder("int8", (4,))
    builder.boundary(builder.input)
    scale, zero = builder.number(0.05), builder.constant(np.asarray(0, np.int8))
    stored = builder.constant(np.arange(12, dtype=np.int8).reshape(4, 3))
    weights = builder.op("DequantizeLinear", stored, scale, zero)
    steps = builder.op("QuantizeLinear", builder.input, scale, zero)
    x = builder.op("DequantizeLinear", steps, scale, zero)
    y = builder.op("Reshape", builder.op("MatMul", x, weights), builder.integers(0, 3))
    counted = cost(builder.finish({"prediction": (y, "float32", (3,))}))
    assert counted.network.parameters == 12
    assert counted.network.weight_bytes == 12 + 4 + 1 + 16
    assert counted.preprocessing.nodes == 0
    assert counted.network.macs == 12
    # The dequantised weights are constants of the program, not values of one inference; Reshape takes no memory.
    assert counted.network.peak_bytes == 4 * 4 + 3 * 4


def test_a_constant_of_both_parts_counts_once() -> None:
    builder = Builder("shared", (4,))
    shared = builder.constant(numbers(4))
    early = builder.op("Add", builder.input, shared)
    builder.boundary(early)
    late = builder.op("Add", early, shared)
    counted = cost(builder.finish({"prediction": (late, "float32", (4,))}))
    assert (counted.total.weight_bytes, counted.network.weight_bytes, counted.preprocessing.weight_bytes) == (16, 16, 0)


@pytest.mark.parametrize("shape", [(-1,), (1 << 20, 1 << 20)])
def test_an_input_without_possible_shape_is_refused(shape: tuple[int, ...]) -> None:
    graph = Graph(name="g", inputs=(Value(name="x", shape=shape),), outputs=(), nodes=(), constants={})
    with pytest.raises(InputShapeOpenError):
        cost(graph)


BOOSTED = MODELS / "boosted"
NAMES = sorted(path.name.removesuffix(".npz") for path in BOOSTED.glob("*.npz"))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_answers_what_its_tool_answered(name: str) -> None:
    kept = np.load(BOOSTED / f"{name}.npz")
    graph = read_onnx(to_onnx(read_model(BOOSTED / name, missing=-999 if "marker" in name else np.nan)))
    answers = compile_graph(graph)(kept["x"])
    if not graph.labels:
        np.testing.assert_allclose(answers["prediction"].ravel(), kept["y"], rtol=1e-6, atol=1e-6)
        return
    np.testing.assert_allclose(answers["probabilities"], kept["y"], atol=1e-6)
    assert graph.labels == tuple(str(n) for n in range(kept["y"].shape[1]))
    assert (answers["label"] == kept["y"].argmax(axis=1)).all()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("light-three.txt", "multiclass num", "lambdarank num", "expected an objective of binary"),
        ("light-three.txt", "is_linear=0", "is_linear=1", "expected a number at each leaf, got linear_tree"),
        ("light-three.txt", "decision_type=", "decision_type=1 ", "categories"),
        ("light-two.txt", "leaf_value=", "leaf_valu=", "expected a whole model of LightGBM"),
        ("extreme-two.json", "binary:logistic", "survival:cox", "expected an objective of"),
        ("extreme-two.json", '"split_type":[0', '"split_type":[1', "splits on categories"),
        ("extreme-two.json", '"tree_info"', '"tree_inf"', "expected a whole model of XGBoost"),
    ],
)
def test_what_has_no_place_is_refused(name: str, old: str, new: str, message: str) -> None:
    text = (BOOSTED / name).read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(InputError, match=message):
        read_model(text.replace(old, new, 1).encode())


@pytest.mark.parametrize("name", NAMES)
def test_damaged_bytes_are_a_model_or_a_refusal(name: str) -> None:
    data = bytearray((BOOSTED / name).read_bytes())
    rng = random.Random(0)  # noqa: S311 - damage, not secrets
    for _ in range(60):
        damaged = bytearray(data[: rng.randrange(40, len(data))] if rng.random() < 0.3 else data)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(34, len(damaged))] = rng.randrange(256)
        try:
            read_model(bytes(damaged), missing=np.nan)
        except InputError as error:
            assert "\n" not in str(error)


def test_ubjson_holds_what_json_holds() -> None:
    ours = read_ubjson((BOOSTED / "extreme-three.ubj").read_bytes())
    theirs = json.loads((BOOSTED / "extreme-three.json").read_text(encoding="utf-8"))
    assert ours["learner"]["objective"] == theirs["learner"]["objective"]
    tree, other = (model["learner"]["gradient_booster"]["model"]["trees"][3] for model in (ours, theirs))
    assert tree["left_children"] == other["left_children"]
    np.testing.assert_allclose(tree["split_conditions"], other["split_conditions"], rtol=1e-6)


def test_a_length_beyond_the_file_is_not_believed(tmp_path: Path) -> None:
    for data in (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner[#L\x7f" + b"\xff" * 7, b"{L" + b"\x7f" * 40):
        with pytest.raises(InputError):
            read_model(data + b"learner")
