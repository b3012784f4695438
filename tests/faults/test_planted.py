"""Faults planted in one form: a proof names the stage, the sample and the values, and says no."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.features._dft import matrices
from edgewright.pipeline.forms import Subject
from edgewright.pipeline.forms.integers import FORMS as INTEGERS
from edgewright.proof.form import Form, Samples, Stages
from edgewright.schema.graph import Array, Graph
from edgewright.schema.integer import IntegerNetwork
from edgewright.schema.proof import Difference, ProofRecord
from proof_example import SHAPE, form_of, planted, proven, samples, subject, with_constants

REFERENCE = "integer reference"


def named(record: ProofRecord, form: str, stage: str) -> Difference:
    """What the proof says, which must blame this form and this stage in every pair that is broken."""
    assert not record.passed
    assert record.odd == form
    broken = [pair for pair in record.pairs if pair.breaks is not None]
    assert broken and all(form in (pair.first, pair.second) for pair in broken)
    found = record.breaks
    assert found is not None and found.stage == stage and form in record.broken
    assert found.origin == samples().origins[found.sample]
    assert abs(found.first - found.second) > found.allowed
    return found


def constant_of(graph: Graph, wanted: Array) -> str:
    """Name of the constant of a graph that holds these values."""
    return next(n for n, a in graph.constants.items() if a.shape == wanted.shape and np.array_equal(a, wanted))


def test_nothing_planted_proves() -> None:
    record = proven()
    assert record.passed and record.odd == ""
    assert {pair.verdict for pair in record.pairs} <= {"bit-exact", "within tolerance", "quantised"}


@pytest.mark.parametrize("form", ["float ONNX in NumPy", "float ONNX in ONNX Runtime"])
def test_a_wrong_window_function_is_found_in_the_spectral_stage(form: str) -> None:
    graph = subject().graphs["float"]
    pairs = zip(matrices(SHAPE[1], "hann"), matrices(SHAPE[1], "none"), strict=True)
    wrong = {constant_of(graph, right): other for right, other in pairs}
    record = proven(forms=planted(form, form_of(with_constants("float", wrong), form)))
    assert "Hz" in named(record, form, "spectral").place


def test_a_changed_imputer_value_is_found_in_the_impute_stage() -> None:
    form = "float ONNX in ONNX Runtime"
    graph = subject().graphs["float"]
    fill = constant_of(graph, np.full((3, 1), 0.25, np.float32))
    record = proven(forms=planted(form, form_of(with_constants("float", {fill: graph.constants[fill] + 0.01}), form)))
    found = named(record, form, "impute")
    assert found.first == pytest.approx(0.25) and found.second == pytest.approx(0.26)
    first = int(np.flatnonzero(np.isnan(samples().samples).any(axis=(1, 2)))[0])
    assert found.sample == first and found.place[0] in "xyz"


def _reference(network: IntegerNetwork) -> Form:
    changed: Subject = replace(subject(), network=network)
    return next(iter(INTEGERS.make(changed)))


def _operator(number: int, **arrays: NDArray[Any]) -> IntegerNetwork:
    network = subject().network
    assert network is not None
    operators = list(network.operators)
    old = operators[number]
    operators[number] = msgspec.structs.replace(old, arrays={**old.arrays, **arrays})
    return msgspec.structs.replace(network, operators=tuple(operators))


def test_a_multiplier_that_overflows_its_format_is_found_in_its_layer() -> None:
    network = subject().network
    assert network is not None
    multiplier = network.operators[0].arrays["multiplier"]
    # A Q31 multiplier kept in 31 bits: the highest bit falls off.
    record = proven(forms=planted(REFERENCE, _reference(_operator(0, multiplier=multiplier & (2**30 - 1)))))
    found = named(record, REFERENCE, "layer 1 dense")
    assert found.allowed in (0.0, 1.0)


def test_a_bias_that_overflows_is_found_in_its_layer() -> None:
    network = subject().network
    assert network is not None
    bias = network.operators[1].arrays["bias"].copy()
    # What is left of a sum that was kept in 16 bits.
    bias[3] = (int(bias[3]) + 2**15) % 2**16
    record = proven(forms=planted(REFERENCE, _reference(_operator(1, bias=bias))))
    assert named(record, REFERENCE, "layer 2 dense").place == "value 3"


@pytest.mark.parametrize("form", ["float ONNX in ONNX Runtime", "int8 ONNX in NumPy"])
def test_a_swapped_channel_is_found_at_the_first_stage(form: str) -> None:
    right = form_of(subject(), form)

    def swapped(rows: Samples, boundary: Samples) -> Stages:
        return right.run(np.ascontiguousarray(rows[:, [1, 0, 2]]), boundary)

    found = named(proven(forms=planted(form, replace(right, run=swapped))), form, "impute")
    x = samples().samples[found.sample]
    assert found.place.split(",")[0] in ("x", "y") and np.isfinite(x).any()
