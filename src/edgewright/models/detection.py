"""A network that finds objects in pictures: its answer is a map with the likeliest class of each cell.

Class 0 of the map is the background. The cell of an object is the one that its centre lies in (as in FOMO, 2022); what
is made of a map is `core.objects`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ConfigKeyMissingError, LayerSettingsError
from edgewright.core.prediction.objects import HIGHEST, METADATA, ODD, oddest
from edgewright.core.records.data import Floats
from edgewright.core.records.package import Centre, ObjectMap
from edgewright.data.near_duplicates import is_odd
from edgewright.data.picture_samples import object_labels, read_centres
from edgewright.graph.builder import Builder
from edgewright.models.architecture import Head, function
from edgewright.models.base import Network, OnEpoch, Outputs
from edgewright.training.centroids import best_threshold
from edgewright.training.contract import prepare
from edgewright.training.loop import Sampled, outputs
from edgewright.training.rows import Rows


class NetworkDetector(Network):
    """A network of convolutions over pictures; arguments as of `NetworkClassifier`.

    The target of a sample is text as `data.centres.centres_text` makes it. With class_weights = 'balanced' each class
    weighs alike in the loss, the background too. `calibrate` has no meaning here.

    Attributes:
        objects_: how the map is read, its threshold chosen on the validation samples.
    """

    head: ClassVar[Head] = "conv2d"
    loss: ClassVar[str] = "map_of_objects"
    objects_: ObjectMap

    @property
    def fitted_(self) -> dict[str, Any]:
        """All that is stored of a fitted network."""
        return {**super().fitted_, "objects": msgspec.to_builtins(self.objects_)}

    @fitted_.setter
    def fitted_(self, stored: dict[str, Any]) -> None:
        self._keep(stored)
        self.objects_ = msgspec.convert(stored["objects"], ObjectMap)

    def _outputs(self) -> int:
        return 1 + len(self.objects_.labels)

    def _targets(self, y: Any, count: int, fitting: bool) -> tuple[Floats, Floats]:  # noqa: ANN401 - arrays
        centres = read_centres(np.asarray(y))
        self._watched = centres
        if fitting:
            self._refuse_moving()
            self.objects_ = self._map_of(object_labels(centres))
        cells = _cells(centres, self.objects_)
        if fitting:
            counts = np.bincount(cells.ravel(), minlength=1 + len(self.objects_.labels))
            even = cells.size / (len(counts) * np.maximum(counts, 1))
            self._weights = (even if self.class_weights == "balanced" else np.ones(len(counts))).astype(np.float32)
        return np.stack([cells.astype(np.float32), self._weights[cells]], axis=1), np.ones(count, np.float32)

    def _map_of(self, labels: tuple[str, ...]) -> ObjectMap:
        """Return the map of the layers, with a threshold of even odds.

        Raises:
            InputError: the layers end with no map, or with cells that are no squares.
        """
        _, height, width = self.shape_ if len(self.shape_) == 3 else (0, 0, 0)
        shape = self.planned(tuple(self.shape_), 1 + len(labels)).shapes[-1]
        rows, columns = shape[1:]
        if height % rows or width % columns or height // rows != width // columns:
            raise LayerSettingsError(
                f"layers that divide {height} x {width} pixels into square cells", f"{rows} x {columns} cells",
                "model.layers", "Use a height and a width that are multiples of 8, and three layers of stride 2",
            )  # fmt: skip
        return ObjectMap(labels=labels, rows=rows, columns=columns, height=height, width=width, threshold=0)

    def _refuse_moving(self) -> None:
        for table, (kind, _) in zip(self.augment, prepare(self.augment), strict=True):
            if kind.moves:
                raise ConfigKeyMissingError(
                    "changes of pictures that leave objects where they are", repr(table["kind"]), "training.augment",
                    "Use kind = 'colour', and mixup",
                )  # fmt: skip

    def _finish(self, watched: Sampled | None) -> None:
        if watched is None or not len(watched.rows):
            return
        raw = outputs(function(self.network()), self.parameters_, watched.rows)
        best = best_threshold(_flat(raw), self._watched, self.objects_)
        self.objects_ = msgspec.structs.replace(self.objects_, threshold=best)

    def apply_threshold(self, other: ObjectMap) -> None:
        """Take the threshold of another fit's map."""
        self.objects_ = msgspec.structs.replace(
            self.objects_, threshold=other.threshold, false_alarms=other.false_alarms
        )

    def predict(self, X: Any) -> Floats:  # noqa: ANN401 - arrays and Rows
        """Return logits, shape (n, rows * columns * classes), cell after cell; class 0 is the background."""
        return _flat(self._raw(X))

    def to_graph(self, builder: Builder, value: str) -> str:
        """Return the network after `value`, up to its map of shape (n, rows * columns * classes)."""
        return builder.op("Flatten", builder.op("Transpose", self._emit(builder, value), perm=(0, 2, 3, 1)), axis=1)

    def outputs(self, builder: Builder, value: str) -> Outputs:
        """`prediction` after what `to_graph` gave."""
        spec = self.objects_
        return {"prediction": (value, "float32", (self._outputs() * spec.rows * spec.columns,))}

    def graph_metadata(self, shape: Sequence[int]) -> dict[str, str]:
        """Return how the map is read, for samples of a shape (channels, height, width)."""
        spec = msgspec.structs.replace(self.objects_, height=int(shape[1]), width=int(shape[2]))
        return {METADATA: msgspec.json.encode(spec).decode()}


def _flat(raw: Floats) -> Floats:
    """(n, classes, rows, columns) -> (n, rows * columns * classes), as integer networks have it in memory."""
    return np.ascontiguousarray(raw.transpose(0, 2, 3, 1)).reshape(len(raw), -1)


def _cells(centres: Sequence[Sequence[Centre]], spec: ObjectMap) -> NDArray[np.int64]:
    """Return the class of each cell, shape (n, rows, columns); of two objects in a cell the last one."""
    cells = np.zeros((len(centres), spec.rows, spec.columns), np.int64)
    for picture, objects in enumerate(centres):
        for centre in objects:
            if centre.label not in spec.labels:
                raise LayerSettingsError(
                    "validation labels that also occur in training", repr(centre.label), "the target"
                )
            row, column = (min(int(share * n), n - 1) for share, n in ((centre.y, spec.rows), (centre.x, spec.columns)))
            cells[picture, row, column] = 1 + spec.labels.index(centre.label)
    return cells


# A piece of another good picture, moved, mirrored, with another contrast and colour, is pasted through a bent ellipse
# of any shape between a disc and a scratch (as in CutPaste, Li et al., 2021, and NSA, Schlüter et al., 2022).
# Share of pictures that get 1 to 3 odd places; the others stay as they are.
_SPOILED, _PLACES = 0.7, 3
# Share of the picture that a place covers, and its length by its width: from and to, drawn on a logarithmic scale.
_AREA, _LONG = (0.003, 0.06), (1.0, 20.0)
# Deviations of a piece's brightness and of each of its colours, by the range of values.
_BRIGHTNESS, _COLOUR = 0.2, 0.12


class ComposedRows:
    """Pictures as `Rows`, each several times: as it is, or with odd places.

    Args:
        rows: of good and other pictures, shape (n, channels, height, width).
        good: which of them are used.
        copies: of each.
        seed: of the places; a picture's number and the seed decide all of it.
    """

    def __init__(self, rows: Rows, good: NDArray[np.int64], copies: int, seed: int) -> None:
        self.pictures = rows.take(good)
        self._copies, self._seed = copies, seed
        self._low, self._high = float(self.pictures.min()), float(self.pictures.max())

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of pictures, then the shape of one."""
        return (len(self), *self.pictures.shape[1:])

    def __len__(self) -> int:
        return len(self.pictures) * self._copies

    def take(self, indices: NDArray[np.int64]) -> Floats:
        """Return the pictures at `indices`, in that order."""
        return np.stack([self._sample(int(index))[0] for index in indices])

    def covered(self, rows: int, columns: int) -> Floats:
        """Return the odd share of each cell of all pictures, shape (n, rows, columns)."""
        _, height, width = self.pictures.shape[1:]
        shape = (rows, height // rows, columns, width // columns)
        return np.stack([self._sample(index)[1].reshape(shape).mean(axis=(1, 3)) for index in range(len(self))])

    def _sample(self, index: int) -> tuple[Floats, Floats]:
        """Return a picture, and how odd each of its pixels is: 0 to 1."""
        rng = np.random.default_rng([self._seed, index])
        picture = self.pictures[index % len(self.pictures)]
        odd = np.zeros(picture.shape[1:], np.float32)
        if rng.random() >= _SPOILED:
            return picture, odd
        for _ in range(int(rng.integers(1, _PLACES + 1))):
            other = self.pictures[rng.integers(len(self.pictures))]
            cover = np.float32(rng.uniform(0.5, 1.0)) * _shape(rng, *odd.shape)
            picture = np.clip(picture + cover * (self._piece(rng, other, cover) - picture), self._low, self._high)
            odd = np.maximum(odd, cover)
        return picture, odd

    def _piece(self, rng: np.random.Generator, other: Floats, cover: Floats) -> Floats:
        channels, height, width = other.shape
        moved = np.roll(other, (int(rng.integers(height)), int(rng.integers(width))), (1, 2))
        if rng.random() < 0.5:
            moved = moved[:, ::-1]
        mean = (moved * cover).sum(axis=(1, 2), keepdims=True) / max(float(cover.sum()), 1e-3)
        shift = _BRIGHTNESS * rng.normal() + _COLOUR * rng.normal(size=(channels, 1, 1))
        piece = (moved - mean) * rng.uniform(0, 1.3) + mean + (self._high - self._low) * shift
        return np.asarray(piece, np.float32)


def _shape(rng: np.random.Generator, height: int, width: int) -> Floats:
    """Return a bent ellipse or rounded rectangle with soft edges: 1 inside, 0 outside."""
    down, right = np.mgrid[:height, :width].astype(np.float32)
    y, x = rng.uniform(0, 1, 2) * (height, width)
    angle = rng.uniform(0, np.pi)
    area = np.exp(rng.uniform(*np.log(_AREA))) * height * width
    length = np.exp(rng.uniform(*np.log(_LONG)))
    half, thin = np.sqrt(area * length / np.pi), max(float(np.sqrt(area / length / np.pi)), 0.8)
    along = (right - x) * np.cos(angle) + (down - y) * np.sin(angle)
    across = (down - y) * np.cos(angle) - (right - x) * np.sin(angle)
    across = across + rng.uniform(-0.3, 0.3) * half * np.sin(along / half * rng.uniform(1, 4))
    power = int(rng.choice([2, 4]))
    radius = (np.abs(along / half) ** power + np.abs(across / thin) ** power) ** (1 / power)
    return np.asarray(np.clip((1 - radius) * min(thin, 4.0) + 0.5, 0, 1), np.float32)


# So often an epoch sees each picture, each time with other places.
_COPIES = 16
# A cell of which so much is odd is odd; cells with less, down to the second, teach nothing.
_ODD_SHARE, _CLEAN_SHARE = 0.15, 0.02
# Odd cells weigh so much together, as a share of what all cells weigh.
_WEIGHT = 0.15


@dataclass(eq=False, repr=False)
class NetworkAnomaly(NetworkDetector):
    """A network of convolutions over pictures; arguments as of `NetworkClassifier`.

    Pictures whose target is not 'good' are not used. `class_weights` and `calibrate` have no meaning here.

    Args:
        false_alarms: share of good pictures that may raise an alarm.

    Attributes:
        objects_: how the map is read, its threshold chosen on the good validation pictures.
    """

    false_alarms: float = 0.01

    def fit(
        self,
        X: Any,  # noqa: ANN401 - arrays and Rows
        y: Any,  # noqa: ANN401
        *,
        validation: tuple[Any, Any] | None = None,
        sample_weight: Any = None,  # noqa: ANN401
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Train on good pictures with odd places composed into them; arguments as of `Network.fit`.

        Raises:
            InputError: augmentations that move pixels, weights of samples, or layers without a map.
        """
        if sample_weight is not None:
            raise LayerSettingsError("good pictures that count alike", "weights of samples", "task = 'anomaly'")
        composed = self._composed(X, y, _COPIES, fitting=True)
        self._refuse_moving()
        self.objects_ = self._map_of((ODD,))
        watched = None
        if validation is not None and len(validation[1]):
            others = self._composed(*validation, 1)
            watched = (others, self._covered(others))
        return super().fit(composed, self._covered(composed), validation=watched, on_epoch=on_epoch)

    def _composed(self, X: Any, y: Any, copies: int, *, fitting: bool = False) -> ComposedRows:  # noqa: ANN401
        rows = self._rows(X, fitting=fitting)
        return ComposedRows(rows, np.flatnonzero(~is_odd(y)), copies, self.seed)

    def _covered(self, rows: ComposedRows) -> Floats:
        return rows.covered(self.objects_.rows, self.objects_.columns)

    def _targets(self, y: Any, count: int, fitting: bool) -> tuple[Floats, Floats]:  # noqa: ANN401 - arrays
        odd = y > _ODD_SHARE
        if fitting:
            self._odd_weight = _WEIGHT / max(float(odd.mean()), 1e-6)
        weights = np.where(odd, self._odd_weight, y <= _CLEAN_SHARE)
        return np.stack([odd, weights], axis=1).astype(np.float32), np.ones(count, np.float32)

    def _finish(self, watched: Sampled | None) -> None:
        """Choose the threshold: a new good picture reaches it with at most the chance that was asked for.

        The k-th largest of n held-out scores is exceeded by the next one with a chance of at most k / (n + 1), for
        pictures in any order (Vovk et al., 2005). With fewer than 1 / `false_alarms` pictures k is 1.
        """
        if watched is None or not isinstance(watched.rows, ComposedRows):
            return
        scores = np.sort(oddest(self.predict(watched.rows.pictures), self.objects_))[::-1]
        allowed = max(1, int(self.false_alarms * (len(scores) + 1) + 1e-9))
        threshold = min(int(scores[min(allowed, len(scores)) - 1]) + 1, HIGHEST)
        reached = int((scores >= threshold).sum())
        self.objects_ = msgspec.structs.replace(
            self.objects_, threshold=threshold, false_alarms=round((reached + 1) / (len(scores) + 1), 6)
        )
