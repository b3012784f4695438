"""Faults planted in what is shipped (C source, bytes of .tflite, ONNX, class names): a proof names form and stage."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edgewright.compression.int8 import quantise
from edgewright.core.engines import onnxruntime
from edgewright.core.errors import InputError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import write_package
from edgewright.core.records.network import IntegerNetwork
from edgewright.core.records.proof import Difference, Numbers, ProofRecord
from edgewright.export.c99_host import host
from edgewright.export.targets import tflite
from edgewright.graph.onnx_writer import to_onnx
from edgewright.proof.tolerance import CLASSES, Form, Samples, Stages
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.forms import forms_of, graphs, integers
from edgewright.workflows.proof.forms.c99 import Files, c_form
from edgewright.workflows.proof.subject import Chosen, subject_of
from foreign import signed
from integer_networks import samples_of, trained
from processors import on_processor
from proof_example import fitted, form_of, planted, proven, samples, subject, with_constants
from support import left_out

pytestmark = pytest.mark.usefixtures("children_call_c")


def named(record: ProofRecord, form: str, stage: str) -> Difference:
    """Return the first difference, which must stand at this stage and blame this form alone."""
    assert not record.passed and record.odd == form
    divergence = record.breaks
    assert divergence is not None and divergence.stage == stage and form in record.broken
    return divergence


def network() -> IntegerNetwork:
    """Of integers, of the example."""
    network = subject().network
    assert network is not None
    return network


def in_c(numbers: Numbers, change: Callable[[str], str]) -> tuple[ProofRecord, str]:
    """Return the proof with changed C beside every other form, and the name of the changed one."""
    try:
        host.compiler_command()
    except InputError as error:
        left_out(str(error))
    name = next(f.name for f in forms_of(subject()) if f.name.startswith(f"{numbers} C99"))

    def changed(files: Files) -> Files:
        text = change(files["model.c"])
        assert text != files["model.c"]
        return {**files, "model.c": text}

    return proven(forms=planted(name, c_form(subject(), numbers, name, change=changed))), name


def table(text: str, head: str, change: Callable[[list[str]], list[str]]) -> str:
    """Return the C source with other values in the only table of this type and length."""
    kind, length = head.split()
    (table,) = re.finditer(rf"static const {kind} model_\w+\[{length}\] = {{([^}}]*)}}", text)
    values = change([value.strip() for value in table.group(1).split(",")])
    return text[: table.start(1)] + ", ".join(values) + text[table.end(1) :]


@pytest.mark.slow
def test_a_wrong_bias_of_one_channel_in_c() -> None:
    def wrong(values: list[str]) -> list[str]:
        return [*values[:5], str(int(values[5]) + 4000), *values[6:]]

    record, name = in_c("int8", lambda text: table(text, "int32_t 8", wrong))
    assert named(record, name, "layer 2 dense").location == "value 5"


@pytest.mark.slow
def test_class_rows_swapped_in_c_are_found_in_the_raw_output() -> None:
    def swapped(text: str) -> str:
        text = table(text, "int32_t 3", lambda bias: [bias[1], bias[0], bias[2]])
        return table(text, "int8_t 24", lambda weights: [*weights[8:16], *weights[:8], *weights[16:]])

    record, name = in_c("int8", swapped)
    assert named(record, name, "raw output").location in ("value 0", "value 1")


@pytest.mark.slow
def test_a_frequency_band_that_begins_a_bin_late_in_c() -> None:
    record, name = in_c("float", lambda text: text.replace("{\n    0, 4, 8, 12\n}", "{ 0, 5, 8, 12 }"))
    assert named(record, name, "spectral").location.endswith("3-6 Hz")


@pytest.mark.slow
def test_a_turn_of_the_transform_with_another_sign_in_c() -> None:
    def mirrored(text: str) -> str:
        return text.replace("= x * c1 - x_i * d1;", "= x * c1 + x_i * d1;")

    record, name = in_c("int8", mirrored)
    assert "Hz" in named(record, name, "spectral").location


@pytest.mark.slow
def test_no_window_function_in_c() -> None:
    window = "(0.5f - 0.5f * model_wave(quarter, turns, i * unit))"
    record, name = in_c("float", lambda text: text.replace(window, "1.0f"))
    assert "Hz" in named(record, name, "spectral").location


@pytest.mark.slow
def test_a_changed_byte_of_a_bias_in_tflite(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("ai_edge_litert") is None:
        left_out("ai-edge-litert")
    name = "int8 .tflite in LiteRT reference"
    # Of its own: what it writes is kept by none that is shared.
    right, write = next(form for form in forms_of(subject()) if form.name == name), tflite.to_tflite
    bias = network().operators[1].arrays["bias"].ravel().astype("<i4")

    def damaged(given: IntegerNetwork, **options: Any) -> bytes:  # noqa: ANN401
        file = write(given, **options)
        index = file.find(bias.tobytes())
        # A network that ends before the second layer does not hold it.
        return file if index < 0 else file[: index + 22] + bytes([file[index + 22] ^ 0x01]) + file[index + 23 :]

    def run(rows: Samples, boundary: Samples) -> Stages:
        with monkeypatch.context() as patched:
            patched.setattr(tflite, "to_tflite", damaged)
            return right.run(rows, boundary)

    record = proven(forms=planted(name, replace(right, run=run)))
    assert named(record, name, "layer 2 dense").location == "value 5"


@pytest.mark.slow
def test_a_wrong_bias_of_one_channel_in_onnx() -> None:
    name = "float ONNX in ONNX Runtime"
    graph = subject().graphs["float"]
    gemm = next(node for node in graph.nodes if node.op == "Gemm")
    bias = graph.constants[gemm.inputs[2]].copy()
    bias[..., 7] += 0.01
    about = with_constants("float", {gemm.inputs[2]: bias})
    assert named(proven(forms=planted(name, form_of(about, name))), name, "layer 1 dense").location == "value 7"


_STOCK = """
import sys
import numpy as np
from edgewright.core.engines.onnxruntime import load_plain
np.savez(sys.argv[3], **load_plain(open(sys.argv[1], "rb").read())(np.load(sys.argv[2])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("signs", ["signed", "unsigned"])
def test_products_that_saturate_in_a_stock_runtime_are_found(
    signs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What default options answer on a processor with AVX2 and no VNNI, beside all that is computed here."""
    graph = trained("dense")
    # Weights of one size are 127 each: products of two neighbours go beyond 16 bits.
    even = {name: np.sign(a) * np.float32(0.2) if a.ndim == 2 else a for name, a in graph.constants.items()}
    graph = msgspec.structs.replace(graph, constants=even)
    small = to_onnx(quantise(graph, samples_of(graph)))
    models = {"float": to_onnx(graph), "int8": signed(small) if signs == "signed" else small}
    x = np.sign(samples_of(graph)[:60]) * np.float32(9)
    (tmp_path / "model.onnx").write_bytes(models["int8"])
    np.save(tmp_path / "x.npy", x)
    on_processor("Haswell", _STOCK, *(str(tmp_path / name) for name in ("model.onnx", "x.npy", "made.npz")))
    with np.load(tmp_path / "made.npz") as arrays:
        answer = dict(arrays)
    plain = onnxruntime.load_plain
    there = {models["int8"]: lambda _: answer}
    monkeypatch.setattr(onnxruntime, "load_plain", lambda model: there[model] if model in there else plain(model))
    about = subject_of("dense", {name: read_onnx(data) for name, data in models.items()}, models=models)
    forms = [*graphs.FORMS.make(about), *integers.FORMS.make(about)]
    record = prove_subject(about, "dense", Chosen(x, tuple(map(str, range(len(x)))), "rows"), forms)
    if signs == "signed":
        named(record, "int8 ONNX in ONNX Runtime, default options", "probabilities")
    assert record.passed == (signs == "unsigned")


@pytest.mark.slow
def test_swapped_class_names_are_found_though_every_number_is_right() -> None:
    graph = subject().graphs["int8"]
    turned = msgspec.structs.replace(graph, labels=(graph.labels[1], graph.labels[0], *graph.labels[2:]))
    about = subject_of("example", {**subject().graphs, "int8": turned}, pipeline=fitted())
    record = proven(about)
    divergence = record.breaks
    assert not record.passed and divergence is not None and divergence.stage == CLASSES
    assert {pair.first for pair in record.pairs if pair.breaks} >= {"Python pipeline"}
    assert divergence.location == graph.labels[0] and (divergence.first, divergence.second) == (0.0, 1.0)
    assert all(stage.beyond == 0 for pair in record.pairs for stage in pair.stages if stage.stage != CLASSES)


@pytest.mark.slow
def test_windows_cut_with_another_hop_are_found_at_the_first_window_that_differs() -> None:
    """A form that begins every window one reading later than the last one's hop says."""
    name = "float ONNX in NumPy"
    right: Form = form_of(subject(), name)

    def late(rows: Samples, boundary: Samples) -> Stages:
        stream = np.concatenate(list(rows), axis=1)
        length = rows.shape[2]
        starts = [min(i * (length + 1), stream.shape[1] - length) for i in range(len(rows))]
        return right.run(np.stack([stream[:, s : s + length] for s in starts]), boundary)

    divergence = named(proven(forms=planted(name, replace(right, run=late))), name, "impute")
    assert divergence.origin == samples().origins[1]


@pytest.mark.slow
def test_a_package_that_calls_its_classes_otherwise_is_refused(tmp_path: Path) -> None:
    from edgewright.core.package import read_package
    from edgewright.workflows.proof.workflow import prove_place
    from small_pipeline import run_small, write_rows, write_toml

    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv"))
    folder = run_small(toml, tmp_path / "runs", "training.epochs=2", "compression.max_drop=1.0").folder
    package = read_package(folder / "small.edge")
    manifest = msgspec.structs.replace(package.manifest, labels=package.manifest.labels[::-1])
    write_package(tmp_path / "turned.edge", manifest, package.files)
    with pytest.raises(InputError, match="the class names of its float model"):
        prove_place(str(tmp_path / "turned.edge"))
