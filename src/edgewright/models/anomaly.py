"""A network that says how odd each cell of a picture is, trained on pictures of good parts alone.

It is a detector of one class, 'odd', whose examples are composed (`training.composed`). Chosen by measurement against
distances of patch features (docs/adr/0080-odd-pictures.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import msgspec
import numpy as np

from edgewright.core.prediction.objects import HIGHEST, ODD, oddest
from edgewright.data.goods import is_odd
from edgewright.models.base import OnEpoch
from edgewright.models.detection import NetworkDetector
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.training.composed import ComposedRows
from edgewright.training.loop import Sampled

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
            raise InputError("good pictures that count alike", "weights of samples", "task = 'anomaly'")
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
