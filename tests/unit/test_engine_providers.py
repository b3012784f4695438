"""Execution providers of ONNX Runtime: present or not, silently left out, failing when they run; OpenVINO offline.

No accelerator is here. Its place takes what ONNX Runtime does ship: a provider that is listed and takes no operator
(Azure), and one that this build does not have (CUDA).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core import engines
from edgewright.core.engines import Answer, Engine, providers
from edgewright.core.errors import (
    CheckFailedError,
    EngineError,
    EngineFailedError,
    InputError,
    ProviderError,
    SampleShapeError,
)
from edgewright.core.package import package_bytes, parse_package
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.predictor import Predictor
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from runtime_example import classifier, numbers, parts

MODEL = to_onnx(classifier())
ABSENT, IDLE = "CUDAExecutionProvider", "AzureExecutionProvider"
onnxruntime = pytest.importorskip("onnxruntime")


def idle() -> Engine:
    """Return the engine of a provider that is listed here and takes no operator."""
    if IDLE not in onnxruntime.get_available_providers():
        pytest.skip(f"this build of ONNX Runtime has no {IDLE}")
    return providers.provider_engine("idle", IDLE, call=1e-9)


def test_a_provider_that_is_not_there_is_never_chosen() -> None:
    if ABSENT in onnxruntime.get_available_providers():
        pytest.skip("a GPU is here")
    assert not engines.get("cuda").available()
    with pytest.raises(EngineError):
        engines.choose("cuda")


def test_onnx_runtime_going_on_without_a_provider_is_an_error_here() -> None:
    if ABSENT in onnxruntime.get_available_providers():
        pytest.skip("a GPU is here")
    with pytest.raises(ProviderError, match="opened the model without it") as caught:
        providers.open_provider(MODEL, ABSENT)
    assert "\n" not in str(caught.value)
    times = engines.measure(providers.provider_engine("absent", ABSENT, call=1e-9), MODEL, "1")
    assert times.row is None, "measured before chosen, and never chosen"


def test_a_part_that_runs_on_the_cpu_is_told() -> None:
    engine = idle()
    assert engine.available()
    assert "runs on the CPU" in engine.note(MODEL)
    x = numbers(7, 10)
    for name, value in engine.load(MODEL)(x).items():
        np.testing.assert_array_equal(value, engines.get("onnxruntime").load(MODEL)(x)[name])


def test_what_the_cpu_refuses_too_is_no_failure_of_the_provider() -> None:
    answer = idle().load(MODEL)
    with pytest.raises(SampleShapeError) as caught:
        answer(numbers(2, 9))
    assert not isinstance(caught.value, ProviderError)
    with pytest.raises(EngineFailedError) as caught:
        idle().load(b"no model")
    assert not isinstance(caught.value, ProviderError)


class Failing:
    """A session that answers so many times and then fails as a lost device does."""

    def __init__(self, session: object, calls: int) -> None:
        self.session, self.calls = session, calls

    def __getattr__(self, name: str) -> object:
        return getattr(self.session, name)

    def run(self, *given: object) -> object:
        self.calls -= 1
        if self.calls < 0:
            raise RuntimeError("device lost:\nno such stream")
        return self.session.run(*given)  # type: ignore[attr-defined]


def failing(calls: int) -> Engine:
    """Return an engine whose provider is lost after so many answers."""
    inner = idle()

    def load(model: bytes) -> Answer:
        session = Failing(providers.open_provider(model, IDLE), calls)
        return providers.guarded(session, IDLE, model)

    return Engine(name="failing", available=lambda: True, load=load, start=0.1, call=1e-9, note=inner.note)


@pytest.mark.parametrize("calls", [0, 1, 2])
def test_a_provider_that_fails_falls_back_says_so_and_proves_again(
    calls: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = failing(calls)
    monkeypatch.setattr(engines, "choose", lambda *given: engine)
    checks = []
    check = Predictor.check

    def recorded(self: Predictor) -> float:
        checks.append(self.engine.name)
        return check(self)

    monkeypatch.setattr(Predictor, "check", recorded)
    package = parse_package(package_bytes(*parts()), "activity.edge")
    predictor = Predictor(package)
    x: NDArray[np.float32] = numbers(3, 10)
    answered = [predictor.predict(x) for _ in range(3)]
    assert predictor.engine.name == "onnxruntime"
    assert checks == ["failing", "onnxruntime"]
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert "device lost: no such stream" in printed
    assert "'onnxruntime' answers instead, the test vectors run again" in printed
    monkeypatch.undo()
    wanted = Predictor(package, engine="onnxruntime").predict(x)
    for got in answered:
        np.testing.assert_array_equal(got.labels, wanted.labels)


def test_an_engine_that_rounds_otherwise_is_left_for_numpy_unless_it_was_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package, right = parse_package(package_bytes(*parts()), "activity.edge"), engines.get("numpy").load

    def turned(model: bytes) -> Answer:
        return lambda x: {name: value[..., ::-1] for name, value in right(model)(x).items()}

    wrong = Engine(name="rounding", available=lambda: True, load=turned, start=0.1, call=1e-9)
    monkeypatch.setattr(engines, "choose", lambda *given: wrong)
    assert Predictor(package).engine.name == "numpy"
    printed = capsys.readouterr().err
    assert (
        printed
        == "edgewright: the engine 'rounding' does not pass the package's test vectors; 'numpy' does and answers\n"
    )
    with pytest.raises(CheckFailedError, match="with the engine rounding"):
        Predictor(package, engine="rounding")
    # A damaged package passes with no engine: the error is the first one's, and nothing else is said.
    monkeypatch.setattr(Predictor, "check", refused)
    with pytest.raises(CheckFailedError, match="with the engine rounding"):
        Predictor(package)
    assert capsys.readouterr().err == ""


def refused(predictor: Predictor) -> float:
    raise CheckFailedError(f"self-test with the engine {predictor.engine.name}", "")


def test_what_answers_wrongly_instead_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, package = failing(1), parse_package(package_bytes(*parts()), "activity.edge")
    monkeypatch.setattr(engines, "choose", lambda *given: engine)
    predictor = Predictor(package)
    right = engines.get("onnxruntime").load

    def turned(model: bytes) -> Answer:
        return lambda x: {name: value[..., ::-1] for name, value in right(model)(x).items()}

    wrong = Engine(name="onnxruntime", available=lambda: True, load=turned, start=0.1, call=1e-9)
    monkeypatch.setattr(engines, "get", lambda name: wrong)
    with pytest.raises((CheckFailedError, InputError)):
        predictor.predict(numbers(3, 10))


OFFLINE = """
import socket, sys, threading
asked = []
def refuse(*given, **named):
    asked.append(given)
    raise OSError("no network here")
socket.getaddrinfo = socket.create_connection = socket.socket.connect = socket.socket.sendto = refuse
from edgewright.core.engines import get
engine = get("openvino")
answer = engine.load(open(sys.argv[1], "rb").read())
import numpy, time
answer(numpy.zeros((1, 10), numpy.float32))
time.sleep(0.5)
sent = [name for name in sys.modules if name.startswith("openvino_telemetry")]
print(len(asked), sent, [t.name for t in threading.enumerate() if t is not threading.main_thread()])
"""


@pytest.mark.slow
def test_openvino_never_asks_the_network(tmp_path: Path) -> None:
    pytest.importorskip("openvino_telemetry")
    (tmp_path / "model.onnx").write_bytes(MODEL)
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(tmp_path / "model.onnx")],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "0 [] []"
    assert not done.stderr


def test_openvino_adds_what_stands_in_the_graph_to_the_largest_of_a_window() -> None:
    pytest.importorskip("openvino")
    builder = Builder("peaks", (3, 256))
    window = builder.op("Sub", builder.input, builder.op("ReduceMean", builder.input, builder.integers(-1), keepdims=1))
    largest = builder.op("ReduceMax", window, builder.integers(-1), keepdims=0)
    offset = builder.constant(np.full(3, 0.02, np.float32))
    value = builder.op("Log", builder.op("Add", largest, offset))
    graph = builder.finish({"prediction": (value, "float32", (3,))})
    x = np.random.default_rng(0).normal(0, 2, (32, 3, 256)).astype(np.float32)
    outputs = engines.get("openvino").load(to_onnx(graph))(x)["prediction"]
    np.testing.assert_allclose(outputs, compile_graph(graph)(x)["prediction"], rtol=1e-4)


def test_openvino_takes_a_large_mean_off_before_the_factor() -> None:
    pytest.importorskip("openvino")
    builder = Builder("pressure", (2,))
    mean, factor = (builder.constant(np.array(v, np.float32)) for v in ([101325.0, 3.0], [0.7, 0.1]))
    value = builder.op("Mul", builder.op("Sub", builder.input, mean), factor)
    graph = builder.finish({"prediction": (value, "float32", (2,))})
    x = np.array([[101325.0, 3.0], [101326.0, 4.0], [101324.5, 2.0]], np.float32)
    outputs = engines.get("openvino").load(to_onnx(graph))(x)["prediction"]
    np.testing.assert_allclose(outputs, compile_graph(graph)(x)["prediction"], rtol=1e-6, atol=0)


@pytest.mark.parametrize("zero_point", [-128, -7])
def test_openvino_takes_the_mean_of_bytes_over_time_in_every_row(zero_point: int) -> None:
    pytest.importorskip("openvino")
    builder = Builder("mean", (5, 16))
    zero = builder.constant(np.array(zero_point, np.int8))
    before, after = (builder.constant(np.array(step, np.float32)) for step in (0.05, 0.03))
    inner = builder.op("QuantizeLinear", builder.input, before, zero)
    mean = builder.op("GlobalAveragePool", builder.op("DequantizeLinear", inner, before, zero))
    value = builder.op("QuantizeLinear", mean, after, zero)
    graph = builder.finish({"prediction": (value, "int8", (5, 1)), "inner": (inner, "int8", (5, 16))})
    x = np.random.default_rng(0).uniform(-2, 4, (40, 5, 16)).astype(np.float32)
    outputs = engines.get("openvino").load(to_onnx(graph))(x)["prediction"].astype(int)
    np.testing.assert_allclose(outputs, compile_graph(graph)(x)["prediction"], rtol=0, atol=1)


def test_openvino_says_what_it_cannot_run() -> None:
    with pytest.raises(EngineFailedError) as caught:
        engines.get("openvino").load(b"no model")
    assert "\n" not in str(caught.value)
