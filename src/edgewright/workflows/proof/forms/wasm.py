"""A module of `export --to web` as it lies on the disk, in wasmtime."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgewright.proof.form import LABEL, PREDICTION, PROBABILITIES, Form, Samples, Stages
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.workflows.proof.artifacts import Artefact
from edgewright.workflows.proof.forms import Forms, Run, Subject
from edgewright.workflows.proof.forms.c99 import NAME, c_stages, written


def _make(subject: Subject) -> Iterator[Form]:
    for artefact in subject.of_kind("wasm"):
        yield from _lying(subject, artefact)


def _lying(subject: Subject, artefact: Artefact) -> Iterator[Form]:
    name = f"{artefact.name} in wasmtime"
    try:
        model = importlib.import_module("edgewright.export.web.runner").WasmModel(artefact.content)
        graph = subject.graphs.get(model.numbers)
        if graph is None or (model.numbers == "int8" and subject.network is None):
            subject.missing(name, f"it is {model.numbers}, and {subject.name} has no {model.numbers} network")
            return
        takes = int(np.prod(graph.inputs[0].shape))
        if model.inputs != takes:
            raise InputError(f"a module of {subject.name}", f"one that takes {model.inputs} numbers, not {takes}")
    except EdgewrightError as error:
        subject.missing(name, str(error))
        return
    lines: list[str] = []
    yield Form(name, model.numbers, _run(subject, model, lines), notes=lines, files=artefact.shown)


def _run(subject: Subject, model: Any, lines: list[str]) -> Run:  # noqa: ANN401 - `export.web.runner.WasmModel`
    def run(samples: Samples, boundary: Samples) -> Stages:
        rows, graph = _turned(subject, model, samples), subject.graphs[model.numbers]
        flags, answers = model.predict(rows)
        lines.append(f"{model.cost_us(rows[0]):.1f} µs a sample in wasmtime")
        first = PROBABILITIES if any(v.name == PROBABILITIES for v in graph.outputs) else PREDICTION
        outputs = {first: answers["given"]}
        if any(value.name == LABEL for value in graph.outputs):
            outputs[LABEL] = answers["label"]
        seen = _stages(subject, model, rows, answers, lines)
        return c_stages(subject, model.numbers, flags, seen, outputs)

    return run


def _stages(
    subject: Subject,
    model: Any,  # noqa: ANN401 - `export.web.runner.WasmModel`
    rows: Samples,
    outputs: dict[str, Any],
    lines: list[str],
) -> dict[str, Any]:
    """Return the stages inside: of a second module that shows them and gives the same answers, where one can be made.

    What ships shows its ends alone.
    """
    runner = importlib.import_module("edgewright.export.web.runner")
    try:
        module = importlib.import_module("edgewright.export.web.module").compile_wasm(
            written(subject, model.numbers), NAME, taps=True
        )
    except EdgewrightError as error:
        lines.append(f"only its answers are compared: {error}")
        return {}
    _, opened = runner.WasmModel(module).predict(rows)
    if not all(np.array_equal(opened[name], outputs[name], equal_nan=True) for name in ("given", "label")):
        lines.append("only its answers are compared: they are not those of the model's own C")
        return {}
    return {name: values for name, values in opened.items() if name not in ("given", "label", "confidence")}


def _turned(subject: Subject, model: Any, samples: Samples) -> Samples:  # noqa: ANN401 - as above
    """Return the samples in the order that generated C takes them, (n, inputs)."""
    images = importlib.import_module("edgewright.export.c99_graph.graph")
    given = images.pixels(samples) if images.image_channels(subject.graphs[model.numbers]) == "first" else samples
    return np.ascontiguousarray(given, np.float32).reshape(len(samples), -1)


FORMS = Forms(rank=52, make=_make)
