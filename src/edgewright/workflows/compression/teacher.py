"""The teacher of a distillation: a run, a package or any ONNX model, asked about the training samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.engines import Answer, choose
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import read_package
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

_PIECE = 4096
# Rows that add up to 1 within this are probabilities already; else they are logits.
_SUM = 1e-3


def teacher_answers(location: str, raw: Floats, features: Floats, labels: tuple[str, ...]) -> Floats:
    """Return what a teacher answers to the training samples.

    Args:
        location: a run folder, a package, or an ONNX file.
        raw: samples as the sensors gave them.
        features: the same as the student's network takes them, for a teacher without preprocessing of its own.
        labels: the student's classes in their order; empty for a regression.

    Returns:
        Probabilities (n, classes) in the order of `labels`, or answers (n, 1) of a regression.

    Raises:
        InputError: no model, one that takes neither, or one with other classes.
    """
    content, known = _read(location)
    try:
        ask = choose(None).load(content)
    except InputError:
        raise InputError(
            "a run folder, a package or an ONNX file", "a file that no engine can load", location
        ) from None
    rows = next((rows for rows in (raw, features) if _takes(ask, rows)), None)
    if rows is None:
        raise InputError(
            f"a teacher of samples of shape {raw.shape[1:]} or of features of shape {features.shape[1:]}",
            "another input", location,
        )  # fmt: skip
    answers = np.concatenate([_numbers(ask(rows[i : i + _PIECE]), location) for i in range(0, len(rows), _PIECE)])
    return _ordered(answers, known, labels, location) if labels else answers[:, :1]


def _read(location: str) -> tuple[bytes, tuple[str, ...]]:
    """Return the model's bytes, and its labels where it says them."""
    path = Path(location)
    file = path / "model.onnx" if path.is_dir() else path
    if file.suffix == ".edge":
        package = read_package(file)
        content = package.model("float" if "float" in package.manifest.forms else package.manifest.default)
        return content, package.manifest.labels
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(
            "a run folder, a package or an ONNX file", error.strerror or str(error), str(file),
            "Pass the teacher after --distil",
        ) from None  # fmt: skip
    try:
        return content, read_onnx(content).labels
    except InputError:
        # Operators we do not know: the engine may know them, and labels stand in our own models only.
        return content, ()


def _takes(ask: Answer, rows: Floats) -> bool:
    try:
        ask(np.ascontiguousarray(rows[:1], np.float32))
    except InputError:
        return False
    return True


def _numbers(given: dict[str, NDArray[Any]], location: str) -> Floats:
    """Return the first output of float numbers, as (n, k)."""
    named = [given[name] for name in ("probabilities", "prediction") if name in given]
    floats = named or [a for a in given.values() if isinstance(a, np.ndarray) and a.dtype.kind == "f" and a.ndim <= 2]
    if not floats:
        raise InputError("probabilities or logits as a float output", "none", location)
    return np.asarray(floats[0], np.float32).reshape(len(floats[0]), -1)


def _ordered(answers: Floats, known: tuple[str, ...], labels: tuple[str, ...], location: str) -> Floats:
    """Return probabilities in the order of the student's classes; without names they are taken to be sorted alike."""
    if answers.shape[1] == 1 and len(labels) == 2:
        inside = bool(((answers >= 0) & (answers <= 1)).all())
        second = answers if inside else 1.0 / (1.0 + np.exp(-answers))
        answers = np.concatenate([1.0 - second, second], axis=1)
    if (known and set(known) != set(labels)) or answers.shape[1] != len(labels):
        raise InputError(
            f"a teacher of the classes {', '.join(labels)}",
            ", ".join(known) or f"{answers.shape[1]} outputs", location,
        )  # fmt: skip
    if known:
        answers = answers[:, [known.index(label) for label in labels]]
    if (answers < -_SUM).any() or (np.abs(answers.sum(axis=1) - 1.0) > _SUM).any():
        powers = np.exp(answers - answers.max(axis=1, keepdims=True))
        answers = powers / powers.sum(axis=1, keepdims=True)
    return np.asarray(answers, np.float32)
