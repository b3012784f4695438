"""Faults planted in one form: a proof names the stage, the sample and the values, and says no."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import InputError
from edgewright.core.records.network import Array, Graph, IntegerNetwork
from edgewright.core.records.proof import Difference, Numbers, ProofRecord
from edgewright.export.c99_host import host
from edgewright.features._sound import matrices
from edgewright.proof.tolerance import Form, Samples, Stages
from edgewright.workflows.proof.forms import Subject, forms_of
from edgewright.workflows.proof.forms.c99 import c_form
from edgewright.workflows.proof.forms.integers import FORMS as INTEGERS
from proof_example import SHAPE, form_of, planted, proven, samples, subject, with_constants
from support import left_out

pytestmark = pytest.mark.usefixtures("children_call_c")

REFERENCE = "integer reference"


def named(record: ProofRecord, form: str, stage: str) -> Difference:
    """Return what the proof says, which must blame this form and this stage in every pair that is broken."""
    assert not record.passed
    assert record.odd == form
    broken = [pair for pair in record.pairs if pair.breaks is not None]
    assert broken and all(form in (pair.first, pair.second) for pair in broken)
    divergence = record.breaks
    assert divergence is not None and divergence.stage == stage and form in record.broken
    assert divergence.origin == samples().origins[divergence.sample]
    assert abs(divergence.first - divergence.second) > divergence.allowed
    return divergence


def constant_of(graph: Graph, wanted: Array) -> str:
    """Name of the constant of a graph that holds these values."""
    return next(n for n, a in graph.constants.items() if a.shape == wanted.shape and np.array_equal(a, wanted))


@pytest.mark.slow
def test_nothing_planted_proves() -> None:
    record = proven()
    assert record.passed and record.odd == ""
    assert {pair.verdict for pair in record.pairs} <= {"bit-exact", "within tolerance", "quantised"}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["float ONNX in NumPy", "float ONNX in ONNX Runtime"])
def test_a_wrong_window_function_is_found_in_the_spectral_stage(form: str) -> None:
    graph = subject().graphs["float"]
    pairs = zip(matrices(SHAPE[1], "hann"), matrices(SHAPE[1], "none"), strict=True)
    wrong = {constant_of(graph, right): other for right, other in pairs}
    record = proven(forms=planted(form, form_of(with_constants("float", wrong), form)))
    assert "Hz" in named(record, form, "spectral").location


@pytest.mark.slow
def test_a_changed_imputer_value_is_found_in_the_impute_stage() -> None:
    form = "float ONNX in ONNX Runtime"
    graph = subject().graphs["float"]
    fill = constant_of(graph, np.full((3, 1), 0.25, np.float32))
    record = proven(forms=planted(form, form_of(with_constants("float", {fill: graph.constants[fill] + 0.01}), form)))
    divergence = named(record, form, "impute")
    assert divergence.first == pytest.approx(0.25) and divergence.second == pytest.approx(0.26)
    first = int(np.flatnonzero(np.isnan(samples().samples).any(axis=(1, 2)))[0])
    assert divergence.sample == first and divergence.location[0] in "xyz"


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


@pytest.mark.slow
def test_a_multiplier_that_overflows_its_format_is_found_in_its_layer() -> None:
    network = subject().network
    assert network is not None
    multiplier = network.operators[0].arrays["multiplier"]
    # A Q31 multiplier kept in 31 bits: the highest bit falls off.
    record = proven(forms=planted(REFERENCE, _reference(_operator(0, multiplier=multiplier & (2**30 - 1)))))
    divergence = named(record, REFERENCE, "layer 1 dense")
    assert divergence.allowed in (0.0, 1.0)


@pytest.mark.slow
def test_a_bias_that_overflows_is_found_in_its_layer() -> None:
    network = subject().network
    assert network is not None
    bias = network.operators[1].arrays["bias"].copy()
    # What is left of a sum that was kept in 16 bits.
    bias[3] = (int(bias[3]) + 2**15) % 2**16
    record = proven(forms=planted(REFERENCE, _reference(_operator(1, bias=bias))))
    assert named(record, REFERENCE, "layer 2 dense").location == "value 3"


@pytest.mark.slow
@pytest.mark.parametrize("form", ["float ONNX in ONNX Runtime", "int8 ONNX in NumPy"])
def test_a_swapped_channel_is_found_at_the_first_stage(form: str) -> None:
    right = form_of(subject(), form)

    def swapped(rows: Samples, boundary: Samples) -> Stages:
        return right.run(np.ascontiguousarray(rows[:, [1, 0, 2]]), boundary)

    divergence = named(proven(forms=planted(form, replace(right, run=swapped))), form, "impute")
    x = samples().samples[divergence.sample]
    assert divergence.location.split(",")[0] in ("x", "y") and np.isfinite(x).any()


def _in_c(form: str, change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> ProofRecord:
    """Return the proof with changed C in one form; left out where there is no compiler."""
    try:
        host.compiler_command()
    except InputError as error:
        left_out(str(error))
    numbers: Numbers = "int8" if form.startswith("int8") else "float"
    name = next(f.name for f in forms_of(subject()) if f.name.startswith(form))
    return proven(forms=planted(name, c_form(subject(), numbers, name, change=change)))


def _edited(pattern: str, change: Callable[[str], str]) -> Callable[[Mapping[str, str]], Mapping[str, str]]:
    """Return a change of the first table in the C source that the pattern finds."""

    def edit(files: Mapping[str, str]) -> Mapping[str, str]:
        text = files["model.c"]
        divergence = re.search(pattern, text)
        assert divergence is not None
        return {**files, "model.c": text[: divergence.start()] + change(divergence.group()) + text[divergence.end() :]}

    return edit


@pytest.mark.slow
def test_a_multiplier_that_overflows_in_the_c_source_is_found_in_its_layer() -> None:
    network = subject().network
    assert network is not None
    multiplier = str(int(network.operators[0].arrays["multiplier"].ravel()[0]))
    small = str(int(multiplier) & (2**29 - 1))
    record = _in_c("int8 C99", _edited(rf"(?<!\d){multiplier}(?!\d)", lambda text: small))
    divergence = named(record, record.odd, "layer 1 dense")
    assert record.odd.startswith("int8 C99") and divergence.allowed in (0.0, 1.0)


@pytest.mark.slow
def test_another_imputer_value_in_the_c_source_is_found_in_its_stage() -> None:
    record = _in_c("float C99", _edited(r"\{[^{}]*0\.25f[^{}]*\}", lambda text: text.replace("0.25f", "0.26f")))
    assert record.odd.startswith("float C99")
    divergence = named(record, record.odd, "impute")
    assert sorted((divergence.first, divergence.second)) == pytest.approx([0.25, 0.26])


@pytest.mark.slow
def test_swapped_channels_before_the_c_code_are_found_at_the_first_stage() -> None:
    name = next((f.name for f in forms_of(subject()) if f.name.startswith("int8 C99")), "")
    if not name:
        left_out("no C compiler")
    right = form_of(subject(), name)

    def swapped(rows: Samples, boundary: Samples) -> Stages:
        return right.run(np.ascontiguousarray(rows[:, [2, 1, 0]]), boundary)

    named(proven(forms=planted(name, replace(right, run=swapped))), name, "impute")
