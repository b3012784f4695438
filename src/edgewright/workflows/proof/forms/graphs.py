"""ONNX, float and int8, in the NumPy engine and in ONNX Runtime: every stage opened up.

ONNX Runtime answers a second time with default options, as it does for somebody who knows nothing of this product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec
import numpy as np

from edgewright.core.engines import Answer, Engine, get, onnxruntime
from edgewright.core.executor import compile_graph
from edgewright.core.input_ranges import flagged, read_ranges
from edgewright.core.integer.fusion import has_integer_form
from edgewright.graph.onnx_writer import to_onnx
from edgewright.proof.form import RANGE, Form, Samples, Stages
from edgewright.schema.graph import Graph, Value
from edgewright.schema.integer import IntegerNetwork
from edgewright.schema.proof import Numbers
from edgewright.workflows.proof.forms import Forms, Subject
from edgewright.workflows.proof.forms._onnx import OnnxModel, onnx_models
from edgewright.workflows.proof.forms.integers import run_reference
from edgewright.workflows.proof.stages import all_values, ends, renamed

_NAMES = {"numpy": "NumPy", "onnxruntime": "ONNX Runtime"}
_NUMBERS: tuple[Numbers, ...] = ("float", "int8")


def _make(subject: Subject) -> Iterator[Form]:
    models = onnx_models(subject)
    for numbers in _NUMBERS:
        if numbers not in subject.graphs:
            subject.missing(f"{numbers} ONNX", f"{subject.name} has no {numbers} form")
    for one in models:
        for engine in map(get, _NAMES):
            name = f"{one.name} in {_NAMES[engine.name]}"
            if not engine.available():
                subject.missing(name, f"{engine.name} is not installed: pip install 'edgewright[{engine.extra}]'")
                continue
            network = one.network if engine.name == "numpy" and has_integer_form(one.graph) else None
            run = _run(one, engine) if network is None else _run_integers(one, engine, network)
            ours, note = network is not None or one.numbers == "float", engine.note(one.model)
            form = Form(
                name=name, numbers=one.numbers, run=run, ours=ours, labels=one.labels, files=one.files, note=note
            )
            yield form
            if engine.name == "onnxruntime":
                yield replace(form, name=f"{name}, default options", run=_run(one, engine, onnxruntime.load_plain))


def _run_integers(one: OnnxModel, engine: Engine, network: IntegerNetwork) -> Callable[[Samples, Samples], Stages]:
    """The engine's answers, and inside the integers that it runs, as the kernels it shares with the reference show."""
    stages = run_reference(one.graph, network, read_ranges(one.graph.metadata))

    def run(samples: Samples, boundary: Samples) -> Stages:
        return {**stages(samples, boundary), **renamed(engine.load(one.model)(samples), ends(one.graph))}

    return run


def _run(
    one: OnnxModel, engine: Engine, load: Callable[[bytes], Answer] | None = None
) -> Callable[[Samples, Samples], Stages]:
    graph, load = one.graph, load or engine.load

    def run(samples: Samples, boundary: Samples) -> Stages:
        stages = all_values(graph, one.network)
        interior = tuple(dict.fromkeys(v for s, v in stages.items() if s not in ends(graph)))
        made = {} if not interior else _opened(graph, interior, engine, load)(samples)
        # What is shipped answers itself: to look into it could change how an engine joins its operators.
        answer = load(one.model)(samples)
        return {RANGE: flagged(samples, read_ranges(graph.metadata)), **renamed({**made, **answer}, stages)}

    return run


def _opened(
    graph: Graph, names: tuple[str, ...], engine: Engine, load: Callable[[bytes], Answer]
) -> Callable[[Samples], Stages]:
    """The graph with interior values among its outputs."""
    if engine.name == "numpy":
        return compile_graph(graph, names)
    probe = compile_graph(graph, names)(np.zeros((1, *graph.inputs[0].shape), np.float32))
    values = tuple(Value(name=n, dtype=probe[n].dtype.name, shape=tuple(probe[n].shape[1:])) for n in names)
    public = {v.name for v in graph.outputs}
    more = tuple(v for v in values if v.name not in public)
    return load(to_onnx(msgspec.structs.replace(graph, outputs=(*graph.outputs, *more))))


FORMS = Forms(rank=20, make=_make)
