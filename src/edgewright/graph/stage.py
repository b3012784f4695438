"""Interface of a stage file, and the base of transformers with one formula for NumPy and for ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from edgewright.core.errors import GraphError, InputError
from edgewright.core.input.samples import Frame, require_columns
from edgewright.graph.builder import Builder, Term, Value

Shape = tuple[int, ...]


class StageConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every stage's configuration: the table under `[[stages]]` without its `kind`."""


@dataclass(frozen=True)
class Context:
    """Facts about the data that are available when a stage is built.

    Attributes:
        shape: shape of one input sample: (columns,), or (channels, samples) for windows.
        names: names of the input columns or channels.
        units: unit of each column or channel; empty if unknown.
        rate: samples per second; None for a table.
        task: 'classification' or 'regression'.
        seed: seed of the run.
    """

    shape: Shape
    names: tuple[str, ...]
    units: tuple[str, ...]
    rate: float | None
    task: str
    seed: int


C = TypeVar("C", bound=StageConfig)


@dataclass(frozen=True)
class Stage(Generic[C]):
    """The one object `STAGE` of a stage's file; the file name is its `kind`.

    Attributes:
        config: the configuration's struct; its docstring and fields become the reference in `docs/`.
        build: makes the unfitted scikit-learn estimator.
        state: fitted attributes that are stored (arrays, numbers, text, lists and dicts of these) and restored.
        why: one sentence for the trace: the purpose of this stage, with the numbers of the fitted estimator.
        formula: how an output is computed, in plain text.
        title: title of its card, such as 'PCA'; empty derives it from the file name.
        read_back: arguments of an estimator and its context -> keys of the table for other arguments; None if
            the arguments are the keys. What a table cannot say is found by building it again.
        taught: learns the target as a model does, from training samples without those that validate.
    """

    config: type[C]
    build: Callable[[C, Context], Any]
    state: tuple[str, ...]
    why: Callable[[Any], str]
    formula: str = ""
    title: str = ""
    read_back: Callable[[Mapping[str, Any], Context], Mapping[str, Any]] | None = None
    taught: bool = False


@runtime_checkable
class Emitting(Protocol):
    """A stage that can write itself as ONNX."""

    def to_graph(self, builder: Builder, value: str) -> str:
        """Append the operators of this stage after `value` and return the name of its output."""


_EMITTERS: dict[str, Callable[[Any, Builder, str], str]] = {}


def emits(*names: str) -> Callable[[Callable[[Any, Builder, str], str]], Callable[[Any, Builder, str], str]]:
    """Register the emitter of classes of another library by `names_of`, so that the library need not be imported."""

    def register(function: Callable[[Any, Builder, str], str]) -> Callable[[Any, Builder, str], str]:
        _EMITTERS.update(dict.fromkeys(names, function))
        return function

    return register


def names_of(estimator: object) -> list[str]:
    """Return library and name of the classes of an estimator, such as 'sklearn.SimpleImputer', its own first."""
    return [f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(estimator).__mro__]


def emit(estimator: Any, builder: Builder, value: str) -> str:  # noqa: ANN401 - any estimator may come
    """Append the operators of a fitted estimator after `value`.

    Raises:
        InputError: when the estimator has neither a `to_graph` method nor a registered emitter.
    """
    if isinstance(estimator, Emitting):
        return estimator.to_graph(builder, value)
    for name in names_of(estimator):
        if name in _EMITTERS:
            return _EMITTERS[name](estimator, builder, value)
    raise GraphError(
        "a stage with an ONNX form",
        type(estimator).__name__,
        do="Give it a method to_graph(builder, value) that returns the name of its output",
    )


def column_names(X: Any) -> NDArray[np.object_] | None:  # noqa: ANN401 - arrays and frames
    """Return the names of the columns of a frame, shape (columns,); None if a column has no text name."""
    if not isinstance(X, Frame):
        return None
    names = list(X.columns)
    return np.asarray(names, dtype=object) if names and all(isinstance(name, str) for name in names) else None


def axes_of(X: Any) -> int:  # noqa: ANN401 - arrays, frames, lists and whatever becomes an array
    """Return the number of axes of samples."""
    return int(X.ndim) if hasattr(X, "ndim") else np.asarray(X).ndim


def select_fitted_columns(estimator: Any, X: Any) -> Any:  # noqa: ANN401 - arrays and frames
    """Select the columns that an estimator was fitted on, in that order; return anything but a named frame unchanged.

    Args:
        estimator: estimator, which has `feature_names_in_` if it was fitted on a frame.
        X: samples.

    Raises:
        InputError: columns are missing; the message names them.
    """
    fitted, given = getattr(estimator, "feature_names_in_", None), column_names(X)
    if fitted is None or given is None or np.array_equal(fitted, given):
        return X
    wanted = [str(name) for name in fitted]
    require_columns(list(given), wanted)
    return X[wanted]


class SampleError(InputError, ValueError, TypeError):
    """Samples that a stage does not accept; it is also one of the Python errors that scikit-learn expects."""

    code = "sample-shape"


Floats = NDArray[np.float32]
E = TypeVar("E", bound="SampleTransformer")
# Number of input values that are computed at a time in float64, which limits the memory of intermediate results.
CHUNK_VALUES = 1 << 18


class SampleTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """A transformer over rows (n, columns), windows (n, channels, samples) or pictures (n, channels, height, width).

    A subclass sets `kind`, `takes` and `missing`, may learn in `_learn`, and gives `formula` and `_names`.

    Attributes:
        kind: name of the stage, for messages.
        takes: number of axes of a sample that are accepted: 1 for rows, 2 for windows, 3 for pictures.
        missing: whether missing values (NaN, infinite) may arrive.
        needs_target: whether it cannot be fitted without labels or numbers.
        shape_: shape of one sample, as fitted.
        feature_names_in_: names of the columns it was fitted on, where it was fitted on a frame.
    """

    kind: ClassVar[str] = ""
    takes: ClassVar[tuple[int, ...]] = (1, 2)
    missing: ClassVar[bool] = False
    needs_target: ClassVar[bool] = False

    shape_: list[int]
    feature_names_in_: NDArray[np.object_]

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ANN401 - arrays and frames
        """Learn from training samples.

        Raises:
            InputError: for a shape, a missing or an infinite value this stage cannot take.
        """
        names = column_names(X)
        samples = self._receive(X)
        if not len(samples):
            raise SampleError("at least one sample", "none", self._where())
        self.shape_ = [int(size) for size in samples.shape[1:]]
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self._learn(samples, y)
        return self

    def transform(self, X: Any) -> Floats:  # noqa: ANN401 - arrays and frames
        """Compute in float64, a few samples at a time, and return float32. Columns of a frame are taken by name.

        Raises:
            InputError: when the samples do not have the shape of those fitted.
        """
        samples = self._arrived(X)
        step = max(1, CHUNK_VALUES // max(1, int(np.prod(samples.shape[1:]))))
        result: Floats | None = None
        for start in range(0, max(1, len(samples)), step):
            part = self.formula(samples[start : start + step].astype(np.float64))
            if result is None:
                result = np.empty((len(samples), *part.shape[1:]), np.float32)
            result[start : start + step] = part
        assert result is not None  # noqa: S101 - the loop runs at least once
        return result

    def formula(self, x: Value) -> Value:
        """Return what the stage computes, on a float64 array of samples or on a value of a graph."""
        raise NotImplementedError

    def to_graph(self, builder: Builder, value: str) -> str:
        """Append the operators of `formula` and return the name of the output."""
        check_is_fitted(self, "shape_")
        result = self.formula(Term(builder, value))
        return str(result.name)

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> NDArray[np.object_]:
        """Return the names of the output columns, features or channels."""
        check_is_fitted(self, "shape_")
        known = tuple(getattr(self, "names", None) or ()) if input_features is None else tuple(input_features)
        if not known:
            known = tuple(f"x{i}" for i in range(int(self.shape_[0])))
        if len(known) != int(self.shape_[0]):
            raise GraphError(f"{self.shape_[0]} names", str(len(known)), self._where())
        return np.asarray(self._names(known), dtype=object)

    @property
    def n_features_in_(self) -> int:
        """Number of input columns or channels."""
        check_is_fitted(self, "shape_")
        return int(self.shape_[0])

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn's own type, untyped
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing
        tags.input_tags.two_d_array = 1 in self.takes
        tags.input_tags.three_d_array = 2 in self.takes
        tags.transformer_tags.preserves_dtype = []
        tags.target_tags.required = self.needs_target
        return tags

    def _learn(self, X: Floats, y: Any) -> None:  # noqa: ANN401 - labels or numbers
        """Learn nothing; a subclass may override this."""

    def _names(self, names: tuple[str, ...]) -> Sequence[str]:
        return names

    def _broadcastable(self, values: Any) -> Floats:  # noqa: ANN401 - numbers
        """Return one value for each column (rows) or channel (windows), shaped for broadcasting."""
        return np.asarray(values, np.float32).reshape(-1, *([1] * (len(self.shape_) - 1)))

    def _where(self) -> str:
        return f"stage {self.kind}"

    def _arrived(self, X: Any) -> Floats:  # noqa: ANN401 - arrays and frames
        """Return samples for `transform`, of the shape that was fitted."""
        check_is_fitted(self, "shape_")
        samples = self._receive(select_fitted_columns(self, X))
        if list(samples.shape[1:]) != [int(size) for size in self.shape_]:
            known = (
                f"X has {samples.shape[1]} features, but {type(self).__name__} is expecting {self.shape_[0]} features"
            )
            do = f"{known} as input" if samples.ndim == 2 else ""
            raise SampleError(f"samples of shape {_text(self.shape_)}", _text(samples.shape[1:]), self._where(), do)
        return samples

    def _receive(self, X: Any) -> Floats:  # noqa: ANN401 - arrays and frames
        try:
            with np.errstate(over="ignore"):
                samples: Floats = check_array(
                    X, dtype=np.float32, ensure_all_finite=False, ensure_2d=False, allow_nd=True, ensure_min_samples=0
                )
        except (TypeError, ValueError) as error:
            raise SampleError("numbers", type(X).__name__, self._where(), str(error)) from error
        if samples.ndim - 1 not in self.takes:
            do = "Reshape your data if it is one sample: X[None]" if samples.ndim in self.takes else ""
            raise SampleError(_shapes(self.takes), f"an array of shape {_text(samples.shape)}", self._where(), do)
        # The sum is not finite if any value is not finite, so the common case takes one pass without a copy.
        with np.errstate(over="ignore", invalid="ignore"):
            finite = np.isfinite(samples.sum(dtype=np.float64))
        if finite:
            return samples
        infinite = np.isinf(samples)
        if infinite.any():
            if not self.missing:
                raise SampleError("finite values", "an infinite one", self._channel(infinite))
            # A reading that is not finite is missing.
            samples = np.where(infinite, np.float32(np.nan), samples)
        if not self.missing:
            do = f"Put a stage of kind '{'fill' if samples.ndim == 3 else 'impute'}' before it"
            raise SampleError("no missing value", "NaN", self._channel(np.isnan(samples)), do)
        return samples

    def _channel(self, rows: NDArray[np.bool_]) -> str:
        """Return the stage and the first column or channel with a problem."""
        column = int(np.argmax(rows.reshape(*rows.shape[:2], -1).any(axis=(0, 2))))
        names = getattr(self, "names", None) or ()
        label = str(names[column]) if column < len(names) else str(column)
        return f"{self._where()}, {'column' if rows.ndim == 2 else 'channel'} {label}"


def require(context: Context, kind: str, takes: tuple[int, ...]) -> None:
    """Refuse to build a stage for samples of a shape that it does not accept.

    Raises:
        InputError: the shape does not fit; the message names the stage and the shape.
    """
    if len(context.shape) not in takes:
        needs = {2: "Add a [window] table, or leave the stage out", 3: "Load pictures, or leave the stage out"}
        do = needs.get(takes[0], "") if len(takes) == 1 else ""
        do = do or "Add a features stage before it"
        raise GraphError(_shapes(takes), f"samples of shape {_text(context.shape)}", f"stage {kind}", do)


def from_config(kind: type[E], config: StageConfig, context: Context, **given: Any) -> E:  # noqa: ANN401 - its arguments
    """Return an estimator with the settings of its configuration and the arguments that it needs of the context.

    Args:
        kind: kind of the estimator; each of its arguments is a key of the configuration, `names` or `rate`, or `given`.
        config: configuration of the stage.
        context: context in which it is built.
        given: computed arguments.

    Raises:
        InputError: for samples of a shape that it cannot take.
    """
    require(context, kind.kind, kind.takes)
    known = {"names": context.names, "rate": float(context.rate or 1.0), **msgspec.structs.asdict(config), **given}
    return kind(**{name: known[name] for name in kind._get_param_names() if name in known})


def directly(kind: type[E]) -> Callable[[StageConfig, Context], E]:
    """Return the build function of a stage whose settings are those of its estimator."""
    return partial(from_config, kind)


def require_rate(context: Context, kind: str) -> float:
    """Return the sampling rate in Hz.

    Raises:
        InputError: the rate is unknown.
    """
    if not context.rate:
        raise GraphError("a sampling rate", "none", f"stage {kind}", "Give `rate` in the [data] table")
    return float(context.rate)


def positions(wanted: Sequence[str], names: Sequence[str], kind: str) -> tuple[int, ...]:
    """Return the indices of named columns or channels; all indices when `wanted` is empty.

    Raises:
        InputError: for a name that does not arrive at the stage.
    """
    for name in wanted:
        if name not in names:
            raise GraphError(f"one of {', '.join(names)}", repr(name), f"stage {kind}")
    return tuple(names.index(name) for name in wanted) if wanted else tuple(range(len(names)))


def named(places: Sequence[int] | None, context: Context) -> tuple[str, ...]:
    """Return the names at indices, the inverse of `positions`; indices beyond the names are ignored."""
    return tuple(context.names[index] for index in places or () if index < len(context.names))


def _shapes(takes: tuple[int, ...]) -> str:
    kinds = {
        1: "rows (n, columns)", 2: "windows (n, channels, samples)", 3: "pictures (n, channels, height, width)"
    }  # fmt: skip
    return " or ".join(kinds[rank] for rank in takes)


def _text(shape: Sequence[int]) -> str:
    return "(" + ", ".join(str(int(size)) for size in shape) + ")"


Parameters = dict[str, Any]
Activation = Literal["linear", "relu", "sigmoid"]


class LayerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every layer's configuration: the table under `[[model.layers]]` without its `kind`."""


L = TypeVar("L", bound=LayerConfig)


@dataclass(frozen=True)
class Normalisation(Generic[L]):
    """What training does with a layer that normalises its sums by their mean and variance.

    Attributes:
        measure: (config, parameters, x) -> y normalised by its own samples, and the parameters with their mean and
            variance, in JAX: what a training step gives, and what `apply` takes afterwards.
        folded: (config, parameters) -> parameters without normalisation that give the same.
    """

    measure: Callable[[L, Parameters, Any], tuple[Any, Parameters]]
    folded: Callable[[L, Parameters], Parameters]


@dataclass(frozen=True)
class Layer(Generic[L]):
    """The one object `LAYER` of a layer's file; the file name is its `kind`. Shapes are without the batch axis.

    Attributes:
        config: the configuration's struct.
        out_shape: (config, shape in) -> shape out; raises `InputError` for an impossible shape.
        apply: (config, parameters, x of shape (batch, *shape in)) -> y of shape (batch, *shape out), in JAX.
        to_graph: (config, parameters as NumPy arrays, builder, value, shape in) -> value. Its operators decide which C
            and .tflite writers are used.
        formula: (config) -> how an output is computed, in plain text.
        integer: (config) -> whether all its operators have an integer form; a network with a layer that has none is
            refused before training, or becomes a float package where that is asked for.
        initialise: (config, shape in, generator) -> parameters as float32 arrays by name.
        macs: (config, shape in) -> multiply-accumulates an inference.
        activation: (config) -> the activation applied, 'linear' for none.
        training: (config, parameters, x, random key) -> y in a training step, where that is not what `apply` gives.
        between: `apply` with one more argument, a function that the value between its two halves goes through.
        normalisation: of a layer that normalises its sums in training where its configuration has `normalise = true`.
        gradient: (config, parameters, x, y, derivatives of the loss by y, arrays that take those by the parameters,
            whether those by x are needed) -> derivatives by x, all in NumPy; those by y may be overwritten. Of a layer
            whose `apply` also takes NumPy arrays.
        settled: (config) -> a configuration that a fitted network is built from without files, where that is another.
        frozen: (config, parameters) -> names of the parameters that training leaves as they are.
        width: key of the configuration that says how many channels come out; empty where as many come out as go in.
        inputs: axis of the channels that come in, by name of the parameters that have one.
        outputs: the same of the channels that come out.
    """

    config: type[L]
    out_shape: Callable[[L, Shape], Shape]
    apply: Callable[[L, Parameters, Any], Any]
    to_graph: Callable[[L, Parameters, Builder, str, Shape], str]
    formula: Callable[[L], str]
    integer: Callable[[L], bool]
    initialise: Callable[[L, Shape, np.random.Generator], Parameters] = lambda config, shape, rng: {}
    macs: Callable[[L, Shape], int] = lambda config, shape: 0
    activation: Callable[[L], str] = lambda config: getattr(config, "activation", "linear")
    training: Callable[[L, Parameters, Any, Any], Any] | None = None
    between: Callable[[L, Parameters, Any, Callable[[Any], Any]], Any] | None = None
    normalisation: Normalisation[L] | None = None
    gradient: Callable[[L, Parameters, Any, Any, Any, Parameters, bool], Any] | None = None
    settled: Callable[[L], L] | None = None
    frozen: Callable[[L, Parameters], frozenset[str]] | None = None
    width: str = ""
    inputs: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, int] = field(default_factory=dict)

    def normalises(self, config: L) -> Normalisation[L] | None:
        """Return what training does with the sums of a layer of a configuration; None where they stay as they are."""
        return self.normalisation if getattr(config, "normalise", False) else None
