"""Generated C whose constants lie in two slots of flash, and the weights that go there (docs/research/targets.md)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from importlib import resources

import msgspec
import numpy as np

from edgewright.core.archive import decode_versioned
from edgewright.core.errors import CheckFailedError, ExportError
from edgewright.core.package import Package
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Rounding
from edgewright.device.boards.weights import HEADER, SIGNATURE, body_of
from edgewright.export.c99_code.files import files
from edgewright.export.c99_code.linkable import linkable
from edgewright.export.c99_code.pipeline import lay_out
from edgewright.export.c99_code.text import slot_bytes
from edgewright.export.c99_graph.graph import image_channels, pixels
from edgewright.export.contract import Subject
from edgewright.export.targets.c99 import around, options_of

GENERATOR = 1
"""Raised when the same text would mean something else."""
LAYOUT_VERSION = 1
_PARTS = ("verify", "update", "link")
_VECTOR_BYTES = 4096
_MOST_VECTORS = 8
_AGAIN = "Export the code again with --slots"


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """`NAME_layout.json`: which weights the code takes.

    Attributes:
        version: of the format.
        name: prefix of the code's names.
        form, rounding: of the model.
        hash: SHA-256 of the code, labels and columns, in hexadecimal.
        constants: bytes.
        vectors: test vectors that a slot has room for.
        key: Ed25519 key that the board verifies with, in hexadecimal.
    """

    version: int = LAYOUT_VERSION
    name: str
    form: str
    rounding: Rounding
    hash: str
    constants: int
    vectors: int
    key: str


@dataclass(frozen=True)
class SlotCode:
    """Code that reads its constants from a slot.

    Attributes:
        files: text by name, without the update's.
        constants: bytes of the slot behind the header.
        layout: SHA-256 of the code.
        inputs, outputs: numbers of a sample and of an answer.
        values: C expression of the numbers of an answer.
    """

    files: dict[str, str]
    constants: bytes
    layout: bytes
    inputs: int
    outputs: int
    values: str


def slot_code(subject: Subject) -> SlotCode:
    """Return the code of a model, and the constants that make it this one.

    Raises:
        InputError, UnknownNameError: as `write_c99`; for a model whose answer is several arrays.
    """
    unit, face = lay_out(subject.graph, replace(options_of(subject), slots=True), subject.integers)
    text = files(unit, face)
    text |= around(subject, text[f"{subject.word}.h"])
    field = next((n for n in face.outputs if n not in ("label", "confidence")), "")
    if not field:
        raise ExportError("a model that gives probabilities or numbers", "a label alone", subject.name)
    outputs = int(np.prod(face.outputs[field].shape))
    member = "probabilities" if field == "probabilities" else "prediction"
    record = {
        "generator": GENERATOR,
        "code": {name: body for name, body in sorted(text.items()) if name.endswith(".c")},
        "labels": subject.graph.labels,
        "columns": [(column.name, column.unit) for column in subject.columns],
        "input": subject.graph.inputs[0].shape,
    }
    return SlotCode(
        files=text,
        constants=slot_bytes(unit.contents()),
        layout=hashlib.sha256(msgspec.json.encode(record)).digest(),
        inputs=int(np.prod(subject.graph.inputs[0].shape)),
        outputs=outputs,
        values=f"answer->{member}" if outputs > 1 or member == "probabilities" else "&answer->prediction",
    )


def slot_files(subject: Subject, key: bytes) -> dict[str, bytes]:
    """Code for a board whose weights can be replaced, and `NAME_layout.json`, which says what weights it takes.

    Args:
        subject: the model.
        key: Ed25519 key with which weights must be signed, 32 bytes.
    """
    code, word = slot_code(subject), subject.word
    vectors = _room(code)
    length = HEADER + len(code.constants) + 4 * vectors * (code.inputs + code.outputs) + 32 + SIGNATURE
    texts = dict(code.files)
    for part in _PARTS:
        for ending in ("h", "c"):
            text = (resources.files("edgewright.export") / "board" / f"{part}.{ending}").read_text("utf-8")
            for mark, value in (
                ("@LENGTH@", str(length)), ("@LAYOUT@", _bytes(code.layout)), ("@KEY@", _bytes(key)),
                ("@VALUES@", code.values), ("@@", word.upper()), ("@", word),
            ):  # fmt: skip
                text = text.replace(mark, value)
            texts[f"{word}_{part}.{ending}"] = text
    layout = Layout(
        name=subject.word, form=subject.form, rounding=subject.rounding, hash=code.layout.hex(),
        constants=len(code.constants), vectors=vectors, key=key.hex(),
    )  # fmt: skip
    texts[f"{word}_layout.json"] = msgspec.json.format(msgspec.json.encode(layout), indent=1).decode() + "\n"
    return {name: text.encode() for name, text in linkable(texts, word).items()}


def read_layout(data: bytes, where: str) -> Layout:
    """Read `NAME_layout.json`.

    Raises:
        InputError: for another file, or a newer version.
    """
    return decode_versioned(data, Layout, LAYOUT_VERSION, "layout", "the layout of a board's code", where, _AGAIN)


def weights_body(subject: Subject, package: Package, layout: Layout, counter: int) -> bytes:
    """Return weights for boards with code of this layout, without the signature.

    Args:
        subject: of the package, in the layout's form and rounding, under its name.
        package: whose test vectors the board answers.
        layout: of the code that runs there.
        counter: above those that the boards have had.

    Raises:
        CheckFailedError: the model is another one than the code: that is a firmware update.
        InputError: as `slot_code`.
    """
    code = slot_code(subject)
    if code.layout.hex() != layout.hash:
        raise CheckFailedError(
            f"{package.manifest.name} needs other code than {layout.name}",
            "Update the firmware with the boot loader: export the code with --slots again",
        )
    inputs = package.vectors()
    if image_channels(subject.graph) == "first":
        inputs = pixels(inputs)
    places = np.unique(np.linspace(0, len(inputs) - 1, min(len(inputs), layout.vectors)).round().astype(int))
    wanted, tolerance = _answers(subject, package)
    return body_of(
        package.manifest.name, code.layout, counter, code.constants,
        inputs.reshape(len(inputs), -1)[places].astype(np.float32), wanted[places], tolerance,
    )  # fmt: skip


def _answers(subject: Subject, package: Package) -> tuple[Floats, float]:
    """Return answers to all test vectors in the order of the code, and how far a board's may be off."""
    manifest = package.manifest
    wanted = package.expected(subject.form).astype(np.float32)
    wanted = wanted.reshape(len(wanted), -1)
    tolerance = manifest.tolerance[subject.form]
    if manifest.task == "regression":
        return wanted, tolerance * (float(np.ptp(wanted)) or 1.0)
    if sorted(manifest.labels) != sorted(subject.graph.labels):
        raise ExportError("the labels of the package", ", ".join(subject.graph.labels), manifest.name)
    return wanted[:, [manifest.labels.index(label) for label in subject.graph.labels]], tolerance


def _room(code: SlotCode) -> int:
    return max(1, min(_MOST_VECTORS, _VECTOR_BYTES // (4 * (code.inputs + code.outputs))))


def _bytes(data: bytes) -> str:
    return ", ".join(f"0x{byte:02x}" for byte in data)
