"""Stages of a .tflite, whichever interpreter runs it: where they are in the file, and what they are called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from edgewright.core.integer.network import to_reals
from edgewright.graph.from_tflite_file import parse_tflite
from edgewright.graph.stages import float_part, layers, network_values, preprocessing
from edgewright.proof.form import BYTES, OUTPUT, Samples, Stages
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork
from edgewright.schema.proof import Numbers
from edgewright.workflows.proof.forms import Subject
from edgewright.workflows.proof.stages import ends, in_a_row, layer_layout, renamed, shapes, tail

_NUMBERS: tuple[Numbers, ...] = ("float", "int8")


@dataclass(frozen=True)
class Network:
    """One of a subject's networks with the graph it stands in.

    Attributes:
        numbers: what it computes in.
        graph: whole.
        network: after the boundary; None where there is none that can be read.
    """

    numbers: Numbers
    graph: Graph
    network: IntegerNetwork | None

    @property
    def integers(self) -> bool:
        """Whether it is one of integers."""
        return self.network is not None and self.network.rounding != "none"


def networks(subject: Subject) -> list[Network]:
    """What of a subject can be in a .tflite: its float form, and the int8 one where its integers could be read."""
    made = []
    for numbers in _NUMBERS:
        graph = subject.graphs.get(numbers)
        if graph is not None and (numbers == "float" or subject.network is not None):
            made.append(Network(numbers, graph, float_part(graph) if numbers == "float" else subject.network))
    return made


@dataclass(frozen=True)
class WholeFile:
    """A whole pipeline as a file.

    Attributes:
        made: what the writer gave.
        places: stage -> its tensor, public outputs among them.
    """

    made: Any
    places: Mapping[str, int]

    @cached_property
    def model(self) -> bytes:
        """What is shipped."""
        made: bytes = self.made.model()
        return made

    @cached_property
    def opened(self) -> bytes:
        """The same with all stages among its outputs, for an interpreter that shows nothing inside."""
        made: bytes = self.made.model(self.places.values())
        return made


def whole_file(one: Network) -> WholeFile:
    """Writes a whole pipeline.

    Raises:
        InputError: naming what .tflite has no operator for.
    """
    made = importlib.import_module("edgewright.export.tflite_whole").write_whole(one.graph, one.network)
    found = {stage: made.values[value] for stage, value in preprocessing(one.graph).items() if value in made.values}
    if one.network is not None:
        found |= {BYTES: made.layers[one.network.input]} if one.integers else {}
        found |= {stage: made.layers[number] for stage, number in layers(one.network).items()}
    found |= {stage: made.values[value] for stage, value in ends(one.graph).items()}
    return WholeFile(made, found)


def whole_stages(one: Network, found: Mapping[str, NDArray[Any]]) -> Stages:
    """What the tensors of a whole file hold, in the graph's layout, in the reference's order."""
    whole = shapes(one.graph, network_values(one.graph, one.network))
    inside = {} if one.network is None else layers(one.network)
    made: Stages = {}
    for stage, values in found.items():
        if one.network is not None and stage in inside:
            values = layer_layout(one.network, inside[stage], values, whole.get(stage, values.shape[1:]))
            made[stage] = values.reshape(len(values), -1) if stage == OUTPUT else values
        else:
            made[stage] = values
    last = ends(one.graph)
    return {**{s: v for s, v in made.items() if s not in last}, **renamed(made, {s: s for s in last if s in made})}


def network_stages(
    one: Network, values: Mapping[int, NDArray[Any]], samples: Samples, boundary: Samples, source: NDArray[Any]
) -> Stages:
    """Stages of a network that is fed at the boundary.

    Args:
        one: the network, which is not None.
        values: by number, those that are seen; the output is among them.
        samples: raw ones, which say what has no answer.
        boundary: real numbers there.
        source: what the file was given.

    Raises:
        InputError: where there is no network.
    """
    if one.network is None:
        raise InputError("a network after the boundary", "none", f"the {one.numbers} form")
    whole = shapes(one.graph, network_values(one.graph, one.network))
    made: Stages = {s: boundary for s, value in preprocessing(one.graph).items() if value == one.graph.boundary}
    made |= {BYTES: source} if one.integers else {}
    for stage, number in layers(one.network).items():
        if number in values:
            shape = whole.get(stage, values[number].shape[1:])
            made[stage] = layer_layout(one.network, number, values[number], shape)
    raw = in_a_row(values[one.network.output])
    if not one.integers:
        made[OUTPUT] = raw
    reals = to_reals(one.network.values[one.network.output], raw) if one.integers else raw
    return {**made, **tail(one.graph, one.network)(reals, samples)}


def network_places(model: bytes, network: IntegerNetwork) -> dict[int, int]:
    """Number of a network's value -> its tensor; empty where an operator became several."""
    operators = parse_tflite(model).operators
    if len(operators) != len(network.operators):
        return {}
    return {mine.output: its.outputs[0] for mine, its in zip(network.operators, operators, strict=True)}
