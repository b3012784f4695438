"""Generated C on emulated microcontrollers: the bytes of the integer reference, and the answers of the pipeline."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgewright.core.executor import compile_graph
from edgewright.core.integer.network import run_integer
from edgewright.export.c99 import write_c99, write_network_c99
from edgewright.export.emulator import Entry, devices, missing_tools, run_on_device
from edgewright.graph.extract import integer_network
from integer_networks import in_c, small
from runtime_example import classifier, numbers
from support import left_out


@pytest.fixture(autouse=True)
def tools() -> None:
    if missing_tools():
        left_out(f"{', '.join(missing_tools())} of gcc-arm-none-eabi and qemu-system-arm")


@pytest.mark.slow
@pytest.mark.parametrize("device", devices())
@pytest.mark.parametrize("name", ["dense", "conv1d", "separable", "pools", "picture"])
def test_every_byte_is_that_of_the_reference(name: str, device: str) -> None:
    for rounding in ("litert", "tflm"):
        network = integer_network(small(name), rounding)
        first, last = (network.values[i] for i in (network.input, network.output))
        entry = Entry(
            "net.h",
            "static net_network_context context; net_network(&context, in, out);",
            math.prod(first.shape),
            math.prod(last.shape),
        )
        x = np.random.default_rng(0).integers(-128, 128, (25, *first.shape), dtype=np.int8)
        run = run_on_device(write_network_c99(network, name="net"), entry, device, in_c(network, x))
        wanted = run_integer(network, x).reshape(25, -1)
        assert np.array_equal(run.outputs.view(np.int8), wanted)
        assert run.counted_within < 1
        assert run.stack < 1024


def test_a_whole_pipeline_answers_as_on_the_desk() -> None:
    graph, x = classifier(), numbers(6, 10)
    x[1, 4] = np.nan
    call = "static m_context context; m_answer made; m_predict(&context, in, &made); "
    call += "for (int i = 0; i < 3; ++i) ((float *)out)[i] = made.probabilities[i];"
    run = run_on_device(write_c99(graph, name="m"), Entry("m.h", call, 40, 12), "cortex-m4", x)
    wanted = compile_graph(graph)(x)["probabilities"]
    np.testing.assert_allclose(run.outputs.view(np.float32), wanted, atol=2e-6)
    assert run.flash < 40_000
    assert run.ram < 2048
