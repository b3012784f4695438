"""The network's code for other processors: every path of the kernels gives the bytes of the reference."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgewright.compression.int8 import quantise
from edgewright.export._extension.model import MAIN, compose
from edgewright.graph.extract import integer_network
from edgewright.runtime.executor import compile_graph
from edgewright.runtime.integer.network import run_integer
from edgewright.runtime.processor import cpu_features
from edgewright.schema.graph import Graph
from integer_networks import samples_of, small, trained
from runtime_example import classifier, numbers
from support import left_out

# The module of Python is replaced by a program: the cross compiler has no headers of Python.
BYTES = """
#include <stdio.h>
int main(void) {
    static int8_t in[NETWORK_INPUTS], out[NETWORK_OUTPUTS];
    while (fread(in, 1, sizeof in, stdin) == sizeof in) { network(in, out); fwrite(out, 1, sizeof out, stdout); }
    return 0;
}
"""
ANSWERS = """
#include <stdio.h>
int main(void) {
    static float in[INPUTS];
    struct answer made;
    while (fread(in, 4, INPUTS, stdin) == INPUTS) { evaluate(in, &made); fwrite(made.values, 4, VALUES, stdout); }
    return 0;
}
"""
ARM = ("aarch64-linux-gnu-gcc", "qemu-aarch64")
MACHINES = {
    "arm64 with dot product": (ARM, ("-march=armv8.2-a+dotprod",)),
    "arm64": (ARM, ("-march=armv8-a",)),
    "x86-64 with AVX2": (("x86_64-linux-gnu-gcc", ""), ("-march=x86-64-v3",)),
    "x86-64": (("x86_64-linux-gnu-gcc", ""), ("-march=x86-64",)),
}


def program(graph: Graph, machine: str, main: str, folder: Path) -> list[str]:
    """Compiles the model for a machine; the command that runs it here."""
    (compiler, emulator), flags = MACHINES[machine]
    for tool in filter(None, (compiler, emulator)):
        if shutil.which(tool) is None:
            left_out(f"{tool} (apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)")
    files, _ = compose(graph)
    text = files[MAIN].decode().replace("#include <Python.h>", "").replace('#include "module.c"', main)
    for name, data in {**files, MAIN: text.encode()}.items():
        (folder / name).write_bytes(data)
    command = [compiler, "-O3", "-std=gnu11", "-static", *flags, MAIN, "-lm", "-o", "program"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return [*filter(None, (emulator,)), str(folder / "program")]


def supports(machine: str) -> None:
    if machine == "x86-64 with AVX2" and "avx2" not in cpu_features():
        left_out("a processor with AVX2")


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["wide", "conv1d", "separable"])
def test_every_byte_is_that_of_the_reference(name: str, machine: str, tmp_path: Path) -> None:
    supports(machine)
    graph = quantise(classifier((10, 277, 33, 3)), numbers(60, 10)) if name == "wide" else small(name)
    network = integer_network(graph)
    x = np.random.default_rng(0).integers(-128, 128, (40, *network.values[network.input].shape), dtype=np.int8)
    command = program(graph, machine, BYTES, tmp_path)
    done = subprocess.run(command, input=x.tobytes(), capture_output=True, check=True, timeout=60)
    wanted = run_integer(network, x)
    assert np.array_equal(np.frombuffer(done.stdout, np.int8).reshape(wanted.shape), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["rows", "separable"])
def test_float_answers_are_those_of_the_graph(name: str, machine: str, tmp_path: Path) -> None:
    supports(machine)
    graph = classifier() if name == "rows" else trained(name)
    x = numbers(20, 10) if name == "rows" else samples_of(graph)[:20]
    command = program(graph, machine, ANSWERS, tmp_path)
    done = subprocess.run(command, input=x.tobytes(), capture_output=True, check=True, timeout=60)
    wanted = compile_graph(graph)(x)["probabilities"]
    np.testing.assert_allclose(np.frombuffer(done.stdout, np.float32).reshape(wanted.shape), wanted, atol=2e-6)
