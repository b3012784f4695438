"""Neural networks as scikit-learn estimators, trained in JAX, and short trainings in NumPy."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin

from edgewright.core.records.config import ModelConfig, TrainingConfig
from edgewright.graph.builder import Builder
from edgewright.models.architecture import function
from edgewright.models.base import (
    Model,
    Network,
    Outputs,
    both_classes,
    class_weights,
    encode,
    finish_outputs,
    numbers,
    regression_output,
    softmax,
)
from edgewright.models.detection import NetworkAnomaly, NetworkDetector
from edgewright.training.contract import changing
from edgewright.training.loop import Sampled, outputs
from edgewright.training.losses import LOSSES, temperature

Floats = NDArray[np.float32]


class NetworkClassifier(ClassifierMixin, Network):  # type: ignore[misc]
    """A classifier: one sigmoid output for two classes, softmax for more.

    Args:
        layers: tables with a `kind`, a file of `models/nn`; the output layer is added.
        optimiser: a file of `training/optimisers`.
        learning_rate, schedule, warm_up, epochs, batch, weight_decay, patience, class_weights, label_smoothing,
            dropout, mixup, calibrate: as the keys of `[training]`.
        augment: tables of augmentations that change samples in every epoch.
        seed: of the initial weights, the order of the samples and dropout.

    Attributes:
        classes_: shape (k,), sorted.
        parameters_: of each layer, float32 arrays by name; the temperature is folded into the last.
        history_: an `EpochRecord` an epoch.
        training_: the whole record of the training.
        shape_: shape of one sample.
    """

    def _outputs(self) -> int:
        return 1 if len(self.classes_) == 2 else len(self.classes_)

    def _final(self) -> str:
        return "sigmoid" if len(self.classes_) == 2 else "softmax"

    @property
    def loss(self) -> str:
        """A name of `LOSSES`."""
        return "sigmoid_cross_entropy" if len(self.classes_) == 2 else "softmax_cross_entropy"

    def _targets(self, y: Any, count: int, fitting: bool) -> tuple[Floats, Floats]:  # noqa: ANN401 - arrays and frames
        classes, targets = encode(y, count, None if fitting else self.classes_)
        if fitting:
            self.classes_, self._weights = classes, class_weights(targets, self.class_weights)
        return targets, self._weights[targets.astype(np.int64)]

    def _finish(self, watched: Sampled | None) -> None:
        if self.calibrate and watched is not None:
            raw = outputs(function(self.network()), self.parameters_, watched.rows)
            self.apply_temperature(temperature(raw, watched.targets, LOSSES[self.loss]))

    def apply_temperature(self, heat: float) -> None:
        """Divide what the network gives before its softmax by a temperature, folded into the last layer's weights."""
        last = self.parameters_[-1]
        self.parameters_[-1] = {name: (a / np.float32(heat)).astype(np.float32) for name, a in last.items()}
        self.training_ = msgspec.structs.replace(self.training_, temperature=heat)

    def _answer(self, raw: Floats) -> Floats:
        if raw.shape[1] == 1:
            probabilities: Floats = (1.0 / (1.0 + np.exp(-np.clip(raw, -80.0, 80.0)))).astype(np.float32)
            return probabilities
        return softmax(raw)

    def predict_proba(self, X: Any) -> Floats:  # noqa: ANN401 - arrays, frames and Rows
        """Return probabilities of the classes, shape (n, k), float32."""
        return self.probabilities(self._raw(X))

    def probabilities(self, raw: Floats) -> Floats:
        """Return probabilities of the classes, shape (n, k), for raw outputs."""
        answer = self._answer(raw)
        return np.concatenate([np.float32(1) - answer, answer], axis=1) if answer.shape[1] == 1 else answer

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: ANN401 - arrays, frames and Rows
        """Return the class of largest probability, the first of equals, shape (n,)."""
        probabilities = self.predict_proba(X)
        answer: NDArray[Any] = np.asarray(self.classes_)[np.argmax(probabilities, axis=1)]
        return answer

    def to_graph(self, builder: Builder, value: str) -> str:
        """Return the network after `value`, up to probabilities of shape (n, k)."""
        logits = self._emit(builder, value)
        if len(self.classes_) == 2:
            return both_classes(builder, builder.op("Sigmoid", logits))
        return builder.op("Softmax", logits, axis=1)

    def outputs(self, builder: Builder, value: str) -> Outputs:
        """Label, probabilities and confidence after what `to_graph` gave."""
        return finish_outputs(builder, value, len(self.classes_))


class NetworkRegressor(RegressorMixin, Network):  # type: ignore[misc]
    """A network with one number as its answer; arguments and attributes as of `NetworkClassifier`.

    The target is scaled for training, and the scale folded into the last layer. `class_weights`, `label_smoothing`
    and `calibrate` have no meaning here and are not used.
    """

    loss: ClassVar[str] = "mean_squared_error"

    def _targets(self, y: Any, count: int, fitting: bool) -> tuple[Floats, Floats]:  # noqa: ANN401 - arrays and frames
        values = numbers(y, count)
        if fitting:
            self._middle, self._spread = float(values.mean()), float(values.std()) or 1.0
        return ((values - self._middle) / self._spread).astype(np.float32), np.ones(count, np.float32)

    def _finish(self, watched: Sampled | None) -> None:
        last = self.parameters_[-1]
        self.parameters_[-1] = {
            "weights": (last["weights"] * self._spread).astype(np.float32),
            "bias": (last["bias"] * self._spread + self._middle).astype(np.float32),
        }

    def predict(self, X: Any) -> Floats:  # noqa: ANN401 - arrays, frames and Rows
        """Predictions, shape (n,), float32."""
        return self._raw(X)[:, 0]

    def to_graph(self, builder: Builder, value: str) -> str:
        """Return the network after `value`, up to its answer of shape (n, 1)."""
        return self._emit(builder, value)

    def outputs(self, builder: Builder, value: str) -> Outputs:
        """`prediction` after what `to_graph` gave."""
        return regression_output(builder, value)


def build(model: ModelConfig, training: TrainingConfig, task: str, seed: int) -> Network:
    """Build the unfitted network of a pipeline's tables; the pipeline makes copies and reads `synthetic`."""
    kind = _KINDS[task]
    given = {f: getattr(training, f) for f in training.__struct_fields__}
    keys = {name: value for name, value in given.items() if value is not msgspec.UNSET}
    if kind is not NetworkAnomaly:
        keys.pop("false_alarms", None)
    keys.pop("synthetic")  # they are among the samples already
    keys["augment"] = changing(training.augment)
    return kind(tuple(model.layers), seed=seed, **keys)


_KINDS: dict[str, type[Network]] = {
    "classification": NetworkClassifier,
    "regression": NetworkRegressor,
    "detection": NetworkDetector,
    "anomaly": NetworkAnomaly,
}
MODEL = Model(build=build, state=("fitted_",), settings=("backbone", "depth", "freeze", "pixels"))
