"""A network as a .tflite file that LiteRT and TFLM run."""

from __future__ import annotations

from edgewright.export._tflite_builder import TfliteBuilder
from edgewright.export.contract import Subject, Target
from edgewright.export.tflite_operators import Place, tensor_shape, write
from edgewright.schema.errors import InputError
from edgewright.schema.integer import IntegerNetwork, IntegerValue


def to_tflite(network: IntegerNetwork, *, float_ends: bool = False) -> bytes:
    """Serialises a network; one sample a run, shaped as the network's input with a batch axis of 1.

    Args:
        network: of integers, or a float one (rounding 'none').
        float_ends: whether an integer network takes and gives float32: the file rounds and scales at its ends.

    Raises:
        InputError: for an operator that .tflite cannot hold, or float ends on a float network.
    """
    builder = TfliteBuilder(network.name)
    first, last = network.values[network.input], network.values[network.output]
    if float_ends and not first.scale:
        raise InputError("an integer network", "a float one, whose ends are float already", ".tflite")
    tensors = {network.input: _tensor(builder, first)}
    source = target = tensors[network.input]
    if float_ends:
        source = builder.tensor(tensor_shape(first), "float32", name="input")
        builder.operator("QUANTIZE", 1, (source,), (tensors[network.input],))
    for operator in network.operators:
        value = network.values[operator.output]
        tensors[operator.output] = _tensor(builder, value)
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
    target = tensors[network.output]
    if float_ends:
        target = builder.tensor(tensor_shape(last), "float32", name="output")
        builder.operator("DEQUANTIZE", 2, (tensors[network.output],), (target,))
    return builder.finish((source,), (target,))


def _tensor(builder: TfliteBuilder, value: IntegerValue) -> int:
    if value.scale:
        return builder.tensor(tensor_shape(value), "int8", value.scale, value.zero)
    return builder.tensor(tensor_shape(value), "float32")


def _files(subject: Subject) -> dict[str, bytes]:
    return {f"{subject.name}.tflite": to_tflite(subject.network)}


def _note(subject: Subject) -> str:
    network = subject.network
    first, last = network.values[network.input], network.values[network.output]
    said = [f"the file takes {' x '.join(map(str, first.shape))} and gives {' x '.join(map(str, last.shape))}"]
    if subject.read is None and subject.graph.boundary != subject.graph.inputs[0].name:
        said.append("it begins after the preprocessing, which the caller does")
    if first.scale:
        said.append(f"bytes in: value / {first.scale:.9g} + {first.zero}, out: (byte - {last.zero}) * {last.scale:.9g}")
    return "; ".join(said)


TARGET = Target(description="the network from the boundary on, for LiteRT and TFLM", files=_files, note=_note)
