"""A .tflite as it lies on the disk: the whole pipeline or its network alone, in LiteRT and in TFLM."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgewright.graph.from_tflite_file import TfliteFile, parse_tflite
from edgewright.proof.form import Form
from edgewright.schema.errors import InputError
from edgewright.workflows.proof.artifacts import Artefact
from edgewright.workflows.proof.forms import Forms, Run, Subject, tflm
from edgewright.workflows.proof.forms.litert import (
    MOST,
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
        one: the network.
        whole: whether the file has the preprocessing, too.
        places: stage, or number of the network's value in digits -> tensor.
        ends: those of `places` that are outputs of the file.
    """

    one: Network
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
        rounding = lying.one.network.rounding if lying.one.integers and lying.one.network else ""
        ours = path == ("TFLM" if rounding == "tflm" else "reference") or not rounding
        yield Form(
            name=name,
            numbers=lying.one.numbers,
            run=_run(lying, places, ask),
            ours=ours,
            whole=lying.whole,
            note="" if lying.whole else _NOTE,
            max_samples=0 if ours and rounding else MOST,
            labels=labels if lying.whole else (),
            files=artefact.shown,
        )


def _ask(model: bytes, path: str) -> Ask:
    if path == "TFLM":
        made = tflm.interpreter(model)
        return lambda rows, places: tflm.run_rows(made, rows, places)
    return lambda rows, places: invoke(model, rows, places, reference=path == "reference")


def _run(lying: _Lying, places: Mapping[str, int], ask: Ask) -> Run:
    one = lying.one
    if lying.whole or one.network is None:
        return lambda samples, boundary: whole_stages(one, ask(samples, places))
    return network_run(
        one, one.network, lambda source: {int(key): values for key, values in ask(source, places).items()}
    )


def _recognised(subject: Subject, file: TfliteFile) -> _Lying:
    """Which network of the subject a file holds, by its input, its outputs, and operators where they are the same.

    Raises:
        InputError: for a file of another model.
    """
    source, integers = file.tensors[file.inputs[0]], any(tensor.dtype == "int8" for tensor in file.tensors)
    for one in networks(subject):
        whole = (1, *one.graph.inputs[0].shape) == source.shape and source.dtype == "float32"
        if whole and len(file.outputs) >= len(one.graph.outputs) and integers == one.integers:
            # Outputs have the graph's names.
            names = {file.tensors[place].name: place for place in file.outputs}
            last: dict[str, int] = {stage: names[value] for stage, value in ends(one.graph).items() if value in names}
            if last:
                return _Lying(one, True, _inside(one, file, last), last)
    for one in networks(subject):
        if one.network is None:
            continue
        first, dtype = one.network.values[one.network.input], "int8" if one.integers else "float32"
        if source.shape == (1, *first.shape) and source.dtype == dtype and len(file.outputs) == 1:
            last = {str(one.network.output): file.outputs[0]}
            return _Lying(one, False, _network_inside(one, file, last), last)
    shape = " x ".join(map(str, source.shape[1:]))
    raise InputError(f"a .tflite of {subject.name}", f"one that takes {source.dtype} of shape {shape}")


def _inside(one: Network, file: TfliteFile, last: dict[str, int]) -> dict[str, int]:
    """Every stage of a whole file that has the operators we would write; else its ends."""
    try:
        made = whole_file(one)
    except InputError:
        return last
    return {**made.places} if _alike(parse_tflite(made.model), file) else last


def _network_inside(one: Network, file: TfliteFile, last: dict[str, int]) -> dict[str, int]:
    if one.network is None:
        return last
    made = network_file(one.network)
    if not _alike(parse_tflite(made), file):
        return last
    return {**last, **{str(number): place for number, place in network_places(made, one.network).items()}}


def _alike(made: TfliteFile, file: TfliteFile) -> bool:
    """Return whether two files have the same operators on the same tensors, whatever these hold."""
    operators = [[(o.name, o.inputs, o.outputs) for o in one.operators] for one in (made, file)]
    tensors = [[(t.shape, t.dtype) for t in one.tensors] for one in (made, file)]
    return operators[0] == operators[1] and tensors[0] == tensors[1] and made.inputs == file.inputs


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
        raise InputError("a list of class names", repr(text[:40]), f"metadata {_LABELS}") from None


# Beside the other forms of .tflite.
FORMS = Forms(rank=42, make=_make)
