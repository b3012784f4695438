"""Pools, means and recurrent layers of networks in .tflite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.core.arithmetic import GATE_BITS
from edgewright.core.errors import ExportError
from edgewright.core.kernels.recurrent import GATE_STEP, STATE_STEP
from edgewright.core.operators._attributes import same_padding
from edgewright.core.records.network import Array
from edgewright.export.tflite_operators import OperatorSite, tensor_shape, writes

_INT8, _INT32 = int(schema.TensorType.INT8), int(schema.TensorType.INT32)


@writes("reshape")
def reshape(site: OperatorSite) -> None:
    """RESHAPE."""
    shape = tensor_shape(site.target)
    site.end("RESHAPE", (1, 1), *site.inputs, site.numbers(*shape), newShape=list(shape))


@writes("transpose")
def transpose(site: OperatorSite) -> None:
    """TRANSPOSE; the batch axis stays first."""
    order = site.numbers(0, *(axis + 1 for axis in site.operator.numbers["order"]))
    site.end("TRANSPOSE", (1, 2), *site.inputs, order)


@writes("slice")
def cut(site: OperatorSite) -> None:
    """SLICE along one axis."""
    axis, begin = site.operator.numbers["axis"][0] + 1, site.operator.numbers["begin"][0]
    starts = site.numbers(*(begin if n == axis else 0 for n in range(len(site.target.shape) + 1)))
    site.end("SLICE", (1, 2), *site.inputs, starts, site.numbers(*tensor_shape(site.target)))


@writes("pad")
def pad(site: OperatorSite) -> None:
    """PAD with the real number 0."""
    site.end("PAD", (1, 2), *site.inputs, _widths(site))


@writes("concat")
def concat(site: OperatorSite) -> None:
    """CONCATENATION."""
    site.end("CONCATENATION", (1, 2), *site.inputs, axis=site.operator.numbers["axis"][0] + 1)


@writes("add")
def add(site: OperatorSite) -> None:
    """ADD; only 16-bit values ask for scales that are powers of two."""
    site.end("ADD", (1, 2), *_factors(site), fusedActivationFunction=activation(site), potScaleInt16=False)


@writes("relu")
def relu(site: OperatorSite) -> None:
    """RELU or RELU6."""
    site.end(site.operator.activation.upper(), (1, 2), *site.inputs)


@writes("logistic")
def logistic(site: OperatorSite) -> None:
    """LOGISTIC."""
    site.end("LOGISTIC", (1, 2), *site.inputs)


@writes("multiply")
def multiply(site: OperatorSite) -> None:
    """MUL."""
    site.end("MUL", (1, 2), *_factors(site), fusedActivationFunction=activation(site))


def _factors(location: OperatorSite) -> tuple[int, ...]:
    """Return the inputs, and the number that a float operator has for its second."""
    number = location.operator.arrays.get("constant")
    return location.inputs if number is None else (*location.inputs, location.builder.constant(number))


@writes("table")
def table(site: OperatorSite) -> None:
    """GATHER from the table, at the byte 128 higher: in every interpreter the same bytes."""
    shape, integers = tensor_shape(site.target), np.asarray([128], np.int32)
    wide = site.builder.step("CAST", site.inputs, shape, "int32", inDataType=_INT8, outDataType=_INT32)
    index = site.builder.step("ADD", (wide, site.builder.constant(integers)), shape, "int32")
    entries = site.builder.constant(site.operator.arrays["table"], np.asarray(site.target.scale), zero=site.target.zero)
    site.end("GATHER", (1, 2), entries, index, axis=0)


@writes("elu", "exp", "hard_swish", "leaky_relu", "log", "tanh")
def unary(site: OperatorSite) -> None:
    """Functions of real numbers, as a file that is written again had them."""
    fields = {"alpha": float(site.operator.arrays["alpha"])} if "alpha" in site.operator.arrays else {}
    site.end(site.operator.kind.upper(), (1, 1), *site.inputs, **fields)


@writes("gelu")
def gelu(site: OperatorSite) -> None:
    """GELU of real numbers, as a file that is written again had it; TFLM has none."""
    site.end("GELU", (1, 1), *site.inputs, approximate=bool(site.operator.numbers["approximate"][0]))


@writes("softmax")
def softmax(site: OperatorSite) -> None:
    """SOFTMAX over the last axis."""
    site.end("SOFTMAX", (1, 2), *site.inputs, beta=1.0)


@writes("quantise")
def quantise(site: OperatorSite) -> None:
    """QUANTIZE from bytes to bytes (version 2) or from float (version 1)."""
    version = 2 if site.sources[0].scale else 1
    site.builder.operator("QUANTIZE", version, site.inputs, (site.output,), schema.QuantizeOptionsT())


@writes("dense")
def dense(site: OperatorSite) -> None:
    """FULLY_CONNECTED."""
    constants = site.weights(site.operator.arrays["weights"].shape, 0)
    many = site.integer and site.operator.arrays["weight_scale"].size > 1
    versions = (1, 12 if many else 4)
    site.end("FULLY_CONNECTED", versions, site.inputs[0], *constants, fusedActivationFunction=activation(site))


@writes("conv")
def conv(site: OperatorSite) -> None:
    """CONV_2D; a padding that is neither VALID nor SAME becomes an operator of its own before it."""
    source, stated = padded_input(site)
    constants = site.weights(site.operator.arrays["weights"].shape, 0)
    constants = _biased(site, constants, len(site.operator.arrays["weights"]))
    site.end("CONV_2D", (1, 3), source, *constants, padding=stated, **_steps(site))


@writes("depthwise")
def depthwise(site: OperatorSite) -> None:
    """DEPTHWISE_CONV_2D, padding as for `conv`."""
    source, stated = padded_input(site)
    shape = site.operator.arrays["weights"].shape
    constants = _biased(site, site.weights((1, *shape), 3), shape[2])
    times = shape[2] // site.sources[0].shape[-1]
    fields = {"padding": stated, "depthMultiplier": times, **_steps(site)}
    site.end("DEPTHWISE_CONV_2D", (1, 3), source, *constants, **fields)


def _biased(location: OperatorSite, constants: tuple[int, ...], filters: int) -> tuple[int, ...]:
    """Weights and a bias: LiteRT refuses an int8 convolution without one, and XNNPACK crashes on a float depthwise."""
    if len(constants) > 1:
        return constants
    if not location.integer:
        return (*constants, location.builder.constant(np.zeros(filters, np.float32)))
    # As many scales as the weights have, or XNNPACK refuses the file.
    product = np.float32(location.sources[0].scale) * np.asarray(location.operator.arrays["weight_scale"], np.float32)
    return (*constants, location.builder.constant(np.zeros(filters, np.int32), product))


def _steps(location: OperatorSite) -> dict[str, int]:
    numbers = location.operator.numbers
    (down, right), (rows, columns) = numbers["strides"], numbers["dilations"]
    gaps = {"dilationHFactor": rows, "dilationWFactor": columns}
    return {"fusedActivationFunction": activation(location), "strideH": down, "strideW": right, **gaps}


_ACTIVATIONS = {
    "": schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}


def activation(location: OperatorSite) -> int:
    """Return the schema's number of the fused activation."""
    return int(_ACTIVATIONS[location.operator.activation])


def padding(location: OperatorSite) -> int | None:
    """Return the schema's number for SAME or VALID; None for another padding."""
    numbers = location.operator.numbers
    if not any(numbers["pads"]):
        return int(schema.Padding.VALID)
    steps = (numbers["kernel"], numbers["strides"], numbers.get("dilations", (1, 1)))
    wanted = [same_padding(*of_axis) for of_axis in zip(location.sources[0].shape, *steps, strict=False)]
    same = (wanted[0][0], wanted[1][0], wanted[0][1], wanted[1][1])
    return int(schema.Padding.SAME) if same == numbers["pads"] else None


def padded_input(location: OperatorSite) -> tuple[int, int]:
    """Return the tensor to read, after a PAD where that is needed, and the padding to state."""
    stated = padding(location)
    if stated is not None:
        return location.inputs[0], stated
    around, output = padded_tensor(location)
    location.builder.operator("PAD", location.version(1, 2), (location.inputs[0], around), (output,))
    return output, int(schema.Padding.VALID)


def padded_tensor(location: OperatorSite) -> tuple[int, int]:
    """Return numbers of the widths around the input, and of a new tensor for the input with its padding."""
    top, left, bottom, right = location.operator.numbers["pads"]
    height, width, channels = location.sources[0].shape
    return _widths(location), between(location, (height + top + bottom, width + left + right, channels))


def _widths(location: OperatorSite) -> int:
    top, left, bottom, right = location.operator.numbers["pads"]
    return location.builder.constant(np.asarray([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))


def between(location: OperatorSite, shape: tuple[int, ...]) -> int:
    """Return a new tensor on the grid of the input."""
    source = location.sources[0]
    grid = (source.scale, source.zero) if location.integer else (None, 0)
    return location.builder.tensor((1, *shape), "int8" if location.integer else "float32", *grid)


_LOWEST = float(np.finfo(np.float32).min)


@writes("max_pool")
def max_pool(site: OperatorSite) -> None:
    """MAX_POOL_2D, after a PADV2 where the padding is neither SAME nor VALID.

    Raises:
        InputError: for a kernel with gaps, which .tflite has not.
    """
    numbers = site.operator.numbers
    if max(numbers.get("dilations", (1, 1))) > 1:
        raise ExportError(
            "a max pool without dilations",
            f"dilations {numbers['dilations']}",
            f".tflite, operator {site.operator.kind}",
            "Export it to onnx or c99",
        )
    stated = padding(site)
    if stated is not None:
        _pool(site, "MAX_POOL_2D", site.inputs[0], site.output, numbers["strides"], stated)
        return
    around, larger = padded_tensor(site)
    lowest = np.asarray(-128, np.int8) if site.integer else np.asarray(_LOWEST, np.float32)
    grid = np.asarray(site.sources[0].scale) if site.integer else None
    fill = site.builder.constant(lowest, grid, zero=site.sources[0].zero)
    site.builder.operator("PADV2", site.version(1, 2), (site.inputs[0], around, fill), (larger,))
    _pool(site, "MAX_POOL_2D", larger, site.output, numbers["strides"], int(schema.Padding.VALID))


@writes("average_pool")
def average_pool(site: OperatorSite) -> None:
    """AVERAGE_POOL_2D, with a STRIDED_SLICE after it where the padding is neither SAME nor VALID.

    Raises:
        InputError: for more padding than half the kernel.
    """
    numbers, stated = site.operator.numbers, padding(site)
    if stated is not None:
        _pool(site, "AVERAGE_POOL_2D", site.inputs[0], site.output, numbers["strides"], stated)
        return
    height, width, channels = site.sources[0].shape
    begin, end = [0], [1]
    for axis, length in enumerate((height, width)):
        first = same_padding(length, numbers["kernel"][axis])[0] - numbers["pads"][axis]
        last = first + (site.target.shape[axis] - 1) * numbers["strides"][axis]
        if first < 0 or last >= length:
            raise ExportError(
                "padding of a mean by at most half its kernel",
                f"pads {numbers['pads']} for kernel {numbers['kernel']}",
                f".tflite, operator {site.operator.kind}",
                "Pad by at most (kernel - 1) // 2 before and kernel // 2 behind, or let the padding count",
            )
        begin.append(first)
        end.append(last + 1)
    pooled = between(site, (height, width, channels))
    _pool(site, "AVERAGE_POOL_2D", site.inputs[0], pooled, (1, 1), int(schema.Padding.SAME))
    parts = (site.numbers(*begin, 0), site.numbers(*end, channels), site.numbers(1, *numbers["strides"], 1))
    site.end("STRIDED_SLICE", (1, 2), pooled, *parts)


def _pool(location: OperatorSite, name: str, source: int, output: int, strides: tuple[int, ...], stated: int) -> None:
    height, width = location.operator.numbers["kernel"]
    location.builder.operator(
        name,
        location.version(1, 2),
        (source,),
        (output,),
        padding=stated,
        filterHeight=height,
        filterWidth=width,
        strideH=strides[0],
        strideW=strides[1],
        fusedActivationFunction=activation(location),
    )


@writes("mean")
def mean(site: OperatorSite) -> None:
    """MEAN over height and width, which stay with length 1."""
    site.end("MEAN", (1, 2), *site.inputs, site.numbers(1, 2), keepDims=True)


# Gates stand in the order of ONNX; the file has input, forget, cell, output.
_ORDER = (0, 2, 3, 1)
_ABSENT = -1


@writes("lstm")
def lstm(site: OperatorSite) -> None:
    """UNIDIRECTIONAL_SEQUENCE_LSTM, which gives every state; a SLICE takes the last one.

    A runtime keeps the states from one run to the next until it is told to reset its variables.
    """
    operator, builder, source, target = site.operator, site.builder, site.sources[0], site.target
    units = operator.arrays["recurrent"].shape[1]
    _, samples, channels = source.shape
    kind = "int8" if site.integer else "float32"
    grids = [(value.scale, value.zero) if site.integer else (None, 0) for value in (source, target)]
    window = builder.tensor((1, samples, channels), kind, *grids[0])
    every = builder.tensor((1, samples, units), kind, *grids[1])
    _reshape(site, site.inputs[0], window, (1, samples, channels))
    state = builder.tensor((1, units), kind, *grids[1], variable=True)
    cell_scale = 2.0 ** operator.numbers["cell"][0] if site.integer else None
    cell = builder.tensor((1, units), "int16" if site.integer else "float32", cell_scale, variable=True)
    weights = _gates(site, operator.arrays["weights"], "weight_scale")
    recurrent = _gates(site, operator.arrays["recurrent"], "recurrent_scale")
    bias = _gates(site, operator.arrays["bias"], "weight_scale", source.scale)
    peepholes = projection = (_ABSENT,) * 3
    inputs = (window, *weights, *recurrent, *peepholes, *bias, *projection[:2], state, cell, *(_ABSENT,) * 4)
    # Scales between the products and the gates' functions, and that of the state.
    between: tuple[int, ...] = ()
    if site.integer:
        between = tuple(builder.tensor((0,), "int16", 2.0 ** -(15 - GATE_BITS)) for _ in range(4))
        between = (*between, builder.tensor((0,), "int8", *grids[1]))
    clip = operator.numbers.get("clip", (0,))[0] * 2.0 ** operator.numbers["cell"][0]
    fields = {"fusedActivationFunction": schema.ActivationFunctionType.TANH, "cellClip": clip, "projClip": 0.0}
    options = schema.UnidirectionalSequenceLSTMOptionsT()
    builder.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", 1, inputs, (every,), options, intermediates=between, **fields)
    if not operator.numbers["sequence"][0]:
        last = builder.tensor((1, 1, units), kind, *grids[1])
        ends = site.numbers(0, samples - 1, 0), site.numbers(1, 1, units)
        builder.operator("SLICE", site.version(1, 2), (every, *ends), (last,))
        every = last
    _reshape(site, every, site.output, (1, *target.shape))


def _reshape(site: OperatorSite, source: int, target: int, shape: tuple[int, ...]) -> None:
    site.builder.operator("RESHAPE", 1, (source, site.numbers(*shape)), (target,), newShape=list(shape))


def _gates(site: OperatorSite, array: Array, scales: str, factor: float = 1.0) -> tuple[int, ...]:
    """Add the rows of each gate with its scale; their numbers in the file's order."""
    rows = array.reshape(4, -1, *array.shape[1:])
    if not site.integer:
        return tuple(site.builder.constant(np.asarray(rows[gate], np.float32)) for gate in _ORDER)
    scale = np.asarray(site.operator.arrays[scales], np.float32) * np.float32(factor)
    return tuple(site.builder.constant(rows[gate], scale[gate]) for gate in _ORDER)


# Versions of the operators on 16 bits.
_WIDE = {"ADD": 3, "CONCATENATION": 3, "FULLY_CONNECTED": 12, "LOGISTIC": 3, "MUL": 4, "SUB": 5, "TANH": 3}
# TFLM joins no more at a time.
_JOINED = 10


@dataclass(frozen=True)
class _Draft:
    """Operators on rows of one type: 16 bits where the network is of bytes."""

    site: OperatorSite

    @property
    def kind(self) -> str:
        return "int16" if self.site.integer else "float32"

    def tensor(self, rows: int, width: int, step: float) -> int:
        return self.site.builder.tensor((rows, width), self.kind, step if self.site.integer else None)

    def step(self, name: str, inputs: tuple[int, ...], width: int, step: float, rows: int = 1, **fields: object) -> int:
        output = self.tensor(rows, width, step)
        # ADD and SUB of 16 bits shift by powers of two alone where nothing else is said.
        exact = {"potScaleInt16": False} if name in ("ADD", "SUB") else {}
        self.site.builder.operator(name, self.site.version(1, _WIDE[name]), inputs, (output,), **exact, **fields)
        return output

    def joined(self, rows: list[int], width: int, step: float) -> int:
        """Return rows one below the other."""
        parts = [(row, 1) for row in rows]
        while len(parts) > 1:
            groups = [parts[i : i + _JOINED] for i in range(0, len(parts), _JOINED)]
            parts = [
                (self.step("CONCATENATION", tuple(part for part, _ in group), width, step, count, axis=0), count)
                for group, count in ((group, sum(rows for _, rows in group)) for group in groups)
            ]
        return parts[0][0]

    def split(self, tensor: int, axis: int, count: int, width: int, step: float) -> list[int]:
        """Return the parts of a tensor along an axis, one row each."""
        parts = [self.tensor(1, width, step) for _ in range(count)]
        site, where = self.site, self.site.builder.constant(np.asarray(axis, np.int32))
        site.builder.operator("SPLIT", site.version(1, 4), (where, tensor), tuple(parts), numSplits=count)
        return parts

    def weights(self, part: int, rows: slice, step: float) -> tuple[int, int]:
        """Add weights and biases of gates, of the input (0) or the state (1), for numbers in steps of `step`.

        LiteRT multiplies sums of 64 bits by a float64: scales are such that it holds the products whole.
        """
        site, arrays = self.site, self.site.operator.arrays
        units = arrays["recurrent"].shape[1]
        own = arrays[("weights", "recurrent")[part]][rows]
        if not site.integer:
            bias = np.asarray(arrays["bias"], np.float32).reshape(2, -1)[part, rows]
            return site.builder.constant(np.asarray(own, np.float32)), site.builder.constant(bias)
        gates = slice(3 * part, 3 * part + 3)
        factor = np.ldexp(arrays["multiplier"][gates].astype(np.float64), -arrays["shift"][gates])
        scale = np.repeat(factor * GATE_STEP / step, units)[rows].astype(np.float32)
        bias = arrays[("start", "late")[part]][rows].astype(np.int64)
        return site.builder.constant(own, scale), site.builder.constant(bias, np.float32(step) * scale)


@writes("gru")
def gru(site: OperatorSite) -> None:
    """Two products for all samples of the window, and twelve operators a sample.

    The state begins as a constant: a runtime keeps nothing from run to run.
    """
    draft, operator, builder = _Draft(site), site.operator, site.builder
    units = operator.arrays["recurrent"].shape[1]
    _, samples, channels = site.sources[0].shape
    both, fresh = slice(0, 2 * units), slice(2 * units, None)
    grid = (site.sources[0].scale, site.sources[0].zero) if site.integer else (None, 0)
    rows = builder.tensor((samples, channels), "int8" if site.integer else "float32", *grid)
    _reshape(site, site.inputs[0], rows, (samples, channels))
    step = 2.0 ** np.rint(np.log2(site.sources[0].scale)) if site.integer else 0.0
    if site.integer:
        # The bytes as they are; biases have the zero point of the input in them, and weights its scale.
        raw, rows = rows, draft.tensor(samples, channels, step)
        builder.operator("CAST", 1, (raw,), (rows,))
    coming = []
    for part, width in ((both, 2 * units), (fresh, units)):
        product = draft.step("FULLY_CONNECTED", (rows, *draft.weights(0, part, step)), width, GATE_STEP, samples)
        coming.append(draft.split(product, 0, samples, width, GATE_STEP))
    to_gates, to_fresh = (draft.weights(1, part, STATE_STEP) for part in (both, fresh))
    state, every, before = _zeros(site, units), [], operator.numbers.get("before", (0,))[0]
    for first, second in zip(*coming, strict=True):
        own = draft.step("FULLY_CONNECTED", (state, *to_gates), 2 * units, GATE_STEP)
        sums = draft.step("ADD", (first, own), 2 * units, GATE_STEP)
        opened = draft.step("LOGISTIC", (sums,), 2 * units, STATE_STEP)
        kept, seen = draft.split(opened, 1, 2, units, STATE_STEP)
        if before:
            own = draft.step("MUL", (seen, state), units, STATE_STEP)
            own = draft.step("FULLY_CONNECTED", (own, *to_fresh), units, GATE_STEP)
        else:
            own = draft.step("FULLY_CONNECTED", (state, *to_fresh), units, GATE_STEP)
            own = draft.step("MUL", (seen, own), units, GATE_STEP)
        candidate = draft.step("ADD", (second, own), units, GATE_STEP)
        candidate = draft.step("TANH", (candidate,), units, STATE_STEP)
        rest = draft.step(
            "SUB", (candidate, draft.step("MUL", (kept, candidate), units, STATE_STEP)), units, STATE_STEP
        )
        state = draft.step("ADD", (rest, draft.step("MUL", (kept, state), units, STATE_STEP)), units, STATE_STEP)
        every.append(state)
    given = every if operator.numbers["sequence"][0] else every[-1:]
    state = draft.joined(given, units, STATE_STEP)
    if site.integer:
        wide, state = state, builder.tensor((len(given), units), "int8", site.target.scale, site.target.zero)
        builder.operator("QUANTIZE", 2, (wide,), (state,))
    _reshape(site, state, site.output, (1, *site.target.shape))


def _zeros(site: OperatorSite, units: int) -> int:
    zeros: Array = np.zeros((1, units), np.int16 if site.integer else np.float32)
    return site.builder.constant(zeros, np.asarray(STATE_STEP, np.float32) if site.integer else None)
