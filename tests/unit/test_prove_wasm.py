"""WebAssembly in proofs: its stream and its answers, written now or lying on the disk, and what is not run is said."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from c99_stages import need_compiler
from edgewright.core.package import Package, parse_package, write_package
from edgewright.core.records.proof import Difference, PairRecord, ProofRecord
from edgewright.export.contract import find_target, package_subject, target_names
from edgewright.export.targets.c99 import TARGET
from edgewright.export.web.module import MODULE, compile_wasm
from edgewright.proof.prove import common_form
from edgewright.workflows.proof.workflow import prove_place
from runtime_example import parts
from stream_proof_example import COLUMNS, LABELS, SPEC, WINDOW, model, samples
from web_example import need_web


@pytest.fixture(scope="module")
def package_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a package of windows with decisions, beside its rows."""
    need_compiler()
    need_web()
    folder = tmp_path_factory.mktemp("wasm")
    manifest, files = parts(model(), columns=COLUMNS, shape=(3, 8), window=WINDOW, labels=LABELS, decision=SPEC)
    write_package(folder / "a.edge", manifest, files)
    np.save(folder / "rows.npy", samples().samples)
    return folder


def module_of(package_folder: Path, old: str = "", new: str = "") -> bytes:
    """Return the module of the package, with a changed line of its stream."""
    package: Package = parse_package((package_folder / "a.edge").read_bytes(), "a.edge")
    files = {name: content.decode() for name, content in TARGET.files(package_subject(package)).items()}
    stream = files["activity_stream.c"]
    assert old in stream
    return compile_wasm({**files, "activity_stream.c": stream.replace(old, new) if old else stream}, "activity")


def proof(package_folder: Path, *given: str) -> ProofRecord:
    """Return the proof of the package with further files."""
    return prove_place(str(package_folder / "a.edge"), data=str(package_folder / "rows.npy"), given=given)


@pytest.mark.slow
def test_a_plain_proof_runs_modules_and_says_what_it_does_not_run(package_folder: Path) -> None:
    record = proof(package_folder)
    assert record.passed, (record.breaks, record.broken)
    names = [form.name for form in record.forms]
    assert "float WebAssembly in wasmtime" in names
    (stream,) = record.parts
    assert "WebAssembly stream in wasmtime" in [form.name for form in stream.forms]
    known = {target for form in record.forms for target in form.targets}
    known |= {target for form in record.absent for target in form.targets}
    unrun = {form.name for form in record.absent}
    for name in target_names():
        target = find_target(name)
        if "float" in target.forms:
            assert name in known or f"export --to {name}" in unrun, name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("context->rows += rows;\n", "context->rows += rows + 1;\n"),
        ("context->filled = 0;", "context->filled = 1;"),
        ("% 4", "% 3"),
        ("context->row < 2 ||", "context->row < 1 ||"),
    ],
    ids=["gap off by one", "begins with a row too many", "smoothing", "debounce"],
)
def test_a_fault_in_the_stream_of_a_module_is_found(package_folder: Path, old: str, new: str) -> None:
    lies = package_folder / MODULE
    lies.write_bytes(module_of(package_folder, old, new))
    record = proof(package_folder, str(lies))
    assert not record.passed and record.breaks is not None
    assert record.broken == ("Python agent", f"{lies}, its stream in wasmtime")
    assert record.odd == f"{lies}, its stream in wasmtime"


@pytest.mark.slow
def test_a_right_module_on_the_disk_is_proven_with_its_stream(package_folder: Path) -> None:
    lies = package_folder / MODULE
    lies.write_bytes(module_of(package_folder))
    record = proof(package_folder, str(lies))
    assert record.passed, (record.breaks, record.broken)
    assert f"{lies}, its stream in wasmtime" in [form.name for form in record.parts[0].forms]


@pytest.mark.slow
def test_without_its_tools_a_module_is_said_not_to_run(package_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ziglang" else real(name))
    record = proof(package_folder)
    reasons = {form.name: form.reason for part in (record, *record.parts) for form in part.absent}
    for name in ("float WebAssembly in wasmtime", "WebAssembly stream in wasmtime"):
        assert reasons[name].startswith("expected ziglang") and reasons[name].endswith("pip install 'edgewright[web]'")


def broken(first: str, second: str, *, right: bool = False) -> PairRecord:
    """Return a pair that breaks a tolerance, or does not."""
    differs = Difference(
        stage="answers", sample=0, origin="row 0", location="", first=0.0, second=1.0, allowed=0.0
    )  # fmt: skip
    return PairRecord(
        first=first, second=second, verdict="bit-exact" if right else "broken", exact_from_boundary=None, stages=(),
        breaks=None if right else differs,
    )  # fmt: skip


def test_forms_of_one_source_vote_once() -> None:
    sources = {"gcc": "the generated C", "clang": "the generated C"}
    python = [broken("Python", "gcc"), broken("Python", "clang")]
    right = [broken("gcc", "clang", right=True)]
    assert common_form([*python, *right], sources) == ""
    onnx = [broken("ONNX", "gcc"), broken("ONNX", "clang")]
    assert common_form([*python, *onnx, *right, broken("Python", "ONNX", right=True)], sources) == "the generated C"
    assert common_form([broken("Python", "gcc"), broken("Python", "ONNX")], sources) == "Python"
    assert common_form([broken("Python", "gcc"), broken("clang", "gcc")], sources) == "gcc"
    assert common_form([broken("Python", "ONNX")], sources) == ""
