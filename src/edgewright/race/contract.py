"""Interface between the race and the files of `candidates`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgewright.core.catalogue import Registry
from edgewright.race.problem import Indices, Problem
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Floats, Samples
from edgewright.schema.errors import UnknownNameError


def candidates(only: tuple[str, ...] = ()) -> dict[str, Candidate]:
    """Return candidates by name, lowest rank first; all where `only` is empty.

    Raises:
        UnknownNameError: `only` has a name that no rung has.
    """
    known = candidate.known
    for name in only:
        if name not in known:
            raise UnknownNameError("rung", name, known)
    chosen = {name: rung for name, rung in known.items() if not only or name in only}
    return dict(sorted(chosen.items(), key=lambda pair: pair[1].rank))


Columns = Literal["plain", "features", "windows"]
PLAIN: Columns = "plain"
FEATURES: Columns = "features"
WINDOWS: Columns = "windows"


@dataclass(frozen=True)
class Part:
    """Output of the stages of a pipeline for all samples, and the training indices.

    Attributes:
        X: features of all samples, shape (n, columns), or windows, shape (n, channels, samples); the stages are fitted
            on `train` only.
        names: names of columns or channels.
        train: indices of the training samples.
        extra: the same of augmented training samples, shape (m, ...); None without augmentation.
        extra_y: targets of `extra`, shape (m,).
        steps: fitted stages by name, for the graph of the whole pipeline.
        problem: samples, targets and units.
    """

    X: Floats
    names: tuple[str, ...]
    train: Indices
    extra: Floats | None
    extra_y: NDArray[Any]
    steps: tuple[tuple[str, Any], ...]
    problem: Problem

    @property
    def samples(self) -> Samples:
        """All samples before the stages."""
        return self.problem.samples

    @property
    def y(self) -> NDArray[Any]:
        """Targets of all samples."""
        targets: NDArray[Any] = np.asarray(self.problem.y)
        return targets

    @property
    def training(self) -> tuple[Floats, NDArray[Any]]:
        """Training samples and their augmented copies, with their targets."""
        X, y = self.X[self.train], self.y[self.train]
        return (X, y) if self.extra is None else (np.concatenate([X, self.extra]), np.concatenate([y, self.extra_y]))


class Fitted(Protocol):
    """A fitted rung."""

    def answers(self, rows: Indices) -> Floats:
        """Return class probabilities, shape (n, classes) in the problem's order, or predictions, shape (n, 1)."""

    def says(self) -> str:
        """Return a one-sentence description of the fitted model."""

    def steps(self) -> tuple[tuple[str, Any], ...]:
        """Return all fitted steps of the pipeline, the model last."""


@dataclass(frozen=True)
class Candidate:
    """A pipeline that takes part in the race; the files of `candidates` register them by name with `candidate`.

    Attributes:
        rank: position on the ladder, lowest first.
        title: name in tables.
        tail: returns the pipeline with this rung's stages and model after the common stages.
        fit: fits the pipeline of `tail` on a part.
        columns: input: 'plain' or 'features' (the same for rows unless the pipeline has its own stages), or 'windows'
            (pictures, too).
        why: what it is good for, in a sentence.
        prior: by how much it scored better than others on other data sets, in log odds or the logarithm of an error;
            folds of few samples overrule it only clearly.
        rung: whether the ladder climbs it.
        suited: returns the pipeline with what depends on the samples, such as their rate; most have nothing such.
        unsupported_reason: returns why a problem cannot use this rung; empty where it can.
        extra_files: returns additional files of a run by file name; empty for most rungs.
    """

    rank: int
    title: str
    tail: Callable[[PipelineConfig], PipelineConfig]
    fit: Callable[[Part, PipelineConfig], Fitted]
    columns: Columns = PLAIN
    why: str = ""
    prior: float = 0.0
    rung: bool = True
    suited: Callable[[PipelineConfig, Problem], PipelineConfig] = field(default=lambda config, _: config)
    unsupported_reason: Callable[[Problem], str] = field(default=lambda _: "")
    extra_files: Callable[[Fitted, Problem], dict[str, bytes]] = field(default=lambda *_: {})


candidate: Registry[Candidate] = Registry("edgewright.race.candidates")
