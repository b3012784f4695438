"""What hears of a run while it goes on: the terminal, a page, or nobody."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from edgewright.schema.job import StepProgress
from edgewright.schema.race import RaceRecord
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
        """Begin the run."""

    def steps(self, record: tuple[StepProgress, ...]) -> None:
        """Record the steps of a job: those that ended, the one that runs, those ahead."""

    def race(self, record: RaceRecord) -> None:
        """Record how a race of pipelines stands."""

    def stage(self, record: StageRecord) -> None:
        """Show a card of the data flow."""

    def layers(self, records: tuple[LayerRecord, ...]) -> None:
        """Show the model's table."""

    def training_started(self, total_epochs: int, classes: int = 0) -> None:
        """Training begins."""

    def epoch(self, record: EpochRecord) -> None:
        """Record the end of an epoch."""

    def training(self, record: TrainingRecord) -> None:
        """Training ended."""

    def evaluation(self, record: EvaluationRecord) -> None:
        """Record the evaluation on the test samples."""

    def compression(self, record: CompressionRecord) -> None:
        """Record the int8 form."""

    def device(self, record: DeviceRecord) -> None:
        """Record the comparison with the profile."""

    def scaling_point(self, record: ScalingPoint, done: int, total: int) -> None:
        """One of `total` trainings of the comparison over data sizes ended."""

    def scaling(self, record: ScalingRecord) -> None:
        """Record the comparison over data sizes."""

    def prediction(self, record: PredictionRecord) -> None:
        """Record a sample traced layer by layer."""

    def insight(self, record: Insight) -> None:
        """Record the key insight."""

    def finish(self, trace: Trace, folder: Path) -> None:
        """Record the finished run folder."""

    def doing(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        """Work that may take a while; the function given is called with the amount done since its last call."""
        return nullcontext(lambda amount: None)

    def ahead(self, sentence: str) -> None:
        """Long work is about to begin, and takes what the sentence says."""

    def cancelled(self) -> bool:
        """Return whether training should stop."""
        return False

    def interrupted(self) -> None:
        """Ctrl-C ended a part of the work, and the run goes on without the rest of it."""
