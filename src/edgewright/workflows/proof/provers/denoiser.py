"""Every form of a denoiser on the same signals: windows in all engines, and streams in Python and compiled C."""

from __future__ import annotations

import importlib
from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.input.riff import read_wav
from edgewright.core.onnx.reader import read_onnx
from edgewright.graph.denoising import SPEC, DenoiserFile, read_denoiser
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph, Node, Value
from edgewright.schema.integer import IntegerNetwork
from edgewright.schema.proof import ProofRecord
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.forms import forms_of
from edgewright.workflows.proof.provers import ProofRequest, Prover
from edgewright.workflows.proof.provers._streams import NAME, stream_forms
from edgewright.workflows.proof.rows import Chosen
from edgewright.workflows.proof.subject import subject_of

_WINDOWS = 40


def prove_denoiser(request: ProofRequest) -> ProofRecord:
    """Compare all forms up to the noise that the network tells, stage by stage.

    Raises:
        InputError: a file that is no denoiser, or sound of another width or shorter than a window.
    """
    denoiser = read_denoiser(request.path)
    signals, source = (
        _recording(denoiser, request)
        if request.data
        else (drawn_windows(denoiser), "random noise of changing loudness")
    )
    graphs = {form: network_graph(read_onnx(model), denoiser.network, "Transpose") for form, model in
              (("float", denoiser.float_model), ("int8", denoiser.int8_model))}  # fmt: skip
    subject = subject_of(denoiser.spec.name, graphs, network=denoiser.network, device=request.device)
    origins = tuple(f"window {number + 1}" for number in range(len(signals)))
    code = importlib.import_module("edgewright.export.c99_stream.denoiser").write_denoiser_c99(denoiser, name=NAME)
    forms = [*forms_of(subject), *stream_forms(denoiser.network, subject, request, code.files, f"{NAME}_network_init")]
    return prove_subject(subject, str(request.path), Chosen(signals, origins, source), forms)


def _recording(denoiser: DenoiserFile, request: ProofRequest) -> tuple[Floats, str]:
    """Return windows of a WAV file, and where they came from."""
    path, window, channels = Path(request.data), denoiser.spec.window, len(denoiser.spec.columns)
    if not path.is_file():
        raise InputError("a WAV file", "no such file", request.data)
    values = read_wav(path.read_bytes(), request.data).values
    count = min(len(values) // window, request.rows)
    if not count or values.shape[1] != channels:
        raise InputError(
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


PROVER = Prover(SPEC, prove_denoiser)
