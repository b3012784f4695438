"""Samples of a search for each window, in the folds of the race."""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np

from edgewright.race.heats import Heats
from edgewright.race.problem import Problem, problem_of_pipeline
from edgewright.race.stage_outputs import StageOutputs
from edgewright.schema.config import PipelineConfig, WindowConfig

# Most folds of a judgement: up to so many units each of them is left out in turn.
MOST_FOLDS = 20
# Memory for what stages give, of all windows: a search asks for it again at every point.
MOST_BYTES = 2**30
# Samples whose shapes say what a point costs.
PROBE = 200


class SearchSamples:
    """Samples of every window of a search, and what stages give of them.

    Args:
        config: pipeline of the search.
        data: path that overrides the one in `[data]`.
    """

    def __init__(self, config: PipelineConfig, data: str | None) -> None:
        self.config, self.data = config, data
        self._outputs: dict[WindowConfig | None, tuple[StageOutputs, StageOutputs]] = {}
        self._heats: dict[tuple[WindowConfig | None, int], Heats] = {}

    def problem(self, window: WindowConfig | None) -> Problem:
        """Return the samples of a window."""
        return self._of(window)[0].problem

    def probe(self, window: WindowConfig | None) -> StageOutputs:
        """Return what stages give of a few samples."""
        return self._of(window)[1]

    def heats(self, window: WindowConfig | None, count: int) -> Heats:
        """Return folds of whole units; `count` 0 leaves one unit out per fold, with at most `MOST_FOLDS` folds."""
        if (window, count) not in self._heats:
            outputs = self._of(window)[0]
            units = len(np.unique(outputs.problem.units))
            one = count == 0 and units <= MOST_FOLDS and outputs.problem.by != "row"
            made = Heats(outputs, self.config.seed, count=count or MOST_FOLDS, leave_one_out=one)
            self._heats[window, count] = made
        return self._heats[window, count]

    def _of(self, window: WindowConfig | None) -> tuple[StageOutputs, StageOutputs]:
        if window not in self._outputs:
            problem = problem_of_pipeline(msgspec.structs.replace(self.config, window=window), self.data)
            few = np.random.default_rng(self.config.seed).permutation(len(problem.y))[:PROBE]
            whole = StageOutputs(problem, MOST_BYTES, next((whole for whole, _ in self._outputs.values()), None))
            self._outputs[window] = whole, StageOutputs(problem.subset(few), beside=whole)
        return self._outputs[window]


def digest(key: object) -> str:
    """Return a hash of a key that is the same in every process."""
    return hashlib.sha256(msgspec.json.encode(key)).hexdigest()[:40]
