"""Generated C works values out row by row, and keeps only the band of a matrix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from benchmarks.estimate.subjects import RATE, fitted, hapt_stages, windows

from c99_stages import need_compiler
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.records.network import Graph, IntegerNetwork
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_host.host import STRICT, load_c99
from edgewright.export.c99_operators.linear import stiffness_of
from edgewright.export.contract import Subject
from edgewright.export.write import program_of
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.cost import as_integers
from edgewright.preprocessing.gravity import smoother
from edgewright.workflows.estimation import Truth, truth_of

DENSE = [{"kind": "dense", "units": 32, "activation": "relu"}]
# A watch: the same features of the axes of acceleration alone, over ten seconds.
WATCH = 200


def phone() -> Graph:
    """Return the shipped pipeline `hapt`, untrained."""
    return fitted(hapt_stages(), DENSE, windows(128, 1), 1, True)


def watch() -> Graph:
    """Return the features of `hapt` without a gyroscope, over 200 samples, and a network of two layers."""
    gravity, union, scale = msgspec.json.decode(msgspec.json.encode(hapt_stages()))
    del gravity["rotation"]
    kept: list[dict[str, Any]] = []
    for part in union["parts"]:
        names = part.get("channels")
        if names is not None:
            wanted = [i for i, name in enumerate(names) if "gyro" not in name and "rotation" not in name]
            if not wanted:
                continue
            part["channels"] = [names[i] for i in wanted]
            if isinstance(part.get("noise"), list):
                part["noise"] = [part["noise"][i] for i in wanted]
        kept.append(part)
    union["parts"] = kept
    gravity["cutoff"] = 0.04 * RATE
    layers = [{"kind": "dense", "units": units, "activation": "relu"} for units in (80, 32)]
    return fitted([gravity, union, scale], layers, windows(WATCH, 2), 2, True)


def small(graph: Graph) -> tuple[Graph, IntegerNetwork]:
    quantised = as_integers(graph)
    network = Subject("model", quantised).integers
    assert network is not None
    return quantised, network


def truth(graph: Graph) -> Truth:
    return truth_of(*small(graph), "cortex-m4", windows(graph.inputs[0].shape[1], 3)[0][: graph.inputs[0].shape[0]])


@pytest.mark.parametrize("make", [phone, watch])
def test_a_window_takes_the_memory_of_few_channels(make: Callable[[], Graph]) -> None:
    program = program_of(*small(make()))
    channels, samples = make().inputs[0].shape
    # Three channels of drift and rows of one channel at a time, where all channels in all their forms took 28 kB.
    assert program.values < 1.1 * 4 * samples * channels * 2.6
    assert program.values < 8_600


def test_features_of_other_channels_share_one_loop() -> None:
    files = write_c99(phone(), CodeOptions("phone"))
    source = files["phone.c"]
    # Statistics of six channels and of six others, their 15 correlations each.
    assert source.count("for (int channel = 0; channel < 12; ++channel)") == 2
    assert source.count("for (int channel = 0; channel < 30; ++channel)") == 1


@pytest.mark.slow
@pytest.mark.parametrize("make", [phone, watch])
def test_channel_by_channel_gives_what_onnx_runtime_gives(make: Callable[[], Graph], tmp_path: Path) -> None:
    need_compiler()
    graph = make()
    X = windows(graph.inputs[0].shape[1], 9)[:, : graph.inputs[0].shape[0]]
    holes = X.copy()
    holes[::3, 1, 5:9] = np.nan
    for name, samples in (("whole", X), ("holes", holes)):
        model = load_c99(
            write_c99(graph, CodeOptions(name)), tmp_path / name, flags=(*STRICT, "-O1", "-ffp-contract=off")
        )
        names = [output.name for output in graph.outputs]
        expected = dict(zip(names, open_session(to_onnx(graph)).run(names, {"input": samples}), strict=True))
        outputs = model.predict(samples).outputs
        np.testing.assert_allclose(outputs["probabilities"], expected["probabilities"], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("make", "flash", "ram"), [(phone, 26_000, 8_000), (watch, 34_000, 10_000)])
def test_the_whole_program_on_a_cortex_m4(make: Callable[[], Graph], flash: int, ram: int) -> None:
    footprint = truth(make())
    assert footprint.flash <= flash
    assert footprint.ram <= ram


def smoothing(samples: int, cutoff: float) -> Graph:
    builder = Builder("smoothing", (2, samples))
    value = builder.op("MatMul", builder.input, builder.constant(smoother(samples, cutoff)))
    return builder.finish({"prediction": (value, "float32", (2, samples))})


@pytest.mark.parametrize(("samples", "cutoff"), [(8, 0.4), (9, 0.1), (30, 0.05), (128, 0.016), (200, 0.04)])
def test_a_smoother_is_recognised_by_its_numbers(samples: int, cutoff: float) -> None:
    stiffness = stiffness_of(smoother(samples, cutoff))
    assert stiffness == pytest.approx((2 * np.sin(np.pi * cutoff)) ** -4, rel=1e-7)


def test_what_is_no_smoother_is_not_taken_for_one() -> None:
    matrix = smoother(40, 0.05)
    other = matrix.copy()
    other[3, 4] += np.float32(1e-5)
    average = np.full((40, 40), 1 / 40, np.float32)
    for wrong in (other, average, np.eye(40, dtype=np.float32)[::-1], matrix[:, :30]):
        assert stiffness_of(wrong) is None


@pytest.mark.parametrize(("samples", "cutoff"), [(8, 0.4), (9, 0.1), (128, 0.016), (200, 0.04), (256, 0.002)])
def test_elimination_is_as_exact_as_the_product(samples: int, cutoff: float, tmp_path: Path) -> None:
    need_compiler()
    files = write_c99(smoothing(samples, cutoff), CodeOptions("smoothing"))
    time = np.arange(samples)
    rng = np.random.default_rng(0)
    x = np.sin(time * rng.uniform(0.002, 2.0, (20, 2, 1))) + rng.normal(0, 0.05, (20, 2, samples))
    x = (x - x.mean(axis=2, keepdims=True)).astype(np.float32)
    answer = load_c99(files, tmp_path, flags=(*STRICT, "-O1", "-ffp-contract=off")).predict(x)
    second = np.diff(np.eye(samples), 2, axis=0)
    stiffness = (2 * np.sin(np.pi * cutoff)) ** -4
    system = np.eye(samples) + stiffness * second.T @ second
    exact = np.linalg.solve(system, x.reshape(40, samples).T.astype(np.float64)).T
    away = np.abs(answer.outputs["prediction"].reshape(40, samples) - exact).max()
    assert away <= 1e-5 * float(np.ptp(exact))


@pytest.mark.parametrize(("samples", "cutoff"), [(128, 0.016), (200, 0.04)])
def test_slow_changes_are_as_exact_as_in_the_product(samples: int, cutoff: float, tmp_path: Path) -> None:
    """What is left of a slow change when the smoother's is taken off shows an error of the whole window at once."""
    need_compiler()
    rng = np.random.default_rng(1)
    slow = 2 * np.pi * rng.uniform(0.2, 0.7, (200, 2, 1)) * cutoff * np.arange(samples)
    x = (10 * np.sin(slow + rng.uniform(0, 6, (200, 2, 1)))).astype(np.float32)
    files = write_c99(smoothing(samples, cutoff), CodeOptions("smoothing"))
    answer = load_c99(files, tmp_path, flags=(*STRICT, "-O1", "-ffp-contract=off")).predict(x)
    matrix = smoother(samples, cutoff)
    exact = x.astype(np.float64) @ matrix.astype(np.float64)

    def slow_error(values: np.ndarray) -> float:
        waves = np.fft.rfft(values.reshape(x.shape) - exact, axis=2)[..., 1 : int(cutoff * samples) + 1]
        return float(np.sqrt(np.mean(np.abs(waves) ** 2)))

    assert slow_error(answer.outputs["prediction"]) <= 4 * slow_error(x @ matrix)


def test_tables_end_where_the_factors_settle() -> None:
    files = write_c99(smoothing(200, 0.04), CodeOptions("smoothing"))
    dense = 4 * 200 * 200
    constants = int(files["smoothing.h"].partition(" bytes of constants")[0].rpartition("* ")[2])
    assert constants < dense / 300
