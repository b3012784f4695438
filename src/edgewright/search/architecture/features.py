"""Outputs of the stages of a point, computed once per window, stage and fitted state.

A stage is fitted on the training samples of a fold. If its fitted state equals that of another fold (filters and
spectra learn nothing from rows), the output of the other fold is reused. A part of a union is computed once for all
points that use it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from edgewright.core.catalogue import listing
from edgewright.graph.stage import Context
from edgewright.pipeline.fitting import first_context, next_context
from edgewright.pipeline.material import sha256
from edgewright.pipeline.plan import Part, build, parts
from edgewright.race.problem import Fold, Problem, folds, problem_of_pipeline
from edgewright.schema.config import PipelineConfig, WindowConfig
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.search.architecture.cache import ArrayCache, digest, state_digest
from edgewright.training.augment import augmented, copying, with_copies

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
# Maximum number of cross-validation folds: up to this many units, each fold leaves one unit out.
MOST_FOLDS = 20
# Maximum number of fitted stages in memory.
MOST_FITS = 512


@dataclass(frozen=True)
class Prepared:
    """Samples for one window configuration.

    Attributes:
        problem: problem with the samples.
        X: n samples, followed by their augmented copies, shape (n + augmented, ...).
        origin: index of the original sample of each row.
        place: index of the copy of each row: 0 for the samples, then 1, 2, ... over the copies of each augmentation.
        context: input context of the first stage.
        key: hash that identifies the rows.
    """

    problem: Problem
    X: Floats
    origin: Indices
    place: Indices
    context: Context
    key: str


@dataclass(frozen=True)
class Rows:
    """Training and test data of a network in one fold: float32 features or windows with their targets."""

    train: Floats
    y_train: Any
    test: Floats
    y_test: Any


class Features:
    """Samples of every window configuration of a search, and the cached outputs of their stages.

    Args:
        config: pipeline of the search; its augmentations run with the maximum number of copies.
        data: path that overrides the one in `[data]`.
        copies: maximum number of augmented copies of each sample per augmentation.
        cache: cache of stage outputs.
    """

    def __init__(self, config: PipelineConfig, data: str | None, copies: int, cache: ArrayCache) -> None:
        self.config, self.data, self.copies, self.cache = config, data, copies, cache
        self._prepared: dict[str, Prepared] = {}
        self._folds: dict[tuple[str, int], tuple[Fold, ...]] = {}
        self._fits: OrderedDict[str, tuple[str, Any]] = OrderedDict()

    def prepared(self, window: WindowConfig | None) -> Prepared:
        """Return the samples for a window configuration; computed once."""
        name = digest(window)
        if name not in self._prepared:
            config = msgspec.structs.replace(self.config, window=window)
            problem = problem_of_pipeline(config, self.data)
            X = np.asarray(problem.samples.X, np.float32)
            tables = with_copies(config.training.augment, self.copies)
            windows, origin = augmented(tables, X, config.seed) if self.copies else (X, np.arange(len(X)))
            location = np.arange(len(windows)) // len(X)
            context = first_context(problem.samples, problem.task, config.seed)
            key = digest([sha256(problem.samples), tables, config.seed, name])
            self._prepared[name] = Prepared(problem, windows, origin.astype(np.int64), location, context, key)
        return self._prepared[name]

    def folds(self, window: WindowConfig | None, count: int) -> tuple[Fold, ...]:
        """Return folds of whole units; `count` 0 leaves one unit out per fold, with at most `MOST_FOLDS` folds."""
        name = (digest(window), count)
        if name not in self._folds:
            problem, seed = self.prepared(window).problem, self.config.seed
            units = len(np.unique(problem.units))
            one = count == 0 and units <= MOST_FOLDS and problem.by != "row"
            self._folds[name] = folds(problem, count or MOST_FOLDS, seed=seed, leave_one_out=one)
        return self._folds[name]

    def rows(self, config: PipelineConfig, fold: Fold) -> Rows:
        """Return the training and test data for the network of a point.

        Raises:
            InputError: a stage does not accept its input.
        """
        made = self.prepared(config.window)
        X, context, key = made.X, made.context, made.key
        y, name = np.asarray(made.problem.y), state_digest(fold.train)
        for part in parts(config.stages, config.name):
            X, context, key = self._after(part, context, key, _Fitting(X, y, fold.train, name))
        wanted = self._wanted(config, made)
        train = wanted & np.isin(made.origin, fold.train)
        return Rows(X[train], y[made.origin[train]], X[fold.test], y[fold.test])

    def _wanted(self, config: PipelineConfig, made: Prepared) -> NDArray[np.bool_]:
        """Return a mask of the samples and the copies that the augmentations of the point use."""
        wanted: NDArray[np.bool_] = made.place == 0
        for number, (_, own) in enumerate(copying(config.training.augment)):
            first = 1 + number * self.copies
            wanted |= (made.place >= first) & (made.place < first + min(own.copies, self.copies))
        return wanted

    def _after(self, part: Part, context: Context, key: str, given: _Fitting) -> tuple[Floats, Context, str]:
        """Return the output rows of one stage, the context of the next stage, and the hash of these rows."""
        try:
            estimator = build(part, context)
            if part.kind == "union":
                X, fitted, name = self._union(part, estimator, key, given)
            else:
                name, fitted = self._fit(estimator, part.stage.state, key, part.table, given)
                # Preprocessing rows is faster than reading them from disk.
                cheap = given.X.ndim == 2 and part.kind in listing("edgewright.preprocessing", "STAGE")
                make = _transforming(fitted, given.X)
                X = make() if cheap else self.cache.get(name, make)
        except EdgewrightError:
            raise
        except ValueError as error:
            text = str(error).split("\n")[0]
            raise InputError(f"samples the stage {part.name!r} can take", text, f"stage {part.name}") from None
        return X, next_context(context, fitted, X.shape[1:]), name

    def _union(self, part: Part, estimator: Any, key: str, given: _Fitting) -> tuple[Floats, Any, str]:  # noqa: ANN401
        """Return the concatenated outputs of the parts of a union, each cached separately."""
        columns, names, fitted_parts = [], [], []
        for (_, one, state), table in zip(estimator.parts, part.table["parts"], strict=True):
            name, fitted = self._fit(one, state, key, table, given)
            columns.append(self.cache.get(name, _transforming(fitted, given.X)))
            names.append(name)
            fitted_parts.append(fitted)
        # The union is fitted on two rows to get its column names; its parts are replaced by the fitted parts above.
        whole = estimator.fit(given.X[given.train[:2]], given.y[given.train[:2]])
        whole.parts_ = fitted_parts
        return np.concatenate(columns, axis=1), whole, digest(names)

    def _fit(
        self,
        estimator: Any,  # noqa: ANN401 - any transformer
        state: tuple[str, ...],
        key: str,
        table: object,
        given: _Fitting,
    ) -> tuple[str, Any]:
        """Return the hash of the fitted stage's output for the rows `key`, and the fitted stage."""
        requested = digest([key, table, given.name])
        if requested not in self._fits:
            fitted = clone(estimator).fit(given.X[given.train], given.y[given.train])
            learned = state_digest({name: getattr(fitted, name, None) for name in state})
            self._fits[requested] = (digest([key, table, learned]), fitted)
            if len(self._fits) > MOST_FITS:
                self._fits.popitem(last=False)
        return self._fits[requested]


@dataclass(frozen=True)
class _Fitting:
    """Fitting data of a stage: `train` indexes the samples at the start of `X`; `name` is the hash of `train`."""

    X: Floats
    y: Any
    train: Indices
    name: str


def _transforming(fitted: Any, X: Floats) -> Callable[[], Floats]:  # noqa: ANN401 - any transformer
    return lambda: np.asarray(fitted.transform(X), np.float32)
