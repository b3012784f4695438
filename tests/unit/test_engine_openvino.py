"""An engine that rounds unlike the package, and OpenVINO: offline, and exact where its kernels are not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgewright.core import engines
from edgewright.core.engines import Answer, Engine
from edgewright.core.errors import CheckFailedError, EngineFailedError
from edgewright.core.package import package_bytes, parse_package
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.predictor import Predictor
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from runtime_example import classifier, parts

MODEL = to_onnx(classifier())


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
