"""The network's code for other processors: every path of the kernels gives the bytes of the reference."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise
from edgewright.core.integer.network import run_integer, with_rounding
from edgewright.core.prediction import objects
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, IntegerNetwork, Rounding
from edgewright.export._extension import build
from edgewright.export._extension.build import Blob
from edgewright.export._extension.model import MAIN, C, compose
from edgewright.export._extension.network import NetworkWriter, has_code
from edgewright.graph.builder import Builder
from edgewright.graph.extract import integer_network
from integer_layers import LAYERS, some
from integer_networks import samples_of, small, trained
from runtime_example import classifier, numbers
from support import left_out

CPU = objects.cpu_features()
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
X86 = ("x86_64-linux-gnu-gcc", "")
# AVX-VNNI has the 256-bit instruction of AVX-512 VNNI in an encoding of its own, which fewer processors know.
AVX_VNNI = ("-mavx512vl", "-mavx512vnni", "-D__AVXVNNI__", "-U__AVX512F__", "-U__AVX512VNNI__")
MACHINES = {
    "arm64 with dot product": (ARM, "asimddp", ("-march=armv8.2-a+dotprod",)),
    "arm64": (ARM, "asimd", ("-march=armv8-a",)),
    "x86-64 with AVX-512 VNNI": (X86, "avx512_vnni", ("-march=x86-64-v4", "-mavx512vnni")),
    "x86-64 with AVX-512": (X86, "avx2 avx512f", ("-march=x86-64-v4",)),
    "x86-64 with AVX-VNNI": (X86, "avx2 avx512_vnni", ("-march=x86-64-v3", *AVX_VNNI)),
    "x86-64 with AVX2": (X86, "avx2", ("-march=x86-64-v3",)),
    "x86-64 with SSE4": (X86, "ssse3 sse4_1", ("-march=x86-64", "-msse4.1")),
    "x86-64 with SSSE3": (X86, "ssse3", ("-march=x86-64", "-mssse3")),
    "x86-64": (X86, "sse2", ("-march=x86-64",)),
}


@pytest.fixture(autouse=True)
def features(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide the generator writes for the machine that is named."""
    _, names, _ = MACHINES[request.getfixturevalue("machine")]
    monkeypatch.setenv(objects.VARIABLE, names)


def program(graph: Graph, machine: str, main: str, folder: Path) -> list[str]:
    """Compile the model for a machine; the command that runs it here."""
    files, _ = compose(graph)
    text = files[MAIN].decode().replace("#include <Python.h>", "").replace('#include "module.c"', main)
    return compiled({**files, MAIN: text.encode()}, machine, folder)


def compiled(files: dict[str, bytes], machine: str, folder: Path) -> list[str]:
    """Compile sources for a machine; the command that runs them here."""
    (compiler, emulator), names, flags = MACHINES[machine]
    for tool in filter(None, (compiler, emulator)):
        if shutil.which(tool) is None:
            left_out(f"{tool} (apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)")
    lacks = set() if emulator else set(names.split()) - CPU
    if lacks:
        pytest.skip(f"left out: this processor has no {', '.join(sorted(lacks))}")
    kernels = files["kernels.h"].replace(b"_mm256_dpbusd_avx_epi32", b"_mm256_dpbusd_epi32")
    for name, data in {**files, "kernels.h": kernels}.items():
        (folder / name).write_bytes(data)
    command = [compiler, "-O3", "-std=gnu11", "-static", *flags, MAIN, "-lm", "-o", "program"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return [*filter(None, (emulator,)), str(folder / "program")]


def answers_of(graph: Graph, x: NDArray[Any], machine: str, folder: Path) -> NDArray[np.int8]:
    """Return bytes of the network for bytes at its boundary."""
    command = program(graph, machine, BYTES, folder)
    done = subprocess.run(command, input=x.tobytes(), capture_output=True, check=True, timeout=60)
    return np.frombuffer(done.stdout, np.int8).reshape(len(x), -1)


@cache
def extremes() -> Graph:
    """Return a graph of each kernel whose weights are all at the limits of int8."""
    rng = np.random.default_rng(5)
    builder = Builder("extremes", (3, 9, 8))
    builder.boundary(builder.input)

    def weights(*shape: int) -> tuple[str, str]:
        """Return the first output has one sign, the others are a mixture."""
        signs = np.where(rng.random(shape) < 0.5, -1, 1).astype(np.float32)
        signs[0], signs[-1] = 1, -1
        return builder.constant(signs), builder.constant(rng.standard_normal(shape[0]).astype(np.float32))

    value = builder.op("Conv", builder.input, *weights(21, 3, 3, 3), pads=(1, 1, 1, 1))
    value = builder.op("Conv", value, *weights(21, 1, 3, 3), group=21, pads=(1, 1, 1, 1))
    value = builder.op("MaxPool", value, kernel_shape=(2, 2), strides=(2, 2))
    value = builder.op("Conv", value, *weights(40, 21, 1, 1))
    value = builder.op("Flatten", value, axis=1)
    value = builder.op("Gemm", value, *weights(277, 40 * 4 * 4), transB=1)
    value = builder.op("Gemm", value, *weights(5, 277), transB=1)
    graph = builder.finish({"prediction": (value, "float32", (5,))})
    small = quantise(graph, rng.choice([-1.0, 1.0], (200, 3, 9, 8)).astype(np.float32))

    def lowest(array: NDArray[Any]) -> NDArray[Any]:
        """-128 in the place of every other -127, which our own quantiser never writes."""
        if array.dtype != np.int8 or array.size < 2:
            return array
        flat = array.reshape(-1).copy()
        low = np.flatnonzero(flat == -127)
        flat[low[::2]] = -128
        return flat.reshape(array.shape)

    constants = {name: lowest(array) for name, array in small.constants.items()}
    return msgspec.structs.replace(small, constants=constants)


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_bytes_at_their_ends_do_not_saturate(machine: str, tmp_path: Path) -> None:
    graph = extremes()
    network = integer_network(graph)
    assert min(o.arrays["weights"].min() for o in network.operators if "weights" in o.arrays) == -128
    shape, rng = network.values[network.input].shape, np.random.default_rng(0)
    x = rng.choice(np.array([-128, 127], np.int8), (40, *shape))
    x[0], x[1] = -128, 127
    x[20:] = rng.integers(-128, 128, (20, *shape), dtype=np.int8)
    wanted = run_integer(network, x)
    assert len(np.unique(wanted)) > 50, "answers that are all clamped would hide differences"
    assert np.array_equal(answers_of(graph, x, machine, tmp_path), wanted)


def layers(rounding: Rounding) -> list[IntegerNetwork]:
    """Single layers of every shape, padding and scale; scales that are powers of two give halves to round."""
    rng = np.random.default_rng(11)
    kinds = ("dense", "conv", "depthwise", "mean", "max_pool", "average_pool", "add")
    networks = [with_rounding(LAYERS[kind](rng), rounding) for kind in kinds for _ in range(12)]
    # Several filters a channel, padded means and factors above 1 are left to the portable C.
    return [network for network in networks if all(has_code(network, operator) for operator in network.operators)]


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("rounding", ["litert", "tflm"])
def test_layers_of_every_shape_are_those_of_the_reference(rounding: Rounding, machine: str, tmp_path: Path) -> None:
    networks, blob, parts = layers(rounding), Blob(), []
    for i, network in enumerate(networks):
        text = NetworkWriter(network, blob).text()
        parts.append(re.sub(r"\b(network|v\d+|padded\d+)\b", rf"\1_{i}", text))
    sizes = [
        [int(np.prod(network.values[end].shape)) for end in (network.input, network.output)] for network in networks
    ]
    cases = [
        f"while (i == {i} && fread(in, 1, {n}, stdin) == {n}) {{ network_{i}(in, out); fwrite(out, 1, {m}, stdout); }}"
        for i, (n, m) in enumerate(sizes)
    ]
    begin = "int main(int count, char **given) { static int8_t in[10000], out[10000]; int i = atoi(given[count - 1]);"
    main = "\n".join([begin, *cases, "return 0; }"])
    head = ["#include <stdio.h>", "#include <stdlib.h>", '#include "kernels.h"', C["constants"]]
    kernels = (Path(build.__file__).parent / "kernels.h").read_bytes()
    files = {"kernels.h": kernels, "constants.bin": blob.bytes(), MAIN: "\n".join([*head, *parts, main]).encode()}
    command = compiled(files, machine, tmp_path)
    for i, network in enumerate(networks):
        x = some(network, np.random.default_rng(i))
        done = subprocess.run([*command, str(i)], input=x.tobytes(), capture_output=True, check=True, timeout=60)
        wanted = run_integer(network, x)
        assert np.array_equal(np.frombuffer(done.stdout, np.int8).reshape(wanted.shape), wanted), network.operators[0]


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["wide", "conv1d", "separable"])
def test_every_byte_is_that_of_the_reference(name: str, machine: str, tmp_path: Path) -> None:
    graph = quantise(classifier((10, 277, 33, 3)), numbers(60, 10)) if name == "wide" else small(name)
    network = integer_network(graph)
    x = np.random.default_rng(0).integers(-128, 128, (40, *network.values[network.input].shape), dtype=np.int8)
    assert np.array_equal(answers_of(graph, x, machine, tmp_path), run_integer(network, x))


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["rows", "separable"])
def test_float_answers_are_those_of_the_graph(name: str, machine: str, tmp_path: Path) -> None:
    graph = classifier() if name == "rows" else trained(name)
    x = numbers(20, 10) if name == "rows" else samples_of(graph)[:20]
    command = program(graph, machine, ANSWERS, tmp_path)
    done = subprocess.run(command, input=x.tobytes(), capture_output=True, check=True, timeout=60)
    wanted = compile_graph(graph)(x)["probabilities"]
    np.testing.assert_allclose(np.frombuffer(done.stdout, np.float32).reshape(wanted.shape), wanted, atol=2e-6)
