"""A run in progress: its configuration, who hears of it, and the cards so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgewright.pipeline.evaluate import Crossed
from edgewright.pipeline.listener import Listener
from edgewright.pipeline.plan import Plan
from edgewright.pipeline.streams import AnsweredStream
from edgewright.schema.config import PipelineConfig
from edgewright.schema.trace import LeftOutRecord, StageRecord


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
