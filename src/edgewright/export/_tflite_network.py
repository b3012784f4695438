"""The operators of a network, appended to a .tflite file."""

from __future__ import annotations

from edgewright.export._tflite_builder import TfliteBuilder
from edgewright.export.tflite_operators import Place, tensor_shape, write
from edgewright.schema.integer import IntegerNetwork, IntegerValue


def value_tensor(builder: TfliteBuilder, value: IntegerValue) -> int:
    """Adds the tensor of a value, int8 on its grid or float32; gives its number."""
    if value.scale:
        return builder.tensor(tensor_shape(value), "int8", value.scale, value.zero)
    return builder.tensor(tensor_shape(value), "float32")


def append_network(builder: TfliteBuilder, network: IntegerNetwork, tensors: dict[int, int]) -> None:
    """Appends a network's operators.

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
            Place(
                builder=builder,
                operator=operator,
                inputs=tuple(tensors[i] for i in operator.inputs),
                output=tensors[operator.output],
                sources=tuple(network.values[i] for i in operator.inputs),
                target=value,
            )
        )
