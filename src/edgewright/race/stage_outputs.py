"""Outputs of fitted stages for the samples of a problem, computed once for each learned state.

A stage is fitted on the training samples of a fold. If it learned the same as on another fold (filters and spectra
learn nothing from samples), the output from that fold is reused; augmented copies differ from fold to fold. The
outputs of the parts of a union are kept separately, so that pipelines with common parts share them.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import numpy as np
from sklearn.base import clone

from edgewright.core.errors import EdgewrightError, RaceError
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import Floats
from edgewright.data.targets import CUT_BYTES, WindowViews
from edgewright.graph.stage import Context
from edgewright.pipeline import plan
from edgewright.pipeline.fitting import first_context, next_context, some_to_fit, transformed, transformed_by
from edgewright.race.problem import Indices, Part, Problem
from edgewright.training.contract import augmented, copying

# Bytes of outputs that are kept; an output of more than half of this is computed again.
MOST_BYTES = 384 * 2**20
# Beyond these bytes of changed copies, windows that a stage makes of them are not kept.
_COPIED_BYTES = 2**26
# Number of fitted stages that are kept.
_MOST_FITS = 512
Key = tuple[Any, ...]
Rows = Callable[[], Floats]


class StageOutputs:
    """Outputs of stages for the samples of a problem and for their augmented copies.

    Args:
        problem: samples.
        most_bytes: maximum memory for outputs in bytes.
        neighbour: outputs of other samples, whose memory these outputs share.
    """

    def __init__(self, problem: Problem, most_bytes: int = MOST_BYTES, neighbour: StageOutputs | None = None) -> None:
        self.problem = problem
        X: Any = problem.samples.X
        own = min(most_bytes, 3 * CUT_BYTES // 4) if isinstance(X, WindowViews) else most_bytes
        self._most_bytes: int = neighbour._most_bytes if neighbour else own
        self._kept: OrderedDict[Key, Floats] = neighbour._kept if neighbour else OrderedDict()
        # Stages that were fitted on other samples and give the same output, such as an imputer without missing values.
        self._first: dict[Key, Key] = {}
        self._fits: OrderedDict[Key, tuple[Key, Any, tuple[int, ...]]] = OrderedDict()

    def part(self, config: PipelineConfig, train: Indices) -> Part:
        """Fit the stages of a pipeline on `train` and transform all samples.

        Augmented copies of training windows (`training.augment`) pass through the same stages.

        Raises:
            InputError: a stage does not accept the samples.
        """
        problem, augment = self.problem, config.training.augment
        samples, y = problem.samples, np.asarray(problem.y)
        key: Key = (self,)
        rows: Rows = lambda: samples.X  # noqa: E731
        # As in a run, copies are made from the training samples only: some changes depend on all given samples.
        own = (self, config.seed, msgspec.json.encode(augment), digest(train))
        changed = _to_change(augment, samples.X, train)
        copies = _once(self._keeping(own, lambda: _copied(augment, samples.X, changed, config.seed)))
        context, steps, name = first_context(samples, problem.task, config.seed), [], ""
        try:
            for stage in plan.parts(config.stages, config.name):
                name = stage.name
                fitted, shape, outputs = self._after(stage, context, key, rows, train)
                context = next_context(context, fitted, shape)
                steps.append((name, fitted))
                key = tuple(given for given, _ in outputs)
                rows = self._joined(outputs, rows)
                copies = self._joined([((own, given), part) for given, part in outputs], copies)
            X, extra = rows(), np.asarray(copies()) if copying(augment) else None
        except EdgewrightError:
            raise
        except ValueError as error:
            text = str(error).split("\n")[0]
            raise RaceError(f"samples the stage {name!r} can take", text, f"stage {name}") from None
        count = 0 if extra is None else len(extra) // max(1, len(changed))
        return Part(
            X=X, names=tuple(context.names), train=train, extra=extra, extra_y=np.tile(y[changed], count),
            steps=tuple(steps), problem=problem,
        )  # fmt: skip

    def forget(self) -> None:
        """Drop all fitted stages, and all outputs in the shared memory."""
        self._kept.clear()
        self._first.clear()
        self._fits.clear()

    def _after(
        self, stage: plan.Part, context: Context, key: Key, rows: Rows, train: Indices
    ) -> tuple[Any, tuple[int, ...], list[tuple[Key, Any]]]:
        """Return the fitted stage, the shape of one sample of its output, and keys and fitted stages of its parts."""
        estimator = plan.build(stage, context)
        if stage.kind != "union":
            key, fitted, shape = self._fitted(estimator, stage.stage.state, key, stage.table, rows, train, context)
            return fitted, shape, [(key, fitted)]
        outputs = [
            self._fitted(part, state, key, table, rows, train, context)
            for (_, part, state), table in zip(estimator.parts, stage.table["parts"], strict=True)
        ]
        if any(len(shape) != 1 for *_, shape in outputs):
            estimator.fit(rows()[:1])  # says which part gives windows
        # Restored as from a package: from its state, without fitting its parts again.
        estimator.shape_, estimator.parts_ = list(context.shape), [fitted for _, fitted, _ in outputs]
        return estimator, (sum(shape[0] for *_, shape in outputs),), [(own, fitted) for own, fitted, _ in outputs]

    def _joined(self, outputs: list[tuple[Key, Any]], rows: Rows) -> Rows:
        """Return the outputs of the parts of a stage, concatenated."""
        results: dict[Key, Floats] = {}

        def make(key: Key, fitted: Any) -> Any:  # noqa: ANN401 - any transformer, an array or windows
            X: Any = rows()
            if len(outputs) == 1 or not isinstance(X, WindowViews):
                return _given(fitted, X)
            if key not in results:  # all parts at once: windows are cut and go through earlier stages once
                missing = {own: part for own, part in outputs if own not in self._kept}
                results.update(zip(missing, transformed_by(tuple(missing.values()), X), strict=True))
            return results.pop(key)

        columns = [self._keeping(key, partial(make, key, fitted)) for key, fitted in outputs]
        return _once(columns[0] if len(columns) == 1 else lambda: np.concatenate([get() for get in columns], axis=1))

    def _fitted(
        self,
        estimator: Any,  # noqa: ANN401 - any transformer
        state: tuple[str, ...],
        key: Key,
        table: object,
        rows: Rows,
        train: Indices,
        context: Context,
    ) -> tuple[Key, Any, tuple[int, ...]]:
        """Return the key of the output of a stage, the stage fitted on `train`, and the shape of the output."""
        own = msgspec.json.encode(table)
        request_key = key, own, digest(train), context.seed
        if request_key not in self._fits:
            X: Any = rows()
            chosen = some_to_fit(X, train, context) if isinstance(X, WindowViews) else train
            fitted = clone(estimator).fit(X[chosen], np.asarray(self.problem.y)[chosen])
            learned = digest({name: getattr(fitted, name, None) for name in state})
            shape = tuple(int(n) for n in np.shape(fitted.transform(X[:1]))[1:])
            entry = key, own, learned
            before = self._first.setdefault((key, own), entry)
            known = self._kept.get(before)
            if before != entry and known is not None:
                again = _given(fitted, X)
                if not isinstance(again, WindowViews) and np.array_equal(again, known, equal_nan=True):
                    entry = before
                else:
                    self._keeping(entry, lambda: again)()
            self._fits[request_key] = entry, fitted, shape
            if len(self._fits) > _MOST_FITS:
                self._fits.popitem(last=False)
        return self._fits[request_key]

    def _keeping(self, key: Key, make: Rows) -> Rows:
        """Return a function that returns the result of `make`, computed once per key if the memory suffices."""

        def rows() -> Floats:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            array = make()
            if 2 * array.nbytes <= self._most_bytes:
                self._kept[key] = array
                while sum(kept.nbytes for kept in self._kept.values()) > self._most_bytes:
                    self._kept.popitem(last=False)
            return array

        return rows


def digest(state: object) -> str:
    """Return a hash of arrays by their bytes and of other values by their repr, in dicts and lists of any depth."""
    sha256 = hashlib.sha256()
    _add(sha256, state)
    return sha256.hexdigest()


def _add(sha256: hashlib._Hash, value: object) -> None:
    if isinstance(value, np.ndarray):
        sha256.update(f"{value.dtype.str}{value.shape}".encode())
        sha256.update(np.ascontiguousarray(value).tobytes() if value.dtype != object else repr(value.tolist()).encode())
    elif isinstance(value, WindowViews):  # as an array of them
        sha256.update(f"{value.dtype.str}{value.shape}".encode())
        for piece in value.pieces():
            sha256.update(piece.tobytes())
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            sha256.update(f"k{key}".encode())
            _add(sha256, value[key])
    elif isinstance(value, list | tuple):
        sha256.update(f"l{len(value)}".encode())
        for entry in value:
            _add(sha256, entry)
    else:
        sha256.update(repr(value).encode())


def _once(make: Rows) -> Rows:
    """Return a function that calls `make` once and then releases it together with the samples that it refers to."""
    waiting: list[Rows] = [make]
    given: list[Floats] = []

    def rows() -> Floats:
        if waiting:
            given.append(waiting.pop()())
        return given[0]

    return rows


def _to_change(augment: Any, X: Any, train: Indices) -> Indices:  # noqa: ANN401 - tables, windows of any kind
    """Return training samples of which changed copies are made: all, but of windows that are cut on demand some."""
    if not isinstance(X, WindowViews):
        return train
    copies = sum(config.copies for _, config in copying(augment))
    return train[:: max(1, -(-4 * copies * len(train) * math.prod(X.shape[1:]) // (CUT_BYTES // 2)))]


def _copied(augment: Any, X: Any, changed: Indices, seed: int) -> Any:  # noqa: ANN401
    """Return changed copies of training samples; what stages make of many windows is made when it is asked for."""
    copies = augmented(augment, X[changed], seed)[0]
    return WindowViews.cut_already(copies) if copies.nbytes > _COPIED_BYTES else copies


def _given(fitted: Any, X: Any) -> Any:  # noqa: ANN401 - any transformer, an array or windows that are cut
    """Return samples as a fitted stage gives them; windows of windows that are cut are made when they are asked for."""
    if isinstance(X, WindowViews) and np.ndim(fitted.transform(X[:1])) == X.ndim:
        return X.through(fitted)
    return transformed(fitted, X)
