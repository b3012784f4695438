"""What hears of a run while it goes on: the terminal, a page, or nobody."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from edgewright.schema.trace import (
    CompressionRecord,
    DeviceRecord,
    EpochRecord,
    EvaluationRecord,
    Insight,
    LayerRecord,
    PredictionRecord,
    ScalingPoint,
    ScalingRecord,
    StageRecord,
    Trace,
    TrainingRecord,
)


class Listener:
    """Each method is called once its part of the record stands; `cancelled` is asked after every epoch.

    This one says nothing; override what is of interest.
    """

    def start(self, name: str, title: str, profile: str) -> None:
        """The run begins."""

    def stage(self, record: StageRecord) -> None:
        """A card of the data flow."""

    def layers(self, records: tuple[LayerRecord, ...]) -> None:
        """The model's table."""

    def training_started(self, total_epochs: int, classes: int = 0) -> None:
        """Training begins."""

    def epoch(self, record: EpochRecord) -> None:
        """An epoch ended."""

    def training(self, record: TrainingRecord) -> None:
        """Training ended."""

    def evaluation(self, record: EvaluationRecord) -> None:
        """The test samples were looked at."""

    def compression(self, record: CompressionRecord) -> None:
        """The int8 form stands."""

    def device(self, record: DeviceRecord) -> None:
        """The profile was compared."""

    def scaling_point(self, record: ScalingPoint, done: int, total: int) -> None:
        """One of `total` trainings of the comparison over data sizes ended."""

    def scaling(self, record: ScalingRecord) -> None:
        """The comparison over data sizes ended."""

    def prediction(self, record: PredictionRecord) -> None:
        """A sample was traced layer by layer."""

    def insight(self, record: Insight) -> None:
        """The key insight stands."""

    def finish(self, trace: Trace, folder: Path) -> None:
        """The run folder stands."""

    def doing(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        """Work that may take a while; the function given is called with the amount done since its last call."""
        return nullcontext(lambda amount: None)

    def ahead(self, sentence: str) -> None:
        """Long work is about to begin, and takes what the sentence says."""

    def cancelled(self) -> bool:
        """Whether training should stop."""
        return False
