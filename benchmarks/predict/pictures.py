"""Pictures in int8: the extension beside LiteRT, on MLPerf Tiny's networks and on the one that `init` proposes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import msgspec
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from benchmarks.accelerators.models import FOLDER, Floats, Net
from benchmarks.predict.peers import Call, measure, ratio
from benchmarks.table import markdown, median, verdict
from edgewright.compression.int8 import quantise
from edgewright.core.integer.network import run_integer
from edgewright.core.prediction.objects import load_module
from edgewright.core.records.network import Graph, IntegerNetwork
from edgewright.export.c99_graph.graph import pixels, turning
from edgewright.export.targets.extension import build_extension
from edgewright.export.targets.tflite import to_tflite
from edgewright.graph.extract import integer_network
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.from_tflite_graph import network_graph

# Pictures whose bytes are compared, and milliseconds that one of 96 x 96 may take.
_COMPARED, _MILLISECONDS = 100, 30.0
# As `init` proposes them: filters, kernel, stride.
PROPOSED = ((16, 5, 2), (24, 3, 2), (32, 3, 1), (48, 3, 2), (64, 3, 1), (96, 3, 2))
TINY = {"image classification": "pretrainedResnet_quant", "visual wake words": "vww_96_int8"}
# XNNPACK is what users get; the built-in kernels are LiteRT's own; the reference is what our bytes equal.
_KERNELS = {
    "XNNPACK": OpResolverType.AUTO,
    "built-in": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "reference": OpResolverType.BUILTIN_REF,
}


def proposed() -> Graph:
    """Return the int8 network that `init` proposes for pictures of 96 x 96 with 42 labels, its weights drawn."""
    net = Net("proposed", (3, 96, 96))
    value, inputs = net.builder.input, 3
    for filters, kernel, stride in PROPOSED:
        value, inputs = net.conv(value, inputs, filters, kernel, kernel, strides=(stride, stride)), filters
    value = net.builder.op("Flatten", net.builder.op("GlobalAveragePool", value), axis=1)
    value = net.dense(value, inputs, 42, "")
    rows: Floats = net.rng.uniform(0, 255, (50, 3, 96, 96)).astype(np.float32)
    return quantise(net.builder.finish({"prediction": (value, "float32", (42,))}), rows)


def without_turning(network: IntegerNetwork) -> IntegerNetwork:
    """Return a network that takes pixel after pixel, as a camera gives them."""
    first = turning(network)
    if first is None:
        return network
    return msgspec.structs.replace(network, operators=network.operators[1:], input=first.output)


def table() -> bool:
    """Print the table of this processor; False where a limit is missed or a byte is not the reference's."""
    rows, reached = [], True
    for name, graph, network, file in _networks():
        module = load_module(build_extension(graph))
        shape = network.values[network.input].shape
        x = np.random.default_rng(1).integers(-128, 128, (_COMPARED, *shape)).astype(np.int8)
        wanted = run_integer(network, x).reshape(_COMPARED, -1)
        given = pixels(x) if turning(network) else x
        differ: dict[str, int] = {}
        calls: dict[str, Call] = {}
        differ["extension"] = _differ(np.frombuffer(module.network(x), np.int8).reshape(wanted.shape), wanted)
        calls["extension"] = partial(module.network, x[:1])
        calls["whole row"] = partial(module.row, x[0].astype(np.float32))
        for kernels, kind in _KERNELS.items():
            answer = _litert(file, kind)
            calls[kernels] = partial(answer, given[:1])
            differ[kernels] = _differ(np.concatenate([answer(given[i : i + 1]) for i in range(_COMPARED)]), wanted)
        # The reference kernels are for bytes, not for speed.
        del calls["reference"]
        timings = measure(calls, time.process_time)
        times = {each: [value / 1000 for value in timings[each]] for each in timings}
        against = ratio(timings, "extension", "XNNPACK")
        within = against <= 1 and median(times["whole row"]) <= _MILLISECONDS and differ["extension"] == 0
        reached &= within
        shown = [f"{median(times[each]):.3f} ({min(times[each]):.3f})" for each in times]
        others = " / ".join(str(each) for each in differ.values())
        rows.append([name, *shown, f"{against:.2f}", others, verdict(within)])
    heads = ["processor ms a picture, p50 (least)", "extension, network", "extension, whole row"]
    heads += ["LiteRT, XNNPACK", "LiteRT, built-in", "extension / XNNPACK"]
    heads += [f"of {_COMPARED} pictures, other bytes than the reference: extension / XNNPACK / built-in / reference"]
    print("\n" + markdown([*heads, "no slower than XNNPACK, a row within 30 ms"], rows), flush=True)
    return reached


def _networks() -> Iterator[tuple[str, Graph, IntegerNetwork, bytes]]:
    """Yield a name, the graph that is compiled, its integers, and the file that LiteRT opens."""
    for name, file in TINY.items():
        path = FOLDER / f"{file}.tflite"
        if path.exists():
            graph = network_graph(read_tflite(path))
            yield name, graph, integer_network(graph), path.read_bytes()
    graph = proposed()
    network = integer_network(graph)
    yield "proposed by `init`, 96 x 96", graph, network, to_tflite(without_turning(network))


def _litert(file: bytes, kernels: OpResolverType) -> Callable[[NDArray[np.int8]], NDArray[np.int8]]:
    """Return LiteRT on one thread, bytes in and bytes out, each copied once."""
    interpreter = Interpreter(model_content=file, num_threads=1, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    source, end = interpreter.get_input_details()[0], interpreter.get_output_details()[0]["index"]
    location, shape, put, invoke = source["index"], source["shape"], interpreter.set_tensor, interpreter.invoke
    take = interpreter.get_tensor

    def answer(picture: NDArray[np.int8]) -> NDArray[np.int8]:
        put(location, picture.reshape(shape))
        invoke()
        labels: NDArray[np.int8] = take(end)
        return labels

    return answer


def _differ(actual: NDArray[np.int8], wanted: NDArray[np.int8]) -> int:
    return int((actual != wanted).any(axis=1).sum())
