"""What answers one row: each peer in the leanest way its own documentation shows, on one thread."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

from benchmarks.predict.models import Timed
from benchmarks.table import median
from edgewright.export.extension import build_extension
from edgewright.export.tflite import to_tflite
from edgewright.graph.extract import float_network, integer_network
from edgewright.graph.onnx_writer import to_onnx
from edgewright.runtime.executor import compile_graph
from edgewright.runtime.native import load_module

# Seconds a peer runs before the next one does, and how often that is repeated.
_BLOCK = 0.004
_ROUNDS = 41
Call = Callable[[], object]


def peers(timed: Timed) -> dict[str, Call]:
    """Calls without arguments by name of the engine."""
    row = np.ascontiguousarray(timed.samples[0])
    one = row[None]
    model = to_onnx(timed.graph)
    module = load_module(build_extension(model))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: one}
    plain = compile_graph(timed.graph)
    ask, run = module.row, session.run
    return {
        "extension": lambda: ask(row),
        "litert": _litert(timed),
        "onnxruntime": lambda: run(None, given),
        "numpy": lambda: plain(one),
    }


def _litert(timed: Timed) -> Call:
    """The network alone, int8 from end to end where it is quantised: preprocessing and softmax are given to it free."""
    whole = any(node.op == "QuantizeLinear" for node in timed.graph.nodes)
    network = integer_network(timed.graph) if whole else float_network(timed.graph)
    interpreter = Interpreter(model_content=to_tflite(network), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    x = np.zeros(source["shape"], source["dtype"])
    place, end = source["index"], target["index"]
    put, invoke, take = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor

    def call() -> Any:  # noqa: ANN401 - an array
        put(place, x)
        invoke()
        return take(end)

    return call


def measure(calls: Mapping[str, Call]) -> dict[str, float]:
    """Median microseconds of a call; the peers take turns, so that a slow moment of the machine meets all of them."""
    counts = {name: max(1, int(_BLOCK / max(_spent(call, 20), 1e-9))) for name, call in calls.items()}
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_ROUNDS):
        for name, call in calls.items():
            found[name].append(_spent(call, counts[name]) * 1e6)
    return {name: median(times) for name, times in found.items()}


def _spent(call: Call, count: int) -> float:
    """Seconds a call."""
    started = time.perf_counter()
    for _ in itertools.repeat(None, count):
        call()
    return (time.perf_counter() - started) / count
