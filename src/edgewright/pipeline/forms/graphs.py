"""ONNX, float and int8, in the NumPy engine and in ONNX Runtime: every stage opened up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.forms import Forms, Subject
from edgewright.pipeline.prove_stages import all_values, ends, float_part, renamed
from edgewright.proof.form import RANGE, Form, Samples, Stages
from edgewright.runtime.engines import Engine, get
from edgewright.runtime.executor import compile_graph
from edgewright.runtime.ranges import flagged, read_ranges
from edgewright.schema.graph import Graph, Value
from edgewright.schema.proof import Numbers

_NAMES = {"numpy": "NumPy", "onnxruntime": "ONNX Runtime"}
_NUMBERS: tuple[Numbers, ...] = ("float", "int8")


def _make(subject: Subject) -> Iterator[Form]:
    for numbers in _NUMBERS:
        if numbers not in subject.graphs:
            subject.missing(f"{numbers} ONNX", f"{subject.name} has no {numbers} form")
            continue
        for engine in map(get, _NAMES):
            name = f"{numbers} ONNX in {_NAMES[engine.name]}"
            if not engine.available():
                subject.missing(name, f"{engine.name} is not installed: pip install 'edgewright[{engine.extra}]'")
                continue
            labels = subject.graphs[numbers].labels
            run = _run(subject, numbers, engine)
            yield Form(name=name, numbers=numbers, run=run, ours=numbers == "float", labels=labels)


def _run(subject: Subject, numbers: Numbers, engine: Engine) -> Callable[[Samples, Samples], Stages]:
    graph, model = subject.graphs[numbers], subject.models[numbers]

    def run(samples: Samples, boundary: Samples) -> Stages:
        network = subject.network if numbers == "int8" else float_part(graph)
        stages = all_values(graph, network)
        interior = tuple(dict.fromkeys(v for s, v in stages.items() if s not in ends(graph)))
        made = {} if not interior else _opened(graph, interior, engine)(samples)
        # What is shipped answers itself: to look into it could change how an engine joins its operators.
        answer = engine.load(model)(samples)
        return {RANGE: flagged(samples, read_ranges(graph.metadata)), **renamed({**made, **answer}, stages)}

    return run


def _opened(graph: Graph, names: tuple[str, ...], engine: Engine) -> Callable[[Samples], Stages]:
    """The graph with interior values among its outputs."""
    if engine.name == "numpy":
        return compile_graph(graph, names)
    probe = compile_graph(graph, names)(np.zeros((1, *graph.inputs[0].shape), np.float32))
    values = tuple(Value(name=n, dtype=probe[n].dtype.name, shape=tuple(probe[n].shape[1:])) for n in names)
    public = {v.name for v in graph.outputs}
    more = tuple(v for v in values if v.name not in public)
    return engine.load(to_onnx(msgspec.structs.replace(graph, outputs=(*graph.outputs, *more))))


FORMS = Forms(rank=20, make=_make)
