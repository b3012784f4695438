"""`python -m benchmarks.foreign_files.comparison FOLDER [PART OF A NAME]`: imports and proves the files of `producers`.

A file enters if it is read and its outputs are those of its own runtime: float values and int8 values of .tflite
within 1e-4, those of quantised ONNX within two steps of a softmax, and, where the runtime rounds what layers receive
(dynamic quantisation), 0.05. It is PROVEN if `prove` says so too. The target, set before the first measurement: 56 of
60.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import markdown, verdict
from edgewright.core.integer.fusion import compile_fused
from edgewright.core.prediction.executor import compile_graph
from edgewright.export.contract import Subject
from edgewright.export.subject import read_subject
from edgewright.schema.errors import EdgewrightError
from edgewright.workflows.proof.workflow import prove_place

TARGET, FILES = 56, 60
_ROWS = 48
_CLOSE, _DYNAMIC, _STEPS = 1e-4, 0.05, 2
# Steps of the int8 grid of a softmax.
_STEP = 1 / 256


def differences(path: Path, subject: Subject) -> Iterator[float]:
    """Yield the largest difference of each output from the file's own runtime."""
    stored = np.load(path.with_suffix(".npz"))
    exact = path.suffix == ".tflite" and _kind(subject) == "int8"
    given = (compile_fused if exact else compile_graph)(subject.graph)(stored["x"])
    several = "y1" in stored.files
    answers = [given[name] for name in ("probabilities", "prediction") if name in given] or list(given.values())
    for index in range(len(stored.files) - 1 if several else 1):
        expected = stored[f"y{index}"]
        yield float(np.abs(answers[index].reshape(expected.shape) - expected).max())


def outcome(path: Path) -> tuple[str, str, str]:
    """Return how a file is read, its largest difference, and PROVEN or what fails."""
    try:
        subject = read_subject(path)
        difference = max(differences(path, subject))
    except EdgewrightError as error:
        return "-", "-", str(error)
    kind = _kind(subject)
    rounds = kind.startswith("int8") and path.suffix == ".onnx"
    limit = _DYNAMIC if "dynamic" in path.name else _STEPS * _STEP if rounds else _CLOSE
    failures = [] if difference <= limit else [f"differs by {difference:.2g}"]
    try:
        record = prove_place(str(path), rows=_ROWS)
        failures += [] if record.passed else [f"not proven: {record.broken}"]
    except EdgewrightError as error:
        failures.append(str(error))
    return kind, f"{difference:.1g}", "; ".join(failures) or "PROVEN"


def _kind(subject: Subject) -> str:
    quantised = any(node.op == "QuantizeLinear" for node in subject.graph.nodes)
    try:
        return "int8" if (subject.read is not None and quantised) or subject.integers is not None else "float"
    except EdgewrightError:
        return "int8 graph"


def main(folder: str, part: str = "") -> None:
    """Print the table."""
    rows: list[tuple[Any, ...]] = []
    for path in sorted((*Path(folder).glob("*.tflite"), *Path(folder).glob("*.onnx"))):
        if part in path.name:
            rows.append((path.name, f"{path.stat().st_size:,}", *outcome(path)))
            print(rows[-1], file=sys.stderr, flush=True)
    proven = sum(row[-1] == "PROVEN" for row in rows)
    print(markdown(("file", "bytes", "read as", "largest difference", "result"), rows))
    print(f"{proven} of {len(rows)} ({verdict(proven >= TARGET)}: at least {TARGET} of {FILES})")


if __name__ == "__main__":
    main(*sys.argv[1:])
