"""`edgewright prove` on runs, packages and models: forms, record, view, rows and exit codes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from benchmarks import HAPT

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import SampleShapeError
from edgewright.core.input.samples import METADATA, flagged, outside, ranges_text, read_ranges
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.records.data import Column
from edgewright.core.records.proof import ProofRecord
from edgewright.export._extension.build import can_build
from edgewright.export.emulator import missing_tools
from edgewright.graph.extract import integer_network
from edgewright.workflows.proof import comparison
from edgewright.workflows.proof.workflow import prove_place
from foreign import MODELS
from integer_layers import need_litert, to_tflite
from small_pipeline import run_small, write_rows, write_toml
from support import left_out, shared_data

if TYPE_CHECKING:
    from conftest import Lesson

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("proof")
    toml = write_toml(path / "small.toml", write_rows(path / "rows.csv"))
    changes = ("training.epochs=20", "compression.max_drop=0.3", "data.ranges.a=[-1.5, 1.5]")
    return run_small(toml, path / "runs", *changes).folder


@pytest.fixture(scope="module")
def record(folder: Path) -> ProofRecord:
    return prove_place(str(folder))


@pytest.mark.slow
def test_every_form_of_a_run_is_proven_on_its_test_samples(record: ProofRecord) -> None:
    assert record.passed and record.source == "test samples of small"
    names = [form.name for form in record.forms]
    assert names[0] == "Python pipeline" and "integer reference" in names and "int8 ONNX in NumPy" in names
    assert len(record.pairs) >= len(names)
    for pair in record.pairs:
        if pair.exact_from_boundary is not None:
            assert pair.verdict in ("bit-exact", "within tolerance")
    stages = next(form.stages for form in record.forms if form.name == "integer reference")
    assert stages[:4] == ("out of range", "impute", "scale", "boundary bytes")


@pytest.mark.slow
def test_ranges_travel_with_the_model_and_every_form_flags_the_same(folder: Path) -> None:
    record = prove_place(str(folder), data=str(folder.parent.parent / "rows.csv"))
    table = np.genfromtxt(folder.parent.parent / "rows.csv", delimiter=",", skip_header=1, usecols=(0, 1))
    expected = int((np.abs(table[:, 0].astype(np.float32)) > 1.5).sum())
    assert record.samples == len(table) and 0 < expected == record.out_of_range
    assert record.out_of_range_by_column == (("a", expected),) and record.ranges == 1
    assert {form.out_of_range for form in record.forms} <= {None, expected}
    for name in ("model.onnx", "model.int8.onnx"):
        assert read_ranges(read_onnx((folder / name).read_bytes()).metadata) == (("a", -1.5, 1.5), ("b", None, None))


@pytest.mark.slow
def test_a_package_is_proven_on_its_vectors_and_has_no_python(folder: Path) -> None:
    record = prove_place(str(folder / "small.edge"), rows=10)
    assert record.passed and record.samples == 10 and "test vectors" in record.source
    assert any(absent.name == "Python pipeline" for absent in record.absent)


@pytest.mark.slow
def test_a_model_alone_takes_drawn_rows_or_a_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.int8.onnx").write_bytes((folder / "model.int8.onnx").read_bytes())
    record = prove_place(str(tmp_path / "model.int8.onnx"))
    assert record.passed and "random rows" in record.source
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).standard_normal((7, 2)).astype(np.float32))
    assert prove_place(str(tmp_path / "model.int8.onnx"), data=str(tmp_path / "rows.npy")).samples == 7
    assert "test vectors" in prove_place(str(folder / "model.onnx")).source


@pytest.mark.slow
def test_the_command_shows_and_prints_the_record(folder: Path, cli: Cli) -> None:
    out = cli("prove", folder)
    assert "PROVEN  no tolerance is broken" in out and "Python pipeline" in out
    assert all(len(line) <= 120 and line == line.rstrip() for line in out.splitlines())
    record = msgspec.json.decode(cli("prove", folder, "--json"), type=ProofRecord)
    assert record.version == 1 and record.passed


def _with_a_changed_scale(folder: Path, tmp_path: Path) -> Path:
    from edgewright.graph.onnx_writer import to_onnx

    path = tmp_path / "changed"
    (path / "pipeline").mkdir(parents=True)
    for file in (folder / "pipeline").iterdir():
        (path / "pipeline" / file.name).write_bytes(file.read_bytes())
    graph = read_onnx((folder / "model.onnx").read_bytes())
    node = next(n for n in graph.nodes if n.op == "Mul" and any(name in graph.constants for name in n.inputs))
    name = next(name for name in node.inputs if name in graph.constants)
    constants = {**graph.constants, name: graph.constants[name] * np.float32(1.01)}
    (path / "model.onnx").write_bytes(to_onnx(msgspec.structs.replace(graph, constants=constants)))
    return path


@pytest.mark.slow
def test_a_run_whose_model_was_changed_is_refused_with_stage_row_and_values(
    folder: Path, tmp_path: Path, cli: Cli, capsys: Capture
) -> None:
    path = _with_a_changed_scale(folder, tmp_path)
    cli("prove", path, "--data", folder.parent.parent / "rows.csv", code=2)
    np.save(tmp_path / "rows.npy", np.ones((3, 2), np.float32))
    assert run(["prove", str(path), "--data", str(tmp_path / "rows.npy")]) == 1
    out, err = capsys.readouterr()
    assert "NOT PROVEN" in out and "First difference: stage scale" in out and "the form that differs" in out
    assert re.search("differ at stage scale, row 0, [ab]: ", err) and err.count("\n") == 1


@pytest.mark.slow
def test_stages_that_compute_much_are_proven_on_fewer_samples_of_all_data(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = prove_place(str(folder))
    monkeypatch.setattr(comparison, "_PERTURBED", 400)
    record = prove_place(str(folder))
    assert record.passed and 0 < record.samples < whole.samples and 0 < record.constructed < whole.constructed
    assert any("values to compute a sample" in note for note in record.notes)
    np.save(tmp_path / "rows.npy", np.ones((300, 2), np.float32))
    broken = prove_place(str(_with_a_changed_scale(folder, tmp_path)), data=str(tmp_path / "rows.npy"))
    assert broken.samples < 300 and broken.breaks is not None and broken.breaks.stage == "scale"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no such file"),
        (["{run}", "--data", "nowhere.csv"], "no such file"),
        (["{run}", "--rows", "0"], "0 is not in the range"),
        (["{run}", "--device", "cortex-m99"], "cortex-m4"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, folder: Path, cli: Cli) -> None:
    err = cli("prove", *(a.format(run=folder) for a in arguments), code=2)
    assert message in err and err.count("\n") == 1


def test_ranges_are_written_and_read() -> None:
    columns = (Column(name='a "b"', minimum=-1.5, maximum=2.0), Column(name="c"), Column(name="ü", maximum=0.1))
    text = ranges_text(columns)
    ranges = read_ranges({METADATA: text})
    assert ranges == (('a "b"', -1.5, 2.0), ("c", None, None), ("ü", None, 0.1))
    assert ranges_text(columns[1:2]) == "" and read_ranges({}) == ()
    x = np.array([[0, 9, 0], [-2, 9, 0], [np.nan, 0, np.float32(0.1)], [0, 0, 0.2]], np.float32)
    assert outside(x, ranges).tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert flagged(np.repeat(x[..., None], 4, axis=2), ranges).tolist() == [0, 1, 0, 1]
    for text in ("[", "[1]", '[["a", "x", 1]]', '[["a", Infinity, 1]]', "{}x"):
        with pytest.raises(SampleShapeError):
            read_ranges({METADATA: text})


def test_c_and_the_extension_equal_the_reference_from_the_boundary_on(record: ProofRecord) -> None:
    if not can_build():
        left_out("no C compiler")
    exact = {p.second: p.exact_from_boundary for p in record.pairs if p.first == "integer reference"}
    integer_forms = [
        name for name in exact if name.startswith(("int8 C99", "int8 extension", "int8 .tflite in LiteRT ref"))
    ]
    assert len(integer_forms) >= 2 and all(exact[name] for name in integer_forms)
    assert all(form.rounding == "ours" for form in record.forms if form.name in integer_forms)


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cortex-m0", "cortex-m4"])
def test_an_emulated_device_is_one_more_form(device: str, folder: Path) -> None:
    missing = missing_tools()
    if missing:
        left_out(", ".join(missing))
    record = prove_place(str(folder), data=str(folder.parent.parent / "rows.csv"), device=device)
    name = f"int8 C99 on an emulated {device}"
    form = next(form for form in record.forms if form.name == name)
    assert record.passed and form.samples == 100 < record.samples and "instructions" in form.note
    exact = {p.first: p.exact_from_boundary for p in record.pairs if p.second == name}
    assert exact["integer reference"] is True


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["torch-conv1d-fixed", "lightgbm-two", "sklearn-logistic", "xgboost", "xgboost-regressor"]
)
def test_a_model_from_elsewhere_is_compared_with_itself_as_it_came(name: str) -> None:
    record = prove_place(str(MODELS / f"{name}.onnx"), rows=20)
    assert record.passed
    assert any(form.name.startswith("the .onnx file itself") for form in record.forms)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["light-three.txt", "extreme-three.ubj", "extreme-counts.json"])
def test_boosted_trees_of_other_tools_are_proven_from_their_own_files(name: str) -> None:
    record = prove_place(str(MODELS / "boosted" / name), rows=20)
    assert record.passed
    assert len(record.forms) > 4


@pytest.mark.slow
def test_a_tflite_file_is_bit_exact_to_our_reading_of_it(folder: Path, tmp_path: Path) -> None:
    need_litert()
    network = integer_network(read_onnx((folder / "model.int8.onnx").read_bytes()))
    (tmp_path / "net.tflite").write_bytes(to_tflite(network))
    record = prove_place(str(tmp_path / "net.tflite"), rows=20)
    itself = "the .tflite file itself in LiteRT reference"
    exact = {p.second: p.exact_from_boundary for p in record.pairs if p.first == itself}
    assert record.passed and exact["integer reference"] is True


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pretrainedResnet_quant", "kws_ref_model", "str_ww_ref_model", "vww_96_int8"])
def test_mlperf_models_are_bit_exact_to_the_files_they_came_in(name: str) -> None:
    need_litert()
    record = prove_place(str(shared_data("mlperf-tiny") / "models" / f"{name}.tflite"), rows=4)
    pairs = [
        p for p in record.pairs if p.first.startswith("the .tflite file itself") and p.second == "integer reference"
    ]
    assert record.passed and [p.exact_from_boundary for p in pairs] == [True]


@pytest.mark.slow
def test_stages_that_an_emulated_device_does_not_show_are_no_fault_of_its() -> None:
    need_litert()
    missing = missing_tools()
    if missing:
        left_out(", ".join(missing))
    model = shared_data("mlperf-tiny") / "models" / "vww_96_int8.tflite"
    record = prove_place(str(model), rows=6, device="cortex-m4")
    form = next(form for form in record.forms if form.name.endswith("cortex-m4"))
    assert "layer 3 conv" in form.hidden and "layer 29 dense" in form.stages
    assert record.passed, record.breaks
    # Engines with their own rounding part from the reference in layers that the device hides.
    own = [p for p in record.pairs if p.second == form.name and p.exact_from_boundary is False]
    assert {p.verdict for p in own} <= {"within tolerance"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["activity", "latency", "demo"])
def test_shipped_pipelines_prove(name: str, lesson: Callable[[str], Lesson], tmp_path: Path, cli: Cli) -> None:
    folder = shutil.copytree(lesson(name).folder, tmp_path / name)
    assert "PROVEN" in cli("prove", folder, "--rows", "300")


@pytest.mark.slow
@pytest.mark.heavy
def test_hapt_proves_with_preprocessing_within_tolerance_and_the_network_bit_exact(tmp_path: Path) -> None:
    data = shared_data("har-hapt")
    changes = [f"split.test_groups={['29', '30']}".replace("'", '"'), "training.epochs=2", "training.augment=[]"]
    arguments = [part for change in (*changes, "compression.max_drop=0.2") for part in ("--set", change)]
    assert run(["run", HAPT, "--data", str(data), "--out", str(tmp_path), *arguments, "--json"]) == 0
    record = prove_place(str(tmp_path / "hapt"), data=str(data))
    assert record.passed and record.constructed > 100, record.breaks
    exact = {pair.second: pair.exact_from_boundary for pair in record.pairs if pair.first == "integer reference"}
    ours = {form.name for form in record.forms if form.rounding == "ours"}
    assert all(exact[name] for name in exact if name in ours)
