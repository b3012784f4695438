"""WebAssembly of `export --to web`, written now or as it lies on the disk, in wasmtime."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgewright.core.errors import EdgewrightError, MissingExtraError, ProofError
from edgewright.core.records.proof import Numbers
from edgewright.proof.tolerance import GENERATED, LABEL, PREDICTION, PROBABILITIES, Form, Samples, Stages
from edgewright.workflows.proof.artifacts import Artefact
from edgewright.workflows.proof.forms import NUMBERS, Forms, Run, Subject
from edgewright.workflows.proof.forms.c99 import NAME, c_stages, written

IN = "in wasmtime"
# Dimensions of a picture's sample.
PICTURE = 3
_ANSWER = ("given", "label", "confidence")


def _make(subject: Subject) -> Iterator[Form]:
    yield from _written_forms(subject)
    for artefact in subject.of_kind("wasm"):
        yield from _lying(subject, artefact)


def _written_forms(subject: Subject) -> Iterator[Form]:
    """Yield the modules that `export --to web` would write now, with their stages."""
    lacking = lacking_tools()
    for numbers in NUMBERS:
        if numbers not in subject.graphs or (numbers == "int8" and subject.network is None):
            continue
        name = f"{numbers} WebAssembly {IN}"
        if lacking:
            subject.missing(name, lacking)
        elif len(subject.graphs[numbers].inputs[0].shape) == PICTURE:
            subject.missing(name, "export --to web takes no pictures")
        else:
            lines: list[str] = []
            yield Form(name, numbers, _run(subject, numbers, lines), notes=lines, source=GENERATED)


def lacking_tools() -> str:
    """Return why no module is made and run here; empty where the compiler and the engine are installed."""
    try:
        importlib.import_module("edgewright.export.cores").need_zig("WebAssembly")
        importlib.import_module("edgewright.export.web.module").need_wasmtime()
    except MissingExtraError as error:
        return str(error)
    return ""


def _lying(subject: Subject, artefact: Artefact) -> Iterator[Form]:
    name = f"{artefact.name} {IN}"
    try:
        model = importlib.import_module("edgewright.export.web.module").WasmModel(artefact.content)
        graph = subject.graphs.get(model.numbers)
        if graph is None or (model.numbers == "int8" and subject.network is None):
            subject.missing(name, f"it is {model.numbers}, and {subject.name} has no {model.numbers} network")
            return
        takes = int(np.prod(graph.inputs[0].shape))
        if model.inputs != takes:
            raise ProofError(f"a module of {subject.name}", f"one that takes {model.inputs} numbers, not {takes}")
    except EdgewrightError as error:
        subject.missing(name, str(error))
        return
    lines: list[str] = []
    run = _run(subject, model.numbers, lines, model)
    yield Form(name, model.numbers, run, notes=lines, files=artefact.shown, source=GENERATED)


def _run(
    subject: Subject, numbers: Numbers, lines: list[str], lying: Any = None  # noqa: ANN401 - `export.web.runner.WasmModel`
) -> Run:  # fmt: skip
    """Return how a module runs that lies on the disk, or one that is written now and shows its stages."""

    def run(samples: Samples, boundary: Samples) -> Stages:
        model = lying or opened(subject, numbers)
        rows, graph = _turned(subject, numbers, samples), subject.graphs[numbers]
        flags, answers = model.predict(rows)
        lines.append(f"{model.cost_us(rows[0]):.1f} µs a sample in wasmtime")
        first = PROBABILITIES if any(v.name == PROBABILITIES for v in graph.outputs) else PREDICTION
        outputs = {first: answers["given"]}
        if any(value.name == LABEL for value in graph.outputs):
            outputs[LABEL] = answers["label"]
        stages = _stages(subject, numbers, rows, answers, lines) if lying else answers
        inside = {name: values for name, values in stages.items() if name not in _ANSWER}
        # A module on the disk may be of a model alone, which knows no threshold.
        return c_stages(subject, numbers, flags, inside, outputs, flagged=not lying)

    return run


def opened(subject: Subject, numbers: Numbers) -> Any:  # noqa: ANN401 - `export.web.runner.WasmModel`
    """Return the module of a subject's C that shows its stages.

    Raises:
        MissingExtraError: the compiler or the engine is not installed.
        CheckFailedError: the compiler refuses the code.
    """
    compiler = importlib.import_module("edgewright.export.web.module")
    module = compiler.compile_wasm(written(subject, numbers), NAME, taps=True)
    return importlib.import_module("edgewright.export.web.module").WasmModel(module)


def _stages(
    subject: Subject, numbers: Numbers, rows: Samples, outputs: dict[str, Any], lines: list[str]
) -> dict[str, Any]:
    """Return the stages inside: of a second module that shows them and gives the same answers, where one can be made.

    What ships shows its ends alone.
    """
    try:
        stages: dict[str, Any] = opened(subject, numbers).predict(rows)[1]
    except EdgewrightError as error:
        lines.append(f"only its answers are compared: {error}")
        return {}
    if not all(np.array_equal(stages[name], outputs[name], equal_nan=True) for name in ("given", "label")):
        lines.append("only its answers are compared: they are not those of the model's own C")
        return {}
    return stages


def _turned(subject: Subject, numbers: Numbers, samples: Samples) -> Samples:
    """Return the samples in the order that generated C takes them, (n, inputs)."""
    images = importlib.import_module("edgewright.export.c99_graph.graph")
    given = images.pixels(samples) if images.image_channels(subject.graphs[numbers]) == "first" else samples
    return np.ascontiguousarray(given, np.float32).reshape(len(samples), -1)


FORMS = Forms(rank=52, make=_make, targets=("web",))
