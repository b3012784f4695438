"""Operators of other tools that enter as plainer ones: ONNX Runtime answers for the original, and every form agrees."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import GraphError
from edgewright.core.prediction.executor import compile_graph
from edgewright.graph.from_onnx import read_model
from foreign import MODELS, absent_forms, answers, model, node

ROW, IMAGE = (4, 11), (3, 6, 5)


class Case(NamedTuple):
    """An operator on the model's input; constants are its further inputs, None for one left out."""

    op: str
    shape: tuple[int, ...]
    constants: tuple[NDArray[Any] | None, ...] = ()
    attributes: dict[str, Any] = {}  # noqa: RUF012 - never changed
    opset: int = 18

    def bytes(self) -> bytes:
        """Return the model."""
        names = ["x", *("" if c is None else f"c{i}" for i, c in enumerate(self.constants))]
        given = {f"c{i}": c for i, c in enumerate(self.constants) if c is not None}
        operator = node(self.op, names, ["y"], **self.attributes)
        return model([operator], ["n", *self.shape], constants=given, opset=self.opset)


def f(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(len(shape)).normal(0, 0.5, shape).astype(np.float32)


def i(*values: int) -> NDArray[np.int64]:
    return np.asarray(values, np.int64)


def s(*values: float) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def pad(shape: tuple[int, ...], widths: NDArray[np.int64], mode: str, opset: int = 18) -> Case:
    return Case("Pad", shape, (widths,), {"mode": mode}, opset)


def resize(shape: tuple[int, ...], *scales: float, sizes: tuple[int, ...] = (), **attributes: Any) -> Case:  # noqa: ANN401
    given = (None, None, i(*sizes)) if sizes else (None, s(1, 1, *scales))
    return Case("Resize", shape, given, attributes)


def transposed(shape: tuple[int, ...], *weights: int, bias: bool = True, **attributes: Any) -> Case:  # noqa: ANN401
    outs = weights[1] * attributes.get("group", 1)
    return Case("ConvTranspose", shape, (f(*weights), *([f(outs)] if bias else [])), attributes)


def half(mode: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"coordinate_transformation_mode": mode, **more}


PADS = {
    "pad by reflection": pad(IMAGE, i(0, 0, 2, 1, 0, 0, 3, 2), "reflect"),
    "pad with the edge": pad(ROW, i(0, 0, 2, 0, 0, 1), "edge"),
    "pad with the edge, channels too": pad(ROW, i(0, 1, 0, 0, 2, 3), "edge"),
    "pad by wrapping": pad(ROW, i(0, 0, 2, 0, 0, 4), "wrap", 19),
    "pad by less than nothing": pad(IMAGE, i(0, 0, -1, 1, 0, 0, 2, -2), "constant"),
    "reflection that leaves out": pad(ROW, i(0, 0, -2, 0, 0, 3), "reflect"),
}
SIZES = {
    "nearest": resize(IMAGE, 2, 3, **half("asymmetric", nearest_mode="floor")),
    "nearest of ONNX": resize(ROW, 2.5),
    "nearest that shrinks": resize(IMAGE, 0.7, 0.5, nearest_mode="ceil"),
    "nearest to a size": resize(ROW, sizes=(17,), axes=(2,), nearest_mode="round_prefer_ceil"),
    "linear": resize(ROW, 2, mode="linear"),
    "linear of torch": resize(IMAGE, 2, 2, mode="linear", **half("pytorch_half_pixel")),
    "linear with corners": resize(IMAGE, sizes=(11, 8), axes=(2, 3), mode="linear", **half("align_corners")),
    "linear from the beginning": resize(ROW, 1.7, mode="linear", **half("asymmetric")),
    "linear that shrinks": resize(ROW, 0.6, mode="linear"),
    "upsample of old": Case("Upsample", IMAGE, (s(1, 1, 2, 2),), {"mode": "nearest"}, 9),
    "upsample of old, linear": Case("Upsample", IMAGE, (s(1, 1, 2, 3),), {"mode": "linear"}, 9),
    "resize of opset 10": Case("Resize", IMAGE, (s(1, 1, 0.7, 0.5),), {"mode": "nearest"}, 10),
}
CONVOLUTIONS = {
    "transposed": transposed(ROW, 4, 3, 4, strides=(2,), pads=(1, 1)),
    "transposed, nothing else": transposed(ROW, 4, 3, 3, bias=False),
    "transposed of torch": transposed(ROW, 4, 2, 3, strides=(2,), pads=(1, 1), output_padding=(1,), group=2),
    "transposed with gaps": transposed(ROW, 4, 3, 3, strides=(3,), pads=(2, 0), dilations=(2,)),
    "transposed, stride above the kernel": transposed(ROW, 4, 2, 2, strides=(4,), output_padding=(1,)),
    "transposed image": transposed(IMAGE, 3, 4, 3, 3, strides=(2, 2), pads=(1, 1, 1, 1), output_padding=(1, 1)),
    "transposed image, odd": transposed(IMAGE, 3, 2, 2, 4, strides=(1, 3), pads=(0, 1, 1, 2), group=3),
    "transposed to a size": transposed(IMAGE, 3, 2, 3, 3, strides=(2, 2), output_shape=(11, 10)),
    "transposed to the same": transposed(IMAGE, 3, 2, 3, 3, strides=(2, 2), auto_pad="SAME_UPPER"),
}
SUMS = {
    "sum so far": Case("CumSum", ROW, (np.asarray(2, np.int64),)),
    "sum from the end": Case("CumSum", IMAGE, (np.asarray(2, np.int64),), {"reverse": 1}),
    "sum before": Case("CumSum", ROW, (np.asarray(-2, np.int32),), {"exclusive": 1}),
    "sum behind": Case("CumSum", ROW, (np.asarray(2, np.int64),), {"exclusive": 1, "reverse": 1}),
}
PRODUCTS = {
    equation: Case("Einsum", shape, tuple(f(*c) for c in constants), {"equation": equation})
    for equation, shape, *constants in (
        ("bij->bji", ROW),
        ("bij->bi", ROW),
        ("bij", ROW),
        ("bij,jk->bik", ROW, (11, 3)),
        ("bij,ij->b", ROW, (4, 11)),
        ("b i j, k -> b i j k", ROW, (2,)),
        ("bij,jk,kl->bil", ROW, (11, 3), (3, 2)),
        ("bchw,cd->bdhw", IMAGE, (3, 4)),
    )
}
PRODUCTS["of both"] = Case("Einsum", ROW, (), {"equation": "bij,bkj->bik"})
PRODUCTS["constant first"] = Case("Einsum", ROW, (f(5, 4),), {"equation": "ki,bij->bkj"})
REARRANGED = {
    "tile": Case("Tile", ROW, (i(1, 2, 3),)),
    "depth to space": Case("DepthToSpace", (12, 3, 2), (), {"blocksize": 2}),
    "depth to space of torch": Case("DepthToSpace", (12, 3, 2), (), {"blocksize": 2, "mode": "CRD"}),
    "space to depth": Case("SpaceToDepth", (3, 4, 6), (), {"blocksize": 2}),
    "upper triangle": Case("Trilu", ROW, (np.asarray(2, np.int64),)),
    "lower triangle": Case("Trilu", IMAGE, (), {"upper": 0}),
}
FORMULAS = {
    "norm of two axes": Case("LayerNormalization", ROW, (f(4, 11), f(4, 11)), {"axis": -2}),
    "celu": Case("Celu", ROW, (), {"alpha": 1.5}),
    **{op: Case(op, ROW) for op in ("Tan", "Sinh", "Cosh")},
}
CASES = {**REARRANGED, **FORMULAS, **PADS, **SIZES, **CONVOLUTIONS, **SUMS, **PRODUCTS}


def bytes_of(name: str) -> bytes:
    """Return the model of a case; that of two computed inputs reads the same one twice, one has its constant first."""
    one = CASES[name]
    inputs = {"of both": ["x", "x"], "constant first": ["c0", "x"]}.get(name)
    if inputs is None:
        return one.bytes()
    given = {f"c{i}": c for i, c in enumerate(one.constants) if c is not None}
    return model([node("Einsum", inputs, ["y"], **one.attributes)], ["n", *one.shape], constants=given)


@pytest.mark.parametrize("name", CASES)
def test_an_operator_answers_as_onnx_runtime(name: str) -> None:
    data = bytes_of(name)
    graph = read_model(data)
    x = np.random.default_rng(5).normal(size=(3, *CASES[name].shape)).astype(np.float32)
    expected = answers(data, x)[0]
    prediction = compile_graph(graph)(x)["prediction"]
    assert prediction.shape == expected.shape
    np.testing.assert_allclose(prediction, expected, rtol=2e-5, atol=2e-6)


# One of each kind: one proof of all of them together is fast, proofs of each alone are slow.
FIRST = ("tile", "depth to space", "upper triangle", "norm of two axes", "Sinh", "pad by reflection",
         "linear of torch", "transposed image", "sum behind", "bchw,cd->bdhw")  # fmt: skip


def test_operators_leave_in_every_form(tmp_path: Path) -> None:
    """Each operator takes the first values of the input in its own shape; the outputs are joined."""
    nodes, joined = [node("Flatten", ["x"], ["flat"])], []
    constants: dict[str, NDArray[Any]] = {"start": i(0), "axis": i(1)}
    for n, case in enumerate(CASES[name] for name in FIRST):
        given = {f"c{n}_{k}": c for k, c in enumerate(case.constants) if c is not None}
        names = [f"x{n}", *("" if c is None else f"c{n}_{k}" for k, c in enumerate(case.constants))]
        constants |= {f"end{n}": i(math.prod(case.shape)), f"shape{n}": i(-1, *case.shape), **given}
        nodes += [
            node("Slice", ["flat", "start", f"end{n}", "axis"], [f"s{n}"]),
            node("Reshape", [f"s{n}", f"shape{n}"], [f"x{n}"]),
            node(case.op, names, [f"y{n}"], **case.attributes),
            node("Flatten", [f"y{n}"], [f"f{n}"]),
        ]
        joined.append(f"f{n}")
    data = model([*nodes, node("Concat", joined, ["y"], axis=1)], ["n", *IMAGE], constants=constants)
    assert absent_forms(data, tmp_path, rows=5) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_an_operator_leaves_in_every_form(name: str, tmp_path: Path) -> None:
    assert absent_forms(bytes_of(name), tmp_path, rows=5) == {}


@pytest.mark.slow
def test_layers_over_the_rows_of_a_sample_leave_in_every_form(tmp_path: Path) -> None:
    """Rows that a Reshape puts beside those of other samples are no network with one row a sample."""
    layers = [
        node("Reshape", ["x", "s"], ["a"]),
        node("Gemm", ["a", "w", "b"], ["c"]),
        node("Relu", ["c"], ["d"]),
        node("Gemm", ["d", "v"], ["e"]),
        node("Reshape", ["e", "t"], ["y"]),
    ]
    constants = {"s": i(-1, 6), "w": f(6, 5), "b": f(5), "v": f(5, 3), "t": i(-1, 12)}
    assert absent_forms(model(layers, ["n", 4, 6], constants=constants), tmp_path, rows=5) == {}


@pytest.mark.parametrize(
    "name", ["torch-decoder1d-dynamo", pytest.param("torch-decoder2d-dynamo", marks=pytest.mark.slow)]
)
def test_a_decoder_of_torch_leaves_in_every_form(name: str, tmp_path: Path) -> None:
    assert absent_forms((MODELS / f"{name}.onnx").read_bytes(), tmp_path, rows=5) == {}


def test_places_and_infinities_become_what_other_operators_say() -> None:
    layers = [
        node("ArgMax", ["x"], ["place"], axis=1, keepdims=0),
        node("OneHot", ["place", "depth", "values"], ["hot"], axis=1),
        node("Div", ["x", "zeros"], ["far"]),
        node("IsInf", ["far"], ["above"], detect_negative=0),
        node("Cast", ["above"], ["is"], to=1),
        node("Add", ["hot", "is"], ["y"]),
    ]
    zeros = np.asarray([[[1, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1]]], np.float32)
    constants = {"depth": i(4), "values": s(-0.5, 2.0), "zeros": zeros}
    data = model(layers, ["n", *ROW], constants=constants)
    x = np.random.default_rng(6).normal(size=(5, *ROW)).astype(np.float32)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(compile_graph(read_model(data))(x)["prediction"], answers(data, x)[0])


def test_a_transposed_convolution_has_its_kernel_rounded_up_to_the_stride() -> None:
    graph = read_model(bytes_of("transposed image"))
    weights = next(graph.constants[n.inputs[1]] for n in graph.nodes if n.op == "Conv")
    # 3 x 3 weights as 2 x 2 for each of the 2 x 2 places between two values, one channel each.
    assert weights.shape == (4 * 4, 3, 2, 2)


def test_a_missing_value_spoils_the_sums_after_it_alone() -> None:
    x = np.ones((1, *ROW), np.float32)
    x[0, 1, 5] = np.nan
    prediction = compile_graph(read_model(bytes_of("sum so far")))(x)["prediction"]
    np.testing.assert_array_equal(np.isnan(prediction[0, 1]), np.arange(11) >= 5)
    assert not np.isnan(prediction[0, [0, 2, 3]]).any()


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (pad(ROW, i(1, 0, 0, 0, 0, 0), "edge"), "padding of each sample, got (1, 0) samples more - at operator Pad"),
        (pad(ROW, i(0, 0, 11, 0, 0, 0), "reflect"), "at most 10 values more by reflect, got 11 and 0"),
        (resize(IMAGE, 2, 2, mode="cubic"), "mode nearest or linear, got 'cubic' - at operator Resize that gives 'y'"),
        (resize(IMAGE, 2, 2, antialias=1, mode="linear"), "antialias 0, got 1"),
        (resize(ROW, 2, **half("tf_crop_and_resize")), "got 'tf_crop_and_resize'"),
        (Case("Resize", ROW, (None, s(2, 1, 1))), "a batch that stays"),
        (Case("CumSum", ROW, (np.asarray(0, np.int64),)), "sums within each sample, got sums over the samples"),
        (
            Case("Einsum", (4, 4), (), {"equation": "bii->b"}),
            "an equation of letters, each once in a term, got 'bii->b'",
        ),
        (Case("Einsum", ROW, (), {"equation": "...i->..."}), "Write it with MatMul and Transpose"),
        (transposed((4, 11, 2, 2), 4, 3, 3, 3, 3), "constant weights for one or two axes"),
    ],
)
def test_what_cannot_enter_is_refused_by_name(case: Case, message: str) -> None:
    with pytest.raises(GraphError) as caught:
        read_model(case.bytes())
    assert message in str(caught.value) and f"operator {case.op} that gives 'y'" in str(caught.value)
