"""`edgewright compress` on a small run and on a model from elsewhere: the folder, the record, and what is refused."""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from rich.console import Console

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.errors import InputError, OptionFormatError
from edgewright.core.predictor import load
from edgewright.core.records.compress import CompressRecord, CompressRow
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.pipeline import Pipeline
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.pipeline.run_folder.store import read_record
from edgewright.trace.blocks.terminal import blocks_parts
from edgewright.trace.page import Terminal, page_of
from edgewright.trace.views.reports import compress_blocks
from edgewright.workflows.compression.forms import Maker
from edgewright.workflows.compression.subject import Pruning, Wanted, open_run, read_drop, read_pruning
from edgewright.workflows.compression.subject import names as foretold
from edgewright.workflows.compression.workflow import chosen_row, compress
from small_pipeline import names, rows, run_small, write_rows, write_toml

CLASSES = ("idle", "off", "on")
EVERYTHING = Wanted(
    int8=True,
    qat=True,
    prune=(Pruning("structured", 0.5), Pruning("magnitude", 0.8)),
    max_drop=1.0,
    epochs=2,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compress")
    toml = write_toml(folder / "small.toml", write_rows(folder / "rows.csv", rows(CLASSES, 300)))
    return run_small(
        toml, folder / "runs", "training.epochs=20", "training.learning_rate=0.01", "model.layers.0.units=64"
    ).folder


@pytest.fixture(scope="module")
def everything(trained: Path) -> tuple[Path, CompressRecord]:
    done = compress(trained, EVERYTHING, out=trained.parent / "everything")
    assert done.package is not None and done.package.exists()
    return done.folder, done.record


@pytest.mark.slow
def test_every_form_stands_in_the_folder_and_in_the_table(everything: tuple[Path, CompressRecord]) -> None:
    folder, record = everything
    bases = ("float", "structured-50", "magnitude-80")
    kinds = {"float": ("float", "int8", "qat")}
    wanted = [n for b in bases for n in kinds.get(b, (b, f"{b}-int8", f"{b}-qat"))]
    assert [row.name for row in record.rows] == wanted == list(foretold(EVERYTHING))
    assert names(folder) == sorted(["compress.json", "pipeline", "small.edge", *(row.file for row in record.rows)])
    for row in record.rows:
        model = (folder / row.file).read_bytes()
        assert row.file_bytes == len(model) and row.compressed_bytes < len(model)
        session = open_session(model)
        assert session.run(["probabilities"], {"input": np.zeros((2, 2), np.float32)})[0].shape == (2, 3)
        assert row.accuracy is not None and row.accuracy.low <= row.accuracy.value <= row.accuracy.high
        assert row.latency_p50_us <= row.latency_p99_us and row.tflite_bytes is not None
    assert any(row.front for row in record.rows)


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 100])
def test_names_of_forms_keep_their_words_on_a_narrow_terminal(
    everything: tuple[Path, CompressRecord], width: int
) -> None:
    record = everything[1]
    printed = io.StringIO()
    console = Console(width=width, file=printed)
    for part in blocks_parts(compress_blocks(record), page_of(Terminal())):
        console.print(part)
    lines = printed.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for row in record.rows:
        word = row.name.split("-")[0]
        assert any(line.lstrip(" *").startswith(word) for line in lines)


def test_what_each_way_saves(everything: tuple[Path, CompressRecord]) -> None:
    row = {row.name: row for row in everything[1].rows}
    assert row["structured-50"].macs <= row["float"].macs / 2
    assert row["structured-50"].file_bytes < row["float"].file_bytes
    assert row["int8"].weight_bytes < row["float"].weight_bytes / 2
    zeros = row["magnitude-80"]
    assert (zeros.file_bytes, zeros.macs) == (row["float"].file_bytes, row["float"].macs)
    assert zeros.compressed_bytes < row["float"].compressed_bytes
    assert any("compressed bytes only" in note for note in everything[1].notes)


@pytest.mark.slow
def test_the_chosen_form_answers_and_can_be_loaded(everything: tuple[Path, CompressRecord]) -> None:
    folder, record = everything
    assert read_record(folder) == record
    assert record.chosen.startswith("structured-50-")
    predictor = load(folder)
    assert predictor.form == "int8"
    samples = np.array([[2.0, 2.0], [-2.0, -2.0]], np.float32)
    again = Pipeline.load(folder)
    assert again.config is not None and again.config.model.layers[0]["units"] == 32
    assert list(again.predict(samples)) == list(predictor.predict(samples).labels) == ["on", "idle"]


@pytest.mark.slow
def test_the_same_request_gives_the_same_forms(trained: Path, tmp_path: Path) -> None:
    wanted = Wanted(qat=True, prune=(Pruning("structured", 0.5),), max_drop=1.0, epochs=1)
    first, other = (compress(trained, wanted, out=tmp_path / "same") for _ in range(2))
    assert other.folder.name == "same-2"
    for row in first.record.rows:
        assert (first.folder / row.file).read_bytes() == (other.folder / row.file).read_bytes()
    assert first.package is not None and other.package is not None
    assert first.package.read_bytes() == other.package.read_bytes()


@pytest.mark.slow
def test_a_larger_run_or_any_onnx_model_teaches(trained: Path, tmp_path: Path) -> None:
    wanted = Wanted(distil=str(trained), prune=(Pruning("structured", 0.5),), max_drop=1.0, epochs=1)
    done = compress(trained, wanted, out=tmp_path / "taught")
    assert [row.name for row in done.record.rows] == [
        "float",
        "distilled",
        "structured-50",
        "distilled-structured-50",
    ]
    # Scores of the three classes from the raw columns, without labels and without softmax.
    builder = Builder("teacher", (2,))
    weights = builder.constant(np.array([[-1, 0, 1], [-1, 0, 1]], np.float32))
    scores = builder.op("Gemm", builder.input, weights, builder.constant(np.array([0, 0.5, 0], np.float32)))
    teacher = tmp_path / "teacher.onnx"
    teacher.write_bytes(to_onnx(builder.finish({"scores": (scores, "float32", (3,))})))
    wanted = Wanted(distil=str(teacher), max_drop=1.0, epochs=1)
    assert compress(trained, wanted, out=tmp_path / "scores").record.chosen == "distilled"
    builder = Builder("wrong", (5,))
    teacher.write_bytes(to_onnx(builder.finish({"y": (builder.op("Relu", builder.input), "float32", (5,))})))
    with pytest.raises(InputError, match=r"a teacher of samples of shape \(2,\)"):
        compress(trained, wanted, out=tmp_path / "wrong")
    assert names(tmp_path) == ["scores", "taught", "teacher.onnx"]


@pytest.mark.slow
def test_a_loss_beyond_the_limit_leaves_no_package_and_ends_with_1(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hard = [str(trained), "--prune", "magnitude:0.99", "--max-drop", "0.1%", "--epochs", "1"]
    assert run(["compress", *hard, "--out", str(tmp_path / "hard"), "--json"]) == 1
    out, err = capsys.readouterr()
    assert "no form stays within max_drop 0.1 %" in err and err.count("\n") == 1
    record = json.loads(out)
    assert record["chosen"] == "magnitude-99" and record["refused"] and record["version"] == 1
    assert "small.edge" not in names(tmp_path / "hard")


@pytest.mark.slow
def test_a_form_that_is_named_is_packaged_and_held_to_the_limit(trained: Path, tmp_path: Path, cli: Cli) -> None:
    requested = [str(trained), "--int8", "--prune", "structured:0.5", "--epochs", "1", "--device", "cortex-m4"]
    kept = tmp_path / "kept"
    out = cli("compress", *requested, "--keep", "structured-50", "--max-drop", "100%", "--out", kept)
    assert "chosen: structured-50, as set by --keep" in out and "structured-50 on cortex-m4, estimated: flash" in out
    assert "*structured-50" in out and "fine-tuned" in out and "Pareto front" in out and "by row" in out
    assert all(line == line.rstrip() and len(line) <= 120 for line in out.splitlines())
    record = read_record(kept)
    assert record.chosen == "structured-50" and record.device == "cortex-m4"
    assert load(kept).form == "float" and load(kept).manifest.provenance["form"] == "structured-50"
    assert "int8, structured-50, structured-50-int8" in cli(
        "compress", *requested, "--keep", "structured-50-qat", "--out", tmp_path / "no", code=2
    )
    assert (
        "cortex-m4" in cli("compress", *requested, "--device", "cortex-m99", "--out", tmp_path / "no", code=2)
        and not (tmp_path / "no").exists()
    )
    hard = ["compress", str(trained), "--prune", "magnitude:0.99", "--prune", "magnitude:0.1", "--epochs", "1"]
    assert "magnitude-99 loses" in cli(
        *hard, "--keep", "magnitude-99", "--max-drop", "0.1%", "--out", tmp_path / "hard", code=1
    ) and "small.edge" not in names(tmp_path / "hard")


@pytest.mark.slow
def test_a_package_teaches_as_its_run_does(trained: Path, tmp_path: Path) -> None:
    forms = []
    for path, name in ((trained, "run"), (trained / "small.edge", "package")):
        done = compress(trained, Wanted(distil=str(path), max_drop=1.0, epochs=1), out=tmp_path / name)
        forms.append((done.folder / "model.distilled.onnx").read_bytes())
    assert forms[0] == forms[1]


@pytest.mark.slow
def test_no_test_sample_takes_part_in_making_or_choosing(trained: Path) -> None:
    subject = open_run(trained, None)
    sides = subject.material.sides
    test = set(sides.test.tolist())
    assert test and not test & set(subject.calibration.tolist())
    assert not test & set(sides.validation.tolist()) and not test & set(sides.train.tolist())
    # Other readings on the test side: the same forms and the same choice come out.
    wanted = Wanted(int8=True, qat=True, prune=(Pruning("structured", 0.5),), max_drop=1.0, epochs=1)
    X = subject.material.samples.X.copy()
    X[sides.test] = 7.0
    flow = subject.flow
    assert flow is not None
    assert isinstance(flow.X, np.ndarray)
    moved = flow.X.copy()
    moved[sides.test] = 7.0
    changed = replace(
        subject,
        material=replace(subject.material, samples=msgspec.structs.replace(subject.material.samples, X=X)),
        flow=replace(flow, X=moved),
    )
    models = [[form.model for form in Maker(one, wanted, Listener()).forms()] for one in (subject, changed)]
    assert models[0] == models[1]


@pytest.mark.slow
def test_a_device_that_is_too_small_refuses(tmp_path: Path) -> None:
    more = '\n[[model.layers]]\nkind = "dense"\nunits = 1100\n\n[device]\nprofile = "cortex-m4"\n'
    toml = write_toml(tmp_path / "large.toml", write_rows(tmp_path / "rows.csv"), more)
    large = run_small(toml, tmp_path / "runs", "model.layers.0.units=1100", "training.epochs=1")
    assert re.search(r"^flash [\d.]+ [kM]B beyond the budget of cortex-m4", large.refused)
    done = compress(large.folder, Wanted(int8=True, max_drop=1.0), out=tmp_path / "still")
    assert done.package is None
    assert re.fullmatch(r"int8: flash .+ beyond the budget of cortex-m4", done.record.refused)
    assert "small.edge" not in names(done.folder) and "compress.json" in names(done.folder)
    wanted = Wanted(int8=True, prune=(Pruning("structured", 0.9),), max_drop=1.0, epochs=1)
    fits = compress(large.folder, wanted, out=tmp_path / "fits")
    assert fits.package is not None and fits.record.chosen == "structured-90-int8"


@pytest.mark.slow
def test_what_few_people_tell_of_a_loss_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = [[*row, f"p{n % 12}"] for n, row in enumerate(rows(CLASSES, 300))]
    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv", people, header="a,b,label,who"))
    toml.write_text(toml.read_text().replace("[data]\n", '[data]\ngroup = "who"\n'))
    run_folder = run_small(toml, tmp_path / "runs", "training.epochs=5").folder
    given = ["compress", str(run_folder), "--int8", "--max-drop", "100%", "--out", str(tmp_path / "compressed")]
    assert run(given) == 0
    record = read_record(tmp_path / "compressed")
    float_row, row = record.rows
    assert (float_row.drop_interval, float_row.p) == (None, None)
    assert row.drop_interval is not None
    assert row.drop_interval.method.startswith("t interval by group, ")
    assert row.drop_interval.low <= row.drop <= row.drop_interval.high
    assert row.p is not None
    assert "smallest p is" in capsys.readouterr().out


def foreign(path: Path, *, outputs: int = 3) -> None:
    builder = Builder("elsewhere", (2,), input_name="x")
    generator = np.random.default_rng(0)
    hidden = builder.op(
        "Relu",
        builder.op(
            "Gemm",
            builder.input,
            builder.constant(np.array([[1, -1, 0.5, 0.1], [1, -1, 0.5, -0.1]], np.float32)),
            builder.constant(generator.standard_normal(4).astype(np.float32) * np.float32(0.1)),
        ),
    )
    weights = np.array([[-2, 0, 2], [2, 0, -2], [0, 0, 0], [0, 0.1, 0]], np.float32)[:, :outputs]
    scores = builder.op("Gemm", hidden, builder.constant(weights), builder.constant(np.zeros(outputs, np.float32)))
    graph = builder.finish({"scores": (scores, "float32", (outputs,))})
    model = onnx.load_from_string(to_onnx(graph))
    del model.metadata_props[:]
    path.write_bytes(model.SerializeToString())


def test_a_model_from_elsewhere_becomes_int8(tmp_path: Path) -> None:
    foreign(tmp_path / "net.onnx")
    data = str(write_rows(tmp_path / "rows.csv", rows(CLASSES, 300)))
    done = compress(
        tmp_path / "net.onnx", Wanted(int8=True, max_drop=0.05), out=tmp_path / "o", data=data, target="label"
    )
    float_row, int8_row = done.record.rows
    assert float_row.accuracy is not None and float_row.accuracy.value > 0.5
    assert abs(int8_row.drop) <= 0.05 and int8_row.flips <= 3
    assert done.package is not None and load(done.package).manifest.labels == CLASSES
    assert "pipeline" not in names(done.folder) and done.record.source == "model"


def test_what_a_model_from_elsewhere_cannot_have(tmp_path: Path, cli: Cli) -> None:
    foreign(tmp_path / "net.onnx")
    data = str(write_rows(tmp_path / "rows.csv", rows(CLASSES, 300)))
    two = str(write_rows(tmp_path / "two.csv", rows(("off", "on"), 300)))
    wide = tmp_path / "wide.csv"
    wide.write_text("a,b,c,label\n" + "".join(f"{i},{i},{i},{CLASSES[i % 3]}\n" for i in range(60)))
    model, known = str(tmp_path / "net.onnx"), ["--data", data, "--target", "label"]
    out = ["--out", str(tmp_path / "o")]
    for given, text in (
        ([model, "--int8"], "for an imported model set --data"),
        ([model, "--int8", *known, "--qat", "--prune", "structured:0.5"], "--qat --prune"),
        ([model, "--int8", "--data", two, "--target", "label"], "the classes of net.onnx (3 outputs without names)"),
        ([model, "--int8", "--data", str(wide), "--target", "label"], "samples of shape (2,)"),
        ([model, *known], "a form to create"),
        ([str(tmp_path / "none.onnx"), "--int8", *known], "No such file"),
        ([data, "--int8", *known], "ONNX"),
    ):
        err = cli("compress", *given, *out, code=2)
        assert text.lower() in err.lower() and err.count("\n") == 1, (text, err)
    assert names(tmp_path / "o") == []


@pytest.mark.slow
def test_a_run_is_only_judged_on_its_own_data(trained: Path, tmp_path: Path) -> None:
    other = write_rows(tmp_path / "other.csv", rows(CLASSES, 200))
    with pytest.raises(InputError, match="the data the run was fitted on"):
        compress(trained, Wanted(int8=True), out=tmp_path / "o", data=str(other))
    again = compress(trained, Wanted(int8=True, max_drop=1.0), out=tmp_path / "first").folder
    assert compress(again, Wanted(int8=True, max_drop=1.0), out=tmp_path / "second").record.chosen == "int8"
    with pytest.raises(InputError, match="the data the run was fitted on"):
        compress(again, Wanted(int8=True), out=tmp_path / "o", data=str(other))
    with pytest.raises(InputError, match="which has its own"):
        compress(trained, Wanted(int8=True), out=tmp_path / "o", target="label")


def test_damaged_sources_are_one_line(trained: Path, tmp_path: Path, cli: Cli) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(trained, broken)
    (array,) = broken.glob("pipeline/model.*.0.weights.npy")
    weights = np.load(array)
    weights[0, 0] = np.nan
    np.save(array, weights)
    foreign(tmp_path / "net.onnx")
    model = (tmp_path / "net.onnx").read_bytes()
    (tmp_path / "short.onnx").write_bytes(model[: len(model) // 2])
    known = ["--data", str(write_rows(tmp_path / "rows.csv", rows(CLASSES, 300))), "--target", "label"]
    empty = tmp_path / "empty"
    empty.mkdir()
    for given, text in (
        ([str(broken), "--int8"], "finite activations"),
        ([str(broken), "--qat"], "finite"),
        ([str(tmp_path / "short.onnx"), "--int8", *known], "expected"),
        ([str(empty), "--int8"], "a fitted pipeline"),
        ([str(trained), "--distil", str(tmp_path / "none.onnx")], "no such file"),
        ([str(trained), "--prune", "structured:0.999"], "one unit a layer"),
    ):
        err = cli("compress", *given, "--out", tmp_path / "o", code=2)
        assert text in err.lower() and err.count("\n") == 1, (text, err)
    assert not (tmp_path / "o").exists()
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_words_of_the_command_line() -> None:
    assert read_drop("0.5%") == pytest.approx(0.005) and read_drop("0.02") == 0.02
    assert read_pruning("structured:0.5") == Pruning("structured", 0.5)
    for text in ("structured", "magnitude:1", "units:0.5", "magnitude:x"):
        with pytest.raises(OptionFormatError, match="--prune"):
            read_pruning(text)
    for text in ("much", "-1%", "300%", "nan"):
        with pytest.raises(OptionFormatError, match="--max-drop"):
            read_drop(text)


def test_the_choice_is_made_on_validation() -> None:
    row = CompressRow(
        name="float", recipe="", file="", drop=0.0, validation_drop=0.0, weight_bytes=9, file_bytes=90,
        compressed_bytes=9, macs=9, latency_p50_us=1.0, latency_p99_us=1.0, engine="numpy",
    )  # fmt: skip
    better = msgspec.structs.replace(row, name="int8", file_bytes=30, validation_drop=0.004)
    small = msgspec.structs.replace(row, name="tiny", file_bytes=10, validation_drop=0.02)
    lucky = msgspec.structs.replace(row, name="same", file_bytes=30, validation_drop=0.001, drop=0.5)
    rows_ = (row, better, small, lucky)
    assert chosen_row(rows_, 0.005) == (lucky, True)
    assert chosen_row(rows_, 0.03) == (small, True)
    assert chosen_row((row, better, small), 0.001) == (better, False)


@pytest.mark.slow
def test_damaged_records_are_refused(everything: tuple[Path, CompressRecord], tmp_path: Path) -> None:
    content = (everything[0] / "compress.json").read_bytes()
    for damaged, text in (
        (content[:200], "undamaged"),
        (content.replace(b'"version": 1', b'"version": 9'), "Upgrade"),
        (b"[]", "undamaged"),
    ):
        (tmp_path / "compress.json").write_bytes(damaged)
        with pytest.raises(InputError, match=text):
            read_record(tmp_path)
