"""How each kind of operator is written to .tflite. Every module of this folder is a family of decorated functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgewright.core import catalogue
from edgewright.core.errors import UnknownNameError
from edgewright.core.records.network import IntegerNetwork, IntegerOperator, IntegerValue
from edgewright.export._tflite_builder import TfliteBuilder


def value_tensor(builder: TfliteBuilder, value: IntegerValue) -> int:
    """Add the tensor of a value, int8 on its grid or float32; give its number."""
    if value.scale:
        return builder.tensor(tensor_shape(value), "int8", value.scale, value.zero)
    return builder.tensor(tensor_shape(value), "float32")


def append_network(builder: TfliteBuilder, network: IntegerNetwork, tensors: dict[int, int]) -> None:
    """Append a network's operators.

    Args:
        builder: of the file.
        network: of integers or float.
        tensors: number of a value -> its tensor; that of the network's input is there, the others are added.

    Raises:
        InputError: for an operator that .tflite cannot hold.
    """
    for operator in network.operators:
        value = network.values[operator.output]
        tensors[operator.output] = value_tensor(builder, value)
        write(
            OperatorSite(
                builder=builder,
                operator=operator,
                inputs=tuple(tensors[i] for i in operator.inputs),
                output=tensors[operator.output],
                sources=tuple(network.values[i] for i in operator.inputs),
                target=value,
            )
        )


@dataclass(frozen=True)
class OperatorSite:
    """An operator with what it stands between.

    Attributes:
        builder: of the file.
        operator: to write.
        inputs: numbers of the tensors.
        output: number of its tensor.
        sources, target: the values of inputs and output.
    """

    builder: TfliteBuilder
    operator: IntegerOperator
    inputs: tuple[int, ...]
    output: int
    sources: tuple[IntegerValue, ...]
    target: IntegerValue

    @property
    def integer(self) -> bool:
        """Whether the operator works on bytes."""
        return self.target.scale > 0

    def version(self, floats: int, integers: int) -> int:
        """Version of the operator by the type it works on."""
        return integers if self.integer else floats

    def weights(self, shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
        """Add weights of this shape and the bias, if there is one; their numbers."""
        arrays = self.operator.arrays
        scale = arrays.get("weight_scale") if self.integer else None
        numbers = [self.builder.constant(arrays["weights"].reshape(shape), scale, axis)]
        if "bias" not in arrays:
            return tuple(numbers)
        product = None if scale is None else np.float32(self.sources[0].scale) * np.asarray(scale, np.float32)
        return (*numbers, self.builder.constant(arrays["bias"], product))

    def end(self, name: str, versions: tuple[int, int], *inputs: int, **fields: object) -> None:
        """Add the operator that gives the output; its versions are those for floats and for integers."""
        self.builder.operator(name, self.version(*versions), inputs, (self.output,), **fields)

    def numbers(self, *values: int) -> int:
        """Add a vector of int32."""
        return self.builder.constant(np.asarray(values, np.int32))


Writer = Callable[[OperatorSite], None]
writes = catalogue.Registry[Writer](__name__)
"""Registers the writer of kinds of operators."""


def write(location: OperatorSite) -> None:
    """Append the operator to the file.

    Raises:
        UnknownNameError: for a kind that .tflite has no writer for.
    """
    writer = writes.known.get(location.operator.kind)
    if writer is None:
        raise UnknownNameError("operator for .tflite", location.operator.kind, writes.known)
    writer(location)


def tensor_shape(value: IntegerValue) -> tuple[int, ...]:
    """Shape in the file: one sample a run."""
    return (1, *value.shape)
