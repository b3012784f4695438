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
from edgewright.core.errors import InputError
from edgewright.core.integer.network import to_integers, to_reals
from edgewright.core.records.network import Graph, IntegerNetwork, IntegerValue
from edgewright.core.records.proof import Numbers
from edgewright.graph.extract import float_part, layers, network_values, preprocessing
from edgewright.graph.from_tflite_file import parse_tflite
from edgewright.proof.tolerance import BYTES, OUTPUT, Form, Samples, Stages
from edgewright.workflows.proof.forms import NUMBERS, Forms, Run, Subject
from edgewright.workflows.proof.forms.integers import drawn_rows, drawn_stage
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
    result = []
    for numbers in NUMBERS:
        graph = subject.graphs.get(numbers)
        if graph is not None and (numbers == "float" or subject.network is not None):
            result.append(Network(numbers, graph, float_part(graph) if numbers == "float" else subject.network))
    return result


@dataclass(frozen=True)
class WholeFile:
    """A whole pipeline as a file.

    Attributes:
        file: what the writer gave.
        places: stage -> its tensor, public outputs among them.
    """

    file: Any
    places: Mapping[str, int]

    @cached_property
    def model(self) -> bytes:
        """What is shipped."""
        model: bytes = self.file.model()
        return model

    @cached_property
    def opened(self) -> bytes:
        """The same with all stages among its outputs, for an interpreter that shows nothing inside."""
        model: bytes = self.file.model(self.places.values())
        return model


def whole_file(network: Network) -> WholeFile:
    """Write a whole pipeline.

    Raises:
        InputError: naming what .tflite has no operator for.
    """
    whole = importlib.import_module("edgewright.export.tflite_whole").write_whole(network.graph, network.network)
    places = {
        stage: whole.values[value] for stage, value in preprocessing(network.graph).items() if value in whole.values
    }
    if network.network is not None:
        places |= {BYTES: whole.layers[network.network.input]} if network.integers else {}
        places |= {stage: whole.layers[number] for stage, number in layers(network.network).items()}
    places |= {stage: whole.values[value] for stage, value in ends(network.graph).items()}
    return WholeFile(whole, places)


def whole_stages(network: Network, outputs: Mapping[str, NDArray[Any]]) -> Stages:
    """Return what the tensors of a whole file hold, in the graph's layout, in the reference's order."""
    whole = shapes(network.graph, network_values(network.graph, network.network))
    inside = {} if network.network is None else layers(network.network)
    stages: Stages = {}
    for stage, values in outputs.items():
        if network.network is not None and stage in inside:
            values = layer_layout(network.network, inside[stage], values, whole.get(stage, values.shape[1:]))
            stages[stage] = values.reshape(len(values), -1) if stage == OUTPUT else values
        else:
            stages[stage] = values
    last = ends(network.graph)
    return {
        **{s: v for s, v in stages.items() if s not in last},
        **renamed(stages, {s: s for s in last if s in stages}),
    }


def network_run(
    subject: Network, network: IntegerNetwork, ask: Callable[[NDArray[Any]], Mapping[int, NDArray[Any]]], ours: bool
) -> Run:
    """Return the run of a network that is fed at the boundary.

    Args:
        subject: its form.
        network: of it.
        ask: values by number for what a file takes there: those that are seen, the output among them.
        ours: whether it must equal the reference bit by bit, for drawn bytes as well.
    """

    def run(samples: Samples, boundary: Samples) -> Stages:
        source = to_integers(network.values[network.input], boundary) if subject.integers else boundary
        values = ask(source)
        whole = shapes(subject.graph, network_values(subject.graph, network))
        stages: Stages = {
            s: boundary for s, value in preprocessing(subject.graph).items() if value == subject.graph.boundary
        }
        stages |= {BYTES: source} if subject.integers else {}
        for stage, number in layers(network).items():
            if number in values:
                shape = whole.get(stage, values[number].shape[1:])
                stages[stage] = layer_layout(network, number, values[number], shape)
        raw = in_a_row(values[network.output])
        if not subject.integers:
            stages[OUTPUT] = raw
        reals = to_reals(network.values[network.output], raw) if subject.integers else raw
        stages |= tail(subject.graph, network)(reals, samples)
        if subject.integers and ours:
            stages |= drawn_stage(ask(drawn_rows(network, len(samples)))[network.output], len(samples))
        return stages

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
MAX_SAMPLES = 300
Key = TypeVar("Key", int, str)


def _make(subject: Subject) -> Iterator[Form]:
    if importlib.util.find_spec(_LIBRARY) is None:
        subject.missing(".tflite in LiteRT", "ai-edge-litert is not installed: pip install 'edgewright[engines]'")
        return
    for network in networks(subject):
        yield from _whole_forms(subject, network)
        if network.network is None:
            subject.missing(f"{network.numbers} .tflite", "no network after the boundary fits .tflite")
            continue
        for reference in (True, False):
            name = f"{network.numbers} .tflite in LiteRT {_path(reference)}"
            ask = partial(_inside if reference else _by_parts, network.network)
            run = network_run(network, network.network, ask, ours=_ours(network, reference))
            yield Form(name, network.numbers, run, ours=_ours(network, reference), whole=False, note=_NOTE)


def _whole_forms(subject: Subject, network: Network) -> Iterator[Form]:
    try:
        file = whole_file(network)
    except InputError as error:
        subject.missing(f"{network.numbers} whole .tflite", str(error))
        return
    for reference in (True, False):
        name, run = (
            f"{network.numbers} whole .tflite in LiteRT {_path(reference)}",
            _whole_run(network, file, reference),
        )
        # What must be bit-exact takes every sample.
        maximum = 0 if reference and network.integers else MAX_SAMPLES
        yield Form(name, network.numbers, run, ours=_ours(network, reference), max_samples=maximum)


def _path(reference: bool) -> str:
    return "reference" if reference else "XNNPACK"


def _ours(network: Network, reference: bool) -> bool:
    """Return whether it must equal the integer reference: by the reference kernels, unless the graph follows TFLM's."""
    return reference and (network.network is None or network.network.rounding != "tflm")


def _whole_run(network: Network, file: WholeFile, reference: bool) -> Run:
    def run(samples: Samples, boundary: Samples) -> Stages:
        if reference:
            return whole_stages(network, invoke(file.model, samples, file.places, reference=True))
        # What is shipped answers itself; a second copy shows what is inside, where XNNPACK shows no memory.
        answer = invoke(file.model, samples, {s: file.places[s] for s in ends(network.graph)}, reference=False)
        return whole_stages(network, {**invoke(file.opened, samples, file.places, reference=False), **answer})

    return run


def _inside(network: IntegerNetwork, source: NDArray[Any]) -> dict[int, NDArray[Any]]:
    """Every value of a network by the reference kernels, looked at in their memory."""
    model = network_file(network)
    places = network_places(model, network)
    return invoke(model, source, places, reference=True) if places else _by_parts(network, source, reference=True)


def _by_parts(network: IntegerNetwork, source: NDArray[Any], reference: bool = False) -> dict[int, NDArray[Any]]:
    """Every layer as the end of a network of its own: XNNPACK shows no memory inside."""
    parts: dict[int, NDArray[Any]] = {}
    for number in layers(network).values():
        last = next(i for i, operator in enumerate(network.operators) if operator.output == number)
        part = msgspec.structs.replace(network, operators=network.operators[: last + 1], output=number)
        parts |= invoke(network_file(part), source, {number: None}, reference=reference)
    return parts


def network_file(network: IntegerNetwork) -> bytes:
    """Return the network alone as a .tflite."""
    model: bytes = importlib.import_module("edgewright.export.targets.tflite").to_tflite(network)
    return model


# What a uint8 value is more than the int8 value that stands for the same number.
_UNSIGNED = 128


def run_file(model: bytes, samples: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the outputs of a file by the reference kernels; uint8 ends as int8 values, which are 128 less.

    Args:
        model: the file.
        samples: rows of real numbers, which are rounded onto the grid of a file that takes int8 or uint8.
    """
    file = parse_tflite(model)
    tensor, source = file.tensors[file.inputs[0]], samples
    if tensor.dtype in ("int8", "uint8"):
        offset = _UNSIGNED if tensor.dtype == "uint8" else 0
        grid = IntegerValue(shape=(), scale=float(tensor.scale[0]), zero=int(tensor.zero.sum()) - offset)
        source = (to_integers(grid, samples).astype(np.int16) + offset).astype(tensor.dtype)
    places: dict[int, int | None] = dict(enumerate(file.outputs))
    values = invoke(model, source, places, reference=True)
    return [
        (values[n].astype(np.int16) - _UNSIGNED).astype(np.int8) if values[n].dtype == np.uint8 else values[n]
        for n in places
    ]


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
    interpreter = open_model(
        model,
        experimental_op_resolver_type=kinds.BUILTIN_REF if reference else kinds.AUTO,
        experimental_preserve_all_tensors=reference,
    )
    first, output = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    tensors = {key: output if fixed is None else fixed for key, fixed in places.items()}
    rows: dict[Key, list[NDArray[Any]]] = {key: [] for key in tensors}
    forget = forgetting(interpreter)
    for row in source:
        interpreter.set_tensor(first, row[None])
        forget()
        interpreter.invoke()
        for key, tensor in tensors.items():
            rows[key].append(np.array(interpreter.get_tensor(tensor)[0]))
    return {key: np.stack(values) for key, values in rows.items()}


FORMS = Forms(rank=40, make=_make, targets=("tflite",))
