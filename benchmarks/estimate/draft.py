"""Networks written layer by layer as graphs, of one axis or two, with made-up weights: what no pipeline builds."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.estimate.subjects import Subject
from edgewright.compression.int8 import quantise
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, Node
from edgewright.graph.builder import Builder
from edgewright.models.base import both_classes, finish_outputs

LABELS = tuple("abcdefghijklmnopqrst")
# Grid of a softmax among bytes, as the reference kernels have it.
_SCALE, _ZERO = 1 / 256, -128
_SAMPLES = 4


class Draft:
    """A graph that grows layer by layer; `shape` is that of the value so far, without the batch axis."""

    def __init__(self, name: str, shape: tuple[int, ...], seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.builder = Builder(name, shape)
        self.name, self.value, self.shape = name, self.builder.input, shape
        self.builder.boundary(self.value)
        self.labels = 0

    def conv(
        self,
        filters: int,
        kernel: int | tuple[int, ...] = 3,
        stride: int = 1,
        *,
        groups: int = 1,
        dilation: int = 1,
        same: bool = True,
        act: str = "Relu",
    ) -> Draft:
        """Return a convolution with its bias and activation ('Relu', 'Clip' to 6, 'Sigmoid', 'Tanh' or none)."""
        axes = len(self.shape) - 1
        size = (kernel,) * axes if isinstance(kernel, int) else kernel
        channels = self.shape[0]
        fan = channels // groups * math.prod(size)
        weights = self._numbers((filters, channels // groups, *size), 1.5 / math.sqrt(fan))
        pads = [((k - 1) * dilation) // 2 if same else 0 for k in size]
        self._op("Conv", weights, self._numbers((filters,), 0.1), kernel_shape=size, strides=(stride,) * axes,
                 pads=(*pads, *pads), dilations=(dilation,) * axes, group=groups)  # fmt: skip
        lengths = zip(self.shape[1:], size, pads, strict=True)
        self.shape = (filters, *((n + 2 * p - (k - 1) * dilation - 1) // stride + 1 for n, k, p in lengths))
        return self.act(act)

    def depthwise(self, kernel: int | tuple[int, ...] = 3, stride: int = 1, *, act: str = "Relu") -> Draft:
        """Return a filter for every channel."""
        return self.conv(self.shape[0], kernel, stride, groups=self.shape[0], act=act)

    def separable(self, filters: int, kernel: int = 3, stride: int = 1, *, act: str = "Relu") -> Draft:
        """Return a filter for every channel, then mixtures of the channels."""
        return self.depthwise(kernel, stride, act=act).conv(filters, 1, act=act)

    def pool(self, op: str = "MaxPool", kernel: int = 2, stride: int = 0) -> Draft:
        """Return a pool without padding; one over all places by its `Global` name."""
        if op.startswith("Global"):
            self._op(op)
            self.shape = (self.shape[0], *(1 for _ in self.shape[1:]))
            return self
        axes, step = len(self.shape) - 1, stride or kernel
        self._op(op, kernel_shape=(kernel,) * axes, strides=(step,) * axes)
        self.shape = (self.shape[0], *((n - kernel) // step + 1 for n in self.shape[1:]))
        return self

    def dense(self, units: int, act: str = "Relu") -> Draft:
        """Return a dense layer; what comes before is flattened."""
        if len(self.shape) > 1:
            self._op("Flatten", axis=1)
            self.shape = (math.prod(self.shape),)
        inputs = self.shape[0]
        self._op(
            "Gemm", self._numbers((units, inputs), 1.5 / math.sqrt(inputs)), self._numbers((units,), 0.1), transB=1
        )
        self.shape = (units,)
        return self.act(act)

    def part(self, start: int, stop: int) -> Draft:
        """Return some of the channels, or columns."""
        self._op("Slice", *(self.builder.integers(number) for number in (start, stop, 1)))
        self.shape = (stop - start, *self.shape[1:])
        return self

    def add(self, value: str, act: str = "") -> Draft:
        """Return the sum with an earlier value of the same shape."""
        self._op("Add", value)
        return self.act(act)

    def act(self, op: str) -> Draft:
        """Return an activation."""
        if op == "Clip":
            self._op("Clip", self.builder.number(0.0), self.builder.number(6.0))
        elif op:
            self._op(op)
        return self

    def classes(self, count: int) -> Draft:
        """Return a dense layer and probabilities: a sigmoid of two classes, a softmax of more."""
        self.labels = count
        self.dense(1 if count == 2 else count, "")
        return self.act("Sigmoid" if count == 2 else "Softmax")

    def finish(self) -> Graph:
        """Return the float graph."""
        if self.labels:
            probabilities = both_classes(self.builder, self.value) if self.labels == 2 else self.value
            self.builder.labels = LABELS[: self.labels]
            return self.builder.finish(finish_outputs(self.builder, probabilities, self.labels))
        if len(self.shape) > 1:
            self._op("Flatten", axis=1)
            self.shape = (math.prod(self.shape),)
        return self.builder.finish({"prediction": (self.value, "float32", self.shape)})

    def subject(self, form: str = "int8", name: str = "") -> Subject:
        """Return what is estimated from the float graph and compiled as 'float', 'int8', or 'bytes': the softmax, too.

        Raises:
            InputError: for lengths that a kernel does not fit into.
        """
        graph = self.finish()
        shape = graph.inputs[0].shape
        X = self.rng.normal(0.0, 1.0, (_SAMPLES, *shape)).astype(np.float32)
        compile_graph(graph)(X)
        small = None if form == "float" else quantise(graph, X)
        if small is not None and form == "bytes":
            small = _whole(small)
        return Subject(name or self.name, graph, small, X[0])

    def _op(self, op: str, *inputs: str, **attributes: int | tuple[int, ...]) -> None:
        self.value = self.builder.op(op, self.value, *inputs, **attributes)

    def _numbers(self, shape: tuple[int, ...], size: float) -> str:
        weights: NDArray[np.float32] = self.rng.normal(0.0, size, shape).astype(np.float32)
        return self.builder.constant(weights)


def _whole(graph: Graph) -> Graph:
    """Return a quantised graph whose softmax works on bytes as well, as models from elsewhere have it."""
    last = next((node for node in graph.nodes if node.op == "Softmax"), None)
    if last is None:
        return graph
    (old,), real, rounded = last.outputs, "softmax_real", "softmax_bytes"
    constants = {**graph.constants, "softmax_scale": np.float32(_SCALE) * np.ones((), np.float32),
                 "softmax_zero": np.asarray(_ZERO, np.int8)}  # fmt: skip
    grid = ("softmax_scale", "softmax_zero")
    added = (
        msgspec.structs.replace(last, outputs=(real,)),
        Node(op="QuantizeLinear", inputs=(real, *grid), outputs=(rounded,), attributes={}),
        Node(op="DequantizeLinear", inputs=(rounded, *grid), outputs=(old,), attributes={}),
    )
    nodes = tuple(new for node in graph.nodes for new in (added if node is last else (node,)))
    return msgspec.structs.replace(graph, nodes=nodes, constants=constants)
