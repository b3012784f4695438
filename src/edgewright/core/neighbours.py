"""Labels by nearest neighbour on a package's features, added on the device without training. Base install only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import pack_parts, read_file, unpack_arrays, unpack_parts
from edgewright.core.csv.rows import read_csv
from edgewright.core.errors import (
    ColumnMissingError,
    CsvNumberError,
    FewShotError,
    LabelUnknownError,
    MissingFileError,
    TooFewSamplesError,
)
from edgewright.core.files import write_atomic
from edgewright.core.input.recordings import columns_of, cut, names_of, parts, stretches, times_of
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package, parse_package
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph
from edgewright.core.records.package import NEIGHBOURS_VERSION, Manifest, Nearest, NeighboursSpec, Space

_PART_SAMPLES = 512


class SampleSpace:
    """A package's graph without its answer.

    Args:
        package: with the form 'float'.
        space: 'features' or 'network'.

    Raises:
        InputError: a package whose graph has no such place.
    """

    def __init__(self, package: Package, space: Space) -> None:
        graph = read_onnx(package.model("float"))
        self._value = place_of(graph, space, package.manifest.name)
        self._run = compile_graph(graph, [self._value])

    def vectors(self, samples: Floats) -> Floats:
        """Return unit vectors, shape (n, d), of samples as the package takes them.

        Raises:
            InputError: a sample whose features are not finite.
        """
        outputs = [self._run(samples[part])[self._value] for part in parts(samples.shape, _PART_SAMPLES)]
        wide = np.concatenate([values.reshape(len(values), -1) for values in outputs]).astype(np.float32)
        if not np.isfinite(wide).all():
            number = int(np.argmin(np.isfinite(wide).all(axis=1)))
            raise CsvNumberError("features that are numbers", "others", f"sample {number}", "Leave out missing values")
        return unit_rows(wide)


def unit_rows(wide: NDArray[np.float32]) -> Floats:
    """Return samples of any shape as rows of length 1, shape (n, d)."""
    flat = wide.reshape(len(wide), -1)
    length = np.sqrt(np.sum(np.square(flat), axis=1, keepdims=True))
    return np.asarray(flat / np.maximum(length, np.float32(1e-12)), np.float32)


def place_of(graph: Graph, space: Space, name: str) -> str:
    """Return the value of a graph that a space is; `name` in messages.

    Raises:
        InputError: the graph has none such.
    """
    features = graph.boundary or (graph.stages[-2].value if len(graph.stages) > 1 else "")
    if not features:
        raise FewShotError("a package with stages before its model", "none", f"package {name}")
    if space == "features":
        return features
    reached, hidden = {features}, ""
    for node in graph.nodes:
        if reached.intersection(node.inputs):
            reached.update(node.outputs)
            if node.op in ("Gemm", "MatMul") and graph.boundary:
                hidden = node.inputs[0]
    if not hidden or hidden == features:
        raise FewShotError("a network with a hidden layer", "none", f"package {name}", "Use --space features")
    return hidden


Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]
NONE = "none of these"
# Chosen on people of the public set HAPT who do not evaluate (docs/research/language.md).
LIMITS: dict[Space, float] = {"network": 1.5, "features": 1.0}
HEAT = 0.4
_MIN_SCALE = 1e-4
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
        medians = np.full(self.count, np.nan)
        for number in range(self.count):
            own = self._vectors[self._owners == number]
            if len(own) > 1:
                gaps = 1 - own @ own.T
                medians[number] = np.median(gaps[np.triu_indices(len(own), 1)])
        known = medians[np.isfinite(medians)]
        if not len(known):
            gaps = 1 - self._vectors @ self._vectors.T
            gaps[self._owners[:, None] == self._owners[None]] = np.inf
            known = gaps.min(axis=1, keepdims=True) if self.count > 1 else np.ones((1, 1))
        medians[~np.isfinite(medians)] = np.median(known)
        return np.asarray(np.maximum(medians, _MIN_SCALE), np.float32)

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
        powers = -np.log(np.maximum(distances, _MIN_SCALE))
        none = -np.log(self._limit * self.usual[nearest])
        wide = np.concatenate([powers, none[:, None]], axis=1) / HEAT
        wide = np.exp(wide - wide.max(axis=1, keepdims=True))
        return np.asarray(wide / wide.sum(axis=1, keepdims=True), np.float32)

    def answers(self, things: Floats, labels: Sequence[str], places: Sequence[str]) -> list[Nearest]:
        """Return an answer to each of the samples' vectors, shape (n, d)."""
        distances = self.distances(things)
        chances = self.chances(distances)
        replies = []
        for location, gaps, chance in zip(places, distances, chances, strict=True):
            nearest, chosen = int(gaps.argmin()), int(chance.argmax())
            replies.append(
                Nearest(
                    origin=location, label=NONE if chosen == len(labels) else labels[chosen],
                    confidence=float(chance[chosen]), nearest=labels[nearest], distance=float(gaps[nearest]),
                    limit=float(self._limit * self.usual[nearest]),
                )
            )  # fmt: skip
        return replies


SPEC, PACKAGE = "neighbours.json", "package.edge"
_ARRAYS = ("vectors", "owners", "test")
_DAMAGED = "Create it again with: edgewright few-shot learn PACKAGE --examples FOLDER --out FILE"
_MAX_EXAMPLES, _MOST_LABELS, _LONGEST = 100_000, 10_000, 200
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
            raise LabelUnknownError(f"a label of 1 to {_LONGEST} characters, not {NONE!r}", repr(label)[:60], "label")
        labels = self.spec.labels if name in self.spec.labels else (*self.spec.labels, name)
        if len(labels) > _MOST_LABELS or len(self.owners) + len(things) > _MAX_EXAMPLES:
            raise LabelUnknownError(f"at most {_MAX_EXAMPLES:,} examples of {_MOST_LABELS:,} labels", "more", "index")
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


def index_bytes(index: Neighbours) -> bytes:
    """Return the bytes of its file; the same index gives the same bytes."""
    test = index.space().vectors(index.package.vectors()[:4])
    owners = index.owners.astype(np.int32)
    arrays: dict[str, NDArray[Any]] = {"vectors": index.vectors.astype(np.float16), "owners": owners, "test": test}
    return pack_parts(SPEC, index.spec, arrays, {PACKAGE: index.data})


def write_index(path: Path, index: Neighbours) -> int:
    """Write the file and give its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    return write_atomic(path, index_bytes(index))


def read_index(path: Path) -> Neighbours:
    """Read a file, check it, and compare what its package makes of its test vectors.

    Raises:
        InputError: missing, damaged, altered, of a newer format, or its features are others here.
    """
    return parse_index(read_file(path, "an index of examples", absent=_DAMAGED, unread=_DAMAGED), str(path))


def parse_index(data: bytes, where: str) -> Neighbours:
    """Read an index from bytes; `where` names them in messages."""
    spec, files = unpack_parts(data, where, SPEC, NeighboursSpec, NEIGHBOURS_VERSION, "index", _DAMAGED)
    package = files.pop(PACKAGE, b"")
    vectors, owners, test = unpack_arrays(files, _ARRAYS, where, _DAMAGED).values()
    index = Neighbours(spec, parse_package(package, f"{where}, {PACKAGE}"), package, vectors.astype(np.float32), owners)
    _check(index, where)
    features = index.space().vectors(index.package.vectors()[: len(test)])
    if features.shape != test.shape or vectors.shape[1:] != test.shape[1:]:
        raise FewShotError(f"vectors of length {features.shape[-1]}", str(vectors.shape[-1]), where, _DAMAGED)
    if not np.abs(features - test).max(initial=0.0) <= _TOLERANCE:
        raise FewShotError("the features of its own test", "others", where, _DAMAGED)
    return index


def _check(index: Neighbours, where: str) -> None:
    vectors, owners, labels = index.vectors, index.owners, index.spec.labels
    fits = (
        vectors.ndim == 2
        and owners.ndim == 1
        and len(vectors) == len(owners) <= _MAX_EXAMPLES
        and owners.dtype.kind == "i"
    )
    if not fits or not np.isfinite(vectors).all():
        raise LabelUnknownError("a finite vector and a label for each example", "others", where, _DAMAGED)
    named = len(set(labels)) == len(labels) <= _MOST_LABELS
    if not named or set(np.unique(owners).tolist()) != set(range(len(labels))):
        raise LabelUnknownError("examples of every label", "others", where, _DAMAGED)
    if not (math.isfinite(index.spec.limit) and index.spec.limit > 0):
        raise FewShotError("a limit above 0", str(index.spec.limit), where, _DAMAGED)


_SUFFIXES = (".csv", ".csv.gz", ".csv.xz")


def read_samples(path: Path, manifest: Manifest) -> tuple[Floats, list[str]]:
    """Return rows or windows of a CSV file, shape (n, *manifest.shape), and where each begins.

    Raises:
        InputError: no such file, columns that are missing, missing or infinite values, or less than one window.
    """
    parts = list(_stretches(path, manifest, ""))
    return np.concatenate([samples for _, samples, _ in parts]), [
        position for _, _, places in parts for position in places
    ]


def read_examples(path: Path, manifest: Manifest, column: str = "") -> dict[str, Floats]:
    """Return samples by label: of a folder with a CSV file or sub-folder a label, or of a file with a column of labels.

    Args:
        path: folder or file.
        manifest: of the package.
        column: of a file, that names the labels; windows are cut inside stretches of one.

    Raises:
        InputError: as `read_samples`; no examples, no column of labels, or rows without a label alone.
    """
    by_label: dict[str, list[Floats]] = {}
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.name.lower().endswith(_SUFFIXES) and p.is_file())
        for file in files:
            inner = file.relative_to(path).parts
            label = inner[0] if len(inner) > 1 else inner[0].lower().split(".csv")[0]
            by_label.setdefault(label, []).append(read_samples(file, manifest)[0])
    elif not path.exists():
        raise MissingFileError("a folder or a file of examples", "no such file", str(path))
    elif not column:
        raise LabelUnknownError(
            "a folder with a file or folder a label, or --label-column of a file", "no column", str(path)
        )
    else:
        for label, samples, _ in _stretches(path, manifest, column):
            if label:
                by_label.setdefault(label, []).append(samples)
    joined = {label: np.concatenate(parts) for label, parts in by_label.items()}
    joined = {label: samples for label, samples in joined.items() if len(samples)}
    if not joined:
        raise TooFewSamplesError(f"examples, {_unit(manifest)} each at least", "none", str(path))
    return joined


def _stretches(path: Path, manifest: Manifest, column: str) -> Iterator[tuple[str, Floats, list[str]]]:
    names = [entry.name for entry in manifest.columns]
    if not path.is_file():
        raise MissingFileError("a CSV file", "no such file" if not path.exists() else "a folder", str(path))
    wanted = {*names, column} if column else set(names)
    extra = names_of(manifest) if manifest.window is not None else ()
    texts = [column, *extra] if column else extra
    times = times_of(manifest) if extra else ()
    rows = read_csv(
        path, name=path.name, text_columns=texts, time_columns=times, only_columns={*wanted, *extra},
        trained=manifest.columns,
    )  # fmt: skip
    absent = [name for name in names if name not in rows.names]
    if absent or (column and column not in rows.text):
        missing = ", ".join(absent) or column
        raise ColumnMissingError(f"the columns {', '.join(sorted(wanted))}", f"no {missing}", path.name)
    values = rows.values[:, [rows.names.index(name) for name in names]]
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        line = int(rows.lines[int(bad.argmax())])
        raise CsvNumberError("a number in every cell", "a missing or infinite one", f"{path.name} line {line}",
                         "Examples must be complete: remove such rows")  # fmt: skip
    labels = np.char.strip(rows.text[column]) if column else np.full(len(values), "")
    begins = {start for start, _ in stretches(columns_of(manifest), rows.text, len(values), rows)}
    starts = sorted({*begins, *(np.flatnonzero(labels[1:] != labels[:-1]) + 1).tolist()})
    whole = 0
    for start, end in zip(starts, [*starts[1:], len(values)], strict=True):
        samples, at = _samples(values[start:end], manifest, begins=start in begins)
        whole += len(samples)
        yield str(labels[start]), samples, [f"line {rows.lines[start + k]}" for k in np.maximum(at, 0)]
    if not whole:
        raise FewShotError(f"at least {_unit(manifest)}", f"{len(values)} rows", path.name)


def _samples(values: Floats, manifest: Manifest, *, begins: bool) -> tuple[Floats, NDArray[np.int64]]:
    if manifest.window is None:
        return values.reshape(len(values), *manifest.shape), np.arange(len(values))
    window = manifest.window
    samples, at = cut(values, window.samples, window.step, fill_start=window.fill_start and begins)
    return np.ascontiguousarray(samples), at


def _unit(manifest: Manifest) -> str:
    return "one row" if manifest.window is None else f"{manifest.window.samples} rows, one window"
