"""Features of windows, worked out once for all sizes: what is drawn anew is only which of them train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from edgewright.pipeline.fitting import Flow, fit_stages
from edgewright.pipeline.parts import parts
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Column
from edgewright.search.problem import Indices, Problem

# Stages are looked at on so many samples to see where windows end, and whether they learn anything from rows.
_LOOKED_AT = 48


class Behind:
    """A problem whose samples are the features of windows, and the pipeline with the stages that are left.

    Stages that are given windows are fitted on all that a curve may use, whatever the size that is drawn; most learn
    nothing from samples, the others where noise begins. All later stages, such as a selection of columns, are fitted on
    what was drawn.

    Args:
        problem: of windows, or of rows, which stay as they are.
        config: with the common stages of a rung.
    """

    def __init__(self, problem: Problem, config: PipelineConfig) -> None:
        self._problem = problem
        self._config = config
        self._count, self._learns = 0, False
        if problem.samples.X.ndim > 2 and config.stages:
            self._look()
        rest = config.stages[self._count :]
        self.config = msgspec.structs.replace(config, stages=rest) if self._count else config
        self._made: dict[object, Problem] = {}

    def problem(self, key: object, train: Callable[[], Indices]) -> Problem:
        """The problem of features.

        Args:
            key: names what the stages may be fitted on.
            train: those samples.
        """
        if not self._count:
            return self._problem
        name = key if self._learns else None
        if name not in self._made:
            flow = self._flow(self._problem, train(), self._count)
            X = flow.array(np.arange(len(self._problem.y), dtype=np.int64))
            context = flow.context
            columns = tuple(Column(name=n, unit=u) for n, u in zip(context.names, context.units, strict=True))
            samples = msgspec.structs.replace(self._problem.samples, X=X, columns=columns)
            self._made[name] = replace(self._problem, samples=samples)
        return self._made[name]

    def _look(self) -> None:
        """Where windows end, and whether two fits on different samples give the same."""
        chosen = np.linspace(0, len(self._problem.y) - 1, 2 * _LOOKED_AT).astype(np.int64)
        few = self._problem.some(np.unique(chosen))
        half = len(few.y) // 2
        first, second = np.arange(half, dtype=np.int64), np.arange(half, len(few.y), dtype=np.int64)
        flow = self._flow(few, first, len(self._config.stages))
        shapes = [len(context.shape) for context in flow.contexts] + [len(flow.context.shape)]
        self._count = next((place for place, rank in enumerate(shapes) if rank == 1), 0)
        if self._count:
            made = [self._flow(few, some, self._count).X for some in (first, second)]
            self._learns = not np.array_equal(made[0], made[1], equal_nan=True)

    def _flow(self, problem: Problem, train: Indices, count: int) -> Flow:
        samples = msgspec.structs.replace(problem.samples, y=problem.y)
        config = self._config
        chosen = parts(config.stages, config.name)[:count]
        return fit_stages(samples, train, chosen, problem.task, config.seed, None, _unheard)


def _unheard(card: Any) -> Any:  # noqa: ANN401 - a listener's answer is not used
    """Nobody looks at the cards of a curve."""
