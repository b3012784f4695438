"""Weights as symmetric signed bytes, and biases as 32-bit integers on the grid of the accumulator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError, Int8Error, TooFewSamplesError, TrainingDivergedError
from edgewright.core.input.recordings import parts
from edgewright.core.integer.network import foreign_operators
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, Node
from edgewright.core.records.trace import EngineFlips, Interval, VariantRecord

if TYPE_CHECKING:
    from edgewright.models.architecture import Architecture


Method = Literal["minmax", "percentile"]
Range = tuple[float, float]
# Maximum number of samples in a batch: the activations of a window take hundreds of kilobytes.
_PIECE = 512


@dataclass(frozen=True)
class Grid:
    """real = scale * (integer - zero), integers from -128 to 127."""

    scale: np.float32
    zero: int


SIGMOID = Grid(np.float32(1.0 / 256.0), -128)


def grid(low: float, high: float) -> Grid:
    """Return the grid that covers a range and contains zero exactly, which padding and ReLU need.

    The rule is that of Jacob et al., Quantization and Training of Neural Networks, CVPR 2018, for signed bytes.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32((high - low) / 255.0)
    if not scale > np.finfo(np.float32).tiny:
        return Grid(np.float32(1.0), -128 if low == 0.0 else 127)
    return Grid(scale, int(np.clip(np.rint(-128.0 - low / float(scale)), -128, 127)))


def watch(
    graph: Graph, names: tuple[str, ...], calibration: NDArray[Any], method: Method, percentile: float
) -> dict[str, tuple[float, float]]:
    """Return the lowest and highest number of each named value over the samples.

    Args:
        graph: float graph.
        names: names of the values.
        calibration: samples in the form of the graph's input.
        method: 'minmax' covers all numbers, 'percentile' omits the most extreme ones.
        percentile: share of the numbers inside the range, in per cent; both ends lose the same number.

    Raises:
        InputError: without samples, or when a value is not a number.
    """
    if not len(calibration):
        raise TooFewSamplesError("training samples to find ranges on", "none", "int8 calibration")
    run = compile_graph(graph, names)
    kept: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    for part in parts(calibration.shape, _PIECE):
        for name, values in run(np.ascontiguousarray(calibration[part], np.float32)).items():
            kept[name].append(np.array([values.min(), values.max()]) if method == "minmax" else np.ravel(values))
    ranges: dict[str, tuple[float, float]] = {}
    outside = (100.0 - percentile) / 200.0
    for name in names:
        values = np.concatenate(kept.pop(name))
        edges = (values.min(), values.max()) if method == "minmax" else np.quantile(values, [outside, 1.0 - outside])
        low, high = (float(v) for v in edges)
        if not np.isfinite([low, high]).all():
            raise TrainingDivergedError("finite activations", f"{low} to {high}", f"int8 calibration of value {name}")
        ranges[name] = (low, high)
    return ranges


PerChannel = Literal["auto", "always", "never"]
Floats = NDArray[np.float32]
# Largest bias on the grid of the accumulator: a larger one could overflow the 32-bit sum of products.
BIAS_LIMIT = 2.0**30
# Bytes a channel that scales of its own cost where they cost most: a .tflite holds for the weights and for the bias a
# float32 scale and an int64 zero point; ONNX needs 9 of them.
SCALE_BYTES = 24
# 'auto' wants at least half the rounding error, a quarter of its power: normal weights of a wide layer would give .7
# bits to every channel, and 10 MB of them would stay above a quarter of their float32 bytes for it.
WORTH = 4.0
# Mean error power of a channel, relative to its weights, beyond which bytes are no argument: 4 bits are left of 8.
POOR = 2e-3
LEVELS = 127  # the largest signed byte that is used, so that weights are symmetric


@dataclass(frozen=True)
class IntegerWeights:
    """Weights and bias of one operator.

    Attributes:
        weights: int8, same shape as the float weights, from -127 to 127.
        scale: float32, a scalar, or one for each output channel.
        bias: int32 with scale `input scale * scale`; None if there is no bias.
        bias_scale: float32, with the shape of `scale`.
    """

    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.int32] | None
    bias_scale: NDArray[np.float32]

    @property
    def per_channel(self) -> bool:
        """Whether each output channel has its own scale."""
        return self.scale.ndim > 0


def to_integers(
    weights: Floats,
    bias: Floats | None,
    axis: int,
    input_scale: np.float32,
    per_channel: PerChannel,
    *,
    depthwise: bool = False,
    levels: int = LEVELS,
) -> IntegerWeights:
    """Round the weights of one operator.

    Args:
        weights: weights of any shape.
        bias: one value for each output channel, or None.
        axis: axis of the output channels.
        input_scale: scale of the activations that are multiplied by the weights.
        per_channel: 'always', 'never', or 'auto' to decide by the error of the weights.
        depthwise: whether each output channel stays a channel by itself (depthwise convolution), so that a small one
            is as important as a large one.
        levels: the largest integer: 127 for 8 bits, 7 for 4.
    """
    rows = np.moveaxis(np.asarray(weights, np.float32), axis, 0).reshape(weights.shape[axis], -1)
    largest = np.abs(rows).max(axis=1)
    single = _floored(largest.max(), bias, input_scale, levels)
    many = _floored(largest, bias, input_scale, levels)
    if per_channel == "always" or (per_channel == "auto" and pays(rows, single, many, depthwise, levels)):
        scale = many
    else:
        scale = np.asarray(single.max(), np.float32)
    shape = [1] * weights.ndim
    shape[axis] = -1
    spread = scale.reshape(shape) if scale.ndim else scale
    bias_scale = np.asarray(np.float32(input_scale) * scale, np.float32)
    integers = np.clip(np.rint(weights / spread), -levels, levels).astype(np.int8)
    rounded: NDArray[np.int32] | None = None
    if bias is not None:
        rounded = np.clip(np.rint(bias.astype(np.float64) / bias_scale), -BIAS_LIMIT, BIAS_LIMIT).astype(np.int32)
    return IntegerWeights(integers, scale, rounded, bias_scale)


def _floored(largest: Any, bias: Floats | None, input_scale: np.float32, levels: int) -> Floats:  # noqa: ANN401
    """Return scales for the largest weights, raised if the bias would overflow 32 bits (tiny weights, a large bias)."""
    floor: Any = float(np.finfo(np.float32).tiny)
    if bias is not None:
        floor = np.maximum(floor, np.abs(bias.astype(np.float64)) / (float(input_scale) * BIAS_LIMIT))
    # A product of two scales must not vanish in float32 either.
    floor = np.maximum(floor, 1e-30 / float(input_scale))
    return np.asarray(np.maximum(np.asarray(largest, np.float64) / levels, floor), np.float32)


def pays(rows: Floats, whole: Floats, many: Floats, depthwise: bool, levels: int = LEVELS) -> bool:
    """Return whether a scale for each channel is worth its bytes.

    It must halve the rounding error, and save more bits in every weight than it costs or rescue channels that would
    lose most of theirs. Channels that stay apart are too short for that sum: their error is compared relative to each
    channel's own weights.

    Args:
        rows: weights of shape (channels, weights a channel).
        whole: scales of shape () or (channels,); their largest is the common scale.
        many: a scale for each channel.
        depthwise: see `to_integers`.
        levels: see `to_integers`.
    """
    signal = np.square(rows).sum(axis=1)
    alive = signal > 0
    if not alive.any():
        return False

    def error(scale: Any) -> tuple[float, float]:  # noqa: ANN401 - an array that broadcasts over the rows
        rounded = np.clip(np.rint(rows / scale), -levels, levels) * scale
        power = np.square(rows - rounded).sum(axis=1)[alive]
        return float(power.sum()), float((power / signal[alive]).mean())

    (coarse, poor), (fine, relative) = error(whole.max()), error(many[:, None])
    if depthwise:
        return poor > WORTH * relative
    if coarse <= WORTH * fine:
        return False
    bits = 0.5 * math.log2(coarse / fine) if fine else math.inf
    return poor > POOR or bits * rows.size / 8 > SCALE_BYTES * len(rows)


# Operators with a state; docs/research/generated-code.md define their integers.
RECURRENT = ("LSTM", "GRU")
WEIGHTED = ("Gemm", "Conv", *RECURRENT)
# How the scale of the output is set, by operator; an operator that is not listed is refused by name.
MOVES = (
    "Flatten",
    "Reshape",
    "Slice",
    "MaxPool",
    "Pad",
)  # moves or picks numbers: done on integers, the scale stays
KEEPS = ("AveragePool", "GlobalMaxPool")  # the output lies within the input: the scale stays
RANGES = ("Relu", "Clip", "GlobalAveragePool", "Add")  # a range of its own
FUSING = ("Gemm", "Conv", "Add")  # a ReLU after them is rounded once, with them
ENDS = ("Relu", "Clip")  # taken in by the operator before it: one rounding for both
FIXED = ("Sigmoid",)  # the range is known: 0 to 1
NETWORK_FOR_INT8 = "a network has one: run again with --set model.kind=network"
"""What a person can do whose model has no int8 form."""
KNOWN = (*WEIGHTED, *MOVES, *KEEPS, *RANGES, *FIXED)


@dataclass(frozen=True)
class Section:
    """A network within a graph.

    Attributes:
        before, inside, after: nodes before, in and after the network, in their order.
        start: name of the value that enters the network.
        end: name of the raw outputs.
    """

    before: tuple[Node, ...]
    inside: tuple[Node, ...]
    after: tuple[Node, ...]
    start: str
    end: str


def network_section(graph: Graph) -> Section:
    """Return everything after `graph.boundary` up to the last operator with weights; softmax and labels stay float.

    Raises:
        InputError: when there is no boundary or network, or an operator in it has no integer form.
    """
    reached = {graph.boundary} if graph.boundary else set()
    places: list[int] = []
    for index, node in enumerate(graph.nodes):
        if reached.intersection(node.inputs):
            reached.update(node.outputs)
            places.append(index)
    weighted = [position for position in places if graph.nodes[position].op in WEIGHTED]
    if not weighted:
        raise Int8Error("a graph with a network after its boundary", _without_network(graph), f"graph {graph.name}")
    last = graph.nodes[weighted[-1]]
    needed = set(last.outputs)
    chosen: set[int] = set()
    for index in reversed(places):
        node = graph.nodes[index]
        if needed.intersection(node.outputs):
            chosen.add(index)
            needed.update(node.inputs)
    for index in chosen:
        if graph.nodes[index].op not in KNOWN:
            raise Int8Error(
                f"operators with an integer form ({', '.join(sorted(KNOWN))})",
                f"the operator {graph.nodes[index].op}",
                f"graph {graph.name}",
            )
    return Section(
        before=tuple(n for p, n in enumerate(graph.nodes) if p not in chosen and p < min(chosen)),
        inside=tuple(graph.nodes[p] for p in sorted(chosen)),
        after=tuple(n for p, n in enumerate(graph.nodes) if p not in chosen and p > min(chosen)),
        start=graph.boundary,
        end=last.outputs[0],
    )


def missing_integer_form(graph: Graph) -> str:
    """Return why a graph has no int8 form; empty if it has one."""
    try:
        network_section(graph)
    except InputError as error:
        return error.got
    return ""


def float_layers(network: Architecture) -> list[str]:
    """Return the names of layers that say they have no integer form: a network with one of them stays float."""
    layers = zip(network.names, network.layers, network.configs, strict=True)
    return [name for name, layer, config in layers if not layer.integer(config)]


def _without_network(graph: Graph) -> str:
    """Return why a graph has no network: it has no weights, or some of its operators have no integer form."""
    places = [index for index, node in enumerate(graph.nodes) if node.op in WEIGHTED]
    if not places:
        return f"no operator with weights ({', '.join(WEIGHTED)}): trees and formulas stay as they are"
    foreign = foreign_operators(graph)
    return f"operators without an integer form among its layers: {foreign}" if foreign else "none"


def weight_bytes(graph: Graph) -> int:
    """Return bytes of the network's constants: weights and biases, and of an int8 form also its scales and zero points.

    A constant counts once however many nodes read it. Constants of the preprocessing before the boundary do not
    count, nor do those after the last operator with weights.
    """
    reached = {graph.boundary} if graph.boundary else {v.name for v in graph.inputs}
    inside = []
    for node in graph.nodes:
        # A node that reads only constants, such as a conversion of integer weights, counts with the nodes that read it.
        if reached.intersection(node.inputs) or all(name in graph.constants for name in node.inputs if name):
            reached.update(node.outputs)
            inside.append(node)
    weighted = [index for index, node in enumerate(inside) if node.op in ("Gemm", "Conv", "MatMul")]
    if not weighted:
        return 0
    used: set[str] = set()
    needed = set(inside[weighted[-1]].outputs)
    # The rounding of the raw outputs counts as part of the network.
    for node in inside[weighted[-1] + 1 :]:
        if node.op in ("QuantizeLinear", "DequantizeLinear") and needed.intersection(node.inputs):
            needed.update(node.outputs)
    for node in reversed(inside):
        if needed.intersection(node.outputs):
            needed.update(name for name in node.inputs if name != graph.boundary)
            used.update(name for name in node.inputs if name in graph.constants)
    return sum(int(graph.constants[name].nbytes) for name in used)


def flips_by_class(
    first: NDArray[np.integer[Any]], other: NDArray[np.integer[Any]], labels: Sequence[str]
) -> tuple[tuple[str, int], ...]:
    """Count the samples of each class (by the first form's answer) that the other form answers differently.

    Args:
        first: class indices that the reference form (float) answers, shape (n,).
        other: class indices that the other form answers, shape (n,).
        labels: class names.
    """
    counts = np.bincount(np.asarray(first)[np.asarray(first) != np.asarray(other)], minlength=len(labels))
    return tuple((str(label), int(number)) for label, number in zip(labels, counts, strict=True))


def variant(
    name: str,
    *,
    accuracy: Interval | None,
    flips: tuple[tuple[str, int], ...],
    graph: Graph,
    file_bytes: int,
    latency_us: tuple[float, float] | None,
    engine: str,
    error: float | None = None,
    engine_flips: tuple[EngineFlips, ...] = (),
) -> VariantRecord:
    """Return the row of one form in the comparison.

    Args:
        name: 'float', 'int8'.
        accuracy: accuracy on the test samples; None for a regression.
        flips: result of `flips_by_class`.
        graph: graph of the form.
        file_bytes: size of its ONNX file.
        latency_us: median and 99th percentile of one prediction, microseconds.
        engine: engine whose latency was measured.
        error: root mean squared error of a regression.
        engine_flips: number of labels for which other engines differ from integer arithmetic.
    """
    return VariantRecord(
        name=name,
        accuracy=accuracy,
        flips=sum(number for _, number in flips),
        flips_by_class=flips,
        weight_bytes=weight_bytes(graph),
        file_bytes=file_bytes,
        latency_p50_us=None if latency_us is None else latency_us[0],
        latency_p99_us=None if latency_us is None else latency_us[1],
        engine=engine,
        error=error,
        engine_flips=engine_flips,
    )
