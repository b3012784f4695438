"""`python -m benchmarks.foreign_files [PART OF A NAME]`: 40 files of other tools, exported to every form and proven.

The target, set before the first measurement: 38 of 40 enter, leave in every form, and are PROVEN.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.foreign_files import converter, exporters
from benchmarks.table import markdown, verdict
from edgewright.core.errors import EdgewrightError
from edgewright.export.contract import Subject, find_target, read_subject
from edgewright.workflows.proof.workflow import prove_place

SEED = 5
TARGET = 38
_ROWS = 200
_PICTURE = 3
# Model, form, type of activations, a scale for each channel.
_BY_ONNXRUNTIME = (
    ("MobileNetV2 block", "QDQ", "QUInt8", False), ("MobileNetV2 block", "QOperator", "QUInt8", False),
    ("ResNet block", "QDQ", "QInt8", True), ("ResNet block", "QOperator", "QInt8", True),
    ("pools", "QDQ", "QInt8", True), ("pools", "QOperator", "QUInt8", False), ("branches", "QDQ", "QUInt8", False),
    ("branches", "QOperator", "QInt8", True), ("Hardswish", "QDQ", "QInt8", True), ("SiLU", "QDQ", "QUInt8", False),
    ("SiLU", "QOperator", "QUInt8", True), ("GELU", "QDQ", "QInt8", True), ("LeakyReLU", "QOperator", "QUInt8", False),
)  # fmt: skip
_BY_PYTORCH = (
    ("MobileNetV2 block", "eager"), ("ResNet block", "fake"), ("branches", "eager"), ("Hardswish", "eager"),
    ("SiLU", "pt2e"), ("Mish", "fake"), ("GELU", "pt2e"), ("tanh", "pt2e"),
)  # fmt: skip


def files() -> Iterator[tuple[str, str, bytes]]:
    """Yield the name of each file, its ending, and its bytes."""
    for index, (name, model) in enumerate(converter.MODELS.items()):
        yield f"LiteRT: {name}", "tflite", model(SEED).int8(float_ends=index % 2 == 1)
    for name, form, activations, per_channel in _BY_ONNXRUNTIME:
        data = exporters.by_onnxruntime(exporters.MODELS[name](SEED).file(), form, activations, per_channel=per_channel)
        yield f"ONNX Runtime: {name}, {form}, {activations}{', channels' if per_channel else ''}", "onnx", data
    for name, form in _BY_PYTORCH:
        yield f"PyTorch: {name}, {form}", "onnx", exporters.by_pytorch(exporters.MODELS[name](SEED).file(), form)


def forms_of(subject: Subject) -> tuple[str, ...]:
    """Return the forms that a model must leave in.

    The app of a browser takes no pictures, and the machine in Verilog has neither softmax nor products of two values.
    """
    network = subject.integers
    forms = ["c99", "tflite", "onnx"]
    if network is not None and not {"softmax", "multiply"}.intersection(o.kind for o in network.operators):
        forms.append("verilog")
    return tuple(forms if len(subject.graph.inputs[0].shape) == _PICTURE else (*forms, "web"))


def outcome(path: Path) -> tuple[tuple[str, ...], list[str]]:
    """Export a file to every form and prove it; give the forms and what fails, nothing where all is well."""
    failures, left = list[str](), list[str]()
    try:
        subject = read_subject(path)
        if subject.integers is None:
            return (), ["read as a graph: no integers"]
        for form in forms_of(subject):
            find_target(form).files(subject)
            left.append(form)
        record = prove_place(str(path), rows=_ROWS)
    except EdgewrightError as error:
        return tuple(left), [str(error)]
    if not record.passed:
        failures.append(f"not PROVEN: {record.broken}")
    return tuple(left), failures


def main(part: str = "") -> None:
    """Print the table."""
    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, ending, data) in enumerate(files()):
            if part not in name:
                continue
            path = Path(folder) / f"file_{number}.{ending}"
            path.write_bytes(data)
            forms, failures = outcome(path)
            rows.append((name, f"{len(data):,}", ", ".join(forms), "; ".join(failures) or "PROVEN"))
            print(rows[-1], file=sys.stderr, flush=True)
    proven = sum(row[-1] == "PROVEN" for row in rows)
    print(markdown(("file", "bytes", "leaves as", "result"), rows))
    print(f"{proven} of {len(rows)} ({verdict(proven >= TARGET)}: at least {TARGET})")


if __name__ == "__main__":
    main(*sys.argv[1:])
