"""The file of an index: a sealed archive with the package, the examples' vectors, and a test of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import LARGEST, pack, unpack
from edgewright.core.files import write_atomic
from edgewright.core.neighbours.nearest import LIMITS, NONE, Examples, Floats, Numbers
from edgewright.core.neighbours.space import SampleSpace
from edgewright.core.npy import from_npy, to_npy
from edgewright.core.package import Package, parse_package
from edgewright.core.versioned_json import decode_versioned
from edgewright.schema.errors import InputError
from edgewright.schema.neighbours import NEIGHBOURS_VERSION, Nearest, NeighboursSpec, Space

SPEC, PACKAGE = "neighbours.json", "package.edge"
_ARRAYS = ("vectors", "owners", "test")
_DAMAGED = "Make it anew with: edgewright few-shot learn PACKAGE --examples FOLDER --out FILE"
_MOST, _MOST_LABELS, _LONGEST = 100_000, 10_000, 200
# Of a unit vector's numbers: sums in another order, on another machine.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Neighbours:
    """An index at work.

    Attributes:
        spec: as `neighbours.json` says it.
        package: whose features are compared.
        data: the bytes of its file.
        vectors: of the examples, shape (n, d), float32, of length 1.
        owners: number of the label of each, shape (n,).
    """

    spec: NeighboursSpec
    package: Package
    data: bytes
    vectors: Floats
    owners: Numbers

    def space(self) -> SampleSpace:
        """What makes vectors of samples."""
        return SampleSpace(self.package, self.spec.space)

    def answers(self, things: Floats, places: list[str]) -> list[Nearest]:
        """An answer to each of the samples' vectors, shape (n, d)."""
        return Examples(self.vectors, self.owners, self.spec.limit).answers(things, self.spec.labels, places)

    def count(self, label: str) -> int:
        """Examples of a label."""
        return int((self.owners == self.spec.labels.index(label)).sum()) if label in self.spec.labels else 0

    def added(self, label: str, things: Floats) -> Neighbours:
        """With further examples of a label, which may be new; nothing else changes.

        Raises:
            InputError: a label without a name, or more examples or labels than an index holds.
        """
        name = label.strip()
        if not name or len(name) > _LONGEST or name == NONE or not name.isprintable():
            raise InputError(f"a label of 1 to {_LONGEST} characters, not {NONE!r}", repr(label)[:60], "label")
        labels = self.spec.labels if name in self.spec.labels else (*self.spec.labels, name)
        if len(labels) > _MOST_LABELS or len(self.owners) + len(things) > _MOST:
            raise InputError(f"at most {_MOST:,} examples of {_MOST_LABELS:,} labels", "more", "index")
        owners = np.concatenate([self.owners, np.full(len(things), labels.index(name))])
        spec = msgspec.structs.replace(self.spec, labels=labels)
        return Neighbours(spec, self.package, self.data, np.concatenate([self.vectors, things]), owners)


def begin(package: bytes, where: str, space: Space, limit: float | None = None) -> Neighbours:
    """An index without examples yet.

    Args:
        package: bytes of the package's file.
        where: it is, in messages.
        space: that is compared.
        limit: as in `NeighboursSpec`; the one that was chosen for the space when None.

    Raises:
        InputError: no package, or one whose graph has no such place.
    """
    parsed = parse_package(package, where)
    width = SampleSpace(parsed, space).vectors(parsed.vectors()[:1]).shape[1]
    spec = NeighboursSpec(name=parsed.manifest.name, space=space, labels=(), limit=limit or LIMITS[space])
    return Neighbours(spec, parsed, package, np.empty((0, width), np.float32), np.empty(0, np.int64))


def index_bytes(made: Neighbours) -> bytes:
    """The bytes of its file; the same index gives the same bytes."""
    test = made.space().vectors(made.package.vectors()[:4])
    owners = made.owners.astype(np.int32)
    arrays: dict[str, NDArray[Any]] = {"vectors": made.vectors.astype(np.float16), "owners": owners, "test": test}
    text = msgspec.json.format(msgspec.json.encode(made.spec, order="deterministic"), indent=1) + b"\n"
    return pack({SPEC: text, PACKAGE: made.data, **{f"arrays/{name}.npy": to_npy(arrays[name]) for name in _ARRAYS}})


def write_index(path: Path, made: Neighbours) -> int:
    """Writes the file and gives its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    data = index_bytes(made)
    write_atomic(path, data)
    return len(data)


def read_index(path: Path) -> Neighbours:
    """Reads a file, checks it, and compares what its package makes of its test vectors.

    Raises:
        InputError: missing, damaged, altered, of a newer format, or its features are others here.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"at most {LARGEST >> 20} MB", f"{path.stat().st_size >> 20} MB", str(path))
        data = path.read_bytes()
    except OSError as error:
        raise InputError("an index of examples", error.strerror or str(error), str(path), _DAMAGED) from None
    return parse_index(data, str(path))


def parse_index(data: bytes, where: str) -> Neighbours:
    """As `read_index`, from bytes; `where` names them in messages."""
    try:
        files = unpack(data, where)
    except InputError as error:
        expected = error.expected.replace("a package (a ZIP file)", "an index of examples")
        raise InputError(expected.replace("a package", "an index"), error.got, where, _DAMAGED) from None
    expected = f"a file {SPEC} of an index"
    spec = decode_versioned(
        files.pop(SPEC, b""), NeighboursSpec, NEIGHBOURS_VERSION, "index", expected, where, _DAMAGED
    )
    package = files.pop(PACKAGE, b"")
    if files.keys() != {f"arrays/{name}.npy" for name in _ARRAYS}:
        raise InputError(f"the arrays {', '.join(_ARRAYS)}", "others", where, _DAMAGED)
    vectors, owners, test = (from_npy(files[f"arrays/{name}.npy"], f"{where}, {name}") for name in _ARRAYS)
    made = Neighbours(spec, parse_package(package, f"{where}, {PACKAGE}"), package, vectors.astype(np.float32), owners)
    _check(made, where)
    found = made.space().vectors(made.package.vectors()[: len(test)])
    if found.shape != test.shape or vectors.shape[1:] != test.shape[1:]:
        raise InputError(f"vectors of length {found.shape[-1]}", str(vectors.shape[-1]), where, _DAMAGED)
    if not np.abs(found - test).max(initial=0.0) <= _TOLERANCE:
        raise InputError("the features of its own test", "others", where, _DAMAGED)
    return made


def _check(made: Neighbours, where: str) -> None:
    vectors, owners, labels = made.vectors, made.owners, made.spec.labels
    fits = vectors.ndim == 2 and owners.ndim == 1 and len(vectors) == len(owners) <= _MOST and owners.dtype.kind == "i"
    if not fits or not np.isfinite(vectors).all():
        raise InputError("a finite vector and a label for each example", "others", where, _DAMAGED)
    named = len(set(labels)) == len(labels) <= _MOST_LABELS
    if not named or set(np.unique(owners).tolist()) != set(range(len(labels))):
        raise InputError("examples of every label", "others", where, _DAMAGED)
    if not (math.isfinite(made.spec.limit) and made.spec.limit > 0):
        raise InputError("a limit above 0", str(made.spec.limit), where, _DAMAGED)
