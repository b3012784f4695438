"""A run in progress: its configuration, who hears of it, and the cards so far."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgewright.data.samples import StreamWindows
from edgewright.pipeline.plan import Plan
from edgewright.pipeline.run_folder.listener import Listener
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Floats
from edgewright.schema.trace import Interval, LeftOutRecord, StageRecord


@dataclass(frozen=True)
class Crossed:
    """What folds found.

    Attributes:
        answers: probabilities (n, classes) or amounts (n, 1) of all samples in their order.
        classes: in the order of the probabilities; empty for amounts.
        kept: what folds kept whole, `folds` their number.
        units: number of the unit of each sample, for intervals where samples have no groups.
        scores: what the folds were judged by, by its title.
        temperature: that makes the answers as sure as they are right; a network is packaged with it.
        evaluates: whether the answers are of all samples of the run; otherwise the run's own test samples evaluate, and
            `scores` stand beside.
    """

    answers: Floats
    classes: tuple[str, ...]
    kept: str
    folds: int
    units: NDArray[np.int64]
    scores: dict[str, Interval] = field(default_factory=dict)
    temperature: float = 1.0
    evaluates: bool = True


@dataclass(frozen=True)
class AnsweredStream:
    """An unbroken recording with the answers to its windows, in order.

    Attributes:
        probabilities: shape (windows, classes); zeros where too many values are missing for an answer.
        classes: their names.
        windows: what was answered, without its values.
    """

    probabilities: Floats
    classes: tuple[str, ...]
    windows: StreamWindows


@dataclass
class Job:
    """What the parts of a run share.

    Attributes:
        plan: its configuration, resolved.
        listener: hears of every part as soon as it stands.
        cards: of the data flow, in order.
        warnings: for the end of the record.
        crossed: what folds found of the model before; None where the test samples alone judge it.
        left_out: each group left out once; None where that is not asked for.
        streams: whole recordings of groups that were left out, answered by the fits on the others; `streamed` names
            the groups.
    """

    plan: Plan
    listener: Listener
    cards: list[StageRecord] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    crossed: Crossed | None = None
    left_out: LeftOutRecord | None = None
    streams: list[AnsweredStream] = field(default_factory=list)
    streamed: list[str] = field(default_factory=list)

    @property
    def config(self) -> PipelineConfig:
        """The configuration as it was written."""
        return self.plan.config

    def card(self, record: StageRecord) -> None:
        """Add a card and tell the listener."""
        self.cards.append(record)
        self.listener.stage(record)
