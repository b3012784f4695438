"""The network in Verilog in a simulator, when `--device` names an FPGA, and as it lies on the disk."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import InputError, UnknownNameError
from edgewright.core.integer.network import to_integers, to_reals
from edgewright.core.records.network import IntegerNetwork
from edgewright.graph.extract import layers
from edgewright.proof.tolerance import BYTES, Form, Samples, Stages
from edgewright.workflows.proof.artifacts import Artefact
from edgewright.workflows.proof.forms import Forms, Run, Subject
from edgewright.workflows.proof.forms.integers import drawn_rows, drawn_stage, shapes_of
from edgewright.workflows.proof.stages import in_a_row, layer_layout, tail

DEVICES = ("ice40-up5k",)
"""FPGAs whose design can be simulated."""
_NAME = "network"
# Icarus simulates some hundred thousand cycles a second.
_CYCLES, _MIN_SAMPLES, _MAX_SAMPLES = 2_000_000, 8, 1_000


def _make(subject: Subject) -> Iterator[Form]:
    if subject.device in DEVICES:
        yield from _form(subject, f"int8 Verilog for {subject.device}")
    for artefact in subject.of_kind("verilog"):
        yield from _form(subject, f"{artefact.name} in a simulator", artefact)


def _form(subject: Subject, name: str, artefact: Artefact | None = None) -> Iterator[Form]:
    """Yield the network as it would be exported, or as it lies on the disk."""
    if subject.network is None:
        subject.missing(name, "there is no int8 network after the boundary", needed=True)
        return
    files, simulation = (importlib.import_module(f"edgewright.export.verilog.{part}") for part in ("_files", "_layout"))
    try:
        layout = files.layout_of(subject.network)
    except (InputError, UnknownNameError) as error:
        subject.missing(name, str(error), needed=True)
        return
    if not simulation.simulator():
        subject.missing(name, f"no simulator of Verilog is installed: {simulation.INSTALL}", needed=True)
        return
    cycles = layout.cycles()
    yield Form(
        name=name,
        numbers="int8",
        run=_run(subject, subject.network, layout, artefact),
        whole=False,
        note=f"by {simulation.simulator()}; the network alone, {cycles:,} cycles a decision",
        max_samples=min(max(_CYCLES // cycles, _MIN_SAMPLES), _MAX_SAMPLES),
        needed=True,
        files=() if artefact is None else artefact.shown,
    )


def _run(
    subject: Subject,
    network: IntegerNetwork,
    layout: Any,  # noqa: ANN401 - `export.verilog._layout.Layout`
    artefact: Artefact | None,
) -> Run:
    def run(samples: Samples, boundary: Samples) -> Stages:
        files, simulation = (
            importlib.import_module(f"edgewright.export.verilog.{part}") for part in ("_files", "_layout")
        )
        source = network.values[network.input]
        given = to_integers(source, np.reshape(boundary, (len(boundary), *source.shape)))
        word = _NAME if artefact is None else Path(artefact.name).stem
        design = files.design(layout, word)
        lying = {} if artefact is None else {file: content.decode() for file, content in artefact.files.items()}
        # What another version wrote may have other layers: its answers alone are compared.
        traced = lying.get(f"{word}.v", design[f"{word}.v"]) == design[f"{word}.v"]
        with tempfile.TemporaryDirectory(prefix="edgewright-") as folder:
            rows = np.concatenate([given, drawn_rows(network, len(given))])
            done = simulation.simulate({**design, **lying}, word, layout.program, rows, Path(folder), traced=traced)
        return _stages(subject, network, given, done, samples)

    return run


def _stages(
    subject: Subject,
    network: IntegerNetwork,
    given: Any,  # noqa: ANN401 - simulated
    done: Any,  # noqa: ANN401 - simulated
    samples: Samples,
) -> Stages:
    forms, stages, count = shapes_of(subject), {BYTES: given}, len(given)
    for stage, number in layers(network).items():
        if number in done.values or number == network.output:
            values = done.outputs if number == network.output else done.values[number]
            values = values[:count].reshape(count, *network.values[number].shape)
            stages[stage] = layer_layout(network, number, values, forms.get(stage, values.shape[1:]))
    raw = to_reals(
        network.values[network.output], done.outputs[:count].reshape(-1, *network.values[network.output].shape)
    )
    stages |= tail(subject.graphs["int8"], network)(in_a_row(raw), samples)
    return {**stages, **drawn_stage(done.outputs[count:], count)}


FORMS = Forms(rank=75, make=_make, targets=("verilog",))
