"""The exported model as a page can run it: its operators as lines of text with every shape known, weights packed.

The interpreter is `templates/what_if.js`. A page answers one sample at a time, so shapes, paddings and axes are worked
out here once, by a run of the desk's executor, and the interpreter only computes: axes count from the front, paddings
are numbers.
"""

from __future__ import annotations

import base64
import importlib
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import FormatNewerError, InputError, RunError
from edgewright.core.files import write_atomic
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.operators._attributes import constant_integers, geometry, integer, integers, number
from edgewright.core.package import model_file
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Array, Graph, Node
from edgewright.core.records.trace import TRACE_VERSION, Trace
from edgewright.graph.builder import leading_to

Numbers = dict[str, float | tuple[int, ...]]
Lowered = tuple[tuple[str, ...], Numbers]
"""Names of the inputs that are left, and attributes."""
Lower = Callable[[Node, dict[str, Array]], Lowered]

SAME = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")
"""Operators that keep every value in its order."""
_PLAIN = (
    "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
    "And", "Or", "Xor", "Where", "Abs", "Neg", "Sqrt", "Exp", "Log", "Floor", "Ceil", "Round", "Reciprocal", "Sign",
    "Sin", "Cos", "Erf", "Relu", "Sigmoid", "Tanh", "Not", "IsNaN", "Cast", "Clip", "MatMul",
)  # fmt: skip
_REDUCTIONS = (
    "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
    "ReduceLogSumExp",
)  # fmt: skip
_MODES = ("constant", "edge", "reflect")


def _given(node: Node, values: dict[str, Array], index: int, attribute: str = "") -> tuple[int, ...] | None:
    return constant_integers(node, [values.get(name) for name in node.inputs], index, attribute)


def _front(axis: int, rank: int) -> int:
    return axis + rank if axis < 0 else axis


def _plain(node: Node, values: dict[str, Array]) -> Lowered:
    return node.inputs, {}


def _alone(node: Node, values: dict[str, Array]) -> Lowered:
    return node.inputs[:1], {}


def _along(default: int) -> Lower:
    """Return the lowering of operators that work along one axis."""

    def lower(node: Node, values: dict[str, Array]) -> Lowered:
        axis = _front(integer(node, "axis", default), values[node.inputs[0]].ndim)
        return node.inputs, {"axis": axis, "last": integer(node, "select_last_index", 0)}

    return lower


def _reduced(node: Node, values: dict[str, Array]) -> Lowered:
    rank = values[node.inputs[0]].ndim
    axes = tuple(_front(axis, rank) for axis in _given(node, values, 1, "axes") or ())
    if not axes and not integer(node, "noop_with_empty_axes", 0):
        axes = tuple(range(rank))
    return node.inputs[:1], {"axes": axes}


def _everywhere(node: Node, values: dict[str, Array]) -> Lowered:
    return node.inputs, {"axes": tuple(range(2, values[node.inputs[0]].ndim))}


def _gemm(node: Node, values: dict[str, Array]) -> Lowered:
    defaults = {"transA": 0.0, "transB": 0.0, "alpha": 1.0, "beta": 1.0}
    return node.inputs, {name: number(node, name, default) for name, default in defaults.items()}


def _slid(node: Node, values: dict[str, Array]) -> Lowered:
    """Convolution and pooling: always two spatial axes; what `ceil_mode` adds is among the ends."""
    shape = values[node.inputs[0]].shape[2:]
    plan = geometry(node, integers(node, "kernel_shape") or values[node.inputs[1]].shape[2:])
    around, beyond = plan.padding(shape), plan.overhang(shape)
    ones_before, none = (1,) * (2 - len(shape)), (0,) * (2 - len(shape))
    return node.inputs, {
        "kernel": (*ones_before, *plan.kernel),
        "strides": (*ones_before, *plan.strides),
        "dilations": (*ones_before, *plan.dilations),
        "begins": (*none, *(before for before, _ in around)),
        "ends": (*none, *(after for _, after in around)),
        "beyond": (*none, *beyond),
        "group": integer(node, "group", 1),
        "counted": integer(node, "count_include_pad", 0),
    }


def _transposed(node: Node, values: dict[str, Array]) -> Lowered:
    order = integers(node, "perm") or tuple(reversed(range(values[node.inputs[0]].ndim)))
    return node.inputs, {"perm": tuple(_front(axis, len(order)) for axis in order)}


def _sliced(node: Node, values: dict[str, Array]) -> Lowered:
    """Where along every axis the first entry comes from, and the step to the next."""
    shape = values[node.inputs[0]].shape
    starts = _given(node, values, 1, "starts") or ()
    ends = _given(node, values, 2, "ends") or ()
    axes = _given(node, values, 3, "axes") or tuple(range(len(starts)))
    steps = _given(node, values, 4) or (1,) * len(starts)
    begins, strides = [0] * len(shape), [1] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        stop = None if step < 0 and end < -(2**31) else end
        begins[axis], _, strides[axis] = slice(start, stop, step).indices(shape[axis])
    return node.inputs[:1], {"begins": tuple(begins), "strides": tuple(strides), "mode": 0}


def _padded(node: Node, values: dict[str, Array]) -> Lowered:
    widths = _given(node, values, 1, "pads") or ()
    axes = _given(node, values, 3) or tuple(range(len(widths) // 2))
    rank = values[node.inputs[0]].ndim
    begins = [0] * rank
    for before, axis in zip(widths, axes, strict=False):
        begins[axis] = -before
    fill = values[node.inputs[2]] if len(node.inputs) > 2 and node.inputs[2] else None
    mode = str(node.attributes.get("mode", "constant"))
    return node.inputs[:1], {
        "begins": tuple(begins),
        "strides": (1,) * rank,
        "mode": _MODES.index(mode),
        "fill": 0.0 if fill is None else float(fill.reshape(())),
    }


def _sequence(node: Node) -> Numbers:
    return {"sequence": int(node.attributes["window"] == "sequence")}


LOWERED: dict[str, Lower] = {
    **dict.fromkeys(_PLAIN, _plain),
    **dict.fromkeys(SAME, _alone),
    **dict.fromkeys(_REDUCTIONS, _reduced),
    **dict.fromkeys(("Concat", "Gather", "GatherElements", "ArgMax", "ArgMin"), _along(0)),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), _everywhere),
    **dict.fromkeys(("Conv", "MaxPool", "AveragePool"), _slid),
    "LSTM": lambda node, values: (node.inputs, _sequence(node)),
    "GRU": lambda node, values: (node.inputs, {**_sequence(node), "late": integer(node, "linear_before_reset", 0)}),
    "Softmax": _along(-1),
    "LeakyRelu": lambda node, values: (node.inputs, {"alpha": number(node, "alpha", 0.01)}),
    "Gemm": _gemm,
    "Transpose": _transposed,
    "Expand": _alone,
    "Slice": _sliced,
    "Pad": _padded,
}
"""How an operator is handed to the interpreter, by its name; what is not here, the interpreter does not know."""


_KINDS = {"f": "f", "i": "i", "u": "i", "b": "b"}


class PageModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a page runs.

    Attributes:
        program: a line for each value after the input (number 1): constants 'f 3,4' in order, then operators 'Gemm
            1,2,3 f 1,16 transB=1' with inputs by number (0: left out), kind, shape and attributes.
        weights: the constants one after the other, 4 bytes each, `packed`.
        answer: number of the value with the probabilities or the prediction.
        missing: operators that the interpreter does not know; the rest is then empty.
    """

    program: str = ""
    weights: str = ""
    answer: int = 0
    missing: tuple[str, ...] = ()


def page_model(graph: Graph) -> PageModel:
    """Return the exported model for a page.

    Args:
        graph: with one input, as it is exported.
    """
    nodes = leading_to(graph, [_answer(graph)])
    missing = sorted({node.op for node in nodes if node.op not in LOWERED})
    if missing:
        return PageModel(missing=tuple(missing))
    values = _values(graph, nodes)
    return _Packer(graph, nodes, values).pack()


def packed(values: bytes) -> str:
    """Return bytes for an attribute of the page: deflated (zlib) and base64; the page inflates them."""
    return base64.b64encode(zlib.compress(values, 9)).decode()


def value_shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Return the shape of every value for one sample, without the batch axis."""
    values = _values(graph, leading_to(graph, [_answer(graph)]))
    return {name: tuple(value.shape[1:]) for name, value in values.items()}


def _answer(graph: Graph) -> str:
    return "probabilities" if graph.labels else graph.outputs[0].name


def _values(graph: Graph, nodes: Sequence[Node]) -> dict[str, Array]:
    names = [node.outputs[0] for node in nodes]
    zeros = np.zeros((1, *graph.inputs[0].shape), graph.inputs[0].dtype)
    return {**graph.constants, graph.inputs[0].name: zeros, **compile_graph(graph, names)(zeros)}


class _Packer:
    """Numbers the values and writes the lines."""

    def __init__(self, graph: Graph, nodes: Sequence[Node], values: dict[str, Array]) -> None:
        self.graph, self.values = graph, values
        self.lines: list[str] = []
        self.weights: list[NDArray[np.generic]] = []
        self.numbers = {"": 0, graph.inputs[0].name: 1}
        moving = {graph.inputs[0].name}
        self.nodes = []
        for node in nodes:
            # What does not depend on the input is a constant by its value.
            if moving.intersection(node.inputs):
                moving.add(node.outputs[0])
                self.nodes.append(node)

    def pack(self) -> PageModel:
        lowered = [(node, *LOWERED[node.op](node, self.values)) for node in self.nodes]
        computed = {node.outputs[0] for node in self.nodes}
        for _, inputs, _ in lowered:
            for name in inputs:
                if name not in self.numbers and name not in computed:
                    self._constant(name)
        for node, inputs, attributes in lowered:
            out = self.values[node.outputs[0]]
            written = " ".join(f"{key}={_text(value)}" for key, value in attributes.items())
            op = "Same" if node.op in SAME else node.op
            given = _listed(self.numbers[name] for name in inputs)
            self._add(node.outputs[0], f"{op} {given} {_KINDS[out.dtype.kind]} {_listed(out.shape)} {written}".rstrip())
        raw = b"".join(array.tobytes() for array in self.weights)
        return PageModel(program="\n".join(self.lines), weights=packed(raw), answer=self.numbers[_answer(self.graph)])

    def _constant(self, name: str) -> None:
        array = self.values[name]
        kind = _KINDS[array.dtype.kind]
        limits = np.iinfo(np.int32)
        self.weights.append(
            np.ascontiguousarray(array, "<f4")
            if kind == "f"
            else np.ascontiguousarray(np.clip(array.astype(np.int64), limits.min, limits.max), "<i4")
        )
        self._add(name, f"{kind} {_listed(array.shape)}".rstrip())

    def _add(self, name: str, line: str) -> None:
        self.lines.append(line)
        self.numbers[name] = len(self.lines) + 1


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(str(int(n)) for n in numbers) or "-"


def _text(value: float | tuple[int, ...]) -> str:
    return _listed(value) if isinstance(value, tuple) else f"{value:.9g}"


PAGE_FILE = "trace.html"
HINT = "no page of this run: pip install 'edgewright[trace]'"
_MARK = re.compile(rb'<meta name="generator" content="edgewright [^"]*, page (\d+)">')
# A larger model is neither drawn nor run by a page.
_MOST_MODEL = 16 * 2**20
# Libraries of the extra [trace].
_EXTRA = {"jinja2", "markupsafe"}


def leave_page(trace: Trace, folder: Path) -> Path | None:
    """Write the page beside the record; None where the extra `[trace]` is not installed.

    Raises:
        OutputError: it cannot be written.
    """
    content = render_page(trace, folder)
    if content is None:
        return None
    path = folder / PAGE_FILE
    write_atomic(path, content)
    return path


def render_page(trace: Trace, folder: Path | None = None) -> bytes | None:
    """Return the page's bytes; None where the extra `[trace]` is not installed.

    Args:
        trace: the record.
        folder: of the run, with the exported model; None where there is none.
    """
    try:
        html = importlib.import_module("edgewright.trace.html")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in _EXTRA:
            return None
        raise
    content: str = html.page_html(trace, exported_graph(folder))
    return content.encode()


def exported_graph(folder: Path | None) -> Graph | None:
    """Return the float model of a run folder; None where it is absent, damaged or far too large for a page."""
    path = None if folder is None else folder / model_file("float")
    try:
        graph = None if path is None or path.stat().st_size > _MOST_MODEL else read_onnx(path.read_bytes())
    except (OSError, InputError):
        return None
    return graph if graph is not None and len(graph.inputs) == 1 else None


def page_version(path: Path) -> int:
    """Version of the page in a file; 0 where it is no page, or not there."""
    try:
        with path.open("rb") as file:
            mark = _MARK.search(file.read(4096))
    except OSError:
        return 0
    return int(mark[1]) if mark else 0


class RecordVersion(msgspec.Struct, frozen=True):
    """The one field that is read before the rest is believed."""

    version: int


def trace_bytes(trace: Trace) -> bytes:
    """Return the record as JSON: fields in the order of the schema, keys of tables sorted, two blanks of indent."""
    return msgspec.json.format(msgspec.json.encode(trace, order="sorted"), indent=2) + b"\n"


def write_trace(trace: Trace, path: Path) -> None:
    """Write the record whole or not at all.

    Raises:
        OutputError: when the file cannot be written, a full disk for example.
    """
    write_atomic(path, trace_bytes(trace))


def as_it_was(config: dict[str, Any]) -> None:
    """Add to a stored configuration what keys that it lacks meant when it was stored, all defaults included."""
    if config:
        config.setdefault("refit", False)
    if isinstance(window := config.get("window"), dict):
        window.setdefault("target", "mean")


def read_trace(path: Path) -> Trace:
    """Read a record of this version or an older one.

    Raises:
        InputError: when the file is absent, is no record, is cut off, or was written by a newer version.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(
            "a trace.json", error.strerror or str(error), str(path), "Give the folder of a finished run"
        ) from error
    return parse_trace(content, str(path))


def parse_trace(content: bytes, where: str) -> Trace:
    """Return the record in `content`; `where` names the file in messages.

    Raises:
        InputError: as `read_trace`.
    """
    try:
        version = msgspec.json.decode(content, type=RecordVersion).version
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RunError("a whole trace.json", _reason(error), where, "Run the pipeline again") from error
    if version > TRACE_VERSION:
        raise FormatNewerError(
            f"a trace of version {TRACE_VERSION} or older", f"version {version}", where, "Update edgewright"
        )
    if version < 1:
        raise FormatNewerError("a trace of version 1 or newer", f"version {version}", where)
    try:
        trace = msgspec.json.decode(content, type=Trace)
        as_it_was(trace.config)
        return trace
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RunError("a trace with every part", _reason(error), where, "Run the pipeline again") from error


def _reason(error: Exception) -> str:
    """Return the decoder's message, which names the place, as part of a sentence."""
    text = str(error).replace("`", "'")
    return text[:1].lower() + text[1:]
