"""Random integer networks, hostile layers and whole ones, give the same bytes in every form of ours and in LiteRT."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from benchmarks.estimate.random_networks import odd_networks, random_networks

from c99_examples import load_together
from c99_stages import need_compiler
from edgewright.core.engines.extension import answer_of
from edgewright.core.integer.network import run_integer, to_reals, with_rounding
from edgewright.core.integer.qdq import compile_fused
from edgewright.core.prediction.objects import load_module
from edgewright.core.records.network import IntegerNetwork
from edgewright.export._extension.build import can_build
from edgewright.export.c99_code.pipeline import write_network_c99
from edgewright.export.c99_host.host import FLAGS
from edgewright.export.emulator import Entry, missing_tools, run_on_device
from edgewright.export.targets.extension import build_extension
from edgewright.graph.from_tflite_graph import network_graph
from integer_layers import LAYERS, litert, need_litert, some, to_tflite
from integer_networks import in_c
from support import left_out

SEEDS, ROWS = 200, 6
# Networks of a test: those of a form that compiles each on its own are fewer.
TOGETHER, ALONE = 50, 20
# Layers that are networks of integers in a graph; others alone are operators between floats there.
WITH_WEIGHTS = ("conv", "dense", "depthwise", "lstm")
Bytes = np.ndarray


@cache
def networks(begin: int, count: int, kinds: tuple[str, ...] = tuple(sorted(LAYERS))) -> dict[int, IntegerNetwork]:
    """Return networks by their seeds: a single layer of odd scales and shapes, then a whole network, in turns."""
    return {seed: _network(seed, kinds) for seed in range(begin, begin + count)}


def _network(seed: int, kinds: tuple[str, ...]) -> IntegerNetwork:
    if seed % 2:
        return with_rounding(LAYERS[kinds[seed // 2 % len(kinds)]](np.random.default_rng(seed)), "litert")
    random: Iterator[IntegerNetwork | None] = (
        subject.integers
        for number in range(50)
        for subject in (odd_networks if seed % 8 == 0 else random_networks)(4, 1000 * seed + number)
        if subject.small is not None
    )
    return next(network for network in random if network is not None and len(network.operators) > 1)


def given(network: IntegerNetwork, seed: int) -> Bytes:
    """Return rows of random bytes, all smallest, and all largest."""
    x = some(network, np.random.default_rng(seed), ROWS)
    x[0], x[1] = -128, 127
    return x


def expected(network: IntegerNetwork, x: Bytes) -> Bytes:
    """Return what the reference answers, in a row."""
    return np.asarray(run_integer(network, x)).reshape(len(x), -1)


def test_a_graph_whose_input_is_turned_by_a_reshape_gives_the_bytes_of_the_reference() -> None:
    # A series whose axes are turned twice before its first layer.
    network = _network(88, WITH_WEIGHTS)
    assert network.operators[0].kind == "transpose" and network.values[network.input].shape == (2, 57, 1)
    x = given(network, 88)
    reals = np.asarray(to_reals(network.values[network.input], x), np.float32)
    answers = compile_fused(network_graph(network))(reals)["prediction"]
    np.testing.assert_array_equal(answers, to_reals(network.values[network.output], run_integer(network, x)))


@pytest.mark.slow
@pytest.mark.parametrize("begin", range(0, SEEDS, TOGETHER))
def test_c_gives_the_bytes_of_the_reference(begin: int, tmp_path: Path) -> None:
    need_compiler()
    files = {f"n{seed}": write_network_c99(one, name=f"n{seed}") for seed, one in networks(begin, TOGETHER).items()}
    models = load_together(files, tmp_path, flags=FLAGS)
    for seed, network in networks(begin, TOGETHER).items():
        x = given(network, seed)
        np.testing.assert_array_equal(models[f"n{seed}"].network(in_c(network, x)), expected(network, x), str(seed))


@pytest.mark.slow
@pytest.mark.parametrize("begin", range(0, SEEDS, ALONE))
def test_a_cortex_m4_gives_the_bytes_of_the_reference(begin: int) -> None:
    if missing := missing_tools("cortex-m4"):
        left_out(", ".join(missing))
    chosen = networks(begin, ALONE)
    files: dict[str, str] = {}
    cases, rows, sizes = [], {}, {}
    for seed, network in chosen.items():
        files |= write_network_c99(network, name=f"n{seed}", core="cortex-m4")
        cases.append(f"case {seed}: {{ static n{seed}_network_context c; n{seed}_network(&c, row, out); break; }}")
        rows[seed] = in_c(network, given(network, seed)).reshape(ROWS, -1)
        sizes[seed] = math.prod(network.values[network.output].shape)
    # A row is the number of its network, then its bytes.
    width = 8 + max(x.shape[1] for x in rows.values())
    table = np.zeros((len(chosen) * ROWS, -(-width // 8) * 8), np.int8)
    for index, (seed, x) in enumerate(rows.items()):
        part = table[index * ROWS : (index + 1) * ROWS]
        part[:, :4] = np.frombuffer(np.int32(seed).tobytes(), np.int8)
        part[:, 8 : 8 + x.shape[1]] = x
    files["all.h"] = "".join(f'#include "n{seed}.h"\n' for seed in chosen)
    call = f"const int8_t *row = (const int8_t *)in + 8; switch (*(const int32_t *)in) {{ {' '.join(cases)} }}"
    entry = Entry("all.h", call, table.shape[1], max(sizes.values()))
    run = run_on_device(files, entry, "cortex-m4", table, counted=1e6)
    for index, (seed, network) in enumerate(chosen.items()):
        outputs = run.outputs[index * ROWS : (index + 1) * ROWS, : sizes[seed]].view(np.int8)
        np.testing.assert_array_equal(outputs, expected(network, given(network, seed)), str(seed))


@pytest.mark.slow
@pytest.mark.parametrize("begin", range(0, SEEDS, TOGETHER))
def test_litert_gives_the_bytes_of_the_reference(begin: int) -> None:
    need_litert()
    for seed, network in networks(begin, TOGETHER).items():
        x = given(network, seed)
        outputs = litert(to_tflite(network), x)
        np.testing.assert_array_equal(outputs.reshape(ROWS, -1), expected(network, x), str(seed))


@pytest.mark.slow
@pytest.mark.parametrize("begin", range(0, SEEDS, ALONE))
def test_the_extension_gives_the_bytes_of_the_reference(begin: int, tmp_path: Path) -> None:
    if not can_build():
        left_out("a C compiler")
    for seed, network in networks(begin, ALONE, WITH_WEIGHTS).items():
        graph = network_graph(network)
        answer = answer_of(load_module(build_extension(graph, cache=tmp_path / str(seed))))
        x = given(network, seed)
        # The module begins at real numbers and ends there: those of a step, whole steps apart.
        reals = np.asarray(to_reals(network.values[network.input], x), np.float32)
        outputs = answer(reals.reshape(ROWS, *graph.inputs[0].shape))
        values = outputs["probabilities" if "probabilities" in outputs else "prediction"].reshape(ROWS, -1)
        steps = to_reals(network.values[network.output], run_integer(network, x)).reshape(ROWS, -1)
        # Of two classes the network gives the chance of the second.
        np.testing.assert_array_equal(values[:, -steps.shape[1] :], steps, str(seed))
