"""`weights.bin`: constants of generated code with test vectors, for a slot of a microcontroller's flash.

A header of 128 bytes, the constants in the order of the code, inputs and answers of the test vectors, and an Ed25519
signature over all of that. Little-endian; a board reads it where it lies, so every part begins at a multiple of 4.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.package import Package, package_bytes
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

MARK, VERSION, HEADER, SIGNATURE = b"EWW1", 1, 128, 64
LARGEST = 64 << 20
FOLDER, ENDING, BACK = "boards/", ".weights", ".back"
"""Where weights lie in a package that takes them to gateways; `BACK`: the older ones under a higher number."""
_HEAD = struct.Struct("<4sHH32sIIIIIfI60s")
_UNIT = 32  # bytes; flash of some processors is programmed in as many at once


@dataclass(frozen=True)
class Weights:
    """What a file of weights says of itself.

    Attributes:
        name: of the pipeline.
        layout: SHA-256 of the code that reads the constants.
        counter: a board takes only higher ones than it had.
        constants: bytes of them.
        vectors: number of test vectors.
        length: bytes of the whole file.
        digest: first 16 bytes of its SHA-512, under which a board receives it.
    """

    name: str
    layout: bytes
    counter: int
    constants: int
    vectors: int
    length: int
    digest: bytes


def body_of(
    name: str, layout: bytes, counter: int, constants: bytes, inputs: Floats, answers: Floats, tolerance: float
) -> bytes:
    """Everything but the signature.

    Args:
        name: of the pipeline.
        layout: SHA-256 of the code.
        counter: from 1 on.
        constants: as the code finds them.
        inputs: (vectors, numbers of a sample), float32.
        answers: (vectors, numbers of an answer), float32.
        tolerance: largest difference of a number of an answer.
    """
    plain = constants + b"".join(np.ascontiguousarray(part, "<f4").tobytes() for part in (inputs, answers))
    plain += bytes(-len(plain) % _UNIT)
    word = name.encode()[:60].decode(errors="ignore").encode()
    head = _HEAD.pack(
        MARK, VERSION, HEADER, layout, counter, len(constants), len(inputs), inputs.shape[1], answers.shape[1],
        tolerance, HEADER + len(plain) + SIGNATURE, word,
    )  # fmt: skip
    return head + plain


def parse_weights(data: bytes, where: str) -> Weights:
    """Reads the header of a file; its signature is the board's to verify.

    Raises:
        InputError: no weights, of a newer format, or of another length than it says.
    """
    if len(data) < HEADER + SIGNATURE or data[:4] != MARK:
        raise InputError("weights for a board", "another file", where, "Make them with 'edgewright fleet weights'")
    _, version, header, layout, counter, constants, vectors, _, _, _, length, name = _HEAD.unpack_from(data)
    if version > VERSION or header != HEADER:
        raise InputError(f"weights of format {VERSION}", f"format {version}", where, "Install a newer Edgewright")
    if length != len(data):
        raise InputError(f"{length} bytes", f"{len(data)}", where, "Fetch the file again: it was cut off or changed")
    digest = hashlib.sha512(data).digest()[:16]
    return Weights(
        name.rstrip(b"\0").decode(errors="replace"), layout, counter, constants, vectors, length, digest
    )  # fmt: skip


def read_weights(path: Path) -> bytes:
    """The bytes of a file of weights.

    Raises:
        InputError: there is none, or it is too large.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"at most {LARGEST >> 20} MB", "more", str(path))
        return path.read_bytes()
    except OSError as error:
        raise InputError("a file of weights", error.strerror or str(error), str(path)) from None


def weights_for(package: Package, layout: bytes) -> bytes | None:
    """The weights with the highest counter that a package has for boards of a layout; None where it has none.

    Raises:
        InputError: for weights in it that are damaged.
    """
    found: dict[int, bytes] = {}
    for name, data in package.files.items():
        if name.startswith(FOLDER) and name.endswith(ENDING):
            weights = parse_weights(data, f"{package.manifest.name}, {name}")
            if weights.layout == layout:
                found[weights.counter] = data
    return found[max(found)] if found else None


def with_weights(package: Package, name: str, data: bytes, back: bytes | None = None) -> bytes:
    """A package with weights for boards in it, as bytes; those under the same name are replaced.

    Args:
        package: that takes them.
        name: of the code that they are for.
        data: of the file.
        back: the weights before them, signed with a higher number; a package without them has no way back.
    """
    files = {**package.files, f"{FOLDER}{name}{ENDING}": data}
    files.pop(f"{FOLDER}{name}{BACK}", None)
    return package_bytes(package.manifest, files if back is None else {**files, f"{FOLDER}{name}{BACK}": back})


def only_for_boards(package: Package, before: Package) -> bool:
    """Whether two packages differ in nothing but weights for boards."""

    def rest(of: Package) -> tuple[object, dict[str, bytes]]:
        own = {name: data for name, data in of.files.items() if not name.startswith(FOLDER)}
        return msgspec.structs.replace(of.manifest, files=()), own

    return rest(package) == rest(before)
