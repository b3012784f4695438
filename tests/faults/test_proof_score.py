"""A dozen faults of the benchmark of the proof, in C, ONNX and a detector's file: each is found at its stage."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.proof_faults import in_c, in_files, in_streams
from benchmarks.proof_faults.judging import Bench, Case, Compiled, Verdict, judge_apart
from benchmarks.proof_faults.rules import C_RULES, faults_in, of_c, table_faults

from c99_stages import need_compiler
from edgewright.export.c99_host import host, probe

pytestmark = pytest.mark.usefixtures("children_call_c")

C = """static const float model_table[2] = {
    1.0f, 2.0f
};

#ifdef MODEL_TAPS
static float model_tap[3];
#endif

/* x - y < 0.5f */
static float model_part(const float *x, int n) {
    float a = 0.0f;
    for (int i = 0; i < n; ++i) {
        a += 0.5f * x[i];
    }
    return a;
}
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compiled]:
    need_compiler()
    kept = host.compile_c99, host.compilers
    yield Compiled(tmp_path_factory.mktemp("compiled"))
    host.compile_c99, host.compilers = kept


def verdicts(cases: Iterator[Case], count: int, *rules: str) -> dict[str, Verdict]:
    """Return the verdicts of the first faults of some rules, by their names, without what is no fault."""
    given: dict[str, Verdict] = {}
    for case in (case for case in cases if case.rule in rules):
        given[case.name] = judge_apart(case)
        real = {name: v for name, v in given.items() if v.result not in ("same", "alike", "none")}
        if len(real) == count:
            return real
    pytest.fail("too few real faults:\n" + "\n".join(f"{name}: {verdict}" for name, verdict in given.items()))


@pytest.mark.slow
def test_a_dozen_faults_are_found_at_their_stage(compiled: Compiled, tmp_path: Path) -> None:
    bench, rng = Bench("rows", tmp_path, compiled), random.Random(0)  # noqa: S311 - nobody guards anything with it
    results = verdicts(in_c.cases(bench, rng, 1000), 8, "label", "unit")
    results |= verdicts(in_files.onnx_cases(bench, rng, 1000), 2, "label")
    detector = in_streams.remembering("detector", tmp_path, compiled)
    results |= verdicts(detector.cases(rng, 1000), 2, "threshold")
    assert len(results) == 12
    wrong = {name: v for name, v in results.items() if v.result != "found" or not v.stage or v.stage != v.right}
    assert not wrong


def test_what_a_driver_compiles_is_counted_though_it_was_imported_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "compile_c99", lambda *_, **__: tmp_path / "kept.so")
    with probe.compiled({}, "", ()) as path:
        assert path == tmp_path / "kept.so"


def test_rules_change_code_and_tables_and_neither_comments_nor_taps() -> None:
    faults = [*faults_in(C, "model.c", C_RULES, of_c(C)), *table_faults(C, "model.c")]
    assert {fault.rule for fault in faults} >= {"comparison", "constant", "index", "operator", "state", "table", "unit"}
    for fault in faults:
        text = fault.text(C)
        assert text != C and fault.before in C and text.splitlines()[8] == C.splitlines()[8]
        assert "static float model_tap[3];" in text
