"""A model from elsewhere as it came: what our reading of it must equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.engines import get
from edgewright.core.errors import InputError, ProofError
from edgewright.core.integer.network import to_integers, to_reals
from edgewright.core.records.proof import Numbers
from edgewright.graph.from_tflite_file import parse_tflite
from edgewright.proof.tolerance import BYTES, LABEL, OUTPUT, PREDICTION, PROBABILITIES, Form, Samples, Stages
from edgewright.workflows.proof.forms import Forms, Run, Subject
from edgewright.workflows.proof.forms.litert import run_file
from edgewright.workflows.proof.stages import ends, tail

_ONNX, _TFLITE = "the .onnx file itself in ONNX Runtime", "the .tflite file itself in LiteRT"


def _make(subject: Subject) -> Iterator[Form]:
    if not subject.original:
        return
    tflite = subject.original[4:8] == b"TFL3"
    numbers: Numbers = "int8" if subject.network is not None else "float"
    files = subject.source(numbers)
    engine = get("litert" if tflite else "onnxruntime")
    if not engine.available():
        subject.missing(_TFLITE if tflite else _ONNX, f"pip install 'edgewright[{engine.extra}]'")
    elif tflite and subject.network is None and _hybrid(subject.original):
        subject.missing(_TFLITE, "its weights are int8 and its activations float; LiteRT quantizes them for every row")
    elif tflite:
        yield Form(name=f"{_TFLITE} reference", numbers=numbers, run=_tflite(subject), files=files)
    elif b"DynamicQuantizeLinear" in subject.original:
        subject.missing(_ONNX, "ONNX Runtime quantizes what its layers receive for every call")
    else:
        yield Form(name=_ONNX, numbers=numbers, run=_onnx(subject), ours=numbers == "float", files=files)


def _hybrid(model: bytes) -> bool:
    """Return whether layers of a float model have int8 weights: LiteRT's own kernels then differ by per cents."""
    file = parse_tflite(model)
    read = {tensor for operator in file.operators if operator.name != "DEQUANTIZE" for tensor in operator.inputs}
    return any(file.tensors[n].dtype == "int8" and file.tensors[n].scale.size for n in read if n >= 0)


def _onnx(subject: Subject) -> Run:
    def run(samples: Samples, boundary: Samples) -> Stages:
        ask = get("onnxruntime").load(subject.original)
        try:
            given = ask(samples)
        except InputError:
            # A model whose batch is fixed takes one row after another.
            rows = [ask(row[None]) for row in samples]
            given = {name: np.concatenate([_floats(row[name]) for row in rows]) for name in rows[0]}
        stages = ends(subject.reference)
        stages.pop(LABEL, None)
        outputs: Stages = {}
        for stage, name in stages.items():
            count = int(np.prod(next(v.shape for v in subject.reference.outputs if v.name == name)))
            floats = [v for v in map(_floats, given.values()) if v.dtype == np.float32]
            fitting = [v for v in floats if v.size == count * len(samples)]
            if fitting:
                outputs[stage] = fitting[-1].reshape(len(samples), -1)
        if not outputs:
            raise ProofError("an output with the same numbers", ", ".join(given), subject.name)
        if PROBABILITIES in outputs:
            outputs[LABEL] = np.argmax(outputs[PROBABILITIES], axis=1).astype(np.int64)
            own = _labels(given.values(), subject.reference.labels)
            if own is not None and len(subject.reference.labels) == 2 and np.all(own != outputs[LABEL]):
                # Of two classes ONNX Runtime's SVMClassifier gives each the score of the other.
                outputs[PROBABILITIES] = outputs[PROBABILITIES][:, ::-1]
            outputs[LABEL] = outputs[LABEL] if own is None else own
        return outputs

    return run


def _labels(given: Iterable[Any], names: Sequence[str]) -> NDArray[np.int64] | None:
    """Return places of the labels that a model says itself; None where it says none by these names."""
    for value in given:
        array = np.asarray(value)
        if array.ndim == 1 and array.dtype.kind in "iuUSO" and not isinstance(value, list):
            texts = [str(label) for label in array.tolist()]
            if set(texts) <= set(names):
                return np.asarray([names.index(text) for text in texts], np.int64)
    return None


def _floats(value: Any) -> NDArray[Any]:  # noqa: ANN401 - an array, or a list with a dictionary a row
    """Return an output as an array; probabilities by name of the class in the order of the names."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return np.asarray([[row[name] for name in sorted(row)] for row in value], np.float32)
    return np.asarray(value)


def _tflite(subject: Subject) -> Run:
    def run(samples: Samples, boundary: Samples) -> Stages:
        network, graph = subject.network, subject.reference
        outputs = run_file(subject.original, samples)
        if len(outputs) > 1:
            return _several(subject, outputs)
        raw = outputs[0].reshape(len(samples), -1)
        if network is None or raw.dtype != np.int8:
            stage = next(name for name in ends(graph) if name in (PROBABILITIES, PREDICTION))
            stages: Stages = {stage: _real(subject, 0, raw)}
            if stage == PROBABILITIES:
                stages[LABEL] = np.argmax(raw, axis=1).astype(np.int64)
            return stages
        reals = to_reals(network.values[network.output], raw)
        # The file's order of the boundary is that of its rows; ours stands where the graph has its boundary.
        first = to_integers(network.values[network.input], boundary)
        return {BYTES: first, OUTPUT: np.asarray(raw, np.int8), **tail(graph, network)(reals)}

    return run


def _several(subject: Subject, outputs: list[NDArray[Any]]) -> Stages:
    """Return several outputs under their names, which the reading has in the order of the file."""
    names = [value.name for value in subject.reference.outputs]
    return {name: _real(subject, n, values) for n, (name, values) in enumerate(zip(names, outputs, strict=True))}


def _real(subject: Subject, index: int, values: NDArray[Any]) -> Samples:
    """Return an output as real numbers, by the grid that the file gives for it."""
    if values.dtype != np.int8:
        return np.asarray(values, np.float32)
    file = parse_tflite(subject.original)
    tensor = file.tensors[file.outputs[index]]
    zero = int(tensor.zero.sum()) - (128 if tensor.dtype == "uint8" else 0)
    return np.asarray((values.astype(np.float32) - zero) * tensor.scale, np.float32)


FORMS = Forms(rank=12, make=_make)
