"""The stream of a package in Python's agent and in compiled C: proven alike, planted faults named at their stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from c99_stages import need_compiler, use_one_compiler
from edgewright.compression.int8 import quantise
from edgewright.core import engines
from edgewright.core.engines import Engine
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package, parse_package, vector_files, write_package
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Column
from edgewright.core.records.network import Graph
from edgewright.core.records.proof import Difference, ProofRecord
from edgewright.export.c99_host.probe import struct_fields
from edgewright.export.contract import package_subject
from edgewright.export.targets.c99 import TARGET
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.monitor.detector_stream import IN_PACKAGE, detector_bytes
from edgewright.monitor.detectors import kind
from edgewright.monitor.records import DetectorSpec, Threshold
from edgewright.workflows.detection.fit import learn
from edgewright.workflows.detection.rows import Stretch
from edgewright.workflows.proof.stream import ANSWERS, EVENTS, MEANS, stream_proof
from edgewright.workflows.proof.stream_rows import natural_rows
from edgewright.workflows.proof.subject import Chosen, subject_of
from edgewright.workflows.proof.workflow import prove_place
from runtime_example import classifier, numbers, parts
from stream_proof_example import COLUMNS, LABELS, SPEC, WINDOW, model, samples

Files = Mapping[str, str]
Proof = Callable[..., ProofRecord]
SCORE, ODD = "detector odd score", "detector odd anomalies"


@pytest.fixture(autouse=True)
def _one_compiler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults are planted in text that every compiler gets: one is enough, and saves half of the time."""
    need_compiler()
    if request.function is not test_a_stream_of_a_package_is_proven:
        use_one_compiler(monkeypatch)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Decisions, alarms, a declared range, and a detector of single rows."""
    need_compiler()
    manifest, files = parts(model(), columns=COLUMNS, shape=(3, 8), window=WINDOW, labels=LABELS, decision=SPEC)
    rows = samples().samples.transpose(0, 2, 1).reshape(-1, 3)
    config = msgspec.convert({}, kind("robust").config)
    learnt = learn("robust", config, (Stretch("", rows, np.arange(float(len(rows)))),))
    spec = DetectorSpec(
        kind="robust", config={}, columns=COLUMNS[::-1], window=None, rate=50.0,
        threshold=Threshold(value=1.7, by="given"), refractory=5,
    )  # fmt: skip
    files[IN_PACKAGE.format(name="odd")] = detector_bytes(spec, learnt)
    path = tmp_path_factory.mktemp("stream") / "a.edge"
    write_package(path, manifest, files)
    return parse_package(path.read_bytes(), "a.edge")


@pytest.fixture(scope="module")
def prove(package: Package) -> Proof:
    """Give the proof, with changed C where a change is given."""
    graph = read_onnx(package.model("float"))

    def proof(change: Callable[[Files], Files] | None = None, chosen: Chosen | None = None) -> ProofRecord:
        record = stream_proof(subject_of("a", {"float": graph}, package=package), "a.edge", chosen or samples(), change)
        assert record is not None
        return record

    return proof


def named(record: ProofRecord, stage: str) -> Difference:
    """Return the first difference, which must stand at this stage."""
    assert not record.passed and record.breaks is not None
    assert record.breaks.stage == stage, record.breaks
    return record.breaks


def edited(old: str, new: str, file: str = "activity_stream.c") -> Callable[[Files], Files]:
    """Return a change of the C."""

    def change(files: Files) -> Files:
        assert old in files[file], files[file]
        return {**files, file: files[file].replace(old, new)}

    return change


@pytest.mark.slow
def test_a_stream_of_a_package_is_proven(prove: Proof) -> None:
    record = prove()
    assert record.passed and not record.absent and not record.notes, (record.breaks, record.broken)
    assert record.forms[0].name == "Python agent" and len(record.forms) > 1
    assert record.forms[1].stages[-2:] == (MEANS, EVENTS) and SCORE in record.forms[1].stages
    assert record.samples > samples().samples[:, 0].size


@pytest.mark.slow
def test_another_smoothing_count_is_named_at_the_means(prove: Proof) -> None:
    divergence = named(prove(edited("% 4", "% 3")), MEANS)
    assert divergence.location in LABELS


@pytest.mark.slow
def test_few_samples_make_stretches_in_which_something_is_decided(prove: Proof) -> None:
    few = Chosen(samples().samples[:40:5], samples().origins[:8], "a few windows")
    assert prove(None, few).passed
    named(prove(edited("% 4", "% 3"), few), MEANS)


def test_a_package_with_a_rule_for_missing_values_is_tried_with_them() -> None:
    rows, holed = (natural_rows(samples(), 50.0, 20_000, 60, holes) for holes in (False, True))
    more = holed.values[len(rows.values) :]
    assert np.isfinite(rows.values).all() and np.isnan(more).any() and np.isinf(more).all(axis=1).any()
    assert np.isnan(more).all(axis=1).any() and all("cells missing" in o for o in holed.origins[len(rows.values) :])


@pytest.mark.slow
def test_windows_with_another_hop_are_named_at_the_means(prove: Proof) -> None:
    named(prove(edited("context->filled < 5;", "context->filled < 4;")), MEANS)


@pytest.mark.slow
def test_another_debounce_is_named_at_the_events(prove: Proof) -> None:
    assert named(prove(edited("context->row < 2 ||", "context->row < 1 ||")), EVENTS).location == "kind"


@pytest.mark.slow
@pytest.mark.parametrize("quiet", [99, 101])
def test_a_refractory_time_that_is_a_row_off_is_named_at_the_events(prove: Proof, quiet: int) -> None:
    divergence = named(prove(edited("= 100u;", f"= {quiet}u;")), EVENTS)
    assert divergence.location == "kind" and {divergence.first, divergence.second} == {1.0, 2.0}


@pytest.mark.slow
def test_a_threshold_that_is_a_last_digit_higher_is_named_at_the_anomalies(prove: Proof) -> None:
    def change(files: Files) -> Files:
        name = next(name for name in files if name.endswith("odd_detect.c"))
        assert "score >= 1.7" in files[name]
        return {**files, name: files[name].replace("score >= 1.7", "score > 1.7")}

    divergence = named(prove(change), ODD)
    assert divergence.location == "anomaly" and (divergence.first, divergence.second) == (1.0, 0.0)
    assert "the threshold" in divergence.origin


@pytest.mark.slow
def test_another_scale_of_a_detector_is_named_at_its_score(prove: Proof) -> None:
    def change(files: Files) -> Files:
        name = next(name for name in files if name.endswith("odd_detect.c"))
        text = files[name]
        begin = text.index("{", text.index("static const float"))
        first = text[begin + 1 : text.index(",", begin)].strip()
        return {**files, name: text.replace(first, f"({first} * 1.01f)", 1)}

    named(prove(change), SCORE)


@pytest.mark.slow
def test_a_window_out_of_range_decides_nothing_in_either_form(prove: Proof) -> None:
    wide = samples().samples.copy()
    wide[10::7, 1, 3] = 2.5
    chosen = Chosen(wide, samples().origins, samples().source)
    assert prove(None, chosen).passed
    fault = edited("(answer->flags & (ACTIVITY_OUT_OF_RANGE | ACTIVITY_MISSING)) != 0u || ", "")
    named(prove(fault, chosen), MEANS)


@pytest.mark.slow
def test_every_field_of_an_event_is_compared(package: Package, prove: Proof) -> None:
    header = TARGET.files(package_subject(package))["activity_stream.h"].decode()
    fields = set(struct_fields(header, "activity_event"))
    assert fields >= {"kind", "label", "confidence", "row", "flags", "score", "channel"}

    def another(files: Files) -> Files:
        name = "activity_stream.h"
        return {**files, name: files[name].replace("    uint32_t row;", "    int news;\n    uint32_t row;")}

    # What C tells and Python does not is a difference until it is told by both.
    assert named(prove(another), EVENTS).location == "news"


@pytest.mark.slow
def test_the_stream_of_a_firmware_folder_is_proven_as_it_lies(package: Package, tmp_path: Path) -> None:
    files = TARGET.files(package_subject(package))
    (tmp_path / "firmware").mkdir()
    for name, content in files.items():
        (tmp_path / "firmware" / name).write_bytes(content)
    path, folder = tmp_path / "a.edge", str(tmp_path / "firmware")
    write_package(path, package.manifest, dict(package.files))
    np.save(tmp_path / "rows.npy", samples().samples)
    request: dict[str, Any] = {"data": str(tmp_path / "rows.npy"), "given": [folder]}
    assert prove_place(str(path)).parts[0].notes[-1].startswith("no two alarms of a label")
    record = prove_place(str(path), **request)
    (stream,) = record.parts
    shipped = [form.name for form in stream.forms if form.name.startswith(f"{folder}/activity_stream.c by")]
    assert record.passed and shipped, (record.breaks, record.broken, record.failed, stream.absent)
    lies = {file.name: file for file in record.files}
    assert lies[f"{folder}/activity_stream.c"].forms == tuple(shipped)
    left = {file.name for file in record.files if file.name.startswith(folder) and file.not_proven}
    assert left == {f"{folder}/activity_self_test.c", f"{folder}/activity_self_test.h"}
    source = tmp_path / "firmware" / "activity_stream.c"
    source.write_text(source.read_text().replace("% 4", "% 3"))
    broken = prove_place(str(path), **request)
    assert not broken.passed and broken.breaks is not None and broken.breaks.stage == MEANS
    assert broken.broken[1] == shipped[0]
    source.write_text("int nothing;")
    gone = prove_place(str(path), **request)
    assert not gone.passed and gone.failed == (f"{folder}/activity_stream.c",)


def packaged(graph: Graph, small: Graph, rows: NDArray[np.float32], folder: Path) -> Package:
    """Return a package of rows whose answers are those of the integer form."""
    manifest, files = parts(
        graph, forms={"float": "model.onnx", "int8": "model.int8.onnx"}, default="int8", labels=graph.labels,
        tolerance={"float": 1e-5, "int8": 0.08}, columns=tuple(Column(name=f"c{i}") for i in range(rows.shape[1])),
        shape=rows.shape[1:], thresholds={},
    )  # fmt: skip
    vectors = vector_files(
        rows[:8],
        {form: compile_graph(one)(rows[:8])["probabilities"] for form, one in (("float", graph), ("int8", small))},
    )
    write_package(folder / "a.edge", manifest, {**files, "model.int8.onnx": to_onnx(small), **vectors})
    return parse_package((folder / "a.edge").read_bytes(), "a.edge")


@pytest.mark.slow
def test_integers_of_a_stream_round_as_in_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_compiler()
    # Whichever engine is the fastest here: it may round in its layers on its own, which moves answers by hundredths.
    choose = engines.choose

    def moved(answers: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {name: values * 0.95 if values.dtype.kind == "f" else values for name, values in answers.items()}

    def other(name: str | None, model: bytes, rows: float) -> Engine:
        engine = choose(name or "numpy", model, rows)
        if name:
            return engine
        return replace(engine, load=lambda data: lambda X: moved(engine.load(data)(X)))

    monkeypatch.setattr(engines, "choose", other)
    graph, rows = classifier(), numbers(400, 10, seed=7)
    small = quantise(graph, rows)
    package = packaged(graph, small, rows, tmp_path)
    subject = subject_of("a", {"float": graph, "int8": small}, package=package)
    record = stream_proof(subject, "a.edge", Chosen(rows, tuple(f"row {i}" for i in range(400)), "rows"))
    assert record is not None and record.passed
    answers = next(stage for stage in record.pairs[0].stages if stage.stage == ANSWERS)
    assert answers.samples >= 400 and answers.largest < 1e-6


def steep(width: int = 2) -> Graph:
    """Return a network in which one step of the first input moves an answer by a third."""
    builder = Builder("activity", (width,), labels=("low", "high"))
    value = builder.op("Mul", builder.input, builder.number(0.5))
    builder.stage("Normalise", value)
    builder.boundary(value)
    edge, limit = np.eye(width, 1, dtype=np.float32), np.array([-0.9], np.float32)
    sums, bias = np.array([[-100.0, 100.0]], np.float32), np.array([5.0, -5.0], np.float32)
    value = builder.op("Relu", builder.op("Gemm", value, builder.constant(edge), builder.constant(limit)))
    value = builder.op("Gemm", value, builder.constant(sums), builder.constant(bias))
    builder.stage("Network", value)
    probabilities = builder.op("Softmax", value, axis=-1)
    label = builder.op("ArgMax", probabilities, axis=1, keepdims=0)
    confidence = builder.op("ReduceMax", probabilities, builder.integers(1), keepdims=0)
    return builder.finish(
        {
            "label": (label, "int64", ()),
            "probabilities": (probabilities, "float32", (2,)),
            "confidence": (confidence, "float32", ()),
        }
    )


@pytest.mark.parametrize(("factor", "passes"), [("1.000001f", True), ("1.001f", False)])
def test_inputs_on_the_edge_of_a_step_are_compared_from_their_bytes_on(
    factor: str, passes: bool, tmp_path: Path
) -> None:
    graph, rows = steep(), np.random.default_rng(3).uniform(-2, 2, (400, 2)).astype(np.float32)
    small = quantise(graph, rows)
    package = packaged(graph, small, rows, tmp_path)
    subject = subject_of("a", {"float": graph, "int8": small}, package=package)
    assert subject.network is not None
    grid = subject.network.values[subject.network.input]
    # Halves are rounded away from zero: just below one, where the answer is steepest.
    edge = np.float32(2 * (np.floor(0.95 / grid.scale) + 0.5) * grid.scale)
    rows[50:400:50, 0] = np.nextafter(edge, np.float32(0))

    def change(files: Files) -> Files:
        name = "activity.c"
        assert " * 0.5f" in files[name], files[name]
        return {**files, name: files[name].replace(" * 0.5f", f" * 0.5f * {factor}")}

    chosen = Chosen(rows, tuple(f"row {i}" for i in range(400)), "rows")
    record = stream_proof(subject, "a.edge", chosen, change)
    assert record is not None
    assert record.passed == passes, (record.breaks, record.notes)
    assert any("7 answers lie on the edge of a step" in note for note in record.notes) == passes, record.notes
