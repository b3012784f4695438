"""A proof on the terminal."""

from __future__ import annotations

import io
from itertools import combinations

import pytest
from rich.console import Console

from edgewright.core.records.proof import AbsentForm, FormRecord, PairRecord, ProofRecord
from edgewright.trace.page import Page
from edgewright.trace.views.proof import matrix, proof_parts


def test_pairs_of_many_forms_stand_below_each_other_with_their_names() -> None:
    names = [f"int8 form {chr(97 + number)}" for number in range(14)]
    pairs = [
        PairRecord(first=first, second=second, verdict="bit-exact", exact_from_boundary=True, stages=())
        for first, second in combinations(names, 2)
    ]
    record = ProofRecord(
        name="x", subject="x", source="rows", samples=1, shape=(1,), labels=(), absent=(), pairs=tuple(pairs),
        forms=tuple(FormRecord(name=name, numbers="int8") for name in names), passed=True,
    )  # fmt: skip
    printed = io.StringIO()
    Console(width=80, file=printed).print(matrix(record, names, pairs))
    lines = printed.getvalue().splitlines()
    assert sum(line.count("=") for line in lines) == len(pairs), "each pair once"
    for name in names[:-1]:
        assert any(f"form {name[-1]} " in line for line in lines)
    heads = [line.split() for line in lines if line.strip() and not line.strip("0123456789 ")]
    assert heads == [[str(n) for n in range(2, 9)], [str(n) for n in range(9, 15)]]


@pytest.mark.parametrize(("name", "mentioned"), [("int8 C99 on an emulated cortex-m4", True), ("int8 C99", False)])
def test_a_proof_on_an_emulated_processor_says_so(name: str, mentioned: bool) -> None:
    form = FormRecord(name=name, numbers="int8")
    record = ProofRecord(
        name="m", subject="m", source="rows", samples=1, shape=(2,), labels=(), forms=(form,), absent=(), pairs=(),
        seconds=0.1, passed=True,
    )  # fmt: skip
    first = str(next(iter(proof_parts(record, Page(width=100, unicode=True, terminal=False)))))
    assert ("Simulated" in first) is mentioned


@pytest.mark.parametrize(("stopped", "disagrees"), [(False, False), (True, True)])
def test_a_form_that_could_not_run_is_no_disagreement(stopped: bool, disagrees: bool) -> None:
    absent = AbsentForm(name="int8 C99 on an emulated cortex-m4", reason="not installed", needed=True, stopped=stopped)
    record = ProofRecord(
        name="m", subject="m", source="rows", samples=1, shape=(2,), labels=(), forms=(), absent=(absent,), pairs=(),
        failed=(absent.name,), passed=False,
    )  # fmt: skip
    assert record.disagrees is disagrees
