"""A listener that keeps the journal of a run, and one that tells several others."""

from __future__ import annotations

import functools
import inspect
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright._version import __version__
from edgewright.core.errors import error_line
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import Column
from edgewright.core.records.race import RaceRecord
from edgewright.core.records.trace import (
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
    Statistics,
    Trace,
    TrainingRecord,
)
from edgewright.pipeline.cost import Cost
from edgewright.trace.journal import JOURNAL_VERSION, Ended, Journal, journal_path, start_ticks, sweep


class Listener:
    """Each method is called once its part of the record stands; `cancelled` is asked after every epoch.

    This one says nothing; override what is of interest.
    """

    def start(self, name: str, title: str, profile: str) -> None:
        """Begin the run."""

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


_SHOWN_ROWS = 3
_SHOWN_VALUES = 20
_SHOWN_COLUMNS = 32
# Values that are looked at together.
_PIECE = 2**20


def statistics(X: NDArray[Any], columns: Sequence[Column]) -> tuple[Statistics, ...]:
    """Summary of each column (or channel) of samples of shape (n, columns) or (n, channels, samples)."""
    records = []
    for index, column in enumerate(columns[:_SHOWN_COLUMNS]):
        values = X[:, index].ravel()
        known = np.isfinite(values)
        some = values if known.all() else values[known]
        missing = values.size - some.size
        some = some if some.size else np.zeros(1)
        mean, deviation = _mean_and_deviation(some)
        records.append(
            Statistics(
                name=column.name,
                unit=column.unit,
                minimum=float(some.min()),
                mean=mean,
                maximum=float(some.max()),
                deviation=deviation,
                missing=int(missing),
            )
        )
    return tuple(records)


def _mean_and_deviation(values: NDArray[Any]) -> tuple[float, float]:
    """Return mean and standard deviation in float64, without a copy of all values."""
    pieces = range(0, values.size, _PIECE)
    mean = sum(values[at : at + _PIECE].astype(np.float64).sum() for at in pieces) / values.size
    squares = (np.square(values[at : at + _PIECE].astype(np.float64) - mean).sum() for at in pieces)
    return float(mean), float(np.sqrt(sum(squares) / values.size))


def sample_rows(X: NDArray[Any]) -> tuple[tuple[float | None, ...], ...]:
    """Three samples as numbers, None where missing; of a window or picture the first values of its first channel."""
    shown = X[:_SHOWN_ROWS]
    flat = shown if shown.ndim == 2 else shown[:, 0].reshape(len(shown), -1)
    return tuple(tuple(number(v) for v in row[:_SHOWN_VALUES]) for row in flat)


def number(value: float) -> float | None:
    """Return a value as JSON knows it: six significant digits, None where it is missing."""
    return float(f"{float(value):.6g}") if np.isfinite(value) else None


def card(
    *,
    name: str,
    kind: str,
    why: str,
    before: NDArray[Any] | None,
    after: NDArray[Any],
    shape_in: tuple[int, ...],
    shape_out: tuple[int, ...],
    columns: Sequence[Column],
    cost: Cost,
    fitted_on: int = 0,
    dropped: tuple[tuple[str, str], ...] = (),
    scores: tuple[tuple[str, float], ...] = (),
    settings: dict[str, object] | None = None,
    notes: tuple[str, ...] = (),
    formula: str = "",
) -> StageRecord:
    """Return a card from the samples before and after a stage.

    Args:
        name: of the stage.
        kind: of the stage.
        why: reason for the stage, in a sentence.
        before: samples before the stage (all, or the first when it streams).
        after: samples after the stage.
        shape_in: with the true number of samples.
        shape_out: with the true number of samples.
        columns: schema of what comes out.
        cost: of fitting and transforming.
        fitted_on: number of samples.
        dropped: name and reason of each dropped column.
        scores: name and score of each column that came in, by which some were chosen.
        settings: of the stage.
        notes: for the reader.
        formula: of the stage.
    """
    filled = 0
    if before is not None and before.shape == after.shape:
        filled = max(0, int(np.isnan(before).sum()) - int(np.isnan(after).sum()))
    return StageRecord(
        name=name,
        kind=kind,
        shape_in=shape_in,
        shape_out=shape_out,
        why=why,
        dtype=str(after.dtype),
        formula=formula,
        fitted_on=fitted_on,
        filled=filled,
        dropped=dropped,
        scores=scores or msgspec.UNSET,
        names_after=tuple(column.name for column in columns),
        sample_before=sample_rows(before) if before is not None else (),
        sample_after=sample_rows(after),
        columns_after=statistics(after, columns),
        settings=settings or {},
        notes=notes,
        **msgspec.structs.asdict(cost),
    )


# What only says that something stands; the other methods of a listener ask or wrap.
EVENTS = tuple(
    name for name, method in vars(Listener).items()
    if inspect.isfunction(method) and name not in ("doing", "cancelled", "interrupted")
)  # fmt: skip


class Journalling(Listener):
    """Writes every event of a run into a journal beside the folder of runs.

    A run that cannot write its journal goes on without one. When the run has finished its journal is removed, as its
    folder says everything; that of a run that broke off stays, see `trace.journal.KEPT`.

    Args:
        runs: the folder of runs.
        config: checked; None where a race chooses it, which sets it before the journal is started again.
        command: as in the provenance.
    """

    def __init__(self, runs: Path, config: PipelineConfig | None, command: str = "") -> None:
        self._runs, self.config, self._command = runs, config, command
        self._journal: Journal | None = None

    def start(self, name: str, title: str, profile: str) -> None:
        """Open the journal; its first line says which process this is. A second call says what the race chose."""
        with suppress(OSError):
            if self._journal is None:
                sweep(self._runs)
                self._journal = Journal(journal_path(self._runs, name))
        self._write(
            "start",
            version=JOURNAL_VERSION, process=os.getpid(), ticks=start_ticks(os.getpid()),
            name=name, title=title, profile=profile, command=self._command,
            started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), edgewright=__version__,
            config=msgspec.to_builtins(self.config) if self.config is not None else {},
        )  # fmt: skip

    def finish(self, trace: Trace, folder: Path) -> None:
        """Write the last line, which names the run folder."""
        self.end("finished", "", folder.name)

    def end(self, state: Ended, reason: str, folder: str = "") -> None:
        """Write the last line; remove the journal of a finished run. A second call does nothing."""
        self._write("end", state=state, reason=reason, folder=folder)
        journal, self._journal = self._journal, None
        if journal is None:
            return
        with suppress(OSError):
            (journal.remove if state == "finished" else journal.close)()

    def doing(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        """Note what begins."""
        self._write("doing", label=label, total=total)
        return super().doing(label, total)

    def _write(self, event: str, **data: object) -> None:
        if self._journal is None:
            return
        try:
            self._journal.write(event, **data)
        except OSError:
            journal, self._journal = self._journal, None
            with suppress(OSError):
                journal.close()


def _noting(name: str) -> Callable[..., None]:
    """Return a method of `Journalling` that writes its arguments under their names."""
    original = getattr(Listener, name)
    parameters = inspect.signature(original)

    @functools.wraps(original)
    def note(self: Journalling, *given: Any, **named: Any) -> None:  # noqa: ANN401 - records of any kind
        bound = parameters.bind(self, *given, **named)
        bound.apply_defaults()
        self._write(name, **{key: value for key, value in bound.arguments.items() if key != "self"})

    return note


for _name in EVENTS:
    if _name not in vars(Journalling):
        setattr(Journalling, _name, _noting(_name))


class Several(Listener):
    """Tells each of its listeners, in their order; training stops when one of them wants it."""

    def __init__(self, *listeners: Listener) -> None:
        self.listeners = listeners

    @contextmanager
    def doing(self, label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Work that may take a while, for all of them."""
        with ExitStack() as stack:
            reported = [stack.enter_context(listener.doing(label, total)) for listener in self.listeners]

            def advance(amount: int) -> None:
                for step in reported:
                    step(amount)

            yield advance

    def cancelled(self) -> bool:
        """Return whether one of them says so."""
        return any(listener.cancelled() for listener in self.listeners)

    def interrupted(self) -> None:
        """Tell each."""
        for listener in self.listeners:
            listener.interrupted()


def _telling(name: str) -> Callable[..., None]:
    """Return a method of `Several` that calls that of each listener."""

    @functools.wraps(getattr(Listener, name))
    def notify(self: Several, *given: Any, **named: Any) -> None:  # noqa: ANN401 - records of any kind
        for listener in self.listeners:
            getattr(listener, name)(*given, **named)

    return notify


for _name in EVENTS:
    setattr(Several, _name, _telling(_name))


@contextmanager
def journalled(journal: Journalling, listener: Listener) -> Iterator[Listener]:
    """Provide a listener that also keeps the journal; how the block ends is its last line."""
    try:
        yield Several(journal, listener)
    except KeyboardInterrupt:
        journal.end("cancelled", "interrupted")
        raise
    except BaseException as error:
        journal.end("failed", error_line(error))
        raise
    journal.end("finished", "")
