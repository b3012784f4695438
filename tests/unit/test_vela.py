"""Files compiled by Vela for an Ethos-U: what it places on the NPU, what it leaves, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.compression.int8 import quantise
from edgewright.core.errors import ExportError, InputError, MissingExtraError
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph
from edgewright.export import tflite_whole, vela
from edgewright.export.contract import Subject
from edgewright.export.targets import tflite
from edgewright.export.targets.ethosu import TARGET
from edgewright.export.targets.tflite import to_tflite, whole_file
from edgewright.export.tflite_whole import integer_labels
from edgewright.graph.builder import Builder, masked_label, masked_value
from edgewright.graph.extract import float_network, integer_network
from edgewright.graph.from_tflite_file import parse_tflite
from edgewright.graph.onnx_writer import to_onnx
from edgewright.models.base import finish_outputs
from edgewright.models.network import NetworkClassifier
from integer_layers import need_tflm
from integer_networks import KINDS_OF_ROWS, ROWS, samples_of, small, trained
from support import left_out
from tflite_files import Engine, answers


@pytest.fixture
def compiler() -> None:
    """Leave a test out where Vela is not installed."""
    if not vela.is_installed():
        left_out("ethos-u-vela")


@pytest.mark.slow
def test_a_whole_pipeline_compiles_and_its_network_is_on_the_npu(compiler: None) -> None:
    model = whole_file(Subject("logistic", small("logistic")))
    report = vela.compile_vela(model)
    on_npu = [one.operator for one in report.operators if one.npu]
    assert on_npu == ["FULLY_CONNECTED", "LOGISTIC", "FULLY_CONNECTED", "ARG_MAX"]
    assert {"QUANTIZE", "DEQUANTIZE", "SOFTMAX"} <= {one.operator for one in report.operators if not one.npu}
    assert report.npu + report.cpu == len(parse_tflite(model).operators)
    assert min(report.sram, report.flash, report.cycles, report.macs) > 0
    assert vela.compile_vela(model) == report, "the same bytes each time"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dense", "pools"])
@pytest.mark.parametrize("engine", ["litert", "xnnpack", "tflm"])
def test_labels_of_bytes_are_those_of_probabilities(name: str, engine: Engine) -> None:
    need_tflm()
    graph = small(name)
    file = whole_file(Subject(name, graph))
    (label,) = [one for one in parse_tflite(file).operators if one.name == "ARG_MAX"]
    assert parse_tflite(file).tensors[label.inputs[0]].dtype == "int8"
    samples = samples_of(graph)[:100]
    got, _inside = answers(graph, integer_network(graph, "litert"), samples, engine)
    places = got["probabilities"].argmax(axis=1)
    np.testing.assert_array_equal(got["label"].reshape(-1), places)
    agreed = compile_graph(graph)(samples)["label"] == places
    assert agreed.mean() > 0.95


def masked(step: float = 1.0) -> tuple[Graph, str]:
    """Return the end of a classifier whose label may be missing, and the value that its network gives."""
    builder = Builder("masked", (3,))
    raw = builder.op("Mul", builder.input, builder.constant(np.asarray(step, np.float32)))
    chance = builder.op("Softmax", raw, axis=1)
    known = builder.op("Greater", builder.input, builder.number(-9.0))
    outputs = finish_outputs(builder, masked_value(builder, known, chance, 3), 3)
    label, confidence = outputs["label"][0], outputs["confidence"][0]
    outputs["label"] = (masked_label(builder, label, confidence), "int64", ())
    return builder.finish(outputs), builder.input


def test_only_labels_that_stay_the_same_are_found_among_bytes() -> None:
    network = integer_network(small("dense"), "litert")
    graph, end = masked()
    labelled = integer_labels(graph.nodes, end, graph.constants, network)
    assert {node.op for node in graph.nodes if node.outputs[0] in labelled} == {"ArgMax"}
    bare = tuple(node for node in graph.nodes if node.op != "Where" or "Greater" not in node.inputs[0])
    last = next(node for node in bare if node.op == "ArgMax").outputs[0]
    without = tuple(node for node in bare if last not in node.inputs)
    assert not integer_labels(without, end, graph.constants, network), "a label of masked probabilities is the first"
    tiny, end = masked(1e-6)
    assert not integer_labels(tiny.nodes, end, tiny.constants, network), "float32 would not tell its steps apart"
    floats = float_network(trained("dense"))
    assert not integer_labels(graph.nodes, end, graph.constants, floats)


@pytest.mark.slow
def test_floats_stay_on_the_cpu_and_an_argmax_of_floats_is_refused_with_the_reason(compiler: None) -> None:
    report = vela.compile_vela(to_tflite(float_network(trained("logistic"))))
    assert report.npu == 0 < report.cpu
    with pytest.raises(InputError, match="ARGMAX 'label'") as caught:
        vela.compile_vela(whole_file(Subject("logistic", trained("logistic"))))
    assert "\n" not in str(caught.value)


def two_classes() -> Graph:
    """Return an int8 network of two classes, which has one sigmoid output."""
    model = NetworkClassifier(({"kind": "dense", "units": 8},), epochs=3).fit(ROWS, KINDS_OF_ROWS > 0)
    builder = Builder("two", ROWS.shape[1:], labels=("no", "yes"))
    value = model.to_graph(builder, builder.input)
    builder.stage("model", value)
    return quantise(builder.finish(model.outputs(builder, value)), ROWS[:150])


@pytest.mark.slow
def test_a_pipeline_of_two_classes_compiles(compiler: None) -> None:
    files = TARGET.files(Subject("two", two_classes()))
    assert set(files) == {"two.ethos-u55-128.tflite", "two.network.ethos-u55-128.tflite"}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["litert", "xnnpack", "tflm"])
def test_labels_of_two_classes_are_those_of_probabilities(engine: Engine) -> None:
    need_tflm()
    graph = two_classes()
    got, _inside = answers(graph, integer_network(graph, "litert"), ROWS[:100], engine)
    np.testing.assert_array_equal(got["label"].reshape(-1), got["probabilities"].argmax(axis=1))


@pytest.mark.slow
def test_a_file_that_vela_refuses_is_left_out_and_named(compiler: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tflite_whole, "integer_labels", lambda *_: frozenset())
    subject = Subject("logistic", small("logistic"))
    assert set(TARGET.files(subject)) == {"logistic.network.ethos-u55-128.tflite"}
    assert "logistic.tflite is not written: expected operators that Vela maps" in TARGET.note(subject)
    monkeypatch.setattr(tflite, "_network_file", tflite.whole_file)
    with pytest.raises(InputError, match=r"expected operators that Vela maps .* --to tflite$"):
        TARGET.files(subject)


def test_another_configuration_or_no_vela_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExportError):
        vela.compile_vela(b"", "ethos-u99")
    monkeypatch.setattr(vela, "_LIBRARY", "no such module")
    with pytest.raises(MissingExtraError, match=r"edgewright\[accelerators\]"):
        vela.compile_vela(b"")


@pytest.mark.slow
def test_estimate_and_prove_say_what_vela_placed(compiler: None, tmp_path: Path, cli: Cli) -> None:
    model, rows = tmp_path / "logistic.onnx", tmp_path / "rows.npy"
    model.write_bytes(to_onnx(small("logistic")))
    np.save(rows, ROWS[:20])
    (checked,) = cli.json("estimate", model, "--device", "cortex-m55", "--no-compile")["accelerators"]
    assert checked["how"] == vela.NOT_RUN
    assert checked["supported"] == len(checked["verdicts"]) == 3
    assert not any("our rules" in note for note in checked["notes"])
    record = cli.json("prove", model, "--data", rows, "--device", "cortex-m55")
    reasons = {one["name"]: one["reason"] for one in record["absent"]}
    assert reasons["int8 .tflite on ethos-u55-128"].startswith("3 of 3 operators on ethos-u55-128")
    assert vela.NOT_RUN in reasons["int8 whole .tflite on ethos-u55-128"]


def test_an_operator_that_the_npu_lacks_is_left_and_named() -> None:
    before = parse_tflite(to_tflite(integer_network(small("logistic"), "litert")))
    after = replace(before, operators=before.operators[1:2])
    assert [(one.operator, one.npu) for one in vela.place_operators(before, after)] == [
        ("FULLY_CONNECTED", True), ("LOGISTIC", False), ("FULLY_CONNECTED", True),
    ]  # fmt: skip
