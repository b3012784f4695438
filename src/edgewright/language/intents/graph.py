"""The student as a network of plain operators, for .tflite and ONNX: hashed features in, intents out.

The bag of rows is a product with the whole table, because an interpreter has no other way to add up rows: the table's
bytes are the same, and the features take a byte a row of memory (docs/adr/0032-intents-and-slots.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise
from edgewright.graph.builder import Builder
from edgewright.models.outputs import finish_outputs
from edgewright.nlp.utterance.student import FRACTION, MAX_BYTE, UNIT, Student
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph
from edgewright.schema.language import LanguageSpec, StudentSpec

INPUT = "features"
# By how much logits may go beyond those of the model's test vectors.
_ROOM = 1.25


def float_graph(spec: LanguageSpec, arrays: dict[str, NDArray[Any]]) -> Graph:
    """Return features of shape (rows,), float32, to `label`, `probabilities` and `confidence`, as the student has them.

    Raises:
        InputError: a model without a student.
    """
    return _build(spec, arrays)[0]


def int8_graph(spec: LanguageSpec, arrays: dict[str, NDArray[Any]]) -> Graph:
    """Return the same with its network in int8: the student's own bytes, and logits in 255 steps.

    Raises:
        InputError: a model without a student.
    """
    student, (graph, sums, hidden, logits) = student_of(spec), _build(spec, arrays)
    values = np.array([vector.logits for vector in spec.vectors], np.float64) * student.scale
    ranges = {
        INPUT: (0.0, MAX_BYTE / UNIT), sums: (0.0, 127.0), hidden: (0.0, 127.0),
        logits: (float(values.min()) * _ROOM, float(values.max()) * _ROOM),
    }  # fmt: skip
    empty = np.zeros((0, student.rows), np.float32)
    return quantise(graph, empty, per_channel="never", known=ranges)


def student_of(spec: LanguageSpec) -> StudentSpec:
    """Return the student of a model.

    Raises:
        InputError: it has none.
    """
    if spec.student is None:
        raise InputError("a model with a student", "one without", spec.name)
    return spec.student


def _build(spec: LanguageSpec, arrays: dict[str, NDArray[Any]]) -> tuple[Graph, str, str, str]:
    """Return the graph, and the names of its hidden layer's sums, of that layer, and of the logits."""
    student = student_of(spec)
    builder = Builder(spec.name, (student.rows,), input_name=INPUT, labels=spec.intents)
    builder.boundary(builder.input)
    # In units of the student's hidden integers: its square root and its shift leave the factor over 2^(8 + shift).
    weights = arrays["table"].astype(np.float64) * (student.factor / 2.0 ** (8 + student.shift))
    bias = arrays["bias"] / 2.0**FRACTION
    sums = builder.op("Gemm", builder.input, _floats(builder, weights), _floats(builder, bias))
    hidden = builder.op("Relu", sums)
    head, last = (arrays[name] * student.scale for name in ("head", "last"))
    logits = builder.op("Gemm", hidden, _floats(builder, head), _floats(builder, last))
    value = builder.op("Softmax", logits, axis=1)
    builder.stage("model", value)
    limits = Student(student, arrays, len(spec.intents), spec.name).limits * student.scale
    metadata = {"edgewright.limits": " ".join(map(repr, limits.tolist()))}
    return builder.finish(finish_outputs(builder, value, len(spec.intents)), metadata), sums, hidden, logits


def _floats(builder: Builder, array: NDArray[Any]) -> str:
    return builder.constant(np.asarray(array, np.float32))
