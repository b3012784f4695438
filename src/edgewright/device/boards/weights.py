"""`weights.bin`: constants of generated code with test vectors, for a slot of a microcontroller's flash.

A header of 128 bytes, the constants in the order of the code, inputs and answers of the test vectors, and an Ed25519
signature over all of that. Little-endian; a board reads it where it lies, so every part begins at a multiple of 4.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.errors import BoardError, FileTooLargeError, InputError
from edgewright.core.files import PRIVATE, os_errors, private_folder, sync, write_atomic
from edgewright.core.package import Package, package_bytes, parse_package
from edgewright.core.records.data import Floats

_COUNTER = slice(40, 44)
_KEPT = 4


def renumbered(data: bytes, counter: int) -> bytes:
    """Return the same weights under another number, without their signature.

    Args:
        data: of a whole file.
        counter: from 1 on.
    """
    body = bytearray(data[:-SIGNATURE])
    body[_COUNTER] = counter.to_bytes(4, "little")
    return bytes(body)


def same_content(first: bytes, other: bytes) -> bool:
    """Return whether two files differ in nothing but number and signature."""
    return renumbered(first, 0) == renumbered(other, 0)


def weights_at(path: Path, layout: bytes) -> bytes:
    """Return the weights for a layout in a package or a file of weights.

    Raises:
        InputError: it has none for that layout.
    """
    data = read_weights(path)
    weights: bytes | None = data
    if data[:2] == b"PK":
        weights = weights_for(parse_package(data, str(path)), layout)
    elif parse_weights(data, str(path)).layout != layout:
        weights = None
    if weights is None:
        raise BoardError(f"weights for layout {layout.hex()[:16]}", "none", str(path), "Boards had others, or none yet")
    return weights


def keep(package: Package, folder: Path) -> None:
    """Put a package's ways back where they are found later; durable before any of its weights is sent.

    Args:
        package: of the release.
        folder: of the store, for this.

    Raises:
        OutputError: the disk is full or broken.
    """
    for name, data in package.files.items():
        if not (name.startswith(FOLDER) and name.endswith(BACK)):
            continue
        weights = parse_weights(data, f"{package.manifest.name}, {name}")
        path = folder / f"{weights.layout.hex()[:16]}-{weights.counter:010d}{BACK}"
        if path.exists() and path.read_bytes() == data:
            continue
        if not folder.is_dir():
            private_folder(folder)
            sync(folder.parent)
        write_atomic(path, data, PRIVATE)
        older = sorted(folder.glob(f"{weights.layout.hex()[:16]}-*{BACK}"))[:-_KEPT]
        for gone in older:
            gone.unlink(missing_ok=True)


def kept(folder: Path) -> Iterable[tuple[Weights, bytes]]:
    """Yield what is kept; damaged files are passed over."""
    for path in sorted(folder.glob(f"*{BACK}")):
        with suppress(OSError, InputError):
            data = path.read_bytes()
            yield parse_weights(data, str(path)), data


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
        name: name of the pipeline.
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
    """Return everything but the signature.

    Args:
        name: name of the pipeline.
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
    """Read the header of a file; its signature is the board's to verify.

    Raises:
        InputError: no weights, of a newer format, or of another length than it says.
    """
    if len(data) < HEADER + SIGNATURE or data[:4] != MARK:
        raise BoardError("weights for a board", "another file", where, "Make them with 'edgewright fleet weights'")
    _, version, header, layout, counter, constants, vectors, _, _, _, length, name = _HEAD.unpack_from(data)
    if version > VERSION or header != HEADER:
        raise BoardError(f"weights of format {VERSION}", f"format {version}", where, "Install a newer Edgewright")
    if length != len(data):
        raise BoardError(f"{length} bytes", f"{len(data)}", where, "Fetch the file again: it was cut off or changed")
    digest = hashlib.sha512(data).digest()[:16]
    return Weights(
        name.rstrip(b"\0").decode(errors="replace"), layout, counter, constants, vectors, length, digest
    )  # fmt: skip


def read_weights(path: Path) -> bytes:
    """Return the bytes of a file of weights.

    Raises:
        InputError: there is none, or it is too large.
    """
    with os_errors(InputError, "a file of weights", str(path)):
        if path.stat().st_size > LARGEST:
            raise FileTooLargeError(f"at most {LARGEST >> 20} MB", "more", str(path))
        return path.read_bytes()


def weights_for(package: Package, layout: bytes) -> bytes | None:
    """Return the weights with the highest counter that a package has for boards of a layout; None where it has none.

    Raises:
        InputError: for weights in it that are damaged.
    """
    by_counter: dict[int, bytes] = {}
    for name, data in package.files.items():
        if name.startswith(FOLDER) and name.endswith(ENDING):
            weights = parse_weights(data, f"{package.manifest.name}, {name}")
            if weights.layout == layout:
                by_counter[weights.counter] = data
    return by_counter[max(by_counter)] if by_counter else None


def with_weights(package: Package, name: str, data: bytes, back: bytes | None = None) -> bytes:
    """Return a package with weights for boards in it, as bytes; those under the same name are replaced.

    Args:
        package: that takes them.
        name: name of the code that they are for.
        data: of the file.
        back: the weights before them, signed with a higher number; a package without them has no way back.
    """
    files = {**package.files, f"{FOLDER}{name}{ENDING}": data}
    files.pop(f"{FOLDER}{name}{BACK}", None)
    return package_bytes(package.manifest, files if back is None else {**files, f"{FOLDER}{name}{BACK}": back})


def only_for_boards(package: Package, before: Package) -> bool:
    """Return whether two packages differ in nothing but weights for boards."""

    def rest(of: Package) -> tuple[object, dict[str, bytes]]:
        own = {name: data for name, data in of.files.items() if not name.startswith(FOLDER)}
        return msgspec.structs.replace(of.manifest, files=()), own

    return rest(package) == rest(before)
