"""Whole pipelines and networks as .tflite files that LiteRT and TFLM run. See docs/adr/0016."""

from __future__ import annotations

from edgewright.core.errors import ExportError, InputError
from edgewright.core.integer.network import marked
from edgewright.core.records.network import Graph, IntegerNetwork, Rounding
from edgewright.export._tflite_builder import TfliteBuilder
from edgewright.export.contract import Subject, Target
from edgewright.export.tflite_operators import append_network, tensor_shape, value_tensor
from edgewright.export.tflite_whole import write_whole
from edgewright.graph.extract import float_network, integer_network

# Of the file with the network alone, between the model's name and the ending.
NETWORK = ".network"


def to_tflite(network: IntegerNetwork, *, float_ends: bool = False) -> bytes:
    """Serialise a network; one sample a run, shaped as the network's input with a batch axis of 1.

    Args:
        network: of integers, or a float one (rounding 'none').
        float_ends: whether an integer network takes and gives float32: the file rounds and scales at its ends.

    Raises:
        InputError: for an operator that .tflite cannot hold, or float ends on a float network.
    """
    builder = TfliteBuilder(network.name)
    first, last = network.values[network.input], network.values[network.output]
    if float_ends and not first.scale:
        raise ExportError("an integer network", "a float one, whose ends are float already", ".tflite")
    tensors = {network.input: value_tensor(builder, first)}
    source = target = tensors[network.input]
    if float_ends:
        source = builder.tensor(tensor_shape(first), "float32", name="input")
        builder.operator("QUANTIZE", 1, (source,), (tensors[network.input],))
    append_network(builder, network, tensors)
    target = tensors[network.output]
    if float_ends:
        target = builder.tensor(tensor_shape(last), "float32", name="output")
        builder.operator("DEQUANTIZE", 2, (tensors[network.output],), (target,))
    return builder.finish((source,), (target,))


def network_of(graph: Graph, rounding: Rounding = "litert") -> IntegerNetwork | None:
    """Return the integer network between the boundary of a graph and its raw outputs, or None.

    Raises:
        InputError: for a quantised graph whose integers cannot be read.
    """
    if Subject("", graph).form == "int8":
        return integer_network(graph, rounding)
    try:
        return float_network(graph)
    except InputError:
        return None


def whole_file(subject: Subject) -> bytes:
    """Return the whole pipeline, raw row or window in, answers out.

    Raises:
        InputError: naming the operator and the node that .tflite cannot hold.
    """
    graph = marked(subject.graph, subject.rounding) if subject.form == "int8" else subject.graph
    return write_whole(graph, network_of(graph, subject.rounding)).model()


def _files(subject: Subject) -> dict[str, bytes]:
    if subject.read is not None:
        return {_name(subject): to_tflite(subject.read)}
    written: dict[str, bytes] = {}
    refused: list[InputError] = []
    for name, write in ((_name(subject), whole_file), (_name(subject, NETWORK), _network_file)):
        try:
            written[name] = write(subject)
        except InputError as error:
            refused.append(error)
    if not written:
        # A model whose end is a network is told what its network lacks.
        raise refused[-1 if subject.graph.boundary else 0]
    return written


def _network_file(subject: Subject) -> bytes:
    return to_tflite(subject.network)


def _name(subject: Subject, part: str = "") -> str:
    """Return the names of all files of this target."""
    return f"{subject.name}{part}.tflite"


def _note(subject: Subject) -> str:
    if subject.read is not None:
        return _network_note(subject, _name(subject))
    whole, network = _name(subject), _name(subject, NETWORK)
    try:
        whole_file(subject)
        # TFLM's ARG_MAX knows no int64, as the graph has the label.
        ends = ", ".join(v.name + (" (int32)" if v.dtype == "int64" else "") for v in subject.graph.outputs)
        inside = ", QUANTIZE and DEQUANTIZE around its int8 network" if subject.form == "int8" else ""
        notes = [f"{whole} is the whole pipeline: raw float32 values in, {ends} out{inside}"]
    except InputError as error:
        notes = [f"{whole}, the whole pipeline, is not written: {error}"]
    if network in _files(subject):
        notes.append(_network_note(subject, network))
    return "; ".join(notes)


def _network_note(subject: Subject, name: str) -> str:
    network = subject.network
    first, last = network.values[network.input], network.values[network.output]
    input_shape, output_shape = (" x ".join(map(str, value.shape)) for value in (first, last))
    notes = [f"{name} is the network alone: takes {input_shape} and gives {output_shape}"]
    if subject.read is None and subject.graph.boundary != subject.graph.inputs[0].name:
        notes.append("it begins after the preprocessing, which the caller does")
    if first.scale:
        notes.append(
            f"bytes in: value / {first.scale:.9g} + {first.zero}, out: (byte - {last.zero}) * {last.scale:.9g}"
        )
    return "; ".join(notes)


TARGET = Target(description="whole pipeline and network alone, for LiteRT and TFLM", files=_files, note=_note)
