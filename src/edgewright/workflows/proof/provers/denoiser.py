"""Every form of a denoiser on the same signals: windows in all engines, and streams in Python and compiled C."""

from __future__ import annotations

import ctypes
import importlib
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.integer.network import to_integers, to_reals
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.riff import read_wav
from edgewright.graph.denoising import SPEC, DenoiserFile, read_denoiser
from edgewright.graph.streaming import NetworkStream
from edgewright.proof.form import BYTES, OUTPUT, Form, Samples, Stages
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph, Node, Value
from edgewright.schema.proof import AbsentForm, ProofRecord
from edgewright.workflows.proof.forms import Run, Subject, forms_of
from edgewright.workflows.proof.forms.integers import shapes_of
from edgewright.workflows.proof.provers import Files, ProofRequest, Prover, compilers
from edgewright.workflows.proof.rows import Chosen
from edgewright.workflows.proof.stages import graph_layout, in_a_row, tail
from edgewright.workflows.proof.subject import subject_of
from edgewright.workflows.proof.workflow import prove_subject

_NAME = "stream"
_WINDOWS = 40


def prove_denoiser(request: ProofRequest) -> ProofRecord:
    """Compare all forms up to the noise that the network tells, stage by stage.

    Raises:
        InputError: a file that is no denoiser, or sound of another width or shorter than a window.
    """
    made = read_denoiser(request.place)
    signals, source = (
        _heard(made, request) if request.data else (drawn_windows(made), "random noise of changing loudness")
    )
    graphs = {form: noise_graph(read_onnx(model)) for form, model in
              (("float", made.float_model), ("int8", made.int8_model))}  # fmt: skip
    subject = subject_of(made.spec.name, graphs, network=made.network, device=request.device)
    origins = tuple(f"window {number + 1}" for number in range(len(signals)))
    forms = [*forms_of(subject), *_streams(made, subject, request)]
    return prove_subject(subject, str(request.place), Chosen(signals, origins, source), forms)


def _heard(made: DenoiserFile, request: ProofRequest) -> tuple[Floats, str]:
    """Return windows of a WAV file, and where they came from."""
    path, window, channels = Path(request.data), made.spec.window, len(made.spec.columns)
    if not path.is_file():
        raise InputError("a WAV file", "no such file", request.data)
    values = read_wav(path.read_bytes(), request.data).values
    count = min(len(values) // window, request.rows)
    if not count or values.shape[1] != channels:
        raise InputError(
            f"{window:,} samples of {channels} channels at least", f"{len(values):,} of {values.shape[1]}", request.data
        )
    return np.ascontiguousarray(values[: count * window].reshape(count, window, -1).transpose(0, 2, 1)), request.data


def drawn_windows(made: DenoiserFile, seed: int = 0) -> Floats:
    """Return windows for a proof without data: noise of changing loudness, as far as the network hears and beyond."""
    spec, rng = made.spec, np.random.default_rng(seed)
    loud = 10.0 ** rng.uniform(-2, 1, (_WINDOWS, 1, 1))
    drawn = rng.standard_normal((_WINDOWS, len(spec.columns), spec.window)) * loud
    return np.asarray(drawn * np.array(spec.deviation)[:, None] + np.array(spec.mean)[:, None], np.float32)


def noise_graph(graph: Graph) -> Graph:
    """Return the window form up to the noise in deviations, flat: what every engine and form can compute."""
    index = next(i for i, node in enumerate(graph.nodes) if node.op == "Transpose")
    raw, last = graph.nodes[index].inputs[0], graph.outputs[0]
    flat = Node(op="Flatten", inputs=(raw,), outputs=(last.name,), attributes={"axis": 1})
    nodes = (*graph.nodes[:index], flat)
    read = {name for node in nodes for name in node.inputs}
    given = {name for node in nodes for name in node.outputs}
    return msgspec.structs.replace(
        graph, nodes=nodes, outputs=(Value(name=last.name, shape=(int(np.prod(last.shape)),)),),
        constants={name: array for name, array in graph.constants.items() if name in read},
        stages=tuple(mark for mark in graph.stages if mark.value in given),
    )  # fmt: skip


def _streams(made: DenoiserFile, subject: Subject, request: ProofRequest) -> Iterator[Form]:
    """Yield the streams of Python and of each C compiler here: bytes at the boundary, and what the network answers."""
    whole = NetworkStream(made.network)
    yield Form(name="Python stream", numbers="int8", run=_stream(made, subject, lambda x: _pushed(whole, x)))
    host = importlib.import_module("edgewright.export._c_host")
    code = importlib.import_module("edgewright.export.c99_denoiser").write_denoiser_c99(made, name=_NAME)
    files = request.changed(code.files)
    absent: list[AbsentForm] = []
    for name, command, note in compilers(absent):
        run = _stream(made, subject, _compiled(host, files, command, made))
        yield Form(name=f"C99 stream by {name}", numbers="int8", run=run, note=note)
    subject.absent.extend(absent)


def _stream(made: DenoiserFile, subject: Subject, run_one: Callable[[NDArray[np.int8]], NDArray[np.int8]]) -> Run:
    network = made.network

    def run(samples: Samples, boundary: Samples) -> Stages:
        del samples
        taken = to_integers(network.values[network.input], boundary)
        raw = np.stack([run_one(np.ascontiguousarray(window.T)) for window in taken])[:, None]
        answer = graph_layout(raw, shapes_of(subject).get(OUTPUT, raw.shape[1:]))
        reals = to_reals(network.values[network.output], raw)
        return {BYTES: taken, OUTPUT: answer, **tail(subject.graphs["int8"], network)(in_a_row(reals))}

    return run


def _pushed(stream: NetworkStream, x: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return a window pushed in pieces of uneven length."""
    stream.reset()
    hop = stream.steps.hop
    cuts = (0, hop, 4 * hop, 5 * hop, len(x))
    return np.concatenate([stream.push(x[a:b]) for a, b in pairwise(cuts)])


def _compiled(
    host: Any, files: Files, command: str, made: DenoiserFile  # noqa: ANN401 - of `export`, loaded when asked
) -> Callable[[NDArray[np.int8]], NDArray[np.int8]]:  # fmt: skip
    loaded: list[ctypes.CDLL] = []
    width = made.spec.hop * len(made.spec.columns)

    def run(x: NDArray[np.int8]) -> NDArray[np.int8]:
        if not loaded:
            with tempfile.TemporaryDirectory() as folder:
                path = host.compile_c99(files, Path(folder), compiler=command, taps=False)
                loaded.append(ctypes.CDLL(str(path)))
        library = loaded[0]
        context = host.context_of(library, f"{_NAME}_network_context")
        getattr(library, f"{_NAME}_network_init")(context)
        steps = x.reshape(-1, width)
        out = np.zeros((len(steps), width), np.int8)
        function = getattr(library, f"{_NAME}_network")
        for row, answer in zip(steps, out, strict=True):
            function(context, row.ctypes.data_as(ctypes.c_void_p), answer.ctypes.data_as(ctypes.c_void_p))
        return out

    return run


PROVER = Prover(SPEC, prove_denoiser)
