"""Fitting the stages one after the other on training samples only, each for what arrives at it, with a card each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import get_tags

from edgewright.cluster.mapping import each
from edgewright.core.catalogue import listing
from edgewright.core.errors import EdgewrightError, PipelineError
from edgewright.core.input.recordings import parts
from edgewright.core.input.samples import METADATA as RANGES
from edgewright.core.input.samples import MISSING_METADATA as LIMIT
from edgewright.core.input.samples import ROW_LIMIT, ranges_text
from edgewright.core.records.data import Column, Floats, Samples
from edgewright.core.records.network import Graph
from edgewright.core.records.trace import StageRecord
from edgewright.data.targets import SpooledRows, WindowViews, in_pieces, piece_rows
from edgewright.graph.builder import Builder, Term, answerable, choose, masked_label, masked_value, present
from edgewright.graph.stage import Context, emit, names_of
from edgewright.pipeline.cost import Cost, measured, together
from edgewright.pipeline.plan import ROOMS, Part, build
from edgewright.pipeline.run_folder.journal import card
from edgewright.preprocessing.fill import Fill
from edgewright.preprocessing.impute import Impute
from edgewright.training.rows import by_blocks


def first_context(samples: Samples, task: str, seed: int) -> Context:
    """Return what the first stage is built for."""
    return Context(
        shape=tuple(int(n) for n in samples.X.shape[1:]),
        names=tuple(column.name for column in samples.columns),
        units=tuple(column.unit for column in samples.columns),
        rate=samples.rate,
        task=task,
        seed=seed,
    )


def next_context(context: Context, fitted: Any, shape: tuple[int, ...]) -> Context:  # noqa: ANN401 - any estimator
    """Return what the stage after `fitted` is built for; units as `fitted` states them, or those of names that stay."""
    names = tuple(str(name) for name in fitted.get_feature_names_out(np.asarray(context.names, dtype=object)))
    units = dict(zip(context.names, context.units, strict=True))
    if hasattr(fitted, "units_out"):
        units = dict(zip(names, fitted.units_out, strict=True))
    return Context(
        shape=tuple(int(n) for n in shape),
        names=names,
        units=tuple(units.get(name, "") for name in names),
        rate=getattr(fitted, "rate_", context.rate),
        task=context.task,
        seed=context.seed,
    )


# Beyond this many bytes a stage's output is not kept: it is made again in pieces whenever training asks for rows. Of
# rows beyond the second number no stage's is, since their stages take little time.
KEEP_BYTES, KEEP_ROWS_BYTES = 512 * 2**20, 128 * 2**20
# A stage that would be fitted on streamed rows is fitted on this many of them, drawn with the run's seed.
_STREAM_FIT = 200_000
# Of rows on disk no more bytes than these are held to fit a stage on: some copies of them exist meanwhile.
_FIT_BYTES = 32 * 2**20
_SHOWN = 2000
_PIECE = 65_536
# Windows that pass through a stage together, at most, and their bytes: stages hold some tens of copies of them.
_WINDOWS, _WINDOWS_BYTES = 4096, 8 * 2**20


def rows_at(values: Any, rows: NDArray[np.int64]) -> Any:  # noqa: ANN401 - an array
    """Return the values at ascending indices; the array itself, without a copy, where these are all of it."""
    return values if len(rows) == len(values) else values[rows]


def transformed(estimator: Any, X: NDArray[Any]) -> Floats:  # noqa: ANN401 - any transformer
    """Return samples as a fitted stage gives them, float32; see `transformed_by`."""
    return transformed_by((estimator,), X)[0]


def transformed_by(estimators: Sequence[Any], X: Any) -> list[Floats]:  # noqa: ANN401 - an array, or windows
    """Return samples as each of some fitted stages gives them, float32; on a cluster pieces of many windows are tasks.

    Args:
        estimators: fitted, for the same samples.
        X: samples; windows that are cut when they are asked for are cut once.
    """
    slices = [] if X.ndim < 3 else _slices(X)
    if len(slices) <= 1:
        return _through(estimators, np.asarray(X))
    return _filled(slices, each(_through, tuple(estimators), (X[part] for part in slices)))


def _slices(X: Any) -> list[slice]:  # noqa: ANN401 - an array, or windows that are cut
    """Return which windows pass through a stage together."""
    return list(parts(X.shape, _WINDOWS, _WINDOWS_BYTES))


def _features(windows: WindowViews, steps: Sequence[Any]) -> Floats:
    """Return the features of windows that are cut as they are needed, behind fitted stages."""
    slices = _slices(windows)
    return _filled(slices, each(_behind, tuple(steps), (windows[part] for part in slices)))[0]


def _filled(slices: Sequence[slice], pieces: Iterable[list[Floats]]) -> list[Floats]:
    """Return the arrays that are made of the samples of each slice, in memory once."""
    whole: list[Floats] = []
    for part, arrays in zip(slices, pieces, strict=True):
        whole = whole or [np.empty((slices[-1].stop, *array.shape[1:]), np.float32) for array in arrays]
        for own, array in zip(whole, arrays, strict=True):
            own[part] = array
    return whole


def _behind(steps: Sequence[Any], piece: Any) -> list[Floats]:  # noqa: ANN401 - windows
    for step in steps:
        piece = step.transform(piece)
    return [np.asarray(piece, np.float32)]


def _through(estimators: Sequence[Any], X: NDArray[Any]) -> list[Floats]:
    return [np.asarray(estimator.transform(X), np.float32) for estimator in estimators]


@dataclass(frozen=True)
class StreamedRows:
    """Rows that exist only while somebody looks at them: `base[rows]` put through the pending stages.

    Attributes:
        base: samples as the last kept stage gave them.
        rows: which of them, in order.
        steps: fitted transformers still to be applied.
        shape: (rows, *shape of one transformed sample).
    """

    base: NDArray[Any] | SpooledRows | WindowViews
    rows: NDArray[np.int64]
    steps: tuple[Any, ...]
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: NDArray[np.int64]) -> Floats:
        """Return the rows at `indices`, transformed, float32."""
        X = self.base[self.rows[indices]]
        for step in self.steps:
            X = step.transform(X)
        return np.asarray(X, np.float32)

    def order(self, generator: np.random.Generator, chunk: int) -> NDArray[np.int64]:
        """Return the order of an epoch: rows on disk are shuffled by blocks, then within a chunk."""
        if isinstance(self.base, SpooledRows):
            return by_blocks(len(self), generator, chunk)
        return generator.permutation(len(self))


@dataclass
class Flow:
    """The samples on their way through the stages.

    Attributes:
        X: all samples after the last kept stage.
        extra: augmented copies of training samples, on the same way; not among the samples that are shown.
        pending: fitted transformers whose output is too large to keep.
        context: what the next stage is built for.
        steps, contexts: what has been fitted, and what for.
    """

    X: NDArray[Any] | SpooledRows | WindowViews
    extra: NDArray[Any] | None
    context: Context
    pending: list[Any] = field(default_factory=list)
    steps: list[tuple[str, Any]] = field(default_factory=list)
    contexts: list[Context] = field(default_factory=list)

    @property
    def streams(self) -> bool:
        """Whether samples behind the stages are made when they are asked for."""
        return bool(self.pending) or in_pieces(self.X) is not None

    def piece(self) -> int:
        """How many samples are made at once where they are not kept."""
        if isinstance(self.X, WindowViews):
            return int(_slices(self.X)[0].stop)
        if not isinstance(self.X, SpooledRows):
            return _PIECE
        return piece_rows(4 * max(self.X.shape[1], int(np.prod(self.context.shape))))

    def rows(self, indices: NDArray[np.int64]) -> Any:  # noqa: ANN401 - an array, or rows made on demand
        """Sample at `indices` as the model takes them."""
        if not self.streams:
            return np.asarray(self.X[indices], np.float32)
        return StreamedRows(self.X, indices, tuple(self.pending), (len(indices), *self.context.shape))

    def training_rows(self, indices: NDArray[np.int64]) -> Any:  # noqa: ANN401 - an array, or rows made on demand
        """Training samples at `indices` with the augmented copies after them."""
        if self.extra is None or not len(self.extra):
            return self.rows(indices)
        return np.concatenate([np.asarray(self.X[indices], np.float32), np.asarray(self.extra, np.float32)])

    def array(self, indices: NDArray[np.int64]) -> Floats:
        """Sample at `indices` as the model takes them, as one array."""
        rows = self.rows(indices)
        if isinstance(rows, StreamedRows):
            places, step = np.arange(len(indices), dtype=np.int64), self.piece()
            whole = np.empty(rows.shape, np.float32)
            for i in range(0, len(places), step):
                whole[i : i + step] = rows.take(places[i : i + step])
            return whole
        values: Floats = rows
        return values

    def move(self, estimator: Any, shape: tuple[int, ...]) -> Cost | None:  # noqa: ANN401 - any transformer
        """Send the samples through a fitted stage, or note it as pending where what it gives is too large to keep.

        Args:
            estimator: fitted.
            shape: of one sample that it gives.

        Returns:
            What that took; None where nothing was made.
        """
        size = int(np.prod(shape))
        total = len(self.X) * size * 4
        large = total > KEEP_BYTES and size > int(np.prod(self.context.shape))
        many = self.X.ndim == 2 and total > KEEP_ROWS_BYTES
        if isinstance(self.X, WindowViews) and not large and len(shape) == 1:
            windows, pending = self.X, tuple(self.pending)
            applied = measured(lambda: _features(windows, (*pending, estimator)))
            self.X, self.pending = applied.value, []
            return applied.cost
        if self.streams or large or many:
            self.pending.append(estimator)
            return None
        whole = np.asarray(self.X)
        applied = measured(lambda: transformed(estimator, whole))
        self.X = applied.value
        if self.extra is not None:
            self.extra = transformed(estimator, self.extra)
        return applied.cost


def fit_stages(
    samples: Samples,
    train: NDArray[np.int64],
    stages: Sequence[Part],
    task: str,
    seed: int,
    extra: Floats | None,
    on_card: Callable[[StageRecord], None],
    taught_on: NDArray[np.int64] | None = None,
) -> Flow:
    """Fit every stage on the training samples and applies it to all.

    Args:
        samples: all samples.
        train: indices of the training samples, and of those that validate.
        stages: in order.
        task: 'classification' or 'regression'.
        seed: of the run.
        extra: augmented copies of training samples, None for none.
        on_card: receives the card of each title as soon as its stages are done.
        taught_on: indices of the training samples alone, for stages that learn the target as a model does; `train` when
            None.

    Raises:
        InputError: a stage cannot take what arrives, naming the stage.
    """
    flow = Flow(samples.X, extra, first_context(samples, task, seed))
    first = np.arange(min(len(flow.X), _SHOWN), dtype=np.int64)
    alone = train if taught_on is None else taught_on
    for title, members in groupby(stages, key=lambda part: part.title):
        shape_in = flow.context.shape
        before: Any = flow.X if in_pieces(flow.X) is None else flow.array(first)
        costs, whys, formulas = [], [], []
        settings: dict[str, object] = {}
        dropped: tuple[tuple[str, str], ...] = ()
        scores: tuple[tuple[str, float], ...] = ()
        for part in members:
            cost, estimator = _fit_one(part, flow, samples.y, train, alone)
            costs.append(cost)
            whys.append(part.stage.why(estimator))
            formulas.append(part.stage.formula)
            settings.update({f"{part.name}.{key}": value for key, value in part.table.items() if key != "title"})
            dropped += tuple(getattr(estimator, "dropped_", ()))
            scores = tuple(getattr(estimator, "column_scores_", scores))
        after = flow.array(first) if flow.streams else np.asarray(flow.X)
        columns = tuple(Column(name=n, unit=u) for n, u in zip(flow.context.names, flow.context.units, strict=True))
        on_card(
            card(
                name=title,
                kind="+".join(name for name, _ in flow.steps[-len(costs) :]),
                why=" ".join(whys),
                before=before,
                after=after,
                shape_in=(len(samples.X), *shape_in),
                shape_out=(len(samples.X), *flow.context.shape),
                columns=columns,
                cost=together(*costs),
                fitted_on=len(train),
                dropped=dropped,
                scores=scores,
                settings=settings,
                notes=("computed in batches during training, too large to keep",) if flow.pending else (),
                formula=" then ".join(formula for formula in formulas if formula),
            )
        )
    return flow


def some_to_fit(X: Any, train: NDArray[np.int64], context: Context) -> NDArray[np.int64]:  # noqa: ANN401
    """Return training samples that a stage is fitted on where they are made when they are asked for: all of few."""
    maximum = _STREAM_FIT
    if in_pieces(X) is not None:
        maximum = min(maximum, max(_SHOWN, _FIT_BYTES // (4 * int(np.prod(context.shape)))))
    if len(train) <= maximum:
        return train
    return np.sort(np.random.default_rng(context.seed).choice(train, maximum, replace=False))


def _fit_streamed(estimator: Any, flow: Flow, y: Any, train: NDArray[np.int64]) -> None:  # noqa: ANN401
    """Fit on all training samples where they are few or the stage learns piece by piece, else on some."""
    chosen, step = some_to_fit(flow.X, train, flow.context), flow.piece()
    if len(chosen) < len(train) and getattr(estimator, "in_pieces", False):
        estimator.fit_pieces(lambda: (flow.array(train[at : at + step]) for at in range(0, len(train), step)))
    else:
        estimator.fit(flow.array(chosen), y[chosen])


def _fit_one(
    part: Part,
    flow: Flow,
    y: Any,  # noqa: ANN401
    train: NDArray[np.int64],
    alone: NDArray[np.int64],
) -> tuple[Cost, Any]:
    """Fit one stage, one that is taught on `alone`, and move the flow behind it."""
    estimator = build(part, flow.context)
    if part.stage.taught or getattr(estimator, "taught", False):
        train = alone

    def fit() -> NDArray[Any]:
        if flow.streams:
            _fit_streamed(estimator, flow, y, train)
        else:
            estimator.fit(rows_at(flow.X, train), rows_at(y, train))
        first = flow.array(np.arange(1, dtype=np.int64))
        return np.asarray(estimator.transform(first))

    try:
        done = measured(fit)
        shape = done.value.shape[1:]
        applied = flow.move(estimator, shape)
    except EdgewrightError:
        raise
    except ValueError as error:
        text = str(error).split("\n")[0]
        do = "Add an impute stage before it: [[stages]] kind = 'impute'" if "contains NaN" in text else ""
        raise PipelineError(f"samples the stage {part.name!r} can take", text, f"stage {part.name}", do) from None
    flow.contexts.append(flow.context)
    flow.steps.append((part.name, estimator))
    flow.context = next_context(flow.context, estimator, shape)
    return done.cost if applied is None else together(done.cost, applied), estimator


def graph_of(
    steps: list[tuple[str, Any]], shape: tuple[int, ...], name: str, columns: tuple[Column, ...] = ()
) -> Graph:
    """Emit fitted steps, the model last; every stage's end and the float/int8 boundary are marked.

    A sample that misses more values than the stage that fills them allows has no answer: label -1, probabilities and
    confidence 0, or the prediction NaN. Without such a stage one missing value is too many.

    Args:
        steps: fitted, by name.
        shape: of one sample.
        name: of the graph.
        columns: whose declared ranges travel with the graph.
    """
    model = steps[-1][1]
    labels = tuple(str(label) for label in getattr(model, "classes_", ()))
    builder = Builder(name, tuple(shape), labels=labels)
    limit = limit_of(steps)
    requested = answerable(builder, tuple(shape), limit)
    value = builder.input
    if limit and not _fills(steps[0][1]):
        # What a stage before the one that fills would make of an infinity may be finite.
        source = Term(builder, value)
        value = choose(present(source), source, np.nan).name
    if not all(_is_own(estimator) for _, estimator in steps):
        for room in ROOMS:  # a file there may know how to write a class of another library
            listing(room, "STAGE")
    for stage, estimator in steps[:-1]:
        value = emit(estimator, builder, value)
        builder.stage(stage, value)
    builder.boundary(value)
    value = emit(model, builder, value)
    builder.stage("model", value)
    outputs = model.outputs(builder, masked_value(builder, requested, value, len(labels)))
    if "label" in outputs:
        label, *kind = outputs["label"]
        outputs["label"] = (masked_label(builder, label, outputs["confidence"][0]), *kind)
    metadata = {LIMIT: f"{limit:g}"}
    if declared := ranges_text(columns):
        metadata[RANGES] = declared
    if hasattr(model, "graph_metadata"):
        metadata |= model.graph_metadata(shape)
    return builder.finish(outputs, metadata)


def limit_of(steps: list[tuple[str, Any]]) -> float:
    """Return the share of missing values up to which fitted steps answer.

    The stage that fills them says it. Without such a stage it is 0, or 1 for a model that was fitted with missing
    values.
    """
    own = 1.0 if steps and getattr(steps[-1][1], "answers_missing", False) else 0.0
    return next((_limit(estimator) for _, estimator in steps if _fills(estimator)), own)


def takes_missing(steps: list[tuple[str, Any]]) -> bool:
    """Return whether samples may miss values: each step takes them, up to one that fills them."""
    for _, estimator in steps:
        if _fills(estimator):
            return True
        if hasattr(estimator, "fit") and not get_tags(estimator).input_tags.allow_nan:
            return False
    return True


def _fills(estimator: Any) -> bool:  # noqa: ANN401 - any estimator
    return isinstance(estimator, Fill | Impute) or "sklearn.SimpleImputer" in names_of(estimator)


def _is_own(estimator: Any) -> bool:  # noqa: ANN401 - any estimator
    return type(estimator).__module__.startswith("edgewright.") and all(map(_is_own, getattr(estimator, "parts_", ())))


def _limit(estimator: Any) -> float:  # noqa: ANN401 - any estimator
    return float(getattr(estimator, "limit", ROW_LIMIT))
