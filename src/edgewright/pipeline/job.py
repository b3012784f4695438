"""A run in progress: its configuration, who hears of it, and the cards so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgewright.pipeline.cross_validation import Crossed
from edgewright.pipeline.listener import Listener
from edgewright.schema.config import PipelineConfig
from edgewright.schema.trace import StageRecord


@dataclass
class Job:
    """What the parts of a run share.

    Attributes:
        config: checked.
        listener: hears of every part as soon as it stands.
        cards: of the data flow, in order.
        warnings: for the end of the record.
        crossed: what folds found of the model before; None where the test samples alone judge it.
    """

    config: PipelineConfig
    listener: Listener
    cards: list[StageRecord] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    crossed: Crossed | None = None

    def card(self, record: StageRecord) -> None:
        """Adds a card and tells the listener."""
        self.cards.append(record)
        self.listener.stage(record)
