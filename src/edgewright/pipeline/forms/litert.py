""".tflite in LiteRT: its reference kernels, and the XNNPACK path that it takes by default."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.graph.integer import to_integers, to_reals
from edgewright.pipeline.forms import Forms, Subject
from edgewright.pipeline.prove_stages import (
    float_part,
    graph_layout,
    layers,
    network_values,
    preprocessing,
    shapes,
    tail,
)
from edgewright.proof.form import BYTES, OUTPUT, Form, Samples, Stages
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork
from edgewright.schema.proof import Numbers

_LIBRARY = "ai_edge_litert"
_NOTE = "the network alone, fed what the NumPy engine gives at the boundary"


def _make(subject: Subject) -> Iterator[Form]:
    if importlib.util.find_spec(_LIBRARY) is None:
        subject.missing(".tflite in LiteRT", "ai-edge-litert is not installed: pip install 'edgewright[engines]'")
        return
    networks: list[tuple[Numbers, Graph, IntegerNetwork | None]] = []
    if "float" in subject.graphs:
        networks.append(("float", subject.graphs["float"], float_part(subject.graphs["float"])))
    if subject.network is not None:
        networks.append(("int8", subject.graphs["int8"], subject.network))
    for numbers, graph, network in networks:
        if network is None:
            subject.missing(f"{numbers} .tflite", "there is no network after the boundary that .tflite holds")
            continue
        for reference in (True, False):
            name = f"{numbers} .tflite in LiteRT {'reference' if reference else 'XNNPACK'}"
            run = _run(subject, graph, network, reference)
            yield Form(name=name, numbers=numbers, run=run, ours=reference, whole=False, note=_NOTE)


def _run(
    subject: Subject, graph: Graph, network: IntegerNetwork, reference: bool
) -> Callable[[Samples, Samples], Stages]:
    def run(samples: Samples, boundary: Samples) -> Stages:
        integers = network.rounding != "none"
        source = to_integers(network.values[network.input], boundary) if integers else boundary
        whole = shapes(graph, network_values(graph, network))
        made: Stages = {stage: boundary for stage, value in preprocessing(graph).items() if value == graph.boundary}
        made |= {BYTES: source} if integers else {}
        values = _inside(network, source) if reference else _by_parts(network, source)
        for stage, number in layers(network).items():
            made[stage] = graph_layout(values[number], whole.get(stage, values[number].shape[1:]))
        raw = values[network.output].reshape(len(source), -1)
        if not integers:
            made[OUTPUT] = raw
        reals = to_reals(network.values[network.output], raw) if integers else raw
        return {**made, **tail(graph, network)(reals)}

    return run


def _inside(network: IntegerNetwork, source: NDArray[Any]) -> dict[int, NDArray[Any]]:
    """Every value of a network by the reference kernels, looked at in their memory."""
    model = _file(network)
    places = _places(model, network)
    return _invoke(model, source, places, reference=True) if places else _by_parts(network, source, reference=True)


def _by_parts(network: IntegerNetwork, source: NDArray[Any], reference: bool = False) -> dict[int, NDArray[Any]]:
    """Every layer as the end of a network of its own: XNNPACK shows no memory inside."""
    made: dict[int, NDArray[Any]] = {}
    for number in layers(network).values():
        last = next(i for i, operator in enumerate(network.operators) if operator.output == number)
        part = msgspec.structs.replace(network, operators=network.operators[: last + 1], output=number)
        made |= _invoke(_file(part), source, {number: None}, reference=reference)
    return made


def _file(network: IntegerNetwork) -> bytes:
    made: bytes = importlib.import_module("edgewright.export.tflite").to_tflite(network)
    return made


def _places(model: bytes, network: IntegerNetwork) -> dict[int, int | None]:
    """Number of a value -> its tensor; empty where an operator became several."""
    schema = importlib.import_module(f"{_LIBRARY}.schema_py_generated")
    operators = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model)).subgraphs[0].operators
    if len(operators) != len(network.operators):
        return {}
    pairs = zip(network.operators, operators, strict=True)
    return {operator.output: int(table.outputs[0]) for operator, table in pairs}


def run_file(model: bytes, floats: NDArray[Any], integers: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """What a file gives by the reference kernels, and whether those are bytes; it takes floats or integers."""
    litert = importlib.import_module(f"{_LIBRARY}.interpreter")
    taken = litert.Interpreter(model_content=model).get_input_details()[0]["dtype"]
    found = _invoke(model, integers if taken is np.int8 else floats, {0: None}, reference=True)[0]
    return found, found.dtype == np.int8


def _invoke(
    model: bytes, source: NDArray[Any], places: dict[int, int | None], *, reference: bool
) -> dict[int, NDArray[Any]]:
    """Runs row by row and reads the tensors at `places`; None stands for the output."""
    litert = importlib.import_module(f"{_LIBRARY}.interpreter")
    kind = litert.OpResolverType.BUILTIN_REF if reference else litert.OpResolverType.AUTO
    try:
        made = litert.Interpreter(
            model_content=model,
            num_threads=1,
            experimental_op_resolver_type=kind,
            experimental_preserve_all_tensors=reference,
        )
        made.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise InputError("a .tflite that LiteRT takes", " ".join(str(error).split())[:200]) from None
    first, output = made.get_input_details()[0]["index"], made.get_output_details()[0]["index"]
    tensors = {number: output if place is None else place for number, place in places.items()}
    rows: dict[int, list[NDArray[Any]]] = {number: [] for number in tensors}
    for row in source:
        made.set_tensor(first, row[None])
        made.invoke()
        for number, tensor in tensors.items():
            rows[number].append(np.array(made.get_tensor(tensor)[0]))
    return {number: np.stack(found) for number, found in rows.items()}


FORMS = Forms(rank=40, make=_make)
