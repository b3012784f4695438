"""Generated C99, compiled on this machine: the whole pipeline, float and with its integer network."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.pipeline.forms import Forms, Subject
from edgewright.pipeline.prove_stages import (
    all_values,
    float_part,
    graph_layout,
    layers,
    network_values,
    preprocessing,
    shapes,
)
from edgewright.proof.form import BYTES, LABEL, PREDICTION, PROBABILITIES, RANGE, Form, Samples, Stages
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph, StageMark
from edgewright.schema.proof import Numbers

NAME = "model"
_OUT_OF_RANGE = 1
_WIDEST = float(np.finfo(np.float32).max)
_NUMBERS: tuple[Numbers, ...] = ("float", "int8")
Files = Mapping[str, str]


def _make(subject: Subject) -> Iterator[Form]:
    try:
        compiler = Path(_host().find_compiler()).name
    except InputError as error:
        subject.missing("compiled C", str(error))
        return
    for numbers in _NUMBERS:
        if numbers not in subject.graphs or (numbers == "int8" and subject.network is None):
            continue
        note = f"{compiler} {' '.join(_host().FLAGS)}"
        yield c_form(subject, numbers, f"{numbers} C99 by {compiler}", note)


def c_form(
    subject: Subject,
    numbers: Numbers,
    name: str,
    note: str = "",
    change: Callable[[Files], Files] = lambda files: files,
) -> Form:
    """A form of generated C.

    Args:
        subject: what is written.
        numbers: of its network.
        name: of the form.
        note: compiler and flags.
        change: of the files before they are compiled.
    """

    def run(samples: Samples, boundary: Samples) -> Stages:
        folder = Path(tempfile.mkdtemp(prefix="edgewright-"))
        try:
            model = _host().load_c99(change(written(subject, numbers)), folder)
            return _stages(subject, numbers, model.predict(samples))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return Form(name=name, numbers=numbers, run=run, note=note)


def written(subject: Subject, numbers: Numbers) -> Files:
    """The C of a subject, with all its stages among those that can be seen."""
    graph, network = subject.graphs[numbers], subject.network if numbers == "int8" else None
    inside: dict[int, str] = {}
    if network is None:
        graph = _marked(graph)
    else:
        inside = {number: stage for stage, number in layers(network).items()}
        if network.input not in inside:
            inside[network.input] = BYTES
        graph = msgspec.structs.replace(graph, stages=_marks(preprocessing(graph)))
    ranges = [
        None if low is None and high is None else (-_WIDEST if low is None else low, _WIDEST if high is None else high)
        for _, low, high in subject.ranges
    ]
    files: Files = importlib.import_module("edgewright.export.c99").write_c99(
        graph, network, name=NAME, ranges=ranges, inside=inside
    )
    return files


def _marked(graph: Graph) -> Graph:
    """A float graph whose layers are stages too."""
    stages = {**preprocessing(graph), **network_values(graph, float_part(graph))}
    return msgspec.structs.replace(graph, stages=_marks(stages))


def _marks(stages: Mapping[str, str]) -> tuple[StageMark, ...]:
    return tuple(StageMark(stage=stage, value=value) for stage, value in stages.items())


def _stages(subject: Subject, numbers: Numbers, answer: Any) -> Stages:  # noqa: ANN401 - `_c_host.CAnswer`
    """Stages in the order of the reference, in the graph's layout."""
    network = subject.network if numbers == "int8" else None
    made: Stages = {RANGE: np.asarray(answer.flags & _OUT_OF_RANGE, np.int64)}
    graph = subject.graphs[numbers]
    whole = shapes(graph, all_values(graph, network or float_part(graph)))
    for stage, values in answer.stages.items():
        if network is None or stage not in (BYTES, *layers(network)):
            made[stage] = np.asarray(values).reshape(len(values), *whole.get(stage, values.shape[1:]))
            continue
        number = network.input if stage == BYTES else layers(network)[stage]
        inside = np.asarray(values, np.int8).reshape(len(values), *network.values[number].shape)
        made[stage] = inside if stage == BYTES else graph_layout(inside, whole.get(stage, inside.shape[1:]))
    outputs: dict[str, NDArray[Any]] = answer.outputs
    for name in (PROBABILITIES, PREDICTION):
        if name in outputs:
            made[name] = np.asarray(outputs[name], np.float32).reshape(len(outputs[name]), -1)
    if LABEL in outputs:
        made[LABEL] = np.asarray(outputs[LABEL], np.int64)
    return made


def _host() -> Any:  # noqa: ANN401 - a module, loaded when C is asked for
    return importlib.import_module("edgewright.export._c_host")


FORMS = Forms(rank=50, make=_make)
