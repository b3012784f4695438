"""A network that finds objects in pictures: its answer is a map with the likeliest class of each cell.

Class 0 of the map is the background. The cell of an object is the one that its centre lies in (as in FOMO, 2022); what
is made of a map is `core.objects`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.prediction.objects import METADATA
from edgewright.data.boxes import object_labels, read_centres
from edgewright.graph.builder import Builder
from edgewright.models.architecture import Head, function
from edgewright.models.base import Network
from edgewright.models.outputs import Outputs
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.schema.objects import Centre, ObjectMap
from edgewright.training.augment import prepare
from edgewright.training.centroids import best_threshold
from edgewright.training.loop import Sampled, outputs


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
            raise InputError(
                f"layers that divide {height} x {width} pixels into square cells", f"{rows} x {columns} cells",
                "model.layers", "Use a height and a width that are multiples of 8, and three layers of stride 2",
            )  # fmt: skip
        return ObjectMap(labels=labels, rows=rows, columns=columns, height=height, width=width, threshold=0)

    def _refuse_moving(self) -> None:
        for table, (kind, _) in zip(self.augment, prepare(self.augment), strict=True):
            if kind.moves:
                raise InputError(
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
                raise InputError("validation labels that also occur in training", repr(centre.label), "the target")
            row, column = (min(int(share * n), n - 1) for share, n in ((centre.y, spec.rows), (centre.x, spec.columns)))
            cells[picture, row, column] = 1 + spec.labels.index(centre.label)
    return cells
