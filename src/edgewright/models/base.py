"""What the network classifier and the network regressor share."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from edgewright.core.errors import InputError, LayerSettingsError
from edgewright.core.records.config import ModelConfig, TrainingConfig
from edgewright.core.records.trace import EpochRecord, LayerRecord, TrainingRecord
from edgewright.data.targets import coded
from edgewright.graph.builder import Builder
from edgewright.graph.stage import Parameters
from edgewright.models.architecture import Architecture, Head, architecture, function, settled
from edgewright.training.loop import Sampled, Settings, outputs, train
from edgewright.training.program import forward
from edgewright.training.rows import Rows, as_rows


class TargetError(InputError, ValueError):
    """A target or weights that cannot be trained on; a `ValueError` too, which scikit-learn's tools expect."""


@contextmanager
def many_classes() -> Iterator[None]:
    """Keep scikit-learn from guessing that a target with many classes and few samples is a number."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes is greater than")
        yield


def encode(
    y: Any,  # noqa: ANN401 - any array-like
    samples: int,
    classes: NDArray[Any] | None = None,
    fewest: int = 2,
) -> tuple[NDArray[Any], Floats]:
    """Return classes, sorted, and the number of each sample's class as a float, shape (n,).

    Args:
        y: labels, shape (n,).
        samples: how many there must be.
        classes: the known ones; found in `y` when None.
        fewest: classes that the model needs.

    Raises:
        InputError: for another number of labels, fewer classes than these, or an unknown label.
    """
    labels = _column(y, samples)
    is_text = labels.dtype.kind == "U"  # names of classes, whose rows are not copied and sorted to find them
    try:
        with many_classes():
            check_classification_targets(labels[:1] if is_text else labels)
    except ValueError as error:
        raise TargetError("class labels", str(error), "the target", "For numbers set task = 'regression'") from None
    if classes is None:
        classes, numbered = coded(labels) if is_text else np.unique(labels, return_inverse=True)
        if len(classes) < fewest:
            raise TargetError("at least two classes", f"one class, {classes[0]!s}", "the target", "Add others")
        return classes, numbered.astype(np.float32)
    location = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    unknown = classes[location] != labels
    if unknown.any():
        raise TargetError("validation labels that also occur in training", repr(str(labels[unknown][0])), "the target")
    return classes, location.astype(np.float32)


def numbers(y: Any, samples: int) -> NDArray[np.float64]:  # noqa: ANN401 - any array-like
    """Return a numeric target, shape (n,).

    Raises:
        InputError: for text, or a number that is not finite.
    """
    column = _column(y, samples)
    try:
        values = column.astype(np.float64)
    except ValueError as error:
        raise TargetError("numbers", str(error), "the target") from None
    if not np.isfinite(values).all():
        raise TargetError("finite numbers", "a missing or infinite value", "the target")
    return values


def sample_weights(weights: Any, samples: int) -> Floats:  # noqa: ANN401 - any array-like or None
    """Return weights of mean 1, shape (n,), float32.

    Raises:
        InputError: for another number of weights, or a negative one, or all zero.
    """
    if weights is None:
        return np.ones(samples, np.float32)
    values = _column(weights, samples).astype(np.float64)
    if not np.isfinite(values).all() or (values < 0).any() or not values.sum():
        raise TargetError("weights of at least zero, one of them above zero", "other weights", "sample_weight")
    weighed: Floats = (values / values.mean()).astype(np.float32)
    return weighed


def class_weights(targets: Floats, kind: str) -> Floats:
    """Weight of each class: 1, or the inverse of its frequency with mean 1 over the samples ('balanced').

    Raises:
        InputError: for another word.
    """
    counts = np.bincount(targets.astype(np.int64))
    if kind == "none":
        return np.ones(len(counts), np.float32)
    if kind != "balanced":
        raise TargetError("'none' or 'balanced'", repr(kind), "training.class_weights")
    return (len(targets) / (len(counts) * counts)).astype(np.float32)


def _column(values: Any, samples: int) -> NDArray[Any]:  # noqa: ANN401 - any array-like
    try:
        column: NDArray[Any] = np.asarray(column_or_1d(values, warn=True))
    except ValueError as error:
        raise TargetError(f"{samples} targets, one a sample", str(error), "the target") from None
    if column.dtype == object:
        column = column.astype(np.str_)
    if column.shape != (samples,):
        raise TargetError(f"{samples} targets, one a sample", f"shape {column.shape}", "the target")
    return column


@dataclass(frozen=True)
class Model:
    """The one object `MODEL` of a model's file; the file name is its `kind`.

    Attributes:
        build: (model table, training table, 'classification' or 'regression', seed) -> unfitted estimator.
        state: fitted attributes that are stored (arrays, numbers, text, lists and dicts of these); an estimator that
            was built anew and given them predicts and emits as the fitted one did.
        settings: keys of the model table that this model alone takes.
    """

    build: Callable[[ModelConfig, TrainingConfig, str, int], Any]
    state: tuple[str, ...]
    settings: tuple[str, ...] = ()


Outputs = dict[str, tuple[str, str, tuple[int, ...]]]


def finish_outputs(builder: Builder, probabilities: str, classes: int) -> Outputs:
    """Label, probabilities and confidence of a classifier, as `Builder.finish` takes them.

    Args:
        builder: of the graph.
        probabilities: value of shape (n, classes).
        classes: how many.
    """
    label = builder.op("ArgMax", probabilities, axis=1, keepdims=0)
    confidence = builder.op("ReduceMax", probabilities, builder.integers(1), keepdims=0)
    return {
        "label": (label, "int64", ()),
        "probabilities": (probabilities, "float32", (classes,)),
        "confidence": (confidence, "float32", ()),
    }


def both_classes(builder: Builder, second: str) -> str:
    """(n, 1) probabilities of the second class -> (n, 2) of both."""
    first = builder.op("Sub", builder.constant(np.ones((1, 1), np.float32)), second)
    return builder.op("Concat", first, second, axis=1)


def regression_output(builder: Builder, value: str) -> Outputs:
    """(n, 1) -> `prediction` of shape (n,)."""
    return {"prediction": (builder.op("Reshape", value, builder.integers(-1)), "float32", ())}


def softmax(raw: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return shares of raw outputs, shape (n, k), float32; the largest is taken off first so that nothing overflows."""
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


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
            raise LayerSettingsError(
                f"samples of shape {tuple(self.shape_)}", f"shape {tuple(rows.shape[1:])}", "the network"
            )
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
