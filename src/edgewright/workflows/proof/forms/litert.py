""".tflite in LiteRT: whole pipelines and networks, by its reference kernels and by the XNNPACK path it takes itself."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.engines.litert import forgetting, open_model
from edgewright.core.integer.network import to_integers, to_reals
from edgewright.graph.from_tflite_file import parse_tflite
from edgewright.graph.stages import float_part, layers, network_values, preprocessing
from edgewright.proof.form import BYTES, OUTPUT, Form, Samples, Stages
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork
from edgewright.schema.proof import Numbers
from edgewright.workflows.proof.forms import NUMBERS, Forms, Run, Subject
from edgewright.workflows.proof.stages import ends, in_a_row, layer_layout, renamed, shapes, tail


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
    """Return the forms of a subject for .tflite: float, and int8 where its integers could be read."""
    made = []
    for numbers in NUMBERS:
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
    """Write a whole pipeline.

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
    """Return what the tensors of a whole file hold, in the graph's layout, in the reference's order."""
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


def network_run(
    one: Network, network: IntegerNetwork, ask: Callable[[NDArray[Any]], Mapping[int, NDArray[Any]]]
) -> Run:
    """Return the run of a network that is fed at the boundary.

    Args:
        one: its form.
        network: of it.
        ask: values by number for what a file takes there: those that are seen, the output among them.
    """

    def run(samples: Samples, boundary: Samples) -> Stages:
        source = to_integers(network.values[network.input], boundary) if one.integers else boundary
        values = ask(source)
        whole = shapes(one.graph, network_values(one.graph, network))
        made: Stages = {s: boundary for s, value in preprocessing(one.graph).items() if value == one.graph.boundary}
        made |= {BYTES: source} if one.integers else {}
        for stage, number in layers(network).items():
            if number in values:
                shape = whole.get(stage, values[number].shape[1:])
                made[stage] = layer_layout(network, number, values[number], shape)
        raw = in_a_row(values[network.output])
        if not one.integers:
            made[OUTPUT] = raw
        reals = to_reals(network.values[network.output], raw) if one.integers else raw
        return {**made, **tail(one.graph, network)(reals, samples)}

    return run


def network_places(model: bytes, network: IntegerNetwork) -> dict[int, int]:
    """Return the number of a network's value -> its tensor; empty where an operator became several."""
    operators = parse_tflite(model).operators
    if len(operators) != len(network.operators):
        return {}
    return {mine.output: its.outputs[0] for mine, its in zip(network.operators, operators, strict=True)}


_LIBRARY = "ai_edge_litert"
_NOTE = "the network alone, fed what the NumPy engine gives at the boundary"
# Samples of a whole pipeline that is compared by tolerance: a pair costs more time than the form itself.
MOST = 300
Key = TypeVar("Key", int, str)


def _make(subject: Subject) -> Iterator[Form]:
    if importlib.util.find_spec(_LIBRARY) is None:
        subject.missing(".tflite in LiteRT", "ai-edge-litert is not installed: pip install 'edgewright[engines]'")
        return
    for one in networks(subject):
        yield from _whole_forms(subject, one)
        if one.network is None:
            subject.missing(f"{one.numbers} .tflite", "no network after the boundary fits .tflite")
            continue
        for reference in (True, False):
            name = f"{one.numbers} .tflite in LiteRT {_path(reference)}"
            run = network_run(one, one.network, partial(_inside if reference else _by_parts, one.network))
            yield Form(name, one.numbers, run, ours=_ours(one, reference), whole=False, note=_NOTE)


def _whole_forms(subject: Subject, one: Network) -> Iterator[Form]:
    try:
        file = whole_file(one)
    except InputError as error:
        subject.missing(f"{one.numbers} whole .tflite", str(error))
        return
    for reference in (True, False):
        name, run = f"{one.numbers} whole .tflite in LiteRT {_path(reference)}", _whole_run(one, file, reference)
        # What must be bit-exact takes every sample.
        maximum = 0 if reference and one.integers else MOST
        yield Form(name, one.numbers, run, ours=_ours(one, reference), max_samples=maximum)


def _path(reference: bool) -> str:
    return "reference" if reference else "XNNPACK"


def _ours(one: Network, reference: bool) -> bool:
    """Return whether it must equal the integer reference: by the reference kernels, unless the graph follows TFLM's."""
    return reference and (one.network is None or one.network.rounding != "tflm")


def _whole_run(one: Network, file: WholeFile, reference: bool) -> Run:
    def run(samples: Samples, boundary: Samples) -> Stages:
        if reference:
            return whole_stages(one, invoke(file.model, samples, file.places, reference=True))
        # What is shipped answers itself; a second copy shows what is inside, where XNNPACK shows no memory.
        answer = invoke(file.model, samples, {s: file.places[s] for s in ends(one.graph)}, reference=False)
        return whole_stages(one, {**invoke(file.opened, samples, file.places, reference=False), **answer})

    return run


def _inside(network: IntegerNetwork, source: NDArray[Any]) -> dict[int, NDArray[Any]]:
    """Every value of a network by the reference kernels, looked at in their memory."""
    model = network_file(network)
    places = network_places(model, network)
    return invoke(model, source, places, reference=True) if places else _by_parts(network, source, reference=True)


def _by_parts(network: IntegerNetwork, source: NDArray[Any], reference: bool = False) -> dict[int, NDArray[Any]]:
    """Every layer as the end of a network of its own: XNNPACK shows no memory inside."""
    made: dict[int, NDArray[Any]] = {}
    for number in layers(network).values():
        last = next(i for i, operator in enumerate(network.operators) if operator.output == number)
        part = msgspec.structs.replace(network, operators=network.operators[: last + 1], output=number)
        made |= invoke(network_file(part), source, {number: None}, reference=reference)
    return made


def network_file(network: IntegerNetwork) -> bytes:
    """Return the network alone as a .tflite."""
    made: bytes = importlib.import_module("edgewright.export.targets.tflite").to_tflite(network)
    return made


def run_file(model: bytes, floats: NDArray[Any], integers: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """Return what a file gives by the reference kernels, and whether those are bytes; it takes floats or integers."""
    taken = open_model(model).get_input_details()[0]["dtype"]
    found = invoke(model, integers if taken is np.int8 else floats, {0: None}, reference=True)[0]
    return found, found.dtype == np.int8


def invoke(
    model: bytes, source: NDArray[Any], places: Mapping[Key, int | None], *, reference: bool
) -> dict[Key, NDArray[Any]]:
    """Run row by row.

    Args:
        model: the file.
        source: rows, shape (n, ...), in the type of its input.
        places: tensor to read under each key; None stands for the output.
        reference: by the reference kernels, whose memory inside can be seen; else outputs alone can.

    Returns:
        By key, shape (n, ...).

    Raises:
        InputError: for a file that LiteRT does not take.
    """
    kinds = importlib.import_module(f"{_LIBRARY}.interpreter").OpResolverType
    made = open_model(
        model,
        experimental_op_resolver_type=kinds.BUILTIN_REF if reference else kinds.AUTO,
        experimental_preserve_all_tensors=reference,
    )
    first, output = made.get_input_details()[0]["index"], made.get_output_details()[0]["index"]
    tensors = {key: output if place is None else place for key, place in places.items()}
    rows: dict[Key, list[NDArray[Any]]] = {key: [] for key in tensors}
    forget = forgetting(made)
    for row in source:
        made.set_tensor(first, row[None])
        forget()
        made.invoke()
        for key, tensor in tensors.items():
            rows[key].append(np.array(made.get_tensor(tensor)[0]))
    return {key: np.stack(found) for key, found in rows.items()}


FORMS = Forms(rank=40, make=_make)
