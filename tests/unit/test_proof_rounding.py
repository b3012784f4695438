"""Slow bands of a watch that swings: what float32 rounds away is no disagreement, another logarithm is one."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from c99_stages import need_compiler
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Floats
from edgewright.core.records.proof import ProofRecord
from edgewright.features.spectral import Spectral
from edgewright.graph.builder import Builder
from edgewright.models.network import NetworkClassifier
from edgewright.pipeline.pipeline import Pipeline
from edgewright.preprocessing.gravity import Gravity
from edgewright.preprocessing.scale import Scale
from edgewright.proof.tolerance import (
    DRAWS,
    Form,
    last_digits,
    perturbed_readings,
    perturbed_results,
    perturbed_sums,
    rounded,
    with_perturbed_results,
)
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.forms import Subject, forms_of
from edgewright.workflows.proof.forms.c99 import Files, c_form
from edgewright.workflows.proof.subject import Chosen, subject_of

pytestmark = pytest.mark.usefixtures("children_call_c")

WINDOWS, SAMPLES, RATE = 400, 200, 20.0
AXES = ("x", "y", "z")
SLOW = (0.3, 0.6, 1.0, 3.0)


@cache
def swinging() -> Chosen:
    """Return windows of an arm that turns through gravity once in many seconds and trembles a little, in m/s2."""
    rng = np.random.default_rng(3)
    time = np.arange(SAMPLES) / RATE
    turn = rng.uniform(0, 6, (WINDOWS, 1)) + rng.uniform(0.1, 0.4, (WINDOWS, 1)) * np.sin(
        2 * np.pi * rng.uniform(0.1, 0.35, (WINDOWS, 1)) * time + rng.uniform(0, 6, (WINDOWS, 1))
    )
    X = 9.8 * np.stack([np.cos(turn), np.sin(turn), 0.01 * np.cos(turn)], axis=1)
    noisy: Floats = (X + rng.normal(0, 0.2, X.shape)).astype(np.float32)
    return Chosen(noisy, tuple(f"window {i}" for i in range(WINDOWS)), "windows of the test")


@cache
def subject() -> Subject:
    """Gravity, slow bands as logarithms, scale and a small network."""
    steps = [
        ("gravity", Gravity(cutoff=0.8, rate=RATE, keep_arriving=False, names=AXES)),
        ("spectral", Spectral(edges=SLOW, rate=RATE, channels=(3, 4, 5), noise=(0.02,) * 3)),
        ("scale", Scale("standard")),
        ("model", NetworkClassifier(({"kind": "dense", "units": 4},), epochs=1)),
    ]
    pipeline = Pipeline(steps)
    pipeline.fit(swinging().samples, np.array(["a", "b"])[np.arange(WINDOWS) % 2])
    return subject_of("swinging", {"float": pipeline.graph((3, SAMPLES), "swinging")}, pipeline=pipeline)


def proven(*faulty: Form) -> ProofRecord:
    """Return the proof of the fitted pipeline, NumPy and C, and of a form with a fault."""
    known = ("Python pipeline", "float ONNX in NumPy", "float C99 by gcc")
    forms = [form for form in forms_of(subject()) if form.name in known]
    return prove_subject(subject(), "swinging", swinging(), [*forms, *faulty])


@pytest.mark.slow
def test_float32_of_a_slow_band_beside_a_large_movement_is_proven() -> None:
    need_compiler()
    record = proven()
    assert record.passed, record.breaks
    assert len(record.forms) >= 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("logf(", "1.0001f * logf("),
        ("logf(", "0.001f + logf("),
        ("logf(", "log1pf("),
    ],
)
def test_another_logarithm_is_found(right: str, wrong: str) -> None:
    need_compiler()

    def changed(files: Files) -> Files:
        assert right in files["model.c"]
        return {**files, "model.c": files["model.c"].replace(right, wrong)}

    record = proven(c_form(subject(), "float", "C with another logarithm", change=changed))
    assert not record.passed and record.odd == "C with another logarithm"
    assert record.breaks is not None and record.breaks.stage == "spectral"


def test_what_a_result_on_the_way_loses_is_allowed() -> None:
    """Values beside a level of 1,000 that goes out again have lost the digits of 1,000, whatever the readings show."""
    builder = Builder("level", (8,))
    high = builder.op("Add", builder.input, builder.constant(np.full(8, 1000, np.float32)))
    back = builder.op("Sub", high, builder.constant(np.full(8, 1000, np.float32)))
    graph = builder.finish({"prediction": (back, "float32", (8,))})
    x = np.random.default_rng(0).normal(0, 1, (300, 8)).astype(np.float32)
    given = compile_graph(graph)(x)
    lost = np.abs(given["prediction"].astype(np.float64) - x)
    generator = np.random.default_rng(1)
    moves = perturbed_results(generator), perturbed_sums
    moved = [with_perturbed_results(graph, ("prediction",), *moves)(x) for _ in range(DRAWS)]
    readings = [compile_graph(graph)(samples) for samples in perturbed_readings(x)]
    digits, alone = (last_digits(given, ways)["prediction"] for ways in (moved, readings))
    assert (lost <= digits).all() and digits.max() < 1e-3
    assert not (lost <= alone).all()


def test_what_two_sums_lose_against_each_other_is_allowed_for_every_value() -> None:
    """Sums that move at random, not in patterns, move together in all eight runs for one value in 128."""
    builder = Builder("ratio", (32,))
    axes = builder.integers(1)
    mean = builder.op("ReduceMean", builder.input, axes, keepdims=1)
    squares = builder.op("ReduceMean", builder.op("Mul", builder.input, builder.input), axes, keepdims=1)
    graph = builder.finish({"prediction": (builder.op("Div", mean, squares), "float32", (1,))})
    x = np.random.default_rng(0).uniform(1, 2, (2000, 32)).astype(np.float32)
    given = compile_graph(graph)(x)
    lost = last_digits(given, list(rounded(graph, ("prediction",), x)))["prediction"]
    # Each of two sums of 32 terms loses up to 31 / 2 digits.
    assert (lost >= 0.7 * 31 * np.finfo(np.float32).eps * given["prediction"]).all()


def test_integers_and_missing_values_are_not_moved() -> None:
    move = perturbed_results(np.random.default_rng(0))
    for values in (np.arange(5), np.array([True, False]), np.array([np.nan, np.inf, -np.inf, 0.0], np.float32)):
        np.testing.assert_array_equal(move(values), values)
