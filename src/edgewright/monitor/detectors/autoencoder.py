"""A small autoencoder of integers: what it cannot give back is odd (Sakurada and Yairi, 2014).

The network is int8 ONNX, run here by the base install's own operators; it is trained in `pipeline`, which leaves it as
bytes. `edgewright export --to onnx` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import DetectorSettingsError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Floats
from edgewright.monitor.detectors import DetectorConfig, DetectorKind
from edgewright.monitor.detectors._row import RowDetector

# Rows that go through the network at once.
_PIECE = 1024


class AutoencoderConfig(DetectorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the autoencoder.

    Attributes:
        hidden: units before and after the narrow layer; 0 takes twice the channels, at least 8.
        narrow: units of the narrow layer; 0 takes half of the channels, at least 1.
        epochs: of the training.
        mean: rows whose mean error is judged.
        seed: seed of the first weights and of the order of the rows.
    """

    hidden: int = 0
    narrow: int = 0
    epochs: int = 60
    mean: int = 1
    seed: int = 0


class _Autoencoder(RowDetector):
    """At work. A missing value goes in at its training mean, and its error does not count."""

    def __init__(self, learnt: dict[str, Any]) -> None:
        self._mean, self._deviation = np.asarray(learnt["mean"]), np.asarray(learnt["deviation"])
        self._unit = np.asarray(learnt["unit"], np.float64)
        super().__init__(len(self._mean), int(learnt["rows"]))
        graph = read_onnx(np.asarray(learnt["model"], np.uint8).tobytes())
        self._run, self._name = compile_graph(graph), graph.outputs[0].name

    def prepare(self, wide: NDArray[np.float64], present: NDArray[np.bool_]) -> Iterable[NDArray[np.float64]]:
        """Yield what the network gives back for each row."""
        for start in range(0, len(wide), _PIECE):
            piece = slice(start, start + _PIECE)
            values = np.where(present[piece], wide[piece], self._mean).astype(np.float32)
            yield from self._run(values)[self._name]

    def row(self, x: NDArray[np.float64], present: NDArray[np.bool_], time: float) -> float:
        """Root mean square, over channels, of the mean errors in units of their training deviation."""
        values = np.where(present, x, self._mean).astype(np.float32)
        back = self._run(values[None])[self._name][0] if self._prepared is None else self._prepared
        error = np.where(present, (values - self._mean) / self._deviation - back, 0.0)
        self._parts = (self._sliding.push(error) / self._unit) ** 2 * self._sliding.full
        return float(np.sqrt(self._parts.mean()))


def fit(config: AutoencoderConfig, values: Floats, time: NDArray[np.float64]) -> dict[str, Any]:
    """Is not possible with the base install.

    Raises:
        InputError: always; `workflows.detection.autoencoder.fit_autoencoder` trains one.
    """
    raise DetectorSettingsError("the train extra to fit an autoencoder", "the base install", "autoencoder",
                     "Fit it with: edgewright detect fit --detector autoencoder")  # fmt: skip


DETECTOR = DetectorKind(config=AutoencoderConfig, fit=fit, start=_Autoencoder, windows=True)
