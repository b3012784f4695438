"""What answers one row: each peer in the leanest way its own documentation shows, on one thread."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

from benchmarks.predict.models import Timed
from benchmarks.table import median
from edgewright.core import engines
from edgewright.core.prediction.objects import load_module
from edgewright.export.targets.extension import build_extension
from edgewright.export.targets.tflite import to_tflite
from edgewright.export.tflite_whole import write_whole
from edgewright.graph.extract import float_network, integer_network
from edgewright.graph.onnx_writer import to_onnx

# Seconds a peer runs before the next one does, and how often that is repeated: short, so that the slice of another
# process on a shared machine falls into few of them, which the median leaves out.
_BLOCK = 0.0005
_ROUNDS = 401
Call = Callable[[], object]
Clock = Callable[[], float]


def peers(timed: Timed) -> dict[str, Call]:
    """Call without arguments by name of the engine."""
    row = np.ascontiguousarray(timed.samples[0])
    one = row[None]
    model = to_onnx(timed.graph)
    module = load_module(build_extension(model))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: one}
    plain = engines.get("numpy").load(model)
    return {
        "extension": partial(module.row, row),
        "litert": _litert(timed, whole=True),
        "litert network": _litert(timed, whole=False),
        "onnxruntime": partial(session.run, None, given),
        "numpy": partial(plain, one),
    }


def _litert(timed: Timed, whole: bool) -> Call:
    """LiteRT by its own fast path: the whole pipeline as its own file, or the network alone.

    The network alone takes bytes in and out where it is quantised: preprocessing and softmax are given to it free.
    """
    quantised = any(node.op == "QuantizeLinear" for node in timed.graph.nodes)
    network = integer_network(timed.graph) if quantised else float_network(timed.graph)
    model = write_whole(timed.graph, network).model() if whole else to_tflite(network)
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    # The probabilities of a whole file, as the first row's answer; label and confidence stay unread in its favour.
    ends = {detail["name"]: detail["index"] for detail in interpreter.get_output_details()}
    end = ends["probabilities"] if whole else next(iter(ends.values()))
    x = timed.samples[:1] if whole else np.zeros(source["shape"], source["dtype"])
    location = source["index"]
    put, invoke, take = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor

    def call() -> Any:  # noqa: ANN401 - an array
        put(location, x)
        invoke()
        return take(end)

    return call


def measure(calls: Mapping[str, Call], clock: Clock = time.perf_counter) -> dict[str, list[float]]:
    """Microseconds of a call, round by round; the peers take turns: a slow moment of the machine meets all of them.

    Args:
        calls: of the peers.
        clock: seconds; of the processor for calls so long that other processes interrupt them.
    """
    counts = {name: max(1, int(_BLOCK / max(_spent(call, 20, clock), 1e-9))) for name, call in calls.items()}
    timings: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for turn in range(_ROUNDS):
        # Nobody always follows the same one, whose memory fills the caches; the first calls are not counted.
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            _spent(calls[name], 2, clock)
            timings[name].append(_spent(calls[name], counts[name], clock) * 1e6)
    return timings


def ratio(timings: Mapping[str, list[float]], name: str, other: str) -> float:
    """Return the median over the rounds of how much longer one takes than another, in the same moment."""
    return median([a / b for a, b in zip(timings[name], timings[other], strict=True)])


def _spent(call: Call, count: int, clock: Clock) -> float:
    """Return seconds a call."""
    started = clock()
    for _ in itertools.repeat(None, count):
        call()
    return (clock() - started) / count
