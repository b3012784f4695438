"""'Simulated' stands in the first line of synthetic data and of what an emulated processor gave."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.cli.main import run
from edgewright.schema.proof import FormRecord, ProofRecord
from edgewright.trace.page import Page
from edgewright.trace.proof_view import proof_parts

PAGE = Page(width=100, unicode=True, terminal=False)


def _first(text: str) -> str:
    return next(line for line in text.splitlines() if line.strip())


def test_synthetic_data_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, made = tmp_path / "a.csv", tmp_path / "made.csv"
    rows = [f"{i},{i % 7},{i % 5},p{i // 40},{'on' if i % 40 < 20 else 'off'}" for i in range(160)]
    given.write_text("\n".join(["t,a,b,person,label", *rows]) + "\n")
    options = ["--target", "label", "--group", "person", "--time", "t", "--method", "jitter", "--out", str(made)]
    assert run(["synth", "signals", str(given), *options]) == 0
    assert _first(capsys.readouterr().out).startswith("Simulated: ")


@pytest.mark.parametrize(("name", "said"), [("int8 C99 on an emulated cortex-m4", True), ("int8 C99", False)])
def test_a_proof_on_an_emulated_processor_says_so(name: str, said: bool) -> None:
    form = FormRecord(name=name, numbers="int8")
    record = ProofRecord(
        name="m", subject="m", source="rows", samples=1, shape=(2,), labels=(), forms=(form,), absent=(), pairs=(),
        seconds=0.1, passed=True,
    )  # fmt: skip
    first = str(next(iter(proof_parts(record, PAGE))))
    assert ("Simulated" in first) is said
