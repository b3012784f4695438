"""Files of the .tflite writer in LiteRT and in TFLM's interpreter."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest

from edgewright.compression.int8 import quantise
from edgewright.core import catalogue
from edgewright.core.executor import compile_graph
from edgewright.core.integer.network import run_integer, to_integers, to_reals
from edgewright.graph.builder import Builder
from edgewright.graph.extract import float_network, integer_network
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.integer import IntegerNetwork
from integer_layers import litert, need_litert, need_tflm, tflm, to_tflite
from integer_networks import LAYERS, samples_of, small, trained

NAMES = tuple(LAYERS)


@pytest.mark.parametrize("name", NAMES)
def test_float_files_answer_as_the_graph(name: str) -> None:
    need_tflm()
    graph = trained(name)
    samples = samples_of(graph)[:30]
    raw = next(node.inputs[0] for node in graph.nodes if node.op == "Softmax")
    wanted = compile_graph(graph, [raw])(samples)[raw]
    file = to_tflite(float_network(graph))
    for engine in (litert, tflm):
        np.testing.assert_allclose(engine(file, samples), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_float_ends_round_and_scale_as_we_do(name: str) -> None:
    need_tflm()
    graph = small(name)
    samples = samples_of(graph)[:60]
    for rounding, engine in (("litert", litert), ("tflm", tflm)):
        network = integer_network(graph, rounding)  # type: ignore[arg-type]
        wanted = run_integer(network, to_integers(network.values[network.input], samples))
        reals = to_reals(network.values[network.output], wanted)
        np.testing.assert_array_equal(engine(to_tflite(network, float_ends=True), samples), reals)


@pytest.mark.parametrize("name", NAMES)
def test_the_fast_path_of_litert_is_some_steps_away(name: str) -> None:
    network = integer_network(small(name))
    x = to_integers(network.values[network.input], samples_of(small(name)))
    fast = litert(to_tflite(network), x, reference=False).astype(int)
    mine = run_integer(network, x)
    # A step in the mean of a window is several in raw outputs on a finer grid.
    steps = np.abs(fast - mine)
    assert steps.max() <= 8 and np.mean(steps) < 1.5
    assert np.mean(fast.argmax(axis=1) == mine.argmax(axis=1)) > 0.97


def test_details_that_a_caller_reads() -> None:
    need_litert()
    from ai_edge_litert.interpreter import Interpreter

    network = integer_network(small("conv1d"))
    made = Interpreter(model_content=to_tflite(network))
    made.allocate_tensors()
    source, target = made.get_input_details()[0], made.get_output_details()[0]
    assert source["dtype"] is np.int8 and source["shape"].tolist() == [1, 3, 32]
    assert target["dtype"] is np.int8 and target["shape"].tolist() == [1, 3]
    first = network.values[network.input]
    assert source["quantization"] == (np.float32(first.scale), first.zero)
    made = Interpreter(model_content=to_tflite(network, float_ends=True))
    assert made.get_input_details()[0]["dtype"] is np.float32 is made.get_output_details()[0]["dtype"]


def test_the_same_network_gives_the_same_bytes() -> None:
    network = integer_network(small("pools"))
    assert to_tflite(network) == to_tflite(integer_network(small("pools")))
    assert to_tflite(network)[4:8] == b"TFL3"


def test_size_of_a_small_network() -> None:
    whole, tiny = to_tflite(float_network(trained("dense"))), to_tflite(integer_network(small("dense")))
    assert (
        sum(o.arrays["weights"].size + o.arrays["bias"].size for o in float_network(trained("dense")).operators) == 5059
    )
    assert len(whole) / len(tiny) >= 2.9


def test_size_of_a_large_network() -> None:
    sizes = (512, 1024, 1024, 640, 256, 10)
    rng = np.random.default_rng(0)
    builder = Builder("large", (512,))
    builder.boundary(builder.input)
    value = builder.input
    for inputs, outputs in pairwise(sizes):
        weights = (rng.standard_normal((inputs, outputs)) / np.sqrt(inputs)).astype(np.float32)
        value = builder.op("Gemm", value, builder.constant(weights), builder.constant(np.zeros(outputs, np.float32)))
        value = builder.op("Relu", value) if outputs > 10 else value
    graph = builder.finish({"prediction": (value, "float32", (10,))})
    x = rng.standard_normal((50, 512)).astype(np.float32)
    whole = len(to_tflite(float_network(graph)))
    network = integer_network(quantise(graph, x, per_channel="always"))
    # A scale a channel costs 24 bytes here: float32 and a 64-bit zero point, of the weights and of the bias.
    assert whole / len(to_tflite(network)) >= 3.85
    network = integer_network(quantise(graph, x, per_channel="never"))
    file = to_tflite(network)
    assert whole / len(file) >= 3.95
    bytes_in = to_integers(network.values[0], x[:5])
    np.testing.assert_array_equal(run_integer(network, bytes_in), litert(file, bytes_in))


def test_every_kernel_has_a_writer() -> None:
    need_litert()
    from edgewright.export.tflite_operators import writes

    # GELU is written as it was read, of real numbers; there is no kernel of bytes.
    assert set(writes.known) == {*catalogue.names("edgewright.core.kernels"), "gelu"}


def test_what_a_file_cannot_hold_is_refused() -> None:
    pools = integer_network(small("pools"))

    def changed(of: str, **changes: Any) -> IntegerNetwork:  # noqa: ANN401 - fields of an operator
        operators = [msgspec.structs.replace(o, **changes) if o.kind == of else o for o in pools.operators]
        return msgspec.structs.replace(pools, operators=tuple(operators))

    numbers = next(o.numbers for o in pools.operators if o.kind == "max_pool")
    with pytest.raises(InputError, match="a max pool without dilations, got dilations"):
        to_tflite(changed("max_pool", numbers={**numbers, "dilations": (1, 2)}))
    with pytest.raises(UnknownNameError, match=r"no operator for \.tflite 'swish'"):
        to_tflite(changed("logistic", kind="swish"))
    with pytest.raises(InputError, match="an integer network"):
        to_tflite(float_network(trained("dense")), float_ends=True)
