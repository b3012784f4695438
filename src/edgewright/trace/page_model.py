"""The exported model as a page can run it: its operators as lines of text with every shape known, weights packed.

The interpreter is `templates/what_if.js`. A page answers one sample at a time, so shapes, paddings and axes are worked
out here once, by a run of the desk's executor, and the interpreter only computes.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.executor import compile_graph
from edgewright.graph.builder import leading_to
from edgewright.schema.graph import Array, Graph, Node
from edgewright.trace.page_operators import LOWERED, SAME

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
        return PageModel(
            program="\n".join(self.lines),
            weights=packed(raw),
            answer=self.numbers[_answer(self.graph)],
        )

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
