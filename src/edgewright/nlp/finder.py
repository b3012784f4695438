"""From similarities of vectors to a label, a confidence, or 'none of these'.

Cosines of different encoders lie in different ranges, so they are counted in deviations of those that a background of
descriptions of all sorts of things has to itself. 'None of these' is one more label: its score is a constant, more
where there are more labels to be hit by chance, and more where something of the background lies near.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import decode_versioned, from_npy
from edgewright.core.engines.onnxruntime import ENGINE
from edgewright.core.errors import (
    CheckFailedError,
    DocumentIndexError,
    EncoderMismatchError,
    InputError,
    QuestionError,
    UnknownNameError,
)
from edgewright.core.files import os_errors
from edgewright.core.own_models import OwnFile
from edgewright.nlp.documents.media import Kind, MediaGraph, Vectors, files_of
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.nlp.records import FoundPassage

UnitVectors = NDArray[np.float32]
NONE = "none of these"
# Fitted by likelihood on 20 training utterances a class of CLINC150 and its out-of-scope ones, over random sets of 2 to
# 150 labels, utterances within and without in equal weight.
HEAT, NONE_BASE, NONE_BACKGROUND, NONE_LABELS = 0.56, 0.89, 0.18, 0.49
# A background description this near to one of a label says the same as it.
_SAME = 0.6


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What was chosen for one thing.

    Attributes:
        label: or 'none of these'.
        confidence: probability of it.
        nearest: the label of the nearest description, also where it is none of these.
        description: that lies nearest.
        cosine: to it.
        limit: cosine below which this thing would have been none of these.
        probabilities: of the labels; what is missing to 1 is that of none of these.
    """

    label: str
    confidence: float
    nearest: str
    description: str
    cosine: float
    limit: float
    probabilities: dict[str, float]

    @property
    def none(self) -> bool:
        """Whether it is none of the labels."""
        return self.label == NONE


class Labels(msgspec.Struct, frozen=True):
    """Labels and their descriptions.

    Attributes:
        names: at least two, in the order of the file.
        descriptions: of all of them, each text once.
        owners: number of the label of each description.
        others: descriptions of what is none of the labels; may be none.
    """

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    owners: tuple[int, ...]
    others: tuple[str, ...] = ()


class Chooser:
    """Labels that are ready to be compared with.

    Args:
        labels: as read.
        vectors: unit vectors of their descriptions, shape (n, d).
        others: of what `labels.others` describes, shape (m, d).
        around: of the background, shape (b, d).
        shift: added to the score of 'none of these', in deviations; more refuses more.

    Raises:
        InputError: an encoder to which all descriptions are alike.
    """

    def __init__(
        self, labels: Labels, vectors: UnitVectors, others: UnitVectors, around: UnitVectors, shift: float = 0.0
    ) -> None:
        self.labels, self._vectors, self._shift = labels, vectors, shift
        between = (around @ around.T)[~np.eye(len(around), dtype=bool)]
        # What cosines are counted in.
        self._mean, self._deviation = float(between.mean()), float(between.std())
        if not (np.isfinite(vectors).all() and self._deviation > 1e-6):
            raise EncoderMismatchError("an encoder that separates descriptions", "equal vectors for all", "encoder")
        near = (around @ np.concatenate([vectors, others]).T).max(axis=1) > _SAME
        self._around = around[~near]
        self._others = others
        self._owners = np.array(labels.owners)
        self._starts = np.searchsorted(self._owners, np.arange(len(labels.names)))

    def choose(self, things: UnitVectors) -> list[Choice]:
        """Return a choice for each of the things, unit vectors of shape (n, d)."""
        cosines = things @ self._vectors.T
        best = np.maximum.reduceat(cosines, self._starts, axis=1)
        labels = (best - self._mean) / self._deviation
        none = self._none(things)
        powers = np.concatenate([labels, none[:, None]], axis=1) / HEAT
        powers = np.exp(powers - powers.max(axis=1, keepdims=True))
        chances = powers / powers.sum(axis=1, keepdims=True)
        limits = none * self._deviation + self._mean
        return [self._choice(*row) for row in zip(cosines, chances, limits, strict=True)]

    def _none(self, things: UnitVectors) -> UnitVectors:
        """Return the score of none of these for each, in deviations."""
        scores = np.full(len(things), NONE_BASE + self._shift + NONE_LABELS * math.log(len(self.labels.names)))
        if len(self._around):
            nearest = (things @ self._around.T).max(axis=1)
            scores += NONE_BACKGROUND * (nearest - self._mean) / self._deviation
        if len(self._others):
            # What somebody described counts as a label does.
            scores = np.maximum(scores, ((things @ self._others.T).max(axis=1) - self._mean) / self._deviation)
        return np.asarray(scores, np.float32)

    def _choice(self, cosines: UnitVectors, chances: UnitVectors, limit: np.float32) -> Choice:
        at, names = int(cosines.argmax()), self.labels.names
        chosen = int(chances.argmax())
        return Choice(
            label=NONE if chosen == len(names) else names[chosen],
            confidence=float(chances[chosen]),
            nearest=names[int(self._owners[at])],
            description=self.labels.descriptions[at],
            cosine=float(cosines[at]),
            limit=float(limit),
            probabilities={name: float(chance) for name, chance in zip(names, chances, strict=False)},
        )


VERSION = 1
SPEC, INDEX, ENCODER, TESTS = "finder.json", "documents.index", "encoder", "test"
QUESTIONS, DESCRIBED, OTHERS, AROUND, TESTED = (
    f"vectors/{name}.npy" for name in ("questions", "described", "others", "around", "test")
)
_DO = "Copy the folder again, or write it again: edgewright language pack"
# Sums of floats differ in their last bits from one processor to another; the vector of another picture is far away.
_COSINE = 0.99999
# Scores and confidences closer than this may change places by that much.
_MARGIN, _SURE = 0.01, 0.6


class FinderTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test of a finder.

    Attributes:
        file: picture or sound, below the folder.
        nearest: document and headings of the nearest passage.
        margin: by how much its score is above that of the next one.
        label: that was chosen; empty where the finder has no labels.
        confidence: of it.
    """

    file: str
    nearest: tuple[str, ...]
    margin: float
    label: str = ""
    confidence: float = 0.0


class FinderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`finder.json`.

    Attributes:
        version: of this format.
        encoder: name of the encoder.
        media: what it takes.
        dimensions: length of a vector.
        licence: of the encoder.
        engine: 'numpy' where the base install runs the encoder, else 'onnxruntime'.
        questions: texts whose vectors are in the folder.
        labels: that pictures or sounds are compared with; None for none.
        tests: run before the first answer.
        files: of the folder, without this one.
    """

    version: int = VERSION
    encoder: str
    media: Kind
    dimensions: int
    licence: str
    engine: Literal["numpy", "onnxruntime"]
    questions: tuple[str, ...]
    labels: Labels | None
    tests: tuple[FinderTest, ...]
    files: tuple[OwnFile, ...]


class Finder:
    """A finder that is open, verified and tested.

    Args:
        folder: of the finder.
        engine: 'onnxruntime' or 'numpy'; by default ONNX Runtime where it is installed, else the one of the record.

    Raises:
        InputError: files are missing, damaged, changed or of a newer format.
        CheckFailedError: its test gives other answers here.
        MissingExtraError: the encoder needs ONNX Runtime, which is not installed.
    """

    def __init__(self, folder: Path, engine: str = "") -> None:
        self.folder, self.spec = folder, _verified(folder)
        engine = engine or ("onnxruntime" if ENGINE.available() else self.spec.engine)
        self.graph = MediaGraph(folder / ENCODER, engine)
        self.index = DocumentIndex(folder / INDEX)
        dimensions = (self.graph.dimensions, self.index.contents.dimensions)
        if self.graph.kind != self.spec.media or set(dimensions) != {self.spec.dimensions}:
            got = f"{self.graph.kind}s, vectors of {dimensions[0]} and {dimensions[1]} numbers"
            raise EncoderMismatchError(
                f"{self.spec.media}s, vectors of {self.spec.dimensions} numbers", got, str(folder), _DO
            )
        self._questions = self._vectors(QUESTIONS, len(self.spec.questions))
        self._chooser = None if self.spec.labels is None else self._labels(self.spec.labels)
        self._prove()

    def close(self) -> None:
        """Close the index."""
        self.index.close()

    def __enter__(self) -> Finder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def vector(self, file: Path | None, question: str = "") -> Vectors:
        """Return the vector of a picture or sound, of a question of the folder, or of both together, shape (d,).

        Raises:
            InputError: neither, or a file that cannot be read.
            UnknownNameError: a question whose vector is not in the folder.
        """
        vectors = [] if file is None else [self.graph.encode_file(file)]
        if question:
            known = {_plain(text): number for number, text in enumerate(self.spec.questions)}
            if _plain(question) not in known:
                raise UnknownNameError("question of this finder", question, self.spec.questions)
            vectors.append(self._questions[known[_plain(question)]])
        if not vectors:
            raise QuestionError(f"a {self.spec.media} or --question", "neither", str(self.folder))
        together = np.sum(vectors, axis=0)
        return np.asarray(together / max(float(np.sqrt(np.square(together).sum())), 1e-12), np.float32)

    def nearest(self, vector: Vectors, top: int = 3, history: Vectors | None = None) -> tuple[FoundPassage, ...]:
        """Return the nearest passages; arguments as of `DocumentIndex.nearest`."""
        return self.index.nearest(vector, top, history)

    def history(self, path: Path) -> Vectors:
        """Return vectors of what is known already, a file or those of a folder, shape (n, d).

        Raises:
            InputError: a file that cannot be read, or none.
        """
        files: Sequence[Path] = files_of(path, self.spec.media) if path.is_dir() else [path]
        return np.stack([self.graph.encode_file(file) for file in files])

    def label(self, vector: Vectors) -> Choice | None:
        """Return which label a picture or sound has, or 'none of these'; None where the finder has no labels."""
        return None if self._chooser is None else self._chooser.choose(vector[None])[0]

    def measured(self, file: str, vector: Vectors) -> FinderTest:
        """Return what the finder answers to a file of its folder."""
        first, *others = self.nearest(vector, 2)
        choice = self.label(vector)
        return FinderTest(
            file=file, nearest=(first.document, *first.path), margin=first.score - others[0].score if others else 2.0,
            label=choice.label if choice else "", confidence=choice.confidence if choice else 0.0,
        )  # fmt: skip

    def _labels(self, labels: Labels) -> Chooser:
        described = self._vectors(DESCRIBED, len(labels.descriptions))
        return Chooser(labels, described, self._vectors(OTHERS, len(labels.others)), self._vectors(AROUND))

    def _vectors(self, name: str, count: int | None = None) -> Vectors:
        array = from_npy((self.folder / name).read_bytes(), str(self.folder / name))
        if array.dtype != np.float32 or array.ndim != 2 or array.shape[1] != self.spec.dimensions or (
            count is not None and len(array) != count
        ):  # fmt: skip
            raise EncoderMismatchError(
                f"{count or 'some'} vectors of {self.spec.dimensions} numbers",
                f"shape {array.shape}",
                str(self.folder / name),
                _DO,
            )
        return np.asarray(array, np.float32)

    def _prove(self) -> None:
        """Raise where a test gives another answer than on the desk."""
        expected = self._vectors(TESTED, len(self.spec.tests))
        for test, wanted in zip(self.spec.tests, expected, strict=True):
            vector = self.graph.encode_file(self.folder / test.file)
            cosine, got, right = float(vector @ wanted), "another vector", False
            if cosine >= _COSINE:  # false for NaN, too
                given = self.measured(test.file, vector)
                got = " > ".join(given.nearest) + (f", {given.label}" if given.label else "")
                right = test.margin <= _MARGIN or given.nearest == test.nearest
                right &= test.confidence <= _SURE or given.label == test.label
            if not right:
                raise CheckFailedError(
                    f"the test {test.file} of {self.folder} gives another answer than on the desk: {got}, cosine "
                    f"{cosine:.6f} to its vector, required {_COSINE}", _DO,
                )  # fmt: skip


def file_record(folder: Path, path: Path) -> OwnFile:
    """Return the path of a file below a folder, its length and its SHA-256.

    Raises:
        InputError: it cannot be read.
    """
    with os_errors(InputError, "a file of a finder", path, _DO), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return OwnFile(path.relative_to(folder).as_posix(), path.stat().st_size, digest)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _verified(folder: Path) -> FinderSpec:
    """Return the record of a folder whose files are those of the record."""
    path = folder / SPEC
    with os_errors(InputError, "the folder of a finder, which `edgewright language pack` writes", path):
        content = path.read_bytes()
    spec = decode_versioned(content, FinderSpec, VERSION, "finder", f"a file {SPEC} of a finder", str(path), _DO)
    for file in spec.files:
        if Path(file.path).is_absolute() or ".." in Path(file.path).parts:
            raise DocumentIndexError("files below the folder", file.path, str(path), _DO)
        if file_record(folder, folder / file.path) != file:
            raise DocumentIndexError(f"the file of SHA-256 {file.sha256[:12]}", "another", str(folder / file.path), _DO)
    needed = {INDEX, QUESTIONS, TESTED, *(test.file for test in spec.tests)}
    needed |= {DESCRIBED, OTHERS, AROUND} if spec.labels is not None else set()
    if absent := needed - {file.path for file in spec.files}:
        raise DocumentIndexError(f"a record of {', '.join(sorted(absent))}", "none", str(path), _DO)
    return spec
