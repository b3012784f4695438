"""What models without layers share: rules, trees and the like behind the same doors as a network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, ClassVar, Self, cast

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from edgewright.core.records.trace import LayerRecord, TrainingRecord
from edgewright.graph.builder import Builder
from edgewright.graph.stage import axes_of
from edgewright.models.base import (
    LayerOutput,
    Model,
    OnEpoch,
    Outputs,
    TargetError,
    encode,
    finish_outputs,
    many_classes,
    numbers,
    regression_output,
    softmax,
)
from edgewright.training.losses import LOSSES, temperature
from edgewright.training.rows import Rows

Floats = NDArray[np.float32]


class RowsByIndex:
    """Rows that are made when they are asked for, with the indexing of an array; the pieces are the same each time.

    Args:
        rows: as of `training.rows`.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows, self.shape = rows, rows.shape

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: NDArray[np.int64]) -> Floats:
        selected = np.empty((len(which), *self.shape[1:]), np.float32)
        for start, piece in self.pieces():
            inside = (which >= start) & (which < start + len(piece))
            selected[inside] = piece[which[inside] - start]
        return selected

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Floats:  # noqa: ANN401
        whole = np.empty(self.shape, np.float32)
        for start, piece in self.pieces():
            whole[start : start + len(piece)] = piece
        return whole

    def pieces(self) -> Iterator[tuple[int, Floats]]:
        """Yield all rows by their first index, a piece at a time: stages make some copies of what they take."""
        for start in range(0, len(self), _ANSWERED):
            yield start, self._rows.take(np.arange(start, min(start + _ANSWERED, len(self))))


# A text on a card is read, not studied.
_MAX_FORMULA = 400
# So many samples are answered at once: trees walk with several numbers for each tree.
_ANSWERED = 65_536
# A probability counts as at least this where its logarithm is taken.
_FLOOR = 1e-6
# A temperature weighs as the validation samples that it was found on, and a temperature of 1 as so many. Chosen from 0,
# 10, 25, 50 and 100 on eight public sets by log loss; on five others the mean calibration error of six models fell from
# .064 to .054, and their mean log loss from .363 to .322.
_DOUBT = 25


def plain_model(model: type[PlainModel]) -> Model:
    """Return the `MODEL` of a file whose model needs no settings."""
    return Model(build=lambda table, training, task, seed: model(task, seed), state=("fitted_",))


def tells_classes(model: PlainModel) -> bool:
    """Whether a model has probabilities."""
    return model.task == "classification"


class PlainModel(BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """A model that is fitted at once, on rows of features.

    Args:
        task: 'classification' or 'regression'.
        seed: of whatever is drawn.

    Attributes:
        classes_: names of the classes in order; absent for a regression.
        temperature_: by which logarithms of the probabilities are divided; 1 where it is a part of what was learned.
        shape_: shape of one sample.
        parameters_: an entry with the arrays of the model, by name.
        fit_rows_: number of training samples that the fit took: all, but where its memory holds fewer; not stored.
        training_: record of the fit.
    """

    kind = ""
    missing = False
    # One column, or none, answers: scikit-learn's checks ask for no score.
    poor = False
    fewest_classes = 2
    # A fit takes rows by their indices alone, so that rows which are not drawn need not be in memory.
    draws = False
    function = ""
    learned: tuple[str, ...] = ()
    # Learned, too, but stored only if it differs from this: files from before have no entry.
    optional: ClassVar[dict[str, Any]] = {}
    temperature_ = 1.0

    shape_: Any
    n_features_in_: int
    fit_rows_: int

    def __init__(self, task: str = "classification", seed: int = 0) -> None:
        self.task = task
        self.seed = seed

    def fit(
        self,
        X: Any,  # noqa: ANN401 - arrays, frames and Rows
        y: Any,  # noqa: ANN401
        *,
        validation: tuple[Any, Any] | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Fit.

        Args:
            X: (n, features), NaN where a value is missing and the model can take that.
            y: (n,) labels, or numbers for a regression.
            validation: not used; see `calibrate`.
            on_epoch: not called: there are no epochs.

        Raises:
            InputError: one class only, a target that is not finite, or samples that are not rows.
        """
        wall, cpu = time.perf_counter(), time.process_time()
        self.temperature_ = 1.0
        rows = self._rows(X, fitting=True)
        self.fit_rows_ = len(rows)
        if self.task == "classification":
            self.classes_, target = encode(y, len(rows), fewest=self.fewest_classes)
            with many_classes():
                self._fit(rows, target.astype(np.int64), len(self.classes_))
        else:
            self._fit(rows, numbers(y, len(rows)), 0)
        self.training_ = TrainingRecord(
            samples=self.fit_rows_,
            validation_samples=0,
            batch=self.fit_rows_,
            optimiser="none",
            loss_name=self.kind,
            epochs=(),
            best_epoch=0,
            stopped="fitted at once",
            temperature=1.0,
            seconds=time.perf_counter() - wall,
            cpu_seconds=time.process_time() - cpu,
        )
        return self

    def calibrate(self, X: Any, y: Any) -> None:  # noqa: ANN401 - arrays, frames and Rows
        """Find a temperature on samples that the classifier was not fitted on, and apply it (Guo et al., 2017).

        Args:
            X: (n, features).
            y: (n,) labels; those that are no classes of the model are left out.
        """
        shares = self.predict_proba(X)
        names = np.asarray(y).astype(np.asarray(self.classes_).dtype)
        known = np.isin(names, self.classes_)
        logits, targets = np.log(np.maximum(shares[known], _FLOOR)), np.searchsorted(self.classes_, names[known])
        heat = temperature(logits, targets, LOSSES["softmax_cross_entropy"]) ** (len(targets) / (len(targets) + _DOUBT))
        if heat != 1.0:
            self.apply_temperature(heat)
        self.training_ = msgspec.structs.replace(self.training_, validation_samples=len(targets))

    def apply_temperature(self, heat: float) -> None:
        """Divide the logarithms of the probabilities by a temperature; the label of a sample stays as it is."""
        self._soften(heat)
        self.training_ = msgspec.structs.replace(self.training_, temperature=heat)

    def _soften(self, heat: float) -> None:
        """Take a temperature over; a model that has scores before a softmax divides these."""
        self.temperature_ *= heat

    def _calibrated(self, shares: Floats) -> Floats:
        """Return probabilities, shape (n, classes), at the temperature."""
        if self.temperature_ == 1.0:
            return shares
        return softmax(np.log(shares + np.float32(_FLOOR)) * np.float32(1.0 / self.temperature_))

    def _emit_calibrated(self, builder: Builder, shares: str) -> str:
        """Return the value of `_calibrated`."""
        if self.temperature_ == 1.0:
            return shares
        floor, sharpness = (
            builder.constant(np.array([[number]], np.float32)) for number in (_FLOOR, 1.0 / self.temperature_)
        )
        logits = builder.op("Mul", builder.op("Log", builder.op("Add", shares, floor)), sharpness)
        return builder.op("Softmax", logits, axis=1)

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn's own type, untyped
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing
        tags.target_tags.required = True
        if self.task == "classification":
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags(poor_score=self.poor)
        else:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags(poor_score=self.poor)
        return tags

    def _rows(self, X: Any, fitting: bool = False) -> Floats:  # noqa: ANN401 - arrays, frames and Rows
        lazy = RowsByIndex(X) if not hasattr(X, "__array__") and hasattr(X, "take") else None
        if lazy is not None and len(lazy.shape) == 2 and fitting and self.draws:
            # No piece is kept: the fit takes those rows that it draws.
            for start, piece in lazy.pieces():
                self._checked(piece, fitting=start == 0)
            return cast("Floats", lazy)
        return self._checked(X if lazy is None else np.asarray(lazy), fitting)

    def _checked(self, X: Any, fitting: bool) -> Floats:  # noqa: ANN401 - arrays and frames
        if axes_of(X) != 2:
            raise TargetError(
                "rows of features (n, columns)", f"samples of {axes_of(X)} axes", f"model {self.kind}",
                "Add a features stage before it. Reshape your data if it is one row: X.reshape(1, -1)",
            )  # fmt: skip
        finite = "allow-nan" if self.missing else True
        rows: Floats = validate_data(self, X, reset=fitting, dtype=np.float32, ensure_all_finite=finite)
        if fitting:
            self.shape_ = [int(rows.shape[1])]
        return rows

    # What a kind of model does.
    def _fit(self, X: Floats, target: NDArray[Any], classes: int) -> None:
        """Fit on class numbers, or on amounts where `classes` is 0."""
        raise NotImplementedError

    def _answers(self, X: Floats) -> Floats:
        """Return probabilities (n, classes), or amounts (n, 1)."""
        raise NotImplementedError

    def to_graph(self, builder: Builder, value: str) -> str:
        """Return the model after `value`, up to probabilities (n, classes) or amounts (n, 1)."""
        raise NotImplementedError

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was learned."""
        raise NotImplementedError

    def says(self, names: tuple[str, ...]) -> str:
        """Return what the fitted model does, in a sentence.

        Args:
            names: of the features.
        """
        raise NotImplementedError

    def macs(self) -> int:
        """Multiply-accumulates an inference."""
        return 0

    def nodes(self) -> int:
        """Return how many nodes the trees have; 0 of a model without trees."""
        return 0

    def comparisons(self) -> int:
        """Return how many comparisons with a threshold an inference takes at most."""
        return 0

    # What everybody asks a model.
    @property
    def fitted_(self) -> dict[str, Any]:
        """All that is stored of a fitted model; set on an unfitted one, it answers as the fitted one did."""
        stored = {"shape": list(self.shape_), **{name: getattr(self, name) for name in self.learned}}
        stored |= {"temperature": self.temperature_} if self.temperature_ != 1.0 else {}
        stored |= {name: getattr(self, name) for name, usual in self.optional.items() if getattr(self, name) != usual}
        return {**stored, "classes": self.classes_} if hasattr(self, "classes_") else stored

    @fitted_.setter
    def fitted_(self, stored: dict[str, Any]) -> None:
        self.shape_, self.n_features_in_ = stored["shape"], int(stored["shape"][0])
        self.temperature_ = float(stored.get("temperature", 1.0))
        for name in self.learned:
            setattr(self, name, stored[name])
        for name, usual in self.optional.items():
            setattr(self, name, stored.get(name, usual))
        if "classes" in stored:
            self.classes_ = stored["classes"]

    @property
    def parameters_(self) -> list[dict[str, NDArray[Any]]]:
        """One entry, as a network has one a layer."""
        return [self.arrays()]

    @property
    def _out(self) -> int:
        return len(self.classes_) if self.task == "classification" else 1

    @available_if(tells_classes)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Floats:  # noqa: ANN401 - arrays, frames and Rows
        """Return probabilities of the classes, shape (n, k), float32."""
        check_is_fitted(self, "shape_")
        return self._in_pieces(self._rows(X))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: ANN401 - arrays, frames and Rows
        """Return the class of largest probability, the first of equals, or the amount; shape (n,)."""
        check_is_fitted(self, "shape_")
        answers = self._in_pieces(self._rows(X))
        if self.task != "classification":
            return answers[:, 0]
        named: NDArray[Any] = np.asarray(self.classes_)[np.argmax(answers, axis=1)]
        return named

    def _in_pieces(self, X: Floats) -> Floats:
        starts = range(0, max(1, len(X)), _ANSWERED)
        pieces = [np.asarray(self._answers(X[start : start + _ANSWERED]), np.float32) for start in starts]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: ANN401 - arrays, frames and Rows
        """Return the share of right answers, or R² of an amount."""
        from sklearn.metrics import accuracy_score, r2_score  # noqa: PLC0415 - slow to load, for this alone

        figure = accuracy_score if self.task == "classification" else r2_score
        return float(figure(y, self.predict(X), sample_weight=sample_weight))

    def outputs(self, builder: Builder, value: str) -> Outputs:
        """Return what a device reads after `to_graph`."""
        return (
            finish_outputs(builder, value, self._out)
            if hasattr(self, "classes_")
            else regression_output(builder, value)
        )

    def layer_records(self) -> tuple[LayerRecord, ...]:
        """Return the one row of the model's table."""
        check_is_fitted(self, "shape_")
        names = tuple(f"x{n}" for n in range(int(self.shape_[0])))
        return (
            LayerRecord(
                name=self.kind,
                kind=self.kind,
                shape_out=(self._out,),
                parameters=sum(int(a.size) for a in self.arrays().values()),
                macs=self.macs(),
                nodes=self.nodes(),
                comparisons=self.comparisons(),
                activation_bytes=4 * self._out,
                activation=self.function,
                formula=self.says(names)[:_MAX_FORMULA],
            ),
        )

    def layer_outputs(self, X: Any) -> list[LayerOutput]:  # noqa: ANN401 - arrays, frames and Rows
        """Return the answers, as what the only layer gives."""
        return [LayerOutput(self.kind, self.kind, "linear", np.asarray(self._answers(self._rows(X)), np.float32))]
