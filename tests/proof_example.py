"""A small pipeline over windows with every stage a fault can be planted in, its forms, and what proves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import msgspec
import numpy as np

from edgewright.compression.int8 import quantise
from edgewright.core.records.network import Array
from edgewright.core.records.proof import ProofRecord
from edgewright.features.spectral import Spectral
from edgewright.models.network import NetworkClassifier
from edgewright.pipeline.pipeline import Pipeline
from edgewright.preprocessing.impute import Impute
from edgewright.preprocessing.scale import Scale
from edgewright.proof.tolerance import Form, Samples, Stages
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.forms import Subject, forms_of
from edgewright.workflows.proof.subject import Chosen, subject_of

ROWS = 120
SHAPE = (3, 32)
_LAYERS = ({"kind": "dense", "units": 12}, {"kind": "dense", "units": 8})


@cache
def samples() -> Chosen:
    """Return windows of three channels whose frequency is the class; a few values are missing."""
    rng = np.random.default_rng(5)
    kinds = np.arange(ROWS) % 3
    time = np.arange(SHAPE[1]) / 25.0
    waves = np.sin(2 * np.pi * (1.5 + 2.0 * kinds)[:, None, None] * time + rng.uniform(0, 6, (ROWS, 3, 1)))
    X = (waves * np.array([1.0, 0.6, 0.3])[:, None] + 0.3 * rng.standard_normal((ROWS, *SHAPE))).astype(np.float32)
    X[rng.random(X.shape) < 0.02] = np.nan
    return Chosen(X, tuple(f"window {i}" for i in range(ROWS)), "windows of the example")


@cache
def fitted() -> Pipeline:
    """Impute, spectral, scale and a dense network."""
    steps = [
        ("impute", Impute("constant", 0.25, names=("x", "y", "z"))),
        ("spectral", Spectral(edges=(0.0, 3.0, 6.0, 9.0, 12.5), rate=25.0, names=("x", "y", "z"))),
        ("scale", Scale("standard")),
        ("model", NetworkClassifier(_LAYERS, epochs=15, batch=16, learning_rate=0.02)),
    ]
    kinds = np.array(["slow", "middle", "fast"])[np.arange(ROWS) % 3]
    pipeline = Pipeline(steps)
    pipeline.fit(samples().samples, kinds)
    return pipeline


@cache
def subject() -> Subject:
    """Return the fitted pipeline with both its graphs."""
    graph = fitted().graph(SHAPE, "example")
    small = quantise(graph, samples().samples)
    return subject_of("example", {"float": graph, "int8": small}, pipeline=fitted())


@cache
def right_forms() -> tuple[Form, ...]:
    """Return the forms of the example; they compile once, and answer once for the same samples."""
    return tuple(replace(form, run=_once(form.run)) for form in forms_of(subject()))


def _once(run: Callable[[Samples, Samples], Stages]) -> Callable[[Samples, Samples], Stages]:
    """Return the same, which keeps its answers: forms in which nothing is planted give the same in every proof."""
    kept: dict[tuple[bytes, bytes], Stages] = {}

    def answer(rows: Samples, boundary: Samples) -> Stages:
        requested = rows.tobytes(), boundary.tobytes()
        if requested not in kept:
            kept[requested] = run(rows, boundary)
        return {stage: values.copy() for stage, values in kept[requested].items()}

    return answer


def proven(about: Subject | None = None, forms: list[Form] | None = None) -> ProofRecord:
    """Return the proof of the example, of a changed one, or of these forms."""
    if about is None and forms is None:
        forms = list(right_forms())
    return prove_subject(about or subject(), "example", samples(), forms)


def planted(name: str, faulty: Form) -> list[Form]:
    """Return the forms of the example with another in the place of the one of this name."""
    forms = [faulty if form.name == name else form for form in right_forms()]
    assert any(form is faulty for form in forms)
    return forms


def form_of(about: Subject, name: str) -> Form:
    """Return a form of a subject by its name."""
    return next(form for form in (right_forms() if about is subject() else forms_of(about)) if form.name == name)


def with_constants(numbers: str, changed: dict[str, Array]) -> Subject:
    """Return the example with other constants in one of its graphs."""
    graph = subject().graphs[numbers]
    other = msgspec.structs.replace(graph, constants={**graph.constants, **changed})
    return subject_of("example", {**subject().graphs, numbers: other}, pipeline=fitted(), network=subject().network)
