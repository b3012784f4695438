"""Faults in the files of a run folder and in what was exported: `prove` reads these bytes and names the stage."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import InputError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.records.proof import Difference, FileRecord, ProofRecord
from edgewright.export._extension.build import can_build
from edgewright.export.c99_host import host
from edgewright.export.contract import find_target
from edgewright.export.contract import read_subject as exported_subject
from edgewright.export.write import write_files
from edgewright.proof.tolerance import BYTES, CLASSES, RANGE
from edgewright.workflows.proof.adversarial import with_constructed
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.forms import forms_of
from edgewright.workflows.proof.subject import choose_rows, read_subject, with_artefacts
from edgewright.workflows.proof.workflow import prove_place
from integer_layers import need_litert
from small_pipeline import rows as small_rows
from small_pipeline import run_small, write_rows, write_toml
from support import left_out

CHANGES = ("training.epochs=8", "compression.max_drop=1.0", "data.ranges.a=[-1.5, 1.5]",
           'model.layers=[{kind="dense",units=24}]')  # fmt: skip
ROWS = 60
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shipped")
    return run_small(write_toml(path / "small.toml", write_rows(path / "rows.csv")), path / "runs", *CHANGES).folder


@pytest.fixture
def folder(shipped: Path, tmp_path: Path) -> Iterator[Path]:
    """Provide a copy of the run that a test may change."""
    yield shutil.copytree(shipped, tmp_path / "run")


def exported(folder: Path, target: str, out: Path) -> Path:
    """Return what `edgewright export` writes of the package of a run."""
    chosen = find_target(target)
    write_files(out, chosen.files(exported_subject(next(folder.glob("*.edge")))))
    return out


def firmware(folder: Path, out: Path) -> Path:
    """Yield the generated C; skip where no compiler is installed."""
    try:
        host.compiler_command()
    except InputError as error:
        left_out(str(error))
    return exported(folder, "c99", out)


def proof(folder: Path, *given: Path) -> ProofRecord:
    """Return the proof by the forms that read files: what is made anew takes a compiler's time."""
    subject = with_artefacts(read_subject(folder), folder, [str(path) for path in given])
    forms = [form for form in forms_of(subject) if form.files]
    chosen = with_constructed(subject, choose_rows(subject, folder, None, ROWS, 0))
    return prove_subject(subject, str(folder), chosen, forms)


def blamed(record: ProofRecord, file: str, stage: str) -> Difference:
    """Return the first difference: at this stage, and every broken pair has a form that reads this file."""
    assert not record.passed
    divergence = record.breaks
    assert divergence is not None and divergence.stage == stage
    forms = set(file_of(record, file).forms)
    assert forms and all(forms & {p.first, p.second} for p in record.pairs if p.breaks is not None)
    return divergence


def file_of(record: ProofRecord, name: str) -> FileRecord:
    return next(file for file in record.files if f"/{file.name}".endswith(f"/{name}"))


def edit(path: Path, pattern: str, new: str) -> None:
    text = path.read_text()
    assert len(re.findall(pattern, text)) == 1
    path.write_text(re.sub(pattern, lambda match: new, text))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [("model.int8.onnx", "int8"), ("model.onnx", "float32")])
def test_zeroed_weights_of_a_model_in_the_run_folder(folder: Path, name: str, kind: str) -> None:
    data = (folder / name).read_bytes()
    constants = [a for a in read_onnx(data).constants.values() if a.dtype.name == kind and a.ndim == 2 and a.size > 16]
    # Bytes are unsigned in the file, about 128.
    weights = (constants[0] ^ -128 if kind == "int8" else constants[0]).tobytes()
    assert data.count(weights) == 1
    nothing = b"\x80" if kind == "int8" else b"\x00"
    (folder / name).write_bytes(data.replace(weights, nothing * len(weights)))
    record = proof(folder)
    divergence = blamed(record, name, "layer 1 dense")
    assert divergence.first != divergence.second
    assert file_of(record, name).sha256 == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    inside = file_of(record, f"small.edge: {name}")
    assert inside.sha256 == hashlib.sha256(data).hexdigest() and not set(inside.forms) & set(record.broken[1:])


@pytest.mark.slow
def test_what_is_shipped_is_proven_with_its_bytes(folder: Path, tmp_path: Path, cli: Cli) -> None:
    need_litert()
    (folder / "notes.txt").write_text("what we tried")
    parts = [firmware(folder, tmp_path / "firmware"), exported(folder, "tflite", tmp_path / "tflite")]
    if can_build():
        parts.append(exported(folder, "extension", tmp_path / "extension"))
    parts.append(Path(shutil.copy(folder / "small.edge", tmp_path / "other.edge")))
    record = prove_place(str(folder), rows=ROWS, given=[str(part) for part in parts])
    assert record.passed, (record.breaks, record.broken, record.failed)
    for file in record.files:
        path = Path(file.name) if file.name.startswith("/") else folder / file.name
        if path.is_file():
            assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert bool(file.forms) != bool(file.not_proven)
    proven = {Path(file.name).name for file in record.files if file.forms}
    assert {"small.c", "small.h", "small_stream.c", "small.tflite", "small.network.tflite"} <= proven
    assert {"model.onnx", "model.int8.onnx"} <= proven
    assert file_of(record, "model.onnx").same == "small.edge: model.onnx"
    left = {Path(file.name).name for file in record.files if file.not_proven}
    assert {"notes.txt", "trace.json", "trace.html", "small_self_test.c"} <= left
    out = cli("prove", folder, "--rows", "20", "--with", parts[0])
    assert "Read from disk" in out and file_of(record, "small.c").sha256[:12] in out
    assert "not proven: notes.txt" in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "new", "stage", "origin"),
    [
        (r", 127\)(?=;\s*\}\s*\}\s*(?:v\d+ = |\}\s*\{)?)", ", 126)", "layer 1 dense", ""),
        (r"const int halves = .*? / 2 ", "const int v = (int)rintf(q) ", BYTES, "of the boundary just"),
        (r"input\[i\] > (?=\w+\[i\])", "input[i] >= ", RANGE, "a at its largest value 1.5"),
        (r"input\[i\] < (?=\w+\[i\])", "input[i] <= ", RANGE, "a at its smallest value -1.5"),
    ],
)
def test_faults_in_firmware_that_only_rows_by_construction_meet(
    folder: Path, tmp_path: Path, pattern: str, new: str, stage: str, origin: str
) -> None:
    path = firmware(folder, tmp_path / "firmware")
    source = path / "small.c"
    text = source.read_text()
    assert re.search(pattern, text)
    # The code of every core: the compiler takes one.
    source.write_text(re.sub(pattern, new, text))
    divergence = blamed(proof(folder, path), "small.c", stage)
    assert origin in divergence.origin


@pytest.mark.slow
def test_an_old_firmware_folder(folder: Path, tmp_path: Path) -> None:
    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv"))
    older = run_small(toml, tmp_path / "runs", *CHANGES, "seed=4").folder
    old = firmware(older, tmp_path / "firmware")
    record = proof(folder, old)
    assert not record.passed and record.odd == f"{old}/small.c in C99"


@pytest.mark.slow
def test_sources_that_do_not_compile_are_not_proven(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    path = firmware(folder, tmp_path / "firmware")
    edit(path / "small.c", r'#include "small.h"', "#error old")
    assert run(["prove", str(folder), "--rows", "20", "--with", str(path)]) == 1
    out, err = capsys.readouterr()
    assert "NOT PROVEN" in out and "small.c was not proven: expected C that compiles" in err and err.count("\n") == 1


@pytest.mark.slow
def test_labels_swapped_in_a_header(folder: Path, tmp_path: Path) -> None:
    path = firmware(folder, tmp_path / "firmware")
    labels = re.findall(r"/\* Label \d+: (.*) \*/", (path / "small.h").read_text())
    edit(path / "small.h", rf"/\* Label 0: {labels[0]} \*/", f"/* Label 0: {labels[1]} */")
    edit(path / "small.h", rf"/\* Label 1: {labels[1]} \*/", f"/* Label 1: {labels[0]} */")
    blamed(proof(folder, path), "small.c", CLASSES)


def test_labels_swapped_in_the_metadata_of_a_tflite(folder: Path, tmp_path: Path) -> None:
    need_litert()
    path = exported(folder, "tflite", tmp_path / "tflite") / "small.tflite"
    data = path.read_bytes()
    match = re.search(rb'\["([^"]+)", "([^"]+)"', data)
    assert match is not None and data.count(match[0]) == 1
    path.write_bytes(data.replace(match[0], b'["' + match[2] + b'", "' + match[1] + b'"'))
    blamed(proof(folder, path), "small.tflite", CLASSES)


@pytest.mark.parametrize("name", ["small.tflite", "small.network.tflite"])
def test_a_changed_weight_of_a_tflite(folder: Path, tmp_path: Path, name: str) -> None:
    need_litert()
    path = exported(folder, "tflite", tmp_path / "tflite") / name
    from edgewright.graph.from_tflite_file import parse_tflite

    data = path.read_bytes()
    weights = next(t.array for t in parse_tflite(data).tensors if t.dtype == "int8" and t.array is not None)
    changed = np.where(weights > 0, np.int8(0), weights).astype(np.int8)
    assert data.count(weights.tobytes()) == 1
    path.write_bytes(data.replace(weights.tobytes(), changed.tobytes()))
    blamed(proof(folder, path), name, "layer 1 dense")


def test_what_holds_no_model_is_refused(folder: Path, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "notes.txt").write_text("none")
    for path, text in ((tmp_path / "notes.txt", "no file that can run"), (tmp_path / "gone", "no such file")):
        err = cli("prove", folder, "--with", path, code=2)
        assert text in err and err.count("\n") == 1


@pytest.mark.slow
def test_a_tflite_of_another_model_is_not_proven(folder: Path, tmp_path: Path) -> None:
    need_litert()
    rows = write_rows(tmp_path / "rows.csv", [[a, a, b, label] for a, b, label in small_rows()], header="a,b,c,label")
    other = run_small(write_toml(tmp_path / "small.toml", rows), tmp_path / "runs", "compression.max_drop=1.0").folder
    path = exported(other, "tflite", tmp_path / "tflite") / "small.tflite"
    record = proof(folder, path)
    assert not record.passed and record.failed == (str(path),) and record.breaks is None
