"""The file of an index: a sealed archive with the package, the examples' vectors, and a test of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import pack_parts, read_file, unpack_arrays, unpack_parts
from edgewright.core.files import write_atomic
from edgewright.core.neighbours.space import SampleSpace
from edgewright.core.package import Package, parse_package
from edgewright.schema.errors import InputError
from edgewright.schema.neighbours import NEIGHBOURS_VERSION, Nearest, NeighboursSpec, Space

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]
NONE = "none of these"
# Chosen on people of the public set HAPT who do not evaluate (docs/adr/0037-zero-shot.md).
LIMITS: dict[Space, float] = {"network": 1.5, "features": 1.0}
HEAT = 0.4
_LEAST = 1e-4
_PART = 1024


class Examples:
    """Stored vectors with their labels.

    Args:
        vectors: unit vectors, shape (n, d).
        owners: number of the label of each, shape (n,); each of 0 to k - 1 at least once.
        limit: times the usual distance, from which on a sample is none of the labels.
    """

    def __init__(self, vectors: Floats, owners: Numbers, limit: float) -> None:
        order = np.argsort(owners, kind="stable")
        self._vectors, self._owners, self._limit = vectors[order], owners[order], limit
        self.count = int(owners.max()) + 1
        self._starts = np.searchsorted(self._owners, np.arange(self.count))
        self.usual = self._usual()

    def _usual(self) -> Floats:
        """Of each label, the median distance between two examples of it; shape (k,).

        Labels with one example take the median of the others; where none has two, the median distance
        between labels stands for it.
        """
        made = np.full(self.count, np.nan)
        for number in range(self.count):
            own = self._vectors[self._owners == number]
            if len(own) > 1:
                apart = 1 - own @ own.T
                made[number] = np.median(apart[np.triu_indices(len(own), 1)])
        known = made[np.isfinite(made)]
        if not len(known):
            apart = 1 - self._vectors @ self._vectors.T
            apart[self._owners[:, None] == self._owners[None]] = np.inf
            known = apart.min(axis=1, keepdims=True) if self.count > 1 else np.ones((1, 1))
        made[~np.isfinite(made)] = np.median(known)
        return np.asarray(np.maximum(made, _LEAST), np.float32)

    def distances(self, things: Floats) -> Floats:
        """To the nearest example of each label: shape (n, k)."""
        parts = [
            np.minimum.reduceat(1 - things[at : at + _PART] @ self._vectors.T, self._starts, axis=1)
            for at in range(0, max(len(things), 1), _PART)
        ]
        return np.asarray(np.maximum(np.concatenate(parts), 0), np.float32)

    def chances(self, distances: Floats) -> Floats:
        """Return probabilities of the labels and, last, of none of them: shape (n, k + 1).

        The logarithm of a distance in usual ones falls off linearly; the limit stands for one label more.
        """
        nearest = distances.argmin(axis=1)
        powers = -np.log(np.maximum(distances, _LEAST))
        none = -np.log(self._limit * self.usual[nearest])
        wide = np.concatenate([powers, none[:, None]], axis=1) / HEAT
        wide = np.exp(wide - wide.max(axis=1, keepdims=True))
        return np.asarray(wide / wide.sum(axis=1, keepdims=True), np.float32)

    def answers(self, things: Floats, labels: Sequence[str], places: Sequence[str]) -> list[Nearest]:
        """Return an answer to each of the samples' vectors, shape (n, d)."""
        distances = self.distances(things)
        chances = self.chances(distances)
        made = []
        for location, apart, chance in zip(places, distances, chances, strict=True):
            nearest, chosen = int(apart.argmin()), int(chance.argmax())
            made.append(
                Nearest(
                    place=location, label=NONE if chosen == len(labels) else labels[chosen],
                    confidence=float(chance[chosen]), nearest=labels[nearest], distance=float(apart[nearest]),
                    limit=float(self._limit * self.usual[nearest]),
                )
            )  # fmt: skip
        return made


SPEC, PACKAGE = "neighbours.json", "package.edge"
_ARRAYS = ("vectors", "owners", "test")
_DAMAGED = "Create it again with: edgewright few-shot learn PACKAGE --examples FOLDER --out FILE"
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
        """Return what makes vectors of samples."""
        return SampleSpace(self.package, self.spec.space)

    def answers(self, things: Floats, places: list[str]) -> list[Nearest]:
        """Return an answer to each of the samples' vectors, shape (n, d)."""
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
    """Return an index without examples yet.

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
    """Return the bytes of its file; the same index gives the same bytes."""
    test = made.space().vectors(made.package.vectors()[:4])
    owners = made.owners.astype(np.int32)
    arrays: dict[str, NDArray[Any]] = {"vectors": made.vectors.astype(np.float16), "owners": owners, "test": test}
    return pack_parts(SPEC, made.spec, arrays, {PACKAGE: made.data})


def write_index(path: Path, made: Neighbours) -> int:
    """Write the file and give its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    return write_atomic(path, index_bytes(made))


def read_index(path: Path) -> Neighbours:
    """Read a file, check it, and compares what its package makes of its test vectors.

    Raises:
        InputError: missing, damaged, altered, of a newer format, or its features are others here.
    """
    return parse_index(read_file(path, "an index of examples", absent=_DAMAGED, unread=_DAMAGED), str(path))


def parse_index(data: bytes, where: str) -> Neighbours:
    """Read an index from bytes; `where` names them in messages."""
    spec, files = unpack_parts(data, where, SPEC, NeighboursSpec, NEIGHBOURS_VERSION, "index", _DAMAGED)
    package = files.pop(PACKAGE, b"")
    vectors, owners, test = unpack_arrays(files, _ARRAYS, where, _DAMAGED).values()
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
