"""The int8 network as synthesizable Verilog: bytes in, bytes out, weights inside (docs/research/targets.md)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.core.integer.network import to_integers
from edgewright.core.prediction.executor import compile_graph
from edgewright.export.contract import Subject, Target, need_int8
from edgewright.export.verilog._files import CLOCK_HZ, layout_of, verilog_files
from edgewright.export.verilog._layout import blocks, huges

# Vectors of a package in the test bench; each takes thousands of cycles.
_VECTORS = 32


def _files(subject: Subject) -> dict[str, bytes]:
    need_int8(subject, "for which the Verilog has no arithmetic")
    # No word that Verilog reserves ends so.
    facts = {"preprocessing": "none"} if _begins_raw(subject) else {"boundary": f"value `{subject.graph.boundary}`"}
    if subject.graph.labels:
        facts["labels"] = ", ".join(subject.graph.labels)
    texts = verilog_files(subject.network, f"{subject.word}_network", _samples(subject), facts)
    return {name: text.encode() for name, text in texts.items()}


def _samples(subject: Subject) -> NDArray[np.int8] | None:
    """Return bytes at the boundary for the vectors of a package; None where there are none."""
    vectors, graph, network = subject.vectors, subject.graph, subject.network
    if vectors is None or not len(vectors) or not graph.boundary:
        return None
    rows = np.asarray(vectors[:_VECTORS], np.float32)
    if not _begins_raw(subject):
        rows = np.asarray(compile_graph(graph, (graph.boundary,))(rows)[graph.boundary], np.float32)
    value = network.values[network.input]
    return to_integers(value, rows.reshape(len(rows), *value.shape))


def _begins_raw(subject: Subject) -> bool:
    return subject.read is not None or subject.graph.boundary in ("", subject.graph.inputs[0].name)


def _note(subject: Subject) -> str:
    layout = layout_of(subject.network)
    cycles = layout.cycles()
    lines = [
        f"{layout.program.inputs:,} bytes in, {layout.program.outputs:,} out, {cycles:,} cycles a decision "
        f"({cycles / CLOCK_HZ * 1e3:.3g} ms at {CLOCK_HZ / 1e6:g} MHz), {blocks(layout)} EBR and {huges(layout)} "
        "SPRAM of an iCE40; make sim tests it"
    ]
    if layout.loaded:
        lines.append("its weights are more than block RAM holds: they are sent through the stream after each reset")
    if not _begins_raw(subject):
        lines.append("it begins after the preprocessing, which the host does (--to c99 writes it)")
    return "; ".join(lines)


TARGET = Target(
    description="the int8 network as synthesizable Verilog, for FPGAs",
    files=_files,
    note=_note,
    forms=("int8",),
    networks=False,
    not_run="compared where given --device ice40-up5k, or --with its folder",
)
