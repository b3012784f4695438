"""The ONNX of a subject, whichever engine runs it: its own models, and others as they lie on the disk."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.core.integer.qdq import integer_network
from edgewright.core.integer.rounding import rounding_of
from edgewright.core.onnx.reader import read_onnx
from edgewright.graph.stages import float_part
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork
from edgewright.schema.proof import Numbers
from edgewright.workflows.proof.forms import Subject

_NUMBERS: tuple[Numbers, ...] = ("float", "int8")


@dataclass(frozen=True)
class OnnxModel:
    """A model as ONNX.

    Attributes:
        name: with which the names of its forms begin.
        numbers: what its network computes in.
        graph: of `model`.
        model: its bytes.
        network: after the boundary; None where none can be read.
        labels: class names it comes with.
        files: where its bytes lie; empty for bytes that were made.
    """

    name: str
    numbers: Numbers
    graph: Graph
    model: bytes
    network: IntegerNetwork | None
    labels: tuple[str, ...]
    files: tuple[str, ...]


def onnx_models(subject: Subject) -> list[OnnxModel]:
    """The models of a subject, float first, then those that lie beside it; what cannot be read is noted."""
    made = []
    for numbers in _NUMBERS:
        graph = subject.graphs.get(numbers)
        if graph is not None:
            network = subject.network if numbers == "int8" else float_part(graph)
            files = () if subject.original else subject.source(numbers)
            name = f"{numbers} ONNX"
            made.append(OnnxModel(name, numbers, graph, subject.models[numbers], network, graph.labels, files))
    for artefact in subject.of_kind("onnx"):
        try:
            graph = read_onnx(artefact.content)
            of = numbers_of(graph)
            network = integer_network(graph, rounding_of(graph)) if of == "int8" else float_part(graph)
        except InputError as error:
            subject.missing(f"{artefact.name} as ONNX", str(error))
            continue
        labels = artefact.labels or graph.labels
        made.append(OnnxModel(artefact.name, of, graph, artefact.content, network, labels, artefact.shown))
    return made


def numbers_of(graph: Graph) -> Numbers:
    """What the network of a graph computes in."""
    quantised = any(n.op == "QuantizeLinear" and n.inputs[0] == graph.boundary for n in graph.nodes)
    return "int8" if quantised else "float"
