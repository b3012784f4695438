"""ONNX, float and int8, in the NumPy engine and in ONNX Runtime: every stage opened up.

ONNX Runtime answers a second time with default options, as it does for somebody who knows nothing of this product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from edgewright.core.engines import Answer, Engine, get, onnxruntime
from edgewright.core.errors import InputError
from edgewright.core.input.samples import flagged, read_ranges
from edgewright.core.integer.network import rounding_of
from edgewright.core.integer.qdq import has_integer_form, integer_network
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, IntegerNetwork, Value
from edgewright.core.records.proof import Numbers
from edgewright.graph.extract import float_part
from edgewright.graph.onnx_writer import to_onnx
from edgewright.proof.tolerance import RANGE, Form, Samples, Stages
from edgewright.workflows.proof.forms import NUMBERS, Forms, Run, Subject
from edgewright.workflows.proof.forms.integers import run_reference
from edgewright.workflows.proof.stages import all_values, ends, renamed


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
    """Return the models of a subject, float first, then those that lie beside it; what cannot be read is noted."""
    models = []
    for numbers in NUMBERS:
        graph = subject.graphs.get(numbers)
        if graph is not None:
            network = subject.network if numbers == "int8" else float_part(graph)
            files = () if subject.original else subject.source(numbers)
            name = f"{numbers} ONNX"
            models.append(OnnxModel(name, numbers, graph, subject.models[numbers], network, graph.labels, files))
    for artefact in subject.of_kind("onnx"):
        try:
            graph = read_onnx(artefact.content)
            of = numbers_of(graph)
            network = integer_network(graph, rounding_of(graph)) if of == "int8" else float_part(graph)
        except InputError as error:
            subject.missing(f"{artefact.name} as ONNX", str(error))
            continue
        labels = artefact.labels or graph.labels
        models.append(OnnxModel(artefact.name, of, graph, artefact.content, network, labels, artefact.shown))
    return models


def numbers_of(graph: Graph) -> Numbers:
    """Return what the network of a graph computes in."""
    quantised = any(n.op == "QuantizeLinear" and n.inputs[0] == graph.boundary for n in graph.nodes)
    return "int8" if quantised else "float"


_NAMES = {"numpy": "NumPy", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}


def _make(subject: Subject) -> Iterator[Form]:
    models = onnx_models(subject)
    for numbers in NUMBERS:
        if numbers not in subject.graphs:
            subject.missing(f"{numbers} ONNX", f"{subject.name} has no {numbers} form")
    for model in models:
        for engine in map(get, _NAMES):
            name = f"{model.name} in {_NAMES[engine.name]}"
            if not engine.available():
                subject.missing(name, f"{engine.name} is not installed: pip install 'edgewright[{engine.extra}]'")
                continue
            network = model.network if engine.name == "numpy" and has_integer_form(model.graph) else None
            run = _run(model, engine) if network is None else _run_integers(model, engine, network)
            ours, note = network is not None or model.numbers == "float", engine.note(model.model)
            form = Form(
                name=name, numbers=model.numbers, run=run, ours=ours, labels=model.labels, files=model.files, note=note
            )
            yield form
            if engine.name == "onnxruntime":
                yield replace(form, name=f"{name}, default options", run=_run(model, engine, onnxruntime.load_plain))


def _run_integers(model: OnnxModel, engine: Engine, network: IntegerNetwork) -> Run:
    """Return a function for the engine's answers and, inside, its integers, from kernels shared with the reference."""
    stages = run_reference(model.graph, network, read_ranges(model.graph.metadata))

    def run(samples: Samples, boundary: Samples) -> Stages:
        return {**stages(samples, boundary), **renamed(engine.load(model.model)(samples), ends(model.graph))}

    return run


def _run(model: OnnxModel, engine: Engine, load: Callable[[bytes], Answer] | None = None) -> Run:
    graph, load = model.graph, load or engine.load

    def run(samples: Samples, boundary: Samples) -> Stages:
        stages = all_values(graph, model.network)
        interior = tuple(dict.fromkeys(v for s, v in stages.items() if s not in ends(graph)))
        opened = {} if not interior else _opened(graph, interior, engine, load)(samples)
        # What is shipped answers itself: to look into it could change how an engine joins its operators.
        answer = load(model.model)(samples)
        return {RANGE: flagged(samples, read_ranges(graph.metadata)), **renamed({**opened, **answer}, stages)}

    return run


def _opened(
    graph: Graph, names: tuple[str, ...], engine: Engine, load: Callable[[bytes], Answer]
) -> Callable[[Samples], Stages]:
    """Return the graph with interior values among its outputs."""
    if engine.name == "numpy":
        return compile_graph(graph, names)
    probe = compile_graph(graph, names)(np.zeros((1, *graph.inputs[0].shape), np.float32))
    values = tuple(Value(name=n, dtype=probe[n].dtype.name, shape=tuple(probe[n].shape[1:])) for n in names)
    public = {v.name for v in graph.outputs}
    more = tuple(v for v in values if v.name not in public)
    return load(to_onnx(msgspec.structs.replace(graph, outputs=(*graph.outputs, *more))))


FORMS = Forms(rank=20, make=_make, targets=("onnx",))
