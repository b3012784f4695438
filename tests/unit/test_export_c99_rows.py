"""Generated C works windows out channel by channel: the memory of one channel, and one loop for features alike."""

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
from edgewright.export._c_host import STRICT, load_c99
from edgewright.export.c99 import write_c99
from edgewright.export.contract import Subject
from edgewright.export.program import program_of
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.footprint import as_integers
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork
from edgewright.workflows.estimation.toolchain import Truth, truth_of

DENSE = [{"kind": "dense", "units": 32, "activation": "relu"}]
# A watch: the same features of the axes of acceleration alone, over ten seconds.
WATCH = 200


def phone() -> Graph:
    """The shipped pipeline `hapt`, untrained."""
    return fitted(hapt_stages(), DENSE, windows(128, 1), 1, True)


def watch() -> Graph:
    """The features of `hapt` without a gyroscope, over 200 samples, and a network of two layers."""
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
    files = write_c99(phone(), name="phone")
    source = files["phone.c"]
    # Statistics of six channels and of six others, their 15 correlations each.
    assert source.count("for (int channel = 0; channel < 12; ++channel)") == 2
    assert source.count("for (int channel = 0; channel < 30; ++channel)") == 1


@pytest.mark.parametrize("make", [phone, watch])
def test_channel_by_channel_gives_what_onnx_runtime_gives(make: Callable[[], Graph], tmp_path: Path) -> None:
    need_compiler()
    graph = make()
    X = windows(graph.inputs[0].shape[1], 9)[:, : graph.inputs[0].shape[0]]
    holes = X.copy()
    holes[::3, 1, 5:9] = np.nan
    for name, samples in (("whole", X), ("holes", holes)):
        model = load_c99(write_c99(graph, name=name), tmp_path / name, flags=(*STRICT, "-O1", "-ffp-contract=off"))
        names = [output.name for output in graph.outputs]
        expected = dict(zip(names, open_session(to_onnx(graph)).run(names, {"input": samples}), strict=True))
        found = model.predict(samples).outputs
        np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("make", "flash", "ram"), [(phone, 26_000, 8_000), (watch, 34_000, 10_000)])
def test_the_whole_program_on_a_cortex_m4(make: Callable[[], Graph], flash: int, ram: int) -> None:
    found = truth(make())
    assert found.flash <= flash
    assert found.ram <= ram
