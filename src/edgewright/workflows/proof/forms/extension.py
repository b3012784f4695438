"""The CPython module compiled for this machine: what `predict` answers with where it was built."""

from __future__ import annotations

import importlib
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from edgewright.core.engines.extension import answer_of, describe
from edgewright.core.errors import InputError, SampleShapeError, StoppedError
from edgewright.core.input.samples import flagged, read_ranges
from edgewright.core.integer.network import to_integers
from edgewright.core.prediction.objects import load_module
from edgewright.core.records.proof import Numbers
from edgewright.graph.extract import float_part, preprocessing
from edgewright.proof.tolerance import BYTES, OUTPUT, RANGE, Form, Samples, Stages
from edgewright.workflows.proof.artifacts import Artefact
from edgewright.workflows.proof.forms import NUMBERS, Forms, Run, Subject
from edgewright.workflows.proof.stages import ends, renamed


def _make(subject: Subject) -> Iterator[Form]:
    yield from _built(subject)
    for artefact in subject.of_kind("extension"):
        yield from _lying(subject, artefact)


def _built(subject: Subject) -> Iterator[Form]:
    compiling = importlib.import_module("edgewright.export._extension.build")
    if not compiling.can_build():
        subject.missing("extension", f"no C compiler: {compiling.HOW_TO_BUILD}")
        return
    build = importlib.import_module("edgewright.export.targets.extension").build_extension
    for numbers in NUMBERS:
        if numbers in subject.graphs and (numbers == "float" or subject.network is not None):
            yield Form(f"{numbers} extension", numbers, _run(subject, numbers, _compiled(subject, numbers, build)))


def _compiled(subject: Subject, numbers: Numbers, build: Callable[..., Path]) -> Callable[[], ModuleType]:
    def compiled() -> ModuleType:
        with tempfile.TemporaryDirectory(prefix="edgewright-") as folder:
            return load_module(build(subject.models[numbers], cache=Path(folder)))

    return compiled


def _lying(subject: Subject, artefact: Artefact) -> Iterator[Form]:
    """Yield a module that was compiled before, as it lies on the disk."""
    name = f"{artefact.name} in Python"
    try:
        with tempfile.TemporaryDirectory(prefix="edgewright-") as folder:
            copy = Path(folder) / Path(artefact.name).name
            copy.write_bytes(artefact.content)
            module = load_module(copy)
        shape = describe(module).input
        numbers: Numbers = "int8" if hasattr(module, "network") else "float"
        if numbers not in subject.graphs or shape != subject.reference.inputs[0].shape:
            raise SampleShapeError(f"a module of {subject.name}", f"one of {numbers} for samples of shape {shape}")
    except InputError as error:
        subject.missing(name, str(error))
        return
    # `--to native` names its modules by the interface of Python that they keep to.
    targets = ("native",) if ".abi3." in name else ()
    yield Form(name, numbers, _run(subject, numbers, lambda: module), files=artefact.shown, targets=targets)


def _run(subject: Subject, numbers: Numbers, load: Callable[[], ModuleType]) -> Run:
    def run(samples: Samples, boundary: Samples) -> Stages:
        graph, module = subject.graphs[numbers], load()
        answer = answer_of(module)(samples)
        stages: Stages = {RANGE: flagged(samples, read_ranges(graph.metadata))}
        stages |= _inside(subject, numbers, module, samples)
        return {**stages, **renamed(answer, ends(graph))}

    return run


def _inside(subject: Subject, numbers: Numbers, module: ModuleType, samples: Samples) -> Stages:
    """Return the module's values at the boundary, the bytes there, and the network's bytes for them."""
    graph = subject.graphs[numbers]
    network = subject.network if numbers == "int8" else float_part(graph)
    if network is None or not hasattr(module, "boundary"):
        return {}
    shape = network.values[network.input].shape
    value = np.empty((len(samples), math.prod(shape)), np.float32)
    module.boundary(np.ascontiguousarray(samples, np.float32), value)
    value = value.reshape(len(samples), *shape)
    stages: Stages = {stage: value for stage, name in preprocessing(graph).items() if name == graph.boundary}
    if numbers == "float":
        return stages
    integers = np.ascontiguousarray(to_integers(network.values[network.input], value))
    end = network.values[network.output].shape
    try:
        raw = np.frombuffer(module.network(integers), np.int8).reshape(len(samples), *end)
    except ValueError as error:
        raise StoppedError(f"the extension's network refuses its own features: {error}") from None
    return {**stages, BYTES: integers, OUTPUT: raw.reshape(len(raw), -1)}


FORMS = Forms(rank=60, make=_make, targets=("extension",))
