"""What the network classifier and the network regressor share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from edgewright.graph.builder import Builder
from edgewright.graph.layer import Parameters
from edgewright.models.architecture import Architecture, Head, architecture, function, settled
from edgewright.models.targets import sample_weights
from edgewright.schema.errors import InputError
from edgewright.schema.trace import EpochRecord, LayerRecord, TrainingRecord
from edgewright.training.loop import Sampled, Settings, outputs, train
from edgewright.training.program import forward
from edgewright.training.rows import Rows, as_rows

Floats = NDArray[np.float32]
OnEpoch = Callable[[EpochRecord], bool | None]
# What layers that are not trained give is kept up to so many bytes, instead of computed in every epoch.
_KEPT_BYTES = 1 << 30
_LAYERS = ({"kind": "dense", "units": 64}, {"kind": "dense", "units": 64})


class LayerOutput(NamedTuple):
    """What one layer gave: its name, kind, activation, and values of shape (n, ...)."""

    name: str
    kind: str
    activation: str
    values: Floats


@dataclass(eq=False, repr=False)
class Network(BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """A network without its end: parameters of the constructor, training, layers."""

    head: ClassVar[Head] = "dense"

    shape_: Any = field(init=False)
    parameters_: list[Parameters] = field(init=False)

    layers: tuple[dict[str, Any], ...] = _LAYERS
    _: KW_ONLY
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "auto"
    warm_up: float = 0.15
    epochs: int = 20
    batch: int = 64
    weight_decay: float = 0.0
    patience: int = 0
    class_weights: str = "none"
    label_smoothing: float = 0.0
    dropout: float = 0.0
    mixup: float = 0.0
    augment: tuple[dict[str, Any], ...] = ()
    calibrate: bool = True
    seed: int = 0

    @property
    def fitted_(self) -> dict[str, Any]:
        """All that is stored of a fitted network; set on an unfitted one, it predicts as the fitted one did."""
        stored = {"parameters": self.parameters_, "shape": list(self.shape_), "features": self.n_features_in_}
        if hasattr(self, "layers_"):
            stored["layers"] = self.layers_
        return {**stored, "classes": self.classes_} if hasattr(self, "classes_") else stored

    @fitted_.setter
    def fitted_(self, stored: dict[str, Any]) -> None:
        self._keep(stored)

    def _keep(self, stored: dict[str, Any]) -> None:
        self.parameters_, self.shape_ = stored["parameters"], stored["shape"]
        self.n_features_in_ = stored["features"]
        if "layers" in stored:
            self.layers_ = tuple(stored["layers"])
        if "classes" in stored:
            self.classes_ = stored["classes"]

    def network(self) -> Architecture:
        """Return the layers of a fitted network, the output layer last."""
        return self.planned(tuple(self.shape_), self._outputs())

    def planned(self, shape: tuple[int, ...], outputs: int) -> Architecture:
        """Return the layers of a network that is not fitted yet.

        Args:
            shape: of one sample.
            outputs: of the output layer.
        """
        return architecture(self.tables, shape, outputs, head=self.head)

    @property
    def tables(self) -> tuple[dict[str, Any], ...]:
        """The layers; those of a fitted network name no file that it is built from."""
        return getattr(self, "layers_", self.layers)

    def _outputs(self) -> int:
        return 1

    def _final(self) -> str:
        """Activation after the output layer."""
        return "linear"

    def settings(self, loss: str) -> Settings:
        """How the training loop is told to train; `loss` is a name of `LOSSES`."""
        given = (field.name for field in fields(Settings) if field.name not in ("loss", "chunk_rows"))
        return Settings(loss=loss, **{name: getattr(self, name) for name in given})

    def _rows(self, X: Any, fitting: bool = False) -> Rows:  # noqa: ANN401 - arrays, frames and Rows
        if hasattr(X, "__array__") or not isinstance(X, Rows):
            # Its test for missing values adds everything up, which overflows near the limits of float32.
            with np.errstate(over="ignore", invalid="ignore"):
                X = validate_data(self, X, reset=fitting, dtype=np.float32, allow_nd=True)
        rows = as_rows(X)
        if fitting:
            self.shape_ = list(rows.shape[1:])
            self.n_features_in_ = int(rows.shape[1])
        elif list(rows.shape[1:]) != list(self.shape_):
            raise InputError(f"samples of shape {tuple(self.shape_)}", f"shape {tuple(rows.shape[1:])}", "the network")
        return rows

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
            y: (n,) labels, or numbers for a regressor.
            validation: samples and labels that stop training early and calibrate; never fitted on.
            sample_weight: (n,), weight of each sample in the loss.
            on_epoch: told of every epoch; training ends when it answers True.

        Raises:
            InputError: for one class only, a target that is not finite, an impossible shape, or a loss that is not a
                number.
        """
        rows = self._rows(X, fitting=True)
        targets, weights = self._targets(y, len(rows), True)
        samples = Sampled(rows, targets, weights * sample_weights(sample_weight, len(rows)))
        watched: Sampled | None = None
        if validation is not None and len(validation[1]):
            others = self._rows(validation[0])
            watched = Sampled(others, *self._targets(validation[1], len(others), False))
        if hasattr(self, "layers_"):
            del self.layers_
        network, settings = self.network(), self.settings(self.loss)
        start = network.initialise(np.random.default_rng(self.seed))
        kept = settled(self.layers)
        if kept != tuple(self.layers):
            self.layers_ = kept
            network = self.network()
        still = 0 if self.augment or self.mixup or self.dropout else network.frozen(start)
        if 4 * len(rows) * math.prod(network.shapes[still]) > _KEPT_BYTES:
            still = 0
        below, above = network.divided(still)
        seen, watching = _behind(below, start, samples), None if watched is None else _behind(below, start, watched)
        result = train(function(above), start[still:], seen, settings, validation=watching, on_epoch=on_epoch)
        self.parameters_, self.history_ = [*start[:still], *result.parameters], result.history
        self.training_ = TrainingRecord(
            samples=len(samples.rows),
            validation_samples=0 if watched is None else len(watched.rows),
            batch=self.batch,
            optimiser=self.optimiser,
            loss_name=self.loss.replace("_", " "),
            epochs=result.history,
            best_epoch=result.best_epoch,
            stopped=result.stopped,
            temperature=1.0,
            seconds=result.seconds,
            cpu_seconds=result.cpu_seconds,
            compile_seconds=result.compile_seconds,
            compile_cpu_seconds=result.compile_cpu_seconds,
        )
        self._finish(watched)
        return self

    def _targets(self, y: Any, count: int, fitting: bool) -> tuple[Floats, Floats]:  # noqa: ANN401 - arrays and frames
        """Return targets and weights of samples as the loss takes them."""
        raise NotImplementedError

    def _finish(self, watched: Sampled | None) -> None:
        """Fold what was learnt outside the network into its last layer."""

    def _raw(self, X: Any) -> Floats:  # noqa: ANN401 - arrays, frames and Rows
        check_is_fitted(self, "parameters_")
        return outputs(function(self.network()), self.parameters_, self._rows(X))

    def _answer(self, raw: Floats) -> Floats:
        """Raw outputs of shape (n, k) after the final activation."""
        return raw

    def layer_outputs(self, X: Any) -> list[LayerOutput]:  # noqa: ANN401 - arrays, frames and Rows
        """Return what every layer gives for a few samples, in order; the last after its softmax or sigmoid."""
        check_is_fitted(self, "parameters_")
        network, rows = self.network(), self._rows(X)
        values = forward(function(network, every=True), self.parameters_, rows.take(np.arange(len(rows))))
        values[-1] = self._answer(values[-1])
        records = self.layer_records()
        return [LayerOutput(r.name, r.kind, r.activation, v) for r, v in zip(records, values, strict=True)]

    def layer_records(self) -> tuple[LayerRecord, ...]:
        """Return a row of the model's table for each layer."""
        check_is_fitted(self, "parameters_")
        return self.network().records(self.parameters_, self._final())

    def _emit(self, builder: Builder, value: str) -> str:
        builder.boundary(value)
        return self.network().to_graph(self.parameters_, builder, value)


def _behind(below: Architecture, parameters: list[Parameters], samples: Sampled) -> Sampled:
    """Return samples as the layers above `below` take them: what is not trained need not be computed every epoch."""
    if not below.kinds:
        return samples
    rows = as_rows(outputs(function(below), parameters[: len(below.kinds)], samples.rows))
    return Sampled(rows, samples.targets, samples.weights)
