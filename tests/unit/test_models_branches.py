"""A window and values beside it in one network: every form answers alike, float and int8."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import WATCH

from edgewright.cli.main import run as cli
from edgewright.compression.int8 import quantise
from edgewright.compression.retraining import macs, structured
from edgewright.core.errors import InputError
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Column
from edgewright.export.targets.tflite import to_tflite
from edgewright.graph.extract import integer_network
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.onnx_writer import to_onnx
from edgewright.models.network import NetworkClassifier
from edgewright.pipeline.fitting import graph_of
from edgewright.workflows.proof.workflow import prove_place

RNG = np.random.default_rng(0)
CONVOLUTION = {"kind": "conv1d", "filters": 6, "kernel": 5, "stride": 2}
WINDOWS = RNG.normal(size=(300, 3, 24)).astype(np.float32)
ROWS = np.concatenate([WINDOWS[:, :2].reshape(300, 48), WINDOWS[:, 2, -1:]], axis=1)
# What is asked needs both: the side value says which channel counts.
Y = np.where(np.where(WINDOWS[:, 2, -1] > 0, *WINDOWS[:, :2].mean(axis=2).T) > 0, "up", "down")
OF_WINDOWS: dict[str, Any] = {
    "kind": "branches",
    "units": 16,
    "parts": ({"inputs": 2, "layers": (CONVOLUTION,)}, {"inputs": 1, "last": True}),
}
OF_ROWS: dict[str, Any] = {
    "kind": "branches",
    "units": 16,
    "parts": ({"inputs": 48, "channels": 2, "layers": (CONVOLUTION,)}, {"inputs": 1}),
}
CASES = {"windows": (OF_WINDOWS, WINDOWS), "rows": (OF_ROWS, ROWS)}


def _fitted(name: str, epochs: int = 15) -> NetworkClassifier:
    layer, samples = CASES[name]
    layers = (layer, {"kind": "dense", "units": 8})
    return NetworkClassifier(layers, epochs=epochs, batch=32, learning_rate=0.01).fit(samples, Y)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_form_answers_alike(name: str, tmp_path: Path) -> None:
    model, samples = _fitted(name), CASES[name][1]
    assert (model.predict(samples) == Y).mean() > 0.8
    columns = tuple(Column(name=f"c{n}") for n in range(samples.shape[1]))
    graph = graph_of([("model", model)], samples.shape[1:], name, columns)
    for form, model_of_form in (("float", graph), ("int8", quantise(graph, samples))):
        (tmp_path / f"{form}.onnx").write_bytes(to_onnx(model_of_form))
        record = prove_place(str(tmp_path / f"{form}.onnx"), rows=40)
        assert record.passed
        assert len(record.forms) > 6
    network = integer_network(quantise(graph, samples))
    again = read_tflite(to_tflite(network))
    assert [o.kind for o in again.operators] == [o.kind for o in network.operators]


@pytest.mark.slow
def test_a_row_holds_what_a_window_and_a_value_hold() -> None:
    """The same weights give the same answers, whether the sample comes as a row or as a window."""
    of_rows, of_windows = _fitted("rows", epochs=1), _fitted("windows", epochs=1)
    of_windows.parameters_ = of_rows.parameters_
    np.testing.assert_allclose(of_rows.predict_proba(ROWS), of_windows.predict_proba(WINDOWS), atol=1e-6)


def test_int8_keeps_the_answers() -> None:
    model = _fitted("rows", epochs=8)
    graph = graph_of([("model", model)], (49,), "rows", tuple(Column(name=f"c{n}") for n in range(49)))
    answers = compile_graph(quantise(graph, ROWS))(ROWS)["label"]
    assert (answers == compile_graph(graph)(ROWS)["label"]).mean() > 0.97


@pytest.mark.slow
def test_pruning_keeps_what_lies_before_the_sum() -> None:
    model = _fitted("windows", epochs=2)
    pruned = structured(model, 0.02)
    assert macs(pruned) < macs(model)
    assert pruned.parameters_[0]["part1.layer1.weights"].shape == model.parameters_[0]["part1.layer1.weights"].shape
    assert pruned.predict(WINDOWS).shape == Y.shape


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": ({"inputs": 48, "channels": 2},)}, "parts whose inputs add up to 49 columns, got 48"),
        ({"parts": ({"inputs": 49, "channels": 2},)}, "as many samples in each channel"),
        ({"parts": ({"inputs": 48}, {"inputs": 1, "last": True})}, "'last' with windows, got rows"),
        ({"parts": ({"inputs": 49, "layers": ({"kind": "branches"},)},)}, "layers other than branches"),
        ({"parts": ({"inputs": 49, "layers": (CONVOLUTION,)},)}, "part 1, layer 1. Set the number of channels"),
        ({"parts": ({"inputs": 49, "layers": ({"kind": "densse", "units": 3},)},)}, "Did you mean 'dense'"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    model = NetworkClassifier(({**OF_ROWS, **change},), epochs=1)
    with pytest.raises(InputError, match=message):
        model.fit(ROWS, Y)


@pytest.mark.parametrize(
    ("layers", "message", "reads"),
    [
        ('{kind="densse",units=3}', "watch.toml model.layers branches, part 1, layer 1", False),
        ('{kind="dense",unitts=3}', "watch.toml model.layers branches, part 1, layer 1 (dense)", False),
        ('{kind="dense",units=3}', "got 100 - at watch.toml model.layers branches", True),
    ],
)
def test_errors_name_the_file_and_come_as_early_as_they_can(
    layers: str, message: str, reads: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names are looked up before a row is read; how many columns there are is known after the stages."""
    change = f'model.layers=[{{kind="branches",units=8,parts=[{{inputs=100,layers=[{layers}]}}]}}]'
    data = tmp_path / "data"
    if reads:
        data.mkdir()
        for person in range(1600, 1606):
            name = f"data_{person}_accel_watch.csv"
            (data / name).write_text("subject,activity,x,y,z\n" + _readings(person))
    held_out = 'split.test_groups=["1605"]'
    changes = [part for one in (held_out, change, "window.samples=60", "window.step=60") for part in ("--set", one)]
    assert cli(["run", WATCH, "--data", str(data), "--out", str(tmp_path / "runs"), "--verbose", *changes]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert ("Features" in shown.out) == reads


def _readings(person: int) -> str:
    rows = [(code, *RNG.normal(size=3)) for code in "AB" for _ in range(120)]
    return "".join(f"{person},{code},{x:.3f},{y:.3f},{z:.3f}\n" for code, x, y, z in rows)
