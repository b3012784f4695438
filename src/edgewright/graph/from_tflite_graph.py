"""A network as a graph in the dialect: float operators, and for an int8 one the rounding between them (QDQ).

Windows are channels last in a network and channels first in the dialect's operators: the graph takes the sample as the
file does and turns it once.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from edgewright.core.errors import TfliteError
from edgewright.core.integer.network import BYTES, applied, table_operator
from edgewright.core.operators.shape import LAST, SEQUENCE, WINDOW
from edgewright.core.records.network import OPSET, Array, Graph, IntegerNetwork, IntegerOperator, IntegerValue, Value
from edgewright.graph.draft import Chain, Draft
from edgewright.graph.from_onnx import finished
from edgewright.graph.from_tflite_walk import Contents
from edgewright.graph.normalise import normalise


def network_graph(network: IntegerNetwork, *, labels: tuple[str, ...] = ()) -> Graph:
    """Return the graph of a network.

    Args:
        network: float or int8, from .tflite or from `graph.extract`.
        labels: names of the classes, numbers when empty.

    Returns:
        Outputs as `read_model` gives them. The input is float32, shaped as the network's (channels last); an int8
        network's is rounded onto its grid first.

    Raises:
        InputError: for an operator that ONNX has no plain form of.
    """
    return contents_graph(Contents(network, (network.output,), ("output",), ((),)), labels=labels)


def contents_graph(contents: Contents, *, labels: tuple[str, ...] = ()) -> Graph:
    """Return the graph of a .tflite file with all its outputs, and with the functions of real values after them.

    Args and errors are those of `network_graph`; several outputs keep their names.
    """
    network = contents.network
    draft = Draft(
        name=network.name,
        opset=OPSET,
        source=Value(name="input", dtype="float32", shape=network.values[network.input].shape),
        outputs=[],
        nodes=[],
        constants={},
    )
    writer = _Writer(draft, network)
    moved = writer.start()
    for operator in network.operators[moved:]:
        writer.operator(operator)
    for number, tail in zip(contents.outputs, contents.tails, strict=True):
        value = writer.last(writer.names[number], number)
        for name in tail:
            value = writer.chain.op(_TAILS[name], value, **({"axis": -1} if name == "SOFTMAX" else {}))
        draft.outputs.append(value)
    draft.nodes, draft.titles = writer.chain.nodes, list(contents.names)
    draft.prune()
    normalise(draft)
    text = {"source": json.dumps({"format": "tflite", "rounding": network.rounding})}
    return finished(draft, labels, text)


# Functions of real values after an int8 network.
_TAILS = {"SOFTMAX": "Softmax", "LOGISTIC": "Sigmoid"}
# Of the standard's types of tensors.
_INT32 = 6
# A pool over everything stays one: a mean of integers is rounded in another way.
_POOLS = {"max_pool": "MaxPool", "average_pool": "AveragePool"}
# Rounding alone has no operator.
_PLAIN = {
    "mean": "GlobalAveragePool", "add": "Add", "multiply": "Mul", "logistic": "Sigmoid", "relu": "", "quantise": "",
    "elu": "Elu", "exp": "Exp", "hard_swish": "HardSwish", "log": "Log", "tanh": "Tanh",
}  # fmt: skip
# Operators that move bytes, choose among them or look them up: they work on the bytes themselves.
_MOVES = frozenset({"reshape", "transpose", "max_pool", "pad", "slice", "concat", "table"})
# Operators that a network with a state may have: its windows stand in the graph without their height of 1.
_BESIDE_A_STATE = frozenset({"lstm", "reshape", "dense", "mean", "softmax", *_PLAIN})


class _Writer:
    """Writes nodes; values of height, width and channels stand in the graph with the channels first."""

    def __init__(self, draft: Draft, network: IntegerNetwork) -> None:
        self.draft, self.network = draft, network
        self.chain = Chain(draft)
        self.names: dict[int, str] = {}
        self.bytes: dict[int, str] = {}
        self.shared: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        # Flattened with the channels first: the place in the network of each feature.
        self.orders: dict[int, Array] = {}
        self.stateful = any(operator.kind == "lstm" for operator in network.operators)

    def start(self) -> int:
        """Write the input with channels first, rounded after its leading moves; return the number of moves."""
        number = self.network.input
        name = self._first_channels("input", self.network.values[number])
        moved = 0
        for operator in self.network.operators:
            alone = sum(number in other.inputs for other in self.network.operators) == 1
            if operator.kind not in ("reshape", "transpose") or operator.inputs != (number,) or not alone:
                break
            name = getattr(self, f"_{operator.kind}")(operator, [name], self.network.values[operator.output])
            number, moved = operator.output, moved + 1
        self.keep(number, self.rounded(name, self.network.values[number]))
        return moved

    def last(self, name: str, number: int) -> str:
        """Return the output as the network has it: channels last."""
        if len(self.network.values[number].shape) == 3:
            return self._last_channels(name, self.network.values[number])
        return self.chain.op("Identity", name) if name == "input" else name

    def rounded(self, name: str, value: IntegerValue) -> str:
        """Round onto the grid of an int8 value; leave a float network as it is."""
        return self.chain.op("QuantizeLinear", name, *self._grid(value)) if value.scale else name

    def keep(self, number: int, name: str) -> None:
        """Keep a value as the bytes it is, and as the numbers they stand for."""
        value = self.network.values[number]
        self.bytes[number] = name
        self.names[number] = self.chain.op("DequantizeLinear", name, *self._grid(value)) if value.scale else name

    def _grid(self, value: IntegerValue) -> tuple[str, str]:
        return self._shared(np.asarray(value.scale, np.float32)), self._shared(np.asarray(value.zero, np.int8))

    def _shared(self, array: Array) -> str:
        """Return a constant that every reader of the same numbers shares."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.shared:
            self.shared[key] = self.draft.constant(array)
        return self.shared[key]

    def operator(self, operator: IntegerOperator) -> None:
        """One operator, its activation and its rounding."""
        source, target = self.network.values[operator.inputs[0]], self.network.values[operator.output]
        if operator.kind in ("quantise", "relu") and (source.scale, source.zero) != (target.scale, target.zero):
            # Looked up, the bytes are those of the file in every engine.
            table = applied(operator, [source], target, BYTES)
            operator = table_operator(table, operator.inputs, operator.output)
        write = getattr(self, f"_{operator.kind}", None)
        unknown = write is None and operator.kind not in (*_PLAIN, *_POOLS)
        if unknown or (self.stateful and operator.kind not in _BESIDE_A_STATE):
            raise TfliteError("an operator with a plain form in ONNX", operator.kind, f"network {self.network.name}")
        moves = operator.kind in _MOVES and not operator.activation
        sources = [(self.bytes if moves else self.names)[i] for i in operator.inputs]
        if write is not None:
            name: str = write(operator, sources, target)
        elif operator.kind in _POOLS:
            name = self._placed(_POOLS[operator.kind], operator, sources)
        else:
            if "constant" in operator.arrays:
                sources.append(self.draft.constant(operator.arrays["constant"]))
            name = self.chain.op(_PLAIN[operator.kind], *sources) if _PLAIN[operator.kind] else sources[0]
        if operator.activation == "relu":
            name = self.chain.op("Relu", name)
        elif operator.activation == "relu6":
            name = self.chain.op("Clip", name, self.draft.floats(0.0), self.draft.floats(6.0))
        self.keep(operator.output, name if moves else self.rounded(name, target))

    def _weights(self, operator: IntegerOperator, array: Array, axis: int) -> list[str]:
        """Return weights and bias, read back from integers in an int8 network."""
        arrays = operator.arrays
        bias = arrays.get("bias")
        if "weight_scale" not in arrays:
            return [self.draft.constant(array), *([] if bias is None else [self.draft.constant(bias)])]
        scale = np.asarray(arrays["weight_scale"], np.float32)
        scale = scale.reshape(()) if scale.size == 1 else scale
        along: dict[str, Any] = {"axis": axis} if scale.ndim else {}
        constant = self.draft.constant
        zero = self._shared(np.zeros(scale.shape, np.int8))
        names = [self.chain.op("DequantizeLinear", constant(array), self._shared(scale), zero, **along)]
        if bias is not None:
            product = (np.float32(self.network.values[operator.inputs[0]].scale) * scale).astype(np.float32)
            along = {"axis": 0} if scale.ndim else {}
            names.append(self.chain.op("DequantizeLinear", constant(bias), self._shared(product), **along))
        return names

    def _dense(self, operator: IntegerOperator, sources: list[str], target: IntegerValue) -> str:
        rows = operator.arrays["weights"].T
        order = self.orders.get(operator.inputs[0])
        rows = np.ascontiguousarray(rows if order is None else rows[order])
        return self.chain.op("Gemm", sources[0], *self._weights(operator, rows, 1))

    def _lstm(self, operator: IntegerOperator, sources: list[str], target: IntegerValue) -> str:
        arrays, numbers, constant = operator.arrays, operator.numbers, self.draft.constant
        bias = np.concatenate([arrays["bias"], np.zeros_like(arrays["bias"])])
        own: dict[str, Any] = {}
        parts = [arrays["weights"], arrays["recurrent"], bias]
        if "weight_scale" in arrays:
            units = arrays["recurrent"].shape[1]
            coming, recurrent = (np.repeat(arrays[f"{name}_scale"], units) for name in ("weight", "recurrent"))
            grids = np.float32(self.network.values[operator.inputs[0]].scale), np.float32(target.scale)
            scales = [coming, recurrent, np.concatenate([grids[0] * coming, grids[1] * recurrent]).astype(np.float32)]
            names = [
                self.chain.op("DequantizeLinear", constant(part[None]), constant(scale),
                              constant(np.zeros(len(scale), part.dtype)), axis=1)
                for part, scale in zip(parts, scales, strict=True)
            ]  # fmt: skip
            own = {"cell": numbers["cell"][0], **({"cell_clip": numbers["clip"][0]} if "clip" in numbers else {})}
        else:
            names = [constant(part[None]) for part in parts]
        window = SEQUENCE if numbers["sequence"][0] else LAST
        settings = {"hidden_size": arrays["recurrent"].shape[1], WINDOW: window, **own}
        return self.chain.op("LSTM", sources[0], *names, **settings)

    def _conv(self, operator: IntegerOperator, sources: list[str], target: IntegerValue) -> str:
        first = np.ascontiguousarray(operator.arrays["weights"].transpose(0, 3, 1, 2))
        return self._placed("Conv", operator, [*sources, *self._weights(operator, first, 0)], groups=True)

    def _depthwise(self, operator: IntegerOperator, sources: list[str], target: IntegerValue) -> str:
        first = np.ascontiguousarray(operator.arrays["weights"].transpose(2, 0, 1)[:, None])
        return self._placed("Conv", operator, [*sources, *self._weights(operator, first, 0)], groups=True)

    def _placed(self, op: str, operator: IntegerOperator, inputs: list[str], *, groups: bool = False) -> str:
        numbers = operator.numbers
        more: dict[str, Any] = {}
        if groups:
            channels = self.network.values[operator.inputs[0]].shape[2]
            more = {"dilations": numbers["dilations"], "group": numbers.get("groups", (channels,))[0]}
        return self.chain.op(
            op, *inputs, kernel_shape=numbers["kernel"], strides=numbers["strides"], pads=numbers["pads"], **more
        )

    def _gelu(self, operator: IntegerOperator, sources: list[str], target: IntegerValue) -> str:
        kind = "tanh" if operator.numbers["approximate"][0] else "none"
        return self.chain.op("Gelu", sources[0], approximate=kind)

    def _leaky_relu(self, operator: IntegerOperator, sources: list[str], target: IntegerValue) -> str:
        return self.chain.op("LeakyRelu", sources[0], alpha=float(operator.arrays["alpha"]))

    def _table(self, operator: IntegerOperator, sources: list[str], target: IntegerValue) -> str:
        """Return the bytes looked up; an index below 0 counts from the end."""
        table = np.roll(operator.arrays["table"], -128)
        index = self.chain.op("Cast", sources[0], to=_INT32)
        return self.chain.op("Gather", self.draft.constant(table), index, axis=0)

    def _softmax(self, operator: IntegerOperator, sources: list[str], target: IntegerValue) -> str:
        return self.chain.op("Softmax", sources[0], axis=1 if len(target.shape) == 3 else -1)

    def _pad(self, operator: IntegerOperator, sources: list[str], target: IntegerValue) -> str:
        top, left, bottom, right = operator.numbers["pads"]
        widths = self.draft.integers([0, 0, top, left, 0, 0, bottom, right])
        fill = np.asarray(target.zero, np.int8) if target.scale else np.asarray(0.0, np.float32)
        return self.chain.op("Pad", sources[0], widths, self.draft.constant(fill))

    def _concat(self, operator: IntegerOperator, sources: list[str], target: IntegerValue) -> str:
        return self.chain.op("Concat", *sources, axis=_axis(operator, target))

    def _slice(self, operator: IntegerOperator, sources: list[str], target: IntegerValue) -> str:
        ends = (operator.numbers["begin"][0], operator.numbers["end"][0], _axis(operator, target), 1)
        return self.chain.op("Slice", sources[0], *(self.draft.integers([n]) for n in ends))

    def _last_channels(self, name: str, value: IntegerValue) -> str:
        if len(value.shape) != 3:
            return name
        if self.stateful:
            turned = self.chain.op("Transpose", name, perm=(0, 2, 1))
            return self.chain.op("Reshape", turned, self.draft.integers([-1, *value.shape]))
        if value.shape[2] == 1 or value.shape[:2] == (1, 1):
            return self.chain.op("Reshape", name, self.draft.integers([-1, *value.shape]))
        return self.chain.op("Transpose", name, perm=(0, 2, 3, 1))

    def _first_channels(self, name: str, value: IntegerValue) -> str:
        if self.stateful and len(value.shape) == 3:
            flat = self.chain.op("Reshape", name, self.draft.integers([-1, *value.shape[1:]]))
            return self.chain.op("Transpose", flat, perm=(0, 2, 1))
        return self.chain.op("Transpose", name, perm=(0, 3, 1, 2)) if len(value.shape) == 3 else name

    def _reshape(self, operator: IntegerOperator, sources: list[str], target: IntegerValue) -> str:
        shape = self.network.values[operator.inputs[0]].shape
        readers = [other for other in self.network.operators if operator.output in other.inputs]
        dense = bool(readers) and all(other.kind == "dense" for other in readers)
        if dense and len(shape) == 3 and len(target.shape) == 1 and operator.inputs[0] in self.names:
            self.orders[operator.output] = np.arange(int(np.prod(shape))).reshape(shape).transpose(2, 0, 1).ravel()
            return self.chain.op("Reshape", sources[0], self.draft.integers([-1, *target.shape]))
        name = self._last_channels(sources[0], self.network.values[operator.inputs[0]])
        return self._first_channels(self.chain.op("Reshape", name, self.draft.integers([-1, *target.shape])), target)

    def _transpose(self, operator: IntegerOperator, sources: list[str], target: IntegerValue) -> str:
        name = self._last_channels(sources[0], self.network.values[operator.inputs[0]])
        order = (0, *(axis + 1 for axis in operator.numbers["order"]))
        return self._first_channels(self.chain.op("Transpose", name, perm=order), target)


def _axis(operator: IntegerOperator, target: IntegerValue) -> int:
    """Return the axis of an operator along one, with the batch and the channels first."""
    axis = operator.numbers["axis"][0]
    return (2, 3, 1)[axis] if len(target.shape) == 3 else axis + 1
