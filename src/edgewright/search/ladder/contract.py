"""What every file of `rungs` offers, and what it gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgewright.core.catalogue import find, listing
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Floats, Samples
from edgewright.schema.errors import UnknownNameError
from edgewright.search.problem import Indices, Problem


def ladder_rungs(only: tuple[str, ...] = ()) -> dict[str, Rung]:
    """Return rungs by name, from the bottom.

    Raises:
        UnknownNameError: a name that is none.
    """
    known = {name: find(PACKAGE, name, "RUNG", "rung") for name in listing(PACKAGE, "RUNG")}
    for name in only:
        if name not in known:
            raise UnknownNameError("rung", name, known)
    chosen = {name: rung for name, rung in known.items() if not only or name in only}
    return dict(sorted(chosen.items(), key=lambda pair: pair[1].rank))


PACKAGE = "edgewright.search.ladder.rungs"
Columns = Literal["plain", "features"]
PLAIN: Columns = "plain"
FEATURES: Columns = "features"


@dataclass(frozen=True)
class Part:
    """Samples behind the common stages, and which of them fit.

    Attributes:
        X: features of all samples, (n, columns); fitted on `train` only.
        names: of the columns.
        train: indices of the samples that fit.
        extra: features of changed copies of training samples, (m, columns); None for none. `extra_y` their targets.
        steps: the fitted common stages, by name, for the graph of a whole pipeline.
        problem: the samples themselves, their targets and units.
        config: the pipeline with the common stages.
    """

    X: Floats
    names: tuple[str, ...]
    train: Indices
    extra: Floats | None
    extra_y: NDArray[Any]
    steps: tuple[tuple[str, Any], ...]
    problem: Problem
    config: PipelineConfig

    @property
    def samples(self) -> Samples:
        """All samples as they were cut."""
        return self.problem.samples

    @property
    def y(self) -> NDArray[Any]:
        """Targets of all samples."""
        found: NDArray[Any] = np.asarray(self.problem.y)
        return found


class Fitted(Protocol):
    """A rung that was fitted."""

    def answers(self, rows: Indices) -> Floats:
        """Return probabilities (n, classes in the problem's order), or amounts (n, 1), of samples of the part."""

    def says(self) -> str:
        """Return what it does, in a sentence."""

    def steps(self) -> tuple[tuple[str, Any], ...]:
        """Return the whole pipeline, the model last."""


@dataclass(frozen=True)
class Rung:
    """The one object `RUNG` of a rung's file.

    Attributes:
        rank: place on the ladder, from the bottom.
        title: for the table.
        tail: the pipeline with this rung's stages and model behind the common ones, as a run takes it.
        fit: fits on a part, with the pipeline of `tail`.
        columns: what it sees: 'plain' columns, or 'features' (for rows there is no difference).
        lacks: why a problem cannot have this rung; empty where it can.
        beside: what belongs beside the package of a run, by file name; nothing for most.
    """

    rank: int
    title: str
    tail: Callable[[PipelineConfig], PipelineConfig]
    fit: Callable[[Part, PipelineConfig], Fitted]
    columns: Columns = PLAIN
    lacks: Callable[[Problem], str] = field(default=lambda _: "")
    beside: Callable[[Fitted, Problem], dict[str, bytes]] = field(default=lambda *_: {})
