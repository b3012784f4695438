"""A network of integers out of a graph that rounds and reads back around every operator (QDQ form)."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.core.integer.network import with_rounding
from edgewright.core.integer.reader import FLAT, RECURRENT, WEIGHTED, Reader
from edgewright.core.kernels import Weights
from edgewright.core.operators import where
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Graph, Node
from edgewright.schema.integer import IntegerNetwork, Rounding

# Of the standard's types of tensors.
_INT8 = 3
_POOLS = ("MaxPool", "AveragePool", "GlobalMaxPool")


def integer_network(graph: Graph, rounding: Rounding = "litert") -> IntegerNetwork:
    """Return the integer part of a quantised graph.

    Args:
        graph: QDQ form, as `compression.int8.quantise` gives it.
        rounding: 'litert' or 'tflm'.

    Raises:
        InputError: when nothing after the boundary is quantised, or an operator has no integer form.
    """
    return with_rounding(Integers(graph).read(), rounding)


class Integers(Reader):
    """QDQ form: a value is the bytes that QuantizeLinear gives, under this name and that of its float form."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.reals: set[str] = set()

    def read(self) -> IntegerNetwork:
        """Return the network from the first rounding at the boundary on, without multipliers.

        Raises:
            InputError: naming the node that has no integer form.
        """
        reached: set[str] = set()
        for node in self.graph.nodes:
            first = node.inputs[0] if node.inputs else ""
            if node.op == "QuantizeLinear" and first == self.graph.boundary and not self.values:
                self.known[node.outputs[0]] = self.start(first, self.grid(node))
            elif node.op == "DequantizeLinear" and first in self.known:
                value = self.values[self.known[first]]
                if self.grid(node) != (value.scale, value.zero):
                    raise InputError("the scale and zero point that rounded a value", "others", where(node))
                self.known[node.outputs[0]] = self.known[first]
                self.reals.add(node.outputs[0])
            elif node.op == "QuantizeLinear" and first in reached and node.outputs[0] not in self.known:
                # Left out without a word, the network would end here.
                raise InputError("one operator between two roundings", "another pattern", where(self.producers[first]))
            elif first in self.known and node.op not in ("QuantizeLinear", "DequantizeLinear"):
                self.operator(node)
            if node.outputs[0] in self.known or reached.intersection(node.inputs):
                reached.update(node.outputs)
        return self.finish()

    def operator(self, node: Node) -> None:
        """Append what a node behind known bytes does, up to the rounding of its result."""
        first = node.inputs[0]
        source = self.values[self.known[first]]
        if node.op in FLAT:
            # The answer of a regression is brought to shape (n,) behind the network.
            if node.outputs[0] not in {value.name for value in self.graph.outputs}:
                self.flattened(node, self.flatten(node, self.known[first]))
            return
        if first not in self.reals:
            # On the bytes themselves: the scale stays.
            self.known[node.outputs[0]] = self.compute(node, None, (source.scale, source.zero), "")
            return
        activation, value = self.fused(node)
        rounded = [reader for reader in self.readers.get(value, []) if reader.op == "QuantizeLinear"]
        if not rounded and node.op == "Pad":
            # Zeros are on every grid: what is padded keeps the one it has.
            self.known[value] = self.compute(node, None, (source.scale, source.zero), "")
            self.reals.add(value)
        if not rounded:
            return
        if node.op in _POOLS and self.grid(rounded[0]) != (source.scale, source.zero):
            raise InputError(
                "one scale and zero point before and after a pool",
                "two",
                where(node),
                "Quantise with QuantFormat.QDQ, which keeps the scale of pools",
            )
        weights = self.weights(node) if node.op in WEIGHTED else None
        state = Weights(*self.dequantised(node, node.inputs[2], np.int8), None) if node.op in RECURRENT else None
        self.known[rounded[0].outputs[0]] = self.compute(node, weights, self.grid(rounded[0]), activation, state)

    def flattened(self, node: Node, number: int) -> None:
        """Names the features; a rounding right after them must be the one they have, and its bytes are theirs."""
        value = self.values[number]
        if node.inputs[0] in self.reals:
            self.reals.add(node.outputs[0])
            for reader in self.readers.get(node.outputs[0], []):
                if reader.op != "QuantizeLinear":
                    continue
                if self.grid(reader) != (value.scale, value.zero):
                    raise InputError("one scale and zero point before and after", "two", where(node))
                self.known[reader.outputs[0]] = number
        self.known[node.outputs[0]] = number

    def grid(self, node: Node) -> tuple[float, int]:
        """Scale and zero point of a QuantizeLinear or DequantizeLinear of activations.

        Raises:
            InputError: for several scales, or bytes that are not int8.
        """
        scale, zero = self.constant(node, 1), self.zero(node)
        if scale.size != 1 or (zero is not None and zero.dtype != np.int8) or not float(scale.ravel()[0]) > 0:
            raise InputError("one scale and an int8 zero point for activations", f"{scale.size} scales", where(node))
        if node.op == "QuantizeLinear" and zero is None and node.attributes.get("output_dtype") != _INT8:
            raise InputError("rounding to int8", "no zero point, which means uint8", where(node))
        return float(np.float32(scale.ravel()[0])), 0 if zero is None else int(zero.ravel()[0])

    def zero(self, node: Node) -> Array | None:
        """Return the zero point of a QuantizeLinear or DequantizeLinear; None where it is left out."""
        return self.constant(node, 2) if len(node.inputs) > 2 and node.inputs[2] else None

    def constant(self, node: Node, index: int) -> Array:
        """Return an input that must be a constant.

        Raises:
            InputError: where it is none.
        """
        name = node.inputs[index] if index < len(node.inputs) else ""
        if name not in self.constants:
            raise InputError("a scale and zero point that are constants", repr(name), where(node))
        return self.constants[name]

    def weights(self, node: Node) -> Weights:
        """Return weights and bias of a layer as they stand in the graph.

        Raises:
            InputError: for scales along another axis than the outputs', or a bias on another scale.
        """
        array, scale = self.dequantised(node, node.inputs[1], np.int8)
        axis = int(str(self.producers[node.inputs[1]].attributes.get("axis", 1))) % array.ndim
        outputs = 1 if node.op in RECURRENT or (node.op == "Gemm" and not node.attributes.get("transB", 0)) else 0
        if scale.size > 1 and (axis != outputs or scale.size != array.shape[outputs]):
            raise InputError("a scale for each output of a layer", f"{scale.size} along axis {axis}", where(node))
        bias: Array | None = None
        last = 3 if node.op in RECURRENT else 2
        if len(node.inputs) > last and node.inputs[last]:
            bias, step = self.dequantised(node, node.inputs[last], np.int32)
            source = np.float32(self.values[self.known[node.inputs[0]]].scale)
            # The second half is the bias of a state, which is 0 in an LSTM.
            own = step.reshape(2, -1)[0] if node.op in RECURRENT and step.size > 1 else step
            if step.size not in (1, bias.size) or not np.allclose(own, source * scale.reshape(-1), rtol=1e-4, atol=0):
                raise InputError("a bias with the scale of input times weights", "another", where(node))
        return Weights(array, scale, bias)

    def dequantised(self, node: Node, name: str, dtype: Any) -> tuple[Array, Array]:  # noqa: ANN401 - a NumPy type
        """Return a constant behind a DequantizeLinear: its integers and their scales.

        Raises:
            InputError: for another type, or a zero point other than 0.
        """
        producer = self.producers.get(name)
        if producer is None or producer.op != "DequantizeLinear" or producer.inputs[0] not in self.constants:
            raise InputError("weights and bias as constants with a scale", repr(name), where(node))
        array, scale, zero = self.constants[producer.inputs[0]], self.constant(producer, 1), self.zero(producer)
        if array.dtype != dtype or (zero is not None and np.any(zero)):
            raise InputError(f"{np.dtype(dtype).name} with zero point 0", array.dtype.name, where(node))
        return array, scale
