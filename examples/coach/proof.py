"""Every form of the phone network of a coach on the same frames: windows in all engines, streams in Python and C."""

from __future__ import annotations

import importlib
from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.archive import read_file, unpack_parts
from edgewright.core.errors import CheckFailedError, InputError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.records.network import Graph, Node, Value
from edgewright.graph.extract import integer_network
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.forms import forms_of
from edgewright.workflows.proof.provers import ProofRequest
from edgewright.workflows.proof.provers.restoration import NAME, stream_forms
from edgewright.workflows.proof.subject import Chosen, subject_of
from records import COACH_VERSION, CoachSpec

_SPEC, _FLOAT, _INT8 = "coach.json", "model.onnx", "model.int8.onnx"
_WINDOWS = 8
_DAMAGED = "Create it again with: python coach.py"


def prove(path: Path) -> int:
    """Compare all forms up to the logits of the phones, stage by stage; return the number of pairs.

    Raises:
        CheckFailedError: forms differ.
    """
    where, request = str(path), ProofRequest(path)
    data = read_file(path, "a coach's file", absent=_DAMAGED)
    spec, files = unpack_parts(data, where, _SPEC, CoachSpec, COACH_VERSION, "coach", _DAMAGED)
    if not {_FLOAT, _INT8} <= files.keys():
        raise InputError("two models", ", ".join(sorted(files)), where, _DAMAGED)
    graphs = {form: _flat(read_onnx(files[name])) for form, name in (("float", _FLOAT), ("int8", _INT8))}
    network = integer_network(read_onnx(files[_INT8]), spec.rounding)
    rng = np.random.default_rng(0)
    loud = 10.0 ** rng.uniform(-1, 1, (_WINDOWS, 1, 1))
    windows = rng.standard_normal((_WINDOWS, len(spec.mean), spec.window)) * loud
    frames = np.asarray(windows * np.array(spec.deviation)[:, None] + np.array(spec.mean)[:, None], np.float32)
    subject = subject_of(spec.name, graphs, network=network, device=request.device)
    writer = importlib.import_module("edgewright.export.c99_stream.stream")
    code = writer.write_network_stream_c99(network, name=NAME)
    forms = [*forms_of(subject), *stream_forms(network, subject, request.changed(code), spec.window, f"{NAME}_init")]
    origins = tuple(f"window {number + 1}" for number in range(len(frames)))
    proof = prove_subject(subject, where, Chosen(frames, origins, "random frames of changing loudness"), forms)
    if not proof.passed or proof.disagrees:
        raise CheckFailedError(f"the proof of {path.name} failed")
    return sum(len(part.pairs) for part in (proof, *proof.parts))


def _flat(graph: Graph) -> Graph:
    """Return a window form whose logits are flat: what every engine and form can compute."""
    last = graph.outputs[0]
    nodes = tuple(
        msgspec.structs.replace(node, outputs=("logits",)) if last.name in node.outputs else node
        for node in graph.nodes
    )
    flat = Node(op="Flatten", inputs=("logits",), outputs=(last.name,), attributes={"axis": 1})
    outputs = (Value(name=last.name, shape=(int(np.prod(last.shape)),)),)
    return msgspec.structs.replace(graph, nodes=(*nodes, flat), outputs=outputs)
