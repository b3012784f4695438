"""Neural networks as scikit-learn estimators, trained in JAX."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin

from edgewright.graph.builder import Builder
from edgewright.models.architecture import function
from edgewright.models.base import Network, OnEpoch
from edgewright.models.contract import Model
from edgewright.models.outputs import Outputs, both_classes, finish_outputs, regression_output, softmax
from edgewright.models.targets import class_weights, encode, numbers, sample_weights
from edgewright.schema.config import ModelConfig, TrainingConfig
from edgewright.training.loop import Sampled, outputs
from edgewright.training.losses import LOSSES, temperature

Floats = NDArray[np.float32]


class NetworkClassifier(ClassifierMixin, Network):  # type: ignore[misc]
    """A classifier: one sigmoid output for two classes, softmax for more.

    Args:
        layers: tables with a `kind`, a file of `models/nn`; the output layer is added.
        optimiser: a file of `training/optimisers`.
        learning_rate, schedule, warm_up, epochs, batch, weight_decay, patience, class_weights, label_smoothing,
            dropout, calibrate: as the keys of `[training]`.
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

    def fit(
        self,
        X: Any,  # noqa: ANN401 - arrays, frames and Rows
        y: Any,  # noqa: ANN401
        *,
        validation: tuple[Any, Any] | None = None,
        sample_weight: Any = None,  # noqa: ANN401
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Train from new weights.

        Args:
            X: (n, features), (n, channels, samples), or an object that gives rows.
            y: (n,) labels.
            validation: samples and labels that stop training early and calibrate; never fitted on.
            sample_weight: (n,), weight of each sample in the loss.
            on_epoch: told of every epoch; training ends when it answers True.

        Raises:
            InputError: for one class only, an impossible shape, or a loss that is not a number.
        """
        rows = self._rows(X, fitting=True)
        self.classes_, targets = encode(y, len(rows))
        weights = class_weights(targets, self.class_weights)
        samples = Sampled(rows, targets, weights[targets.astype(np.int64)] * sample_weights(sample_weight, len(rows)))
        watched: Sampled | None = None
        if validation is not None and len(validation[1]):
            others = self._rows(validation[0])
            _, truth = encode(validation[1], len(others), self.classes_)
            watched = Sampled(others, truth, weights[truth.astype(np.int64)])
        loss = "sigmoid_cross_entropy" if len(self.classes_) == 2 else "softmax_cross_entropy"
        result, network = self._train(samples, watched, on_epoch, loss)
        self._keep(result, samples, watched, loss, 1.0)
        if self.calibrate and watched is not None:
            raw = outputs(function(network), result.parameters, watched.rows)
            self.apply_temperature(temperature(raw, watched.targets, LOSSES[loss]))
        return self

    def apply_temperature(self, heat: float) -> None:
        """Divide what the network gives before its softmax by a temperature, folded into the last layer's weights."""
        last = self.parameters_[-1]
        self.parameters_[-1] = {name: (a / np.float32(heat)).astype(np.float32) for name, a in last.items()}
        self.training_ = msgspec.structs.replace(self.training_, temperature=heat)

    def _answer(self, raw: Floats) -> Floats:
        if raw.shape[1] == 1:
            made: Floats = (1.0 / (1.0 + np.exp(-np.clip(raw, -80.0, 80.0)))).astype(np.float32)
            return made
        return softmax(raw)

    def predict_proba(self, X: Any) -> Floats:  # noqa: ANN401 - arrays, frames and Rows
        """Return probabilities of the classes, shape (n, k), float32."""
        answer = self._answer(self._raw(X))
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

    def fit(
        self,
        X: Any,  # noqa: ANN401 - arrays, frames and Rows
        y: Any,  # noqa: ANN401
        *,
        validation: tuple[Any, Any] | None = None,
        sample_weight: Any = None,  # noqa: ANN401
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Train from new weights; arguments as of `NetworkClassifier.fit`, with numbers as targets.

        Raises:
            InputError: for a target that is not finite numbers, an impossible shape, or a loss that is not a number.
        """
        rows = self._rows(X, fitting=True)
        values = numbers(y, len(rows))
        middle, spread = float(values.mean()), float(values.std()) or 1.0
        samples = Sampled(
            rows, ((values - middle) / spread).astype(np.float32), sample_weights(sample_weight, len(rows))
        )
        watched: Sampled | None = None
        if validation is not None and len(validation[1]):
            others = self._rows(validation[0])
            truth = ((numbers(validation[1], len(others)) - middle) / spread).astype(np.float32)
            watched = Sampled(others, truth, np.ones(len(others), np.float32))
        result, _ = self._train(samples, watched, on_epoch, self.loss)
        last = result.parameters[-1]
        result.parameters[-1] = {
            "weights": (last["weights"] * spread).astype(np.float32),
            "bias": (last["bias"] * spread + middle).astype(np.float32),
        }
        self._keep(result, samples, watched, self.loss, 1.0)
        return self

    def predict(self, X: Any) -> Floats:  # noqa: ANN401 - arrays, frames and Rows
        """Predictions, shape (n,), float32."""
        return self._raw(X)[:, 0]

    def to_graph(self, builder: Builder, value: str) -> str:
        """Return the network after `value`, up to its answer of shape (n, 1)."""
        return self._emit(builder, value)

    def outputs(self, builder: Builder, value: str) -> Outputs:
        """`prediction` after what `to_graph` gave."""
        return regression_output(builder, value)


def build(model: ModelConfig, training: TrainingConfig, task: str, seed: int) -> NetworkClassifier | NetworkRegressor:
    """Build the unfitted network of a pipeline's tables; the pipeline itself applies `training.augment`."""
    kind = NetworkRegressor if task == "regression" else NetworkClassifier
    keys = {f: getattr(training, f) for f in training.__struct_fields__ if f != "augment"}
    made: NetworkClassifier | NetworkRegressor = kind(tuple(model.layers), seed=seed, **keys)
    return made


MODEL = Model(build=build, state=("fitted_",))
