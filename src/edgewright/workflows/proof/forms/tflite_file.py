"""A .tflite as it lies on the disk: the whole pipeline or its network alone, in LiteRT and in TFLM."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgewright.core.errors import InputError, ProofError, SampleShapeError
from edgewright.graph.from_tflite_file import TfliteFile, parse_tflite
from edgewright.proof.tolerance import Form
from edgewright.workflows.proof.artifacts import Artefact
from edgewright.workflows.proof.forms import Forms, Run, Subject, tflm
from edgewright.workflows.proof.forms.litert import (
    MAX_SAMPLES,
    Network,
    invoke,
    network_file,
    network_places,
    network_run,
    networks,
    whole_file,
    whole_stages,
)
from edgewright.workflows.proof.stages import ends

_LABELS = "edgewright.labels"
_NOTE = "the network alone, fed what the NumPy engine gives at the boundary"
# (rows in the type of the input, tensors to read by key) -> their values.
Ask = Callable[[NDArray[Any], Mapping[str, int]], dict[str, NDArray[Any]]]


@dataclass(frozen=True)
class _Lying:
    """A file and which of the subject's networks it holds.

    Attributes:
        network: the network.
        whole: whether the file has the preprocessing, too.
        places: stage, or number of the network's value in digits -> tensor.
        ends: those of `places` that are outputs of the file.
    """

    network: Network
    whole: bool
    places: Mapping[str, int]
    ends: Mapping[str, int]


def _make(subject: Subject) -> Iterator[Form]:
    for artefact in subject.of_kind("tflite"):
        yield from _forms(subject, artefact)


def _forms(subject: Subject, artefact: Artefact) -> Iterator[Form]:
    if importlib.util.find_spec("ai_edge_litert") is None:
        why = "ai-edge-litert is not installed: pip install 'edgewright[engines]'"
        subject.missing(f"{artefact.name} in LiteRT", why)
        return
    try:
        file = parse_tflite(artefact.content)
        lying = _recognised(subject, file)
        labels = _labels(file)
    except InputError as error:
        subject.missing(f"{artefact.name} in LiteRT", str(error))
        return
    for path in ("reference", "XNNPACK", "TFLM"):
        name = f"{artefact.name} in {path if path == 'TFLM' else f'LiteRT {path}'}"
        if path == "TFLM" and importlib.util.find_spec("tflite_micro") is None:
            continue
        try:
            ask = _ask(artefact.content, path)
        except InputError as error:
            subject.missing(name, str(error))
            continue
        # XNNPACK shows no memory inside.
        places = lying.ends if path == "XNNPACK" else lying.places
        rounding = lying.network.network.rounding if lying.network.integers and lying.network.network else ""
        ours = path == ("TFLM" if rounding == "tflm" else "reference") or not rounding
        yield Form(
            name=name,
            numbers=lying.network.numbers,
            run=_run(lying, places, ask, ours),
            ours=ours,
            whole=lying.whole,
            note="" if lying.whole else _NOTE,
            max_samples=0 if ours and rounding else MAX_SAMPLES,
            labels=labels if lying.whole else (),
            files=artefact.shown,
        )


def _ask(model: bytes, path: str) -> Ask:
    if path == "TFLM":
        interpreter = tflm.interpreter(model)
        return lambda rows, places: tflm.run_rows(interpreter, rows, places)
    return lambda rows, places: invoke(model, rows, places, reference=path == "reference")


def _run(lying: _Lying, places: Mapping[str, int], ask: Ask, ours: bool) -> Run:
    network = lying.network
    if lying.whole or network.network is None:
        return lambda samples, boundary: whole_stages(network, ask(samples, places))
    return network_run(
        network, network.network, lambda source: {int(key): values for key, values in ask(source, places).items()}, ours
    )


def _recognised(subject: Subject, file: TfliteFile) -> _Lying:
    """Which network of the subject a file holds, by its input, its outputs, and operators where they are the same.

    Raises:
        InputError: for a file of another model.
    """
    source, integers = file.tensors[file.inputs[0]], any(tensor.dtype == "int8" for tensor in file.tensors)
    for network in networks(subject):
        whole = (1, *network.graph.inputs[0].shape) == source.shape and source.dtype == "float32"
        if whole and len(file.outputs) >= len(network.graph.outputs) and integers == network.integers:
            # Outputs have the graph's names.
            names = {file.tensors[position].name: position for position in file.outputs}
            last: dict[str, int] = {
                stage: names[value] for stage, value in ends(network.graph).items() if value in names
            }
            if last:
                return _Lying(network, True, _inside(network, file, last), last)
    for network in networks(subject):
        if network.network is None:
            continue
        first, dtype = network.network.values[network.network.input], "int8" if network.integers else "float32"
        if source.shape == (1, *first.shape) and source.dtype == dtype and len(file.outputs) == 1:
            last = {str(network.network.output): file.outputs[0]}
            return _Lying(network, False, _network_inside(network, file, last), last)
    shape = " x ".join(map(str, source.shape[1:]))
    raise SampleShapeError(f"a .tflite of {subject.name}", f"one that takes {source.dtype} of shape {shape}")


def _inside(network: Network, file: TfliteFile, last: dict[str, int]) -> dict[str, int]:
    """Every stage of a whole file that has the operators we would write; else its ends."""
    try:
        whole = whole_file(network)
    except InputError:
        return last
    return {**whole.places} if _alike(parse_tflite(whole.model), file) else last


def _network_inside(network: Network, file: TfliteFile, last: dict[str, int]) -> dict[str, int]:
    if network.network is None:
        return last
    ours = network_file(network.network)
    if not _alike(parse_tflite(ours), file):
        return last
    return {**last, **{str(number): tensor for number, tensor in network_places(ours, network.network).items()}}


def _alike(ours: TfliteFile, file: TfliteFile) -> bool:
    """Return whether two files have the same operators on the same tensors, whatever these hold."""
    operators = [[(o.name, o.inputs, o.outputs) for o in side.operators] for side in (ours, file)]
    tensors = [[(t.shape, t.dtype) for t in side.tensors] for side in (ours, file)]
    return operators[0] == operators[1] and tensors[0] == tensors[1] and ours.inputs == file.inputs


def _labels(file: TfliteFile) -> tuple[str, ...]:
    """Return class names that a whole file carries.

    Raises:
        InputError: for metadata of another form.
    """
    text = file.metadata.get(_LABELS, b"")
    if not text:
        return ()
    try:
        return tuple(str(name) for name in json.loads(text))
    except (ValueError, TypeError):
        raise ProofError("a list of class names", repr(text[:40]), f"metadata {_LABELS}") from None


# Beside the other forms of .tflite.
FORMS = Forms(rank=42, make=_make, targets=("tflite",))
