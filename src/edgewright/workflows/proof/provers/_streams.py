"""A network that works step by step, as forms of a proof: in Python, and in C by each compiler that is here."""

from __future__ import annotations

import ctypes
import importlib
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.integer.network import to_integers, to_reals
from edgewright.graph.streaming import NetworkStream, Steps
from edgewright.proof.form import BYTES, OUTPUT, Form, Samples, Stages
from edgewright.schema.integer import IntegerNetwork
from edgewright.schema.proof import AbsentForm
from edgewright.workflows.proof.c_calls import Files, compilers, in_child
from edgewright.workflows.proof.forms import Run, Subject
from edgewright.workflows.proof.forms.integers import shapes_of
from edgewright.workflows.proof.provers import ProofRequest
from edgewright.workflows.proof.stages import graph_layout, in_a_row, tail

NAME = "stream"


def stream_forms(
    network: IntegerNetwork, subject: Subject, request: ProofRequest, files: Files, begin: str
) -> Iterator[Form]:
    """Yield the streams of Python and of each C compiler here: bytes at the boundary, and what the network answers.

    Args:
        network: integers, a stream.
        subject: of the proof; compilers that are not here are put to its absent forms.
        request: plants a fault in the code where one is asked for.
        files: generated C with the context `stream_network_context` and the function `stream_network`.
        begin: name of the function that clears the context.
    """
    whole = NetworkStream(network)
    yield Form(name="Python stream", numbers="int8", run=_stream(network, subject, lambda x: _pushed(whole, x)))
    host = importlib.import_module("edgewright.export.c99_host.host")
    changed = request.changed(files)
    absent: list[AbsentForm] = []
    for name, command, note in compilers(absent):
        pushed = _stream(network, subject, _compiled(host, changed, command, begin, whole.steps))

        def run(samples: Samples, boundary: Samples, pushed: Run = pushed) -> Stages:
            return in_child(lambda: pushed(samples, boundary))

        yield Form(name=f"C99 stream by {name}", numbers="int8", run=run, note=note)
    subject.absent.extend(absent)


def _stream(
    network: IntegerNetwork, subject: Subject, run_one: Callable[[NDArray[np.int8]], NDArray[np.int8]]
) -> Run:  # fmt: skip
    def run(samples: Samples, boundary: Samples) -> Stages:
        del samples
        integers = to_integers(network.values[network.input], boundary)
        raw = np.stack([run_one(np.ascontiguousarray(window.T)) for window in integers])[:, None]
        answer = graph_layout(raw, shapes_of(subject).get(OUTPUT, raw.shape[1:]))
        reals = to_reals(network.values[network.output], raw)
        return {BYTES: integers, OUTPUT: answer, **tail(subject.graphs["int8"], network)(in_a_row(reals))}

    return run


def _pushed(stream: NetworkStream, x: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return a window pushed in pieces of uneven length."""
    stream.reset()
    hop = stream.steps.hop
    cuts = (0, hop, 4 * hop, 5 * hop, len(x))
    return np.concatenate([stream.push(x[a:b]) for a, b in pairwise(cuts)])


def _compiled(
    host: Any, files: Files, command: str, begin: str, steps: Steps  # noqa: ANN401 - of `export`, loaded when asked
) -> Callable[[NDArray[np.int8]], NDArray[np.int8]]:  # fmt: skip
    loaded: list[ctypes.CDLL] = []

    def run(x: NDArray[np.int8]) -> NDArray[np.int8]:
        if not loaded:
            with tempfile.TemporaryDirectory() as folder:
                path = host.compile_c99(files, Path(folder), compiler=command, taps=False)
                loaded.append(ctypes.CDLL(str(path)))
        library = loaded[0]
        context = host.context_of(library, f"{NAME}_network_context")
        getattr(library, begin)(context)
        integers = x.reshape(-1, steps.hop * steps.channels)
        out = np.zeros((len(integers), steps.outputs), np.int8)
        function = getattr(library, f"{NAME}_network")
        for row, answer in zip(integers, out, strict=True):
            function(context, row.ctypes.data_as(ctypes.c_void_p), answer.ctypes.data_as(ctypes.c_void_p))
        return out

    return run
