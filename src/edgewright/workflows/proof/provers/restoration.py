"""Every form of a denoiser or an upscaler on the same windows, and streams of a denoiser in Python and compiled C."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import MissingFileError, ProofError, SampleShapeError
from edgewright.core.input.riff import read_wav
from edgewright.core.integer.network import to_integers, to_reals
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Graph, IntegerNetwork, Node, Value
from edgewright.core.records.proof import ProofRecord
from edgewright.graph.restoration import EARLIER_SPECS, SPEC, DenoiserFile, UpscalerFile, read_restorer
from edgewright.graph.streaming import NetworkStream
from edgewright.proof.tolerance import BYTES, OUTPUT, Form, Samples, Stages
from edgewright.workflows.proof.artifacts import compilers, replay_compiled
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.forms import Subject, forms_of
from edgewright.workflows.proof.forms.integers import shapes_of
from edgewright.workflows.proof.provers import ProofRequest, Prover
from edgewright.workflows.proof.stages import graph_layout, in_a_row, tail
from edgewright.workflows.proof.subject import Chosen, subject_of

NAME = "stream"
_WINDOWS = 40
_REPLAY = """#include "stream.h"
void stream_replay(const int8_t *in, int8_t *out) {{
    static stream_network_context context;
    {begin}(&context);
    for (int i = 0; i < {count}; ++i) {{
        stream_network(&context, in + {taken} * i, out + {given} * i);
    }}
}}
"""


def prove_restorer(request: ProofRequest) -> ProofRecord:
    """Compare all forms of a denoiser or an upscaler, stage by stage, up to the output of the network.

    Raises:
        InputError: another file, sound of another width or shorter than a window, or data for an upscaler.
    """
    file = read_restorer(request.path)
    is_denoiser = isinstance(file, DenoiserFile)
    if request.data and not is_denoiser:
        raise ProofError("an upscaler without --data", request.data, str(request.path), "Omit --data")
    graphs = {form: network_graph(read_onnx(model), file.network, "Transpose" if is_denoiser else "Mul")
              for form, model in (("float", file.float_model), ("int8", file.int8_model))}  # fmt: skip
    subject = subject_of(file.spec.name, graphs, network=file.network, device=request.device)
    forms = list(forms_of(subject))
    if isinstance(file, DenoiserFile):
        windows, source = drawn_windows(file), "random noise of changing loudness"
        if request.data:
            windows, source = _recording(file, request)
        code = importlib.import_module("edgewright.export.c99_stream.stream").write_denoiser_c99(file, name=NAME)
        files = request.changed(code.files)
        forms += stream_forms(file.network, subject, files, file.spec.window, f"{NAME}_network_init")
    else:
        windows, source = upscaler_windows(file)[: request.rows], "its own test with noise of changing loudness"
    origins = tuple(f"window {number + 1}" for number in range(len(windows)))
    return prove_subject(subject, str(request.path), Chosen(windows, origins, source), forms)


def stream_forms(
    network: IntegerNetwork, subject: Subject, files: Mapping[str, str], window: int, begin: str
) -> Iterator[Form]:
    """Yield the network step by step in Python and by each C compiler; absent compilers are noted in the subject.

    Args:
        network: integers, a stream.
        subject: of the proof.
        files: generated C with the context `stream_network_context` and the function `stream_network`.
        window: samples of a window.
        begin: name of the function that clears the context.
    """
    stream = NetworkStream(network)
    hop, steps = stream.steps.hop, stream.steps
    count, width = window // hop, window * steps.outputs // hop

    def pushed(windows: NDArray[np.int8]) -> NDArray[np.int8]:
        """Push each window in pieces of uneven length."""
        rows = []
        for x in windows:
            stream.reset()
            cuts = (0, hop, 4 * hop, 5 * hop, len(x))
            rows.append(np.concatenate([stream.push(x[a:b]) for a, b in pairwise(cuts)]))
        return np.stack(rows)

    def form(name: str, replay: Callable[[NDArray[np.int8]], NDArray[Any]], note: str = "") -> Form:
        def run(samples: Samples, boundary: Samples) -> Stages:
            del samples
            integers = to_integers(network.values[network.input], boundary)
            windows = np.ascontiguousarray(integers.transpose(0, 2, 1))
            raw = replay(windows).view(np.int8).reshape(len(windows), 1, count, -1)
            answer = graph_layout(raw, shapes_of(subject).get(OUTPUT, raw.shape[1:]))
            reals = to_reals(network.values[network.output], raw)
            return {BYTES: integers, OUTPUT: answer, **tail(subject.graphs["int8"], network)(in_a_row(reals))}

        return Form(name=name, numbers="int8", run=run, note=note)

    yield form("Python stream", pushed)
    replayed = _REPLAY.format(begin=begin, count=count, taken=hop * steps.channels, given=steps.outputs)
    whole = {**files, "stream_replay.c": replayed}
    for name, command, note in compilers(subject.absent):
        run = partial(replay_compiled, whole, f"{NAME}_replay", command, size=width)
        yield form(f"C99 stream by {name}", run, note)


def _recording(denoiser: DenoiserFile, request: ProofRequest) -> tuple[Floats, str]:
    """Return windows of a WAV file, and where they came from."""
    path, window, channels = Path(request.data), denoiser.spec.window, len(denoiser.spec.columns)
    if not path.is_file():
        raise MissingFileError("a WAV file", "no such file", request.data)
    values = read_wav(path.read_bytes(), request.data).values
    count = min(len(values) // window, request.rows)
    if not count or values.shape[1] != channels:
        raise SampleShapeError(
            f"{window:,} samples of {channels} channels at least", f"{len(values):,} of {values.shape[1]}", request.data
        )
    return np.ascontiguousarray(values[: count * window].reshape(count, window, -1).transpose(0, 2, 1)), request.data


def drawn_windows(denoiser: DenoiserFile, seed: int = 0) -> Floats:
    """Return windows for a proof without data: noise of changing loudness, as far as the network hears and beyond."""
    spec, rng = denoiser.spec, np.random.default_rng(seed)
    loud = 10.0 ** rng.uniform(-2, 1, (_WINDOWS, 1, 1))
    windows = rng.standard_normal((_WINDOWS, len(spec.columns), spec.window)) * loud
    return np.asarray(windows * np.array(spec.deviation)[:, None] + np.array(spec.mean)[:, None], np.float32)


def network_graph(graph: Graph, network: IntegerNetwork, after: str) -> Graph:
    """Return the window form up to what the network tells, flat: what every engine and form can compute.

    Args:
        graph: window form.
        network: its integers.
        after: operator that reads it, the first of its kind after the boundary.
    """
    start = next(i for i, node in enumerate(graph.nodes) if graph.boundary in node.outputs)
    index = next(i for i, node in enumerate(graph.nodes) if i > start and node.op == after)
    raw, last = graph.nodes[index].inputs[0], graph.outputs[0]
    flat = Node(op="Flatten", inputs=(raw,), outputs=(last.name,), attributes={"axis": 1})
    nodes = (*graph.nodes[:index], flat)
    read = {name for node in nodes for name in node.inputs}
    given = {name for node in nodes for name in node.outputs}
    size = int(np.prod(network.values[network.output].shape))
    return msgspec.structs.replace(
        graph, nodes=nodes, outputs=(Value(name=last.name, shape=(size,)),),
        constants={name: array for name, array in graph.constants.items() if name in read},
        stages=tuple(mark for mark in graph.stages if mark.value in given),
    )  # fmt: skip


def upscaler_windows(upscaler: UpscalerFile, seed: int = 0) -> Floats:
    """Return the window of the test, and others with noise from little to more than the network sees."""
    rng, own = np.random.default_rng(seed), upscaler.test_in
    loud = 10.0 ** rng.uniform(-2, 1, (_WINDOWS - 1, *(1,) * (own.ndim - 1))) * max(float(own.std()), 1e-3)
    noise = rng.standard_normal((_WINDOWS - 1, *own.shape[1:])) * loud
    return np.asarray(np.concatenate([own, own + noise]), np.float32)


PROVER = Prover(SPEC, prove_restorer, EARLIER_SPECS)
