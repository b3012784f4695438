"""Windows to answers in C: motion features and a dense network, sound and a convolution, both int8."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from c99_examples import sizes_of
from c99_stages import in_onnxruntime, need_compiler, share_of_tolerance
from edgewright.cli.main import run
from edgewright.compression.int8 import quantise
from edgewright.core.integer.network import run_integer, to_integers, to_reals
from edgewright.core.package import write_package
from edgewright.core.prediction.executor import Decider
from edgewright.core.records.data import Column
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.network import Graph, Rounding, StageMark, Value
from edgewright.core.records.package import WindowSpec
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_graph.frames import cuts_of
from edgewright.export.c99_graph.graph import values
from edgewright.export.c99_host.host import STRICT, load_c99
from edgewright.export.c99_stream.stream import write_stream_c99
from edgewright.export.contract import Stream, Subject
from edgewright.export.write import grid_of, program_of
from edgewright.fleet.protocol.keys import make_key
from edgewright.graph.extract import integer_network
from edgewright.graph.onnx_writer import to_onnx
from edgewright.models.network import NetworkClassifier
from edgewright.monitor.detector_stream import detector_bytes
from edgewright.monitor.detectors import kind as detector
from edgewright.monitor.records import DetectorSpec, Threshold
from edgewright.pipeline.cost import fill_bytes
from edgewright.pipeline.fitting import graph_of, next_context
from edgewright.pipeline.plan import build, parts
from edgewright.profiles.catalogue import load_profile
from edgewright.workflows.detection.fit import learn
from edgewright.workflows.detection.rows import Stretch
from edgewright.workflows.estimation import estimate_subject
from runtime_example import parts as package_parts
from stage_examples import Floats, arriving
from stream_example import CStream, in_python

MOTION: list[dict[str, Any]] = [
    {"kind": "impute", "strategy": "median"},
    {
        "kind": "union",
        "parts": [
            {
                "kind": "statistics",
                "features": ["std", "rise", "fall", "skewness"],
                "log": True,
                "noise": 2e-3,
                "correlations": "all",
                "autocorrelation": [8],
            },
            {"kind": "spectral", "features": ["bands", "energy"], "bands": 5, "noise": 3e-3},
            {"kind": "posture", "of": ["acc_x", "acc_y", "acc_z"], "name": "acc"},
        ],
    },
    {"kind": "scale", "method": "standard", "clip": 4.0},
]
SOUND: list[dict[str, Any]] = [{"kind": "log_mel", "mels": 16, "fft": 256}, {"kind": "scale", "method": "standard"}]
CASES = {
    "motion": ("windows", MOTION, ({"kind": "dense", "units": 24},)),
    "sound": ("sound", SOUND, ({"kind": "conv1d", "filters": 8, "kernel": 5}, {"kind": "global_average_pool"})),
}

MICROPHONE = Column(name="microphone")


@pytest.fixture(autouse=True)
def compiler() -> None:
    """Skip the tests where no compiler is installed."""
    need_compiler()


@cache
def fitted(name: str) -> tuple[Graph, Floats]:
    """Return the float graph of a small pipeline, the end of preprocessing marked, and its windows."""
    words, tables, layers = CASES[name]
    X, context = arriving(words)
    loud = np.nanstd(X.reshape(len(X), -1), axis=1)
    y = np.asarray(["low", "middle", "high"])[np.searchsorted(np.quantile(loud, [1 / 3, 2 / 3]), loud)]
    value, steps = X, []
    for part in parts(tables, name):
        estimator = build(part, context)
        value = estimator.fit(value, y).transform(value)
        context = next_context(context, estimator, value.shape[1:])
        steps.append((part.name, estimator))
    steps.append(("model", NetworkClassifier(layers, epochs=3, batch=32).fit(value, y)))
    graph = graph_of(steps, X.shape[1:], name)
    return msgspec.structs.replace(graph, stages=(*graph.stages, StageMark(stage="end", value=graph.boundary))), X


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ["litert", "tflm"])
@pytest.mark.parametrize("name", CASES)
def test_windows_reach_the_answer_of_the_reference(name: str, rounding: Rounding, tmp_path: Path) -> None:
    graph, X = fitted(name)
    small = quantise(graph, X[: len(X) // 2])
    network = integer_network(small, rounding)
    answer = load_c99(
        write_c99(small, CodeOptions(name), network), tmp_path, flags=(*STRICT, "-O2", "-ffp-contract=off")
    ).predict(X)
    features = answer.stages["end"].reshape(len(X), *network.values[network.input].shape)
    extra = Value(name=graph.boundary, dtype="float32", shape=features.shape[1:])
    expected = in_onnxruntime(to_onnx(msgspec.structs.replace(graph, outputs=(extra,))), X)
    # A transform rounds otherwise than the matrices it replaces, which shows in bands that are quiet beside loud ones.
    assert share_of_tolerance(expected, features) <= (1.6 if name == "sound" else 1.0)
    first, last = network.values[network.input], network.values[network.output]
    grid, other = to_integers(first, features), to_integers(first, expected)
    # How many samples a last-digit difference moves across a quantisation step: they are counted, and few.
    moved = (grid != other).reshape(len(X), -1).any(axis=1)
    assert (grid != other).mean() < 1e-4
    raw = to_reals(last, run_integer(network, grid))
    assert len(set(answer.outputs["label"].tolist())) > 1
    np.testing.assert_array_equal(answer.outputs["label"], raw.argmax(axis=1))
    there = to_reals(last, run_integer(network, other)).argmax(axis=1)
    np.testing.assert_array_equal(answer.outputs["label"][~moved], there[~moved])


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_float_windows_have_every_label_of_onnx_runtime(name: str, tmp_path: Path) -> None:
    graph, X = fitted(name)
    answer = load_c99(
        write_c99(graph, CodeOptions(name)), tmp_path, flags=(*STRICT, "-O2", "-ffp-contract=off")
    ).predict(X)
    only = [value for value in graph.outputs if value.name == "probabilities"]
    expected = in_onnxruntime(to_onnx(msgspec.structs.replace(graph, outputs=tuple(only))), X)
    np.testing.assert_allclose(answer.outputs["probabilities"], expected, atol=1e-4)
    close = np.abs(np.diff(np.sort(expected, axis=1)[:, -2:], axis=1)).ravel() < 2e-4
    np.testing.assert_array_equal(answer.outputs["label"][~close], expected.argmax(axis=1)[~close])


def test_frames_of_a_sound_take_the_memory_of_one() -> None:
    graph, X = fitted("sound")
    bands = 4 * values(graph)[next(mark.value for mark in graph.stages if "mel" in mark.stage)].size
    assert program_of(graph).values < 2 * bands + 4 * 4 * 256 < 4 * X[0].size


def test_a_window_with_more_frames_than_are_read_is_kept() -> None:
    graph, _ = fitted("sound")
    (cut,), constants = cuts_of(graph), dict(graph.constants)
    for name, array in graph.constants.items():
        if array is cut:
            constants[name] = array[:-1]
        elif array.dtype == np.int64 and len(cut) in array:  # a shape
            constants[name] = np.where(array == len(cut), len(cut) - 1, array)
    assert grid_of(graph) is not None
    assert grid_of(msgspec.structs.replace(graph, constants=constants)) is None


@pytest.mark.parametrize(
    ("limits", "condition"),
    [((-2.0, 1e39), "((x) - (x) == 0.0f && ((x) < (-2.0f)))"), ((-1e39, 1e39), "(0)")],
)
def test_a_limit_beyond_float32_limits_nothing(limits: tuple[float, float], condition: str) -> None:
    text = write_c99(fitted("sound")[0], CodeOptions("m", ranges=[limits]))["m.h"]
    assert f"#define M_OUTSIDE(x) {condition}\n" in text


@pytest.mark.parametrize("sees", ["rows", "windows"])
def test_only_a_detector_of_windows_costs_the_memory_of_one(
    sees: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    graph, X = fitted("sound")
    window, profile = WindowSpec(samples=4000, step=4000, rate=8000.0), load_profile("cortex-m4")
    values = np.random.default_rng(3).normal(size=(300, 1 if sees == "rows" else 4)).astype(np.float32)
    learnt = learn("robust", msgspec.convert({}, detector("robust").config), (Stretch("", values, np.arange(300.0)),))
    spec = DetectorSpec(
        kind="robust", config={}, columns=(MICROPHONE,), window=None if sees == "rows" else window, rate=8000.0,
        threshold=Threshold(value=9.0, by="given"),
    )  # fmt: skip
    alone = Subject("m", graph, columns=(MICROPHONE,), stream=Stream(window, graph.labels, DecisionSpec()))
    watched = replace(alone, detectors={"odd": detector_bytes(spec, learnt)})
    more = [estimate_subject(subject, profile, compiled=False).footprint.ram.value for subject in (watched, alone)]
    kept = fill_bytes(profile, graph, window)
    assert more[0] - more[1] == (0 if sees == "rows" else X[0].nbytes - kept)


def test_code_with_slots_is_estimated_with_the_window_that_it_keeps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    graph, X = fitted("sound")
    window = WindowSpec(samples=4000, step=4000, rate=8000.0)
    content = package_parts(graph, columns=(MICROPHONE,), shape=X.shape[1:], window=window, labels=graph.labels)
    write_package(tmp_path / "m.edge", *content)
    make_key(tmp_path / "boards.key")
    arguments = ["--slots", str(tmp_path / "boards.pub"), "--device", "cortex-m4", "--out", str(tmp_path), "--json"]
    assert run(["export", str(tmp_path / "m.edge"), "--to", "c99", *arguments]) == 0
    rows = msgspec.json.decode(capsys.readouterr().out)["device"]["rows"]
    (used,) = (row["used"] for row in rows if row["name"] == "RAM")
    texts = [(tmp_path / name).read_text() for name in ("activity.h", "activity_stream.h")]
    values, kept = (int(re.findall(r"Memory: (\d+) bytes of RAM", text)[0]) for text in texts)
    assert kept > X[0].nbytes
    assert values + kept <= used < 1.1 * (values + kept)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["float", "int8"])
@pytest.mark.parametrize("step", [1900, 4000, 4500], ids=["overlap", "beside", "apart"])
def test_a_sound_as_it_arrives_has_the_answers_of_its_windows(form: str, step: int, tmp_path: Path) -> None:
    graph, X = fitted("sound")
    graph = graph if form == "float" else quantise(graph, X[: len(X) // 2])
    window = WindowSpec(samples=X.shape[2], step=step, rate=8000.0)
    code = write_c99(graph, CodeOptions("m", ranges=[(-2.0, np.inf)]), Subject("m", graph).integers)
    there = Stream(window, graph.labels, DecisionSpec())
    files = code | write_stream_c99(there, X.shape[1:], len(graph.labels), name="m", header=code["m.h"])
    assert "window[" not in files["m_stream.h"]
    alone = load_c99(files, tmp_path, flags=(*STRICT, "-O1", "-ffp-contract=off"), taps=False)
    stream = CStream(next(tmp_path.glob("*.so")), "m", len(graph.labels))
    rows = np.concatenate([X[index, 0] for index in range(16)])[:, None]
    # A window has no answer for one sample that is none, and begins anew behind a gap.
    rows[9_000:9_002], rows[17_123], rows[25_000] = np.nan, np.inf, -2.5
    gaps = {21_001: 40, 30_000: 0}
    decisions, _ = stream.run(rows, gaps)
    decider = Decider(there.decision, graph.labels)

    def answer(x: Floats) -> Floats:
        """Return probabilities of which those of no answer are none, as the decider of a device takes them."""
        given = alone.predict(x)
        probabilities = np.array(given.outputs["probabilities"], np.float32)
        probabilities[given.flags != 0] = np.nan
        return probabilities

    wanted, _ = in_python(rows, gaps, window, decider, answer, 8000.0)
    assert len(wanted) > 3
    assert decisions == wanted
    # What the estimate adds for the rows that arrive is what the stream keeps beside its model.
    kept = fill_bytes(load_profile("cortex-m4"), graph, window)
    assert kept < 4 * X.shape[2]
    (stated,) = re.findall(r"Memory: (\d+) bytes of RAM besides", files["m_stream.h"])
    whole = write_stream_c99(there, X.shape[1:], len(graph.labels), name="m")["m_stream.h"]
    (before,) = re.findall(r"Memory: (\d+) bytes of RAM besides", whole)
    assert int(before) - int(stated) == 4 * X.shape[2] + 4 * (1 + (step > X.shape[2])) - kept
    sizes = sizes_of(tmp_path, "m_stream.h", "m_stream_context", "m_context")
    assert 0 <= sizes[0] - sizes[1] - int(stated) < 8
