"""Recordings with the predictions of a package, window by window as on a device, and their labelled events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.cluster.mapping import each
from edgewright.core.errors import ColumnMissingError, InputError, LabelsMissingError, TuningError, UnknownNameError
from edgewright.core.input.recordings import cut
from edgewright.core.prediction.executor import equal_runs
from edgewright.core.prediction.objects import refuse_objects
from edgewright.core.predictor import Predictor
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import DataSet, Floats, Recording
from edgewright.core.records.package import Manifest
from edgewright.data.load import load_data
from edgewright.data.samples import gaps
from edgewright.data.table_proposal import propose_table
from edgewright.data.targets import as_text, labelled
from edgewright.pipeline.material import cut_and_split
from edgewright.pipeline.plan import data_plan
from edgewright.pipeline.run_folder.store import remembered
from edgewright.workflows.detection.rows import NORMAL
from edgewright.workflows.proof.subject import read_subject

Array = NDArray[np.float64]
_BATCH = 2048


@dataclass(frozen=True)
class Labelled:
    """A stretch with one label, from `start` to `end` in seconds of the recording."""

    label: str
    start: float
    end: float


@dataclass(frozen=True)
class Tape:
    """A recording with the prediction of every window.

    Attributes:
        name: name of the recording; `group` the person or machine, or the name if none is known.
        pieces: probabilities (n, labels) and times (n,) of the last row of each window; rows are missing between
            pieces.
        step: seconds from one window to the next.
        events: stretches whose label alarms.
    """

    name: str
    group: str
    pieces: tuple[tuple[Floats, Array], ...]
    step: float
    events: tuple[Labelled, ...]

    @property
    def windows(self) -> int:
        """Number of predictions."""
        return sum(len(times) for _, times in self.pieces)

    def exposure(self, tolerance: float) -> float:
        """Return seconds outside of events and of `tolerance` after them."""
        times = np.concatenate([t for _, t in self.pieces]) if self.pieces else np.zeros(0)
        inside = np.zeros(len(times), np.bool_)
        for event in self.events:
            inside |= (times >= event.start) & (times <= event.end + tolerance)
        return float((~inside).sum()) * self.step


def tapes_of(
    predictor: Predictor, dataset: DataSet, alarms: Sequence[str], people: Sequence[str] = (),
    advance: Callable[[int], None] = lambda count: None,
) -> tuple[list[Tape], float | None]:  # fmt: skip
    """Predict all windows of the recordings.

    Args:
        predictor: of the package.
        dataset: with the package's columns and a target.
        alarms: labels whose stretches are events.
        people: groups to use; all when empty.
        advance: called with the number of finished recordings.

    Returns:
        One tape a recording and group, and windows a second; None without a rate: seconds are rows then.

    Raises:
        InputError: a column that is not there, no labels, or no recording as long as a window.
    """
    manifest = predictor.manifest
    names = [column.name for column in dataset.columns]
    absent = [column.name for column in manifest.columns if column.name not in names]
    if absent:
        raise ColumnMissingError(
            f"the columns {', '.join(c.name for c in manifest.columns)}", f"no {', '.join(absent)}", dataset.name
        )
    rate = (manifest.window.rate if manifest.window else None) or dataset.rate
    parts = [
        (number, part)
        for number, recording in enumerate(dataset.recordings)
        for part in parts_of(recording)
        if not people or part[0] in people
    ]
    tasks = ((_rows(dataset.recordings[number], part), part[0]) for number, part in parts)
    shared = (predictor, [names.index(column.name) for column in manifest.columns], rate, tuple(alarms))
    tapes, reached = [], 0
    for (number, _), tape in zip(parts, each(_tape, shared, tasks), strict=True):
        tapes.append(tape)
        advance(number - reached)
        reached = number
    advance(len(dataset.recordings) - reached)
    kept = [tape for tape in tapes if tape.windows]
    if not kept:
        minimum = manifest.window.samples if manifest.window else 1
        raise TuningError(f"a recording of at least {minimum} rows", "none", dataset.name)
    return kept, rate / (manifest.window.step if manifest.window else 1) if rate else None


def parts_of(recording: Recording) -> list[tuple[str, int, int]]:
    """Return name, begin and end of stretches of one group, or of the recording without groups."""
    if recording.groups is None:
        return [(recording.name, 0, len(recording.values))]
    return [(str(recording.groups[a]), a, b) for a, b in equal_runs(recording.groups)]


def _rows(recording: Recording, part: tuple[str, int, int]) -> Recording:
    """Return the rows of a part, without groups."""
    rows, keys = slice(part[1], part[2]), ("values", "target", "sessions", "time")
    cut = {key: own[rows] for key in keys if (own := getattr(recording, key)) is not None}
    return msgspec.structs.replace(recording, groups=None, **cut)


def _tape(
    shared: tuple[Predictor, list[int], float | None, tuple[str, ...]], task: tuple[Recording, str]
) -> Tape:  # fmt: skip
    (predictor, order, rate, alarms), (recording, group) = shared, task
    window = predictor.manifest.window
    samples, step = (window.samples, window.step) if window else (1, 1)
    values = np.asarray(recording.values)[:, order]
    clock = recording.time if rate is not None else None
    time = np.arange(len(values)) / (rate or 1.0) if clock is None else clock
    piece: NDArray[Any] = np.zeros(len(values), np.int64)
    jumps = gaps(clock)
    if clock is not None and jumps is not None:
        piece[1:] = np.cumsum(jumps | (np.diff(clock) < 0))
    elif clock is None and recording.sessions is not None:
        piece = recording.sessions
    pieces = []
    for a, b in equal_runs(piece):
        if window is None:
            X, starts = values[a:b], np.arange(b - a)
        else:
            X, starts = cut(np.ascontiguousarray(values[a:b]), samples, step, fill_start=window.fill_start)
        if len(starts):
            answers = [
                predictor.predict(np.ascontiguousarray(X[i : i + _BATCH])).probabilities
                for i in range(0, len(starts), _BATCH)
            ]
            pieces.append((np.concatenate(answers), np.asarray(time[a + starts + samples - 1], np.float64)))
    period, events = 1 / rate if rate else 1.0, []
    if recording.target is not None:
        labels = np.where(labelled(recording.target), as_text(recording.target), "")
        events = [
            Labelled(str(labels[a]), float(time[a]), float(time[b - 1]) + period)
            for a, b in equal_runs(labels)
            if labels[a] in alarms
        ]
    return Tape(recording.name, group, tuple(pieces), step * period, tuple(events))


_DO = "Pass recordings that the run has not seen with --data RECORDINGS"


@dataclass(frozen=True)
class TuneData:
    """Recordings, the people to use (all when empty), their description and notes.

    The run's own recordings (`own`) are predicted by its evaluated fit, as a refitted package was trained on them.
    """

    dataset: DataSet
    people: tuple[str, ...]
    description: str
    notes: tuple[str, ...]
    own: bool = False


def tune_data(
    path: Path, data: str | None, *, kind: str = "", target: str = "", group: str = "", people: tuple[str, ...] = ()
) -> TuneData:
    """Read the recordings.

    Args:
        path: run folder or package.
        data: file or folder; the run's own when None.
        kind: kind of the data; that of the run, or for a package detected from the path, when empty.
        target: column of the labels; a run knows its own.
        group: column of people or machines; a run knows its own.
        people: groups to use.

    Raises:
        InputError: a package without --data, a run without validation people, or people that are not there.
    """
    pipeline: Any = read_subject(path).pipeline if (path / "pipeline").is_dir() else None
    given = {"target": target, "group": group}
    if pipeline is None or (kind and data is not None):
        if data is None:
            raise LabelsMissingError("recordings with labels", "a package, which has none", str(path), _DO)
        proposed = propose_table(data, given, kind)
        dataset = load_data(proposed.table, seed=0)
        notes = (proposed.sentence,) if proposed.sentence else ()
        return TuneData(dataset, _known(dataset, people), f"all of {dataset.name}", notes)
    config: PipelineConfig = pipeline.config
    own = remembered(path)
    table = {**config.data, **{key: value for key, value in given.items() if value}}
    if data is not None and not (own.path and Path(data).resolve() == Path(own.path).resolve()):
        try:
            dataset = load_data(table, seed=config.seed, path=data)
        except InputError as error:
            hint = error.do or f"They were read as {table['kind']}, the kind of the run; change it with --kind"
            raise InputError(error.expected, error.got, error.where, hint, code=error.code) from None
        return TuneData(dataset, _known(dataset, people), f"all of {Path(data).name}", ())
    return _of_run(config, table, data or own.data_location(), people)


def _of_run(config: PipelineConfig, table: dict[str, object], path: str | None, people: tuple[str, ...]) -> TuneData:
    """Return the run's own data, by default of its validation people, and a warning if the model knows them."""
    refuse_objects(config.task, f"edgewright tune {config.name}")
    dataset = load_data(table, seed=config.seed, path=path)
    samples, sides = cut_and_split(data_plan(config), dataset)
    groups = samples.groups
    if groups is None or sides.by != "group":
        raise TuningError("a run that is split by group", f"one split by {sides.by}", config.name, _DO)
    side = {
        use: set(np.unique(groups[rows]).tolist())
        for use, rows in (("trained on", sides.train), ("tested with", sides.test))
    }
    chosen = _known(dataset, people)
    if not chosen:
        chosen = tuple(sorted({str(name) for name in np.unique(groups[sides.validation])}))
        if not chosen:
            raise TuningError("validation people for tuning", "none", f"{config.name} [split] validation", _DO)
    notes = []
    for use, names in side.items():
        here = sorted(set(chosen) & names)
        if here:
            notes.append(f"{', '.join(here)}: people the model was {use}; expect worse results for new people")
    text = f"{len(chosen)} people of {dataset.name}" + ("" if people else ", who validated the run")
    if not people:
        notes.append(
            "The validation people selected the epoch and calibrated confidence, so they are not new; recordings "
            "that the run has not seen are better (--data)"
        )
    return TuneData(dataset, chosen, text, tuple(notes), own=True)


def _known(dataset: DataSet, people: tuple[str, ...]) -> tuple[str, ...]:
    """Return the people that were named.

    Raises:
        UnknownNameError: one who is not there.
    """
    there = {group for recording in dataset.recordings for group, _, _ in parts_of(recording)} if people else set()
    for name in people:
        if name not in there:
            raise UnknownNameError("person", name, there, dataset.name)
    return people


def alarm_labels(manifest: Manifest, given: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels that raise an alarm: those that are named, else all that do not mean 'normal'.

    Raises:
        InputError: a regression, or labels of which none is known to be normal.
        UnknownNameError: a label that the model does not have.
    """
    if manifest.task != "classification":
        raise TuningError("a model of classes", "a regression model, which raises no alarms", manifest.name)
    for label in given:
        if label not in manifest.labels:
            raise UnknownNameError("label", label, manifest.labels, "--alarm")
    if given:
        return tuple(dict.fromkeys(given))
    alarms = tuple(label for label in manifest.labels if label.lower() not in NORMAL)
    if len(alarms) == len(manifest.labels) or not alarms:
        raise LabelsMissingError("the labels that raise an alarm", "none", "edgewright tune",
                         f"Set them with --alarm, from {', '.join(manifest.labels)}")  # fmt: skip
    return alarms
