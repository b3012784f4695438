"""Recordings that a decision is tuned on, answered window by window as on a device, with their labelled events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.cluster.mapping import each
from edgewright.core.input.windows import cut
from edgewright.core.prediction.objects import refuse_objects
from edgewright.core.predictor import Predictor
from edgewright.data.load import load_data
from edgewright.data.samples import gaps
from edgewright.data.table_proposal import propose_table
from edgewright.data.targets import as_text, labelled
from edgewright.pipeline.material import cut_and_split
from edgewright.pipeline.plan import data_plan
from edgewright.pipeline.run_folder.provenance import remembered
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import DataSet, Floats, Recording
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.package import Manifest
from edgewright.workflows.detection.rows import NORMAL
from edgewright.workflows.proof.subject import read_subject

Array = NDArray[np.float64]
_PIECE = 2048


@dataclass(frozen=True)
class Labelled:
    """A stretch with one label, from `start` to `end` in seconds of the recording."""

    label: str
    start: float
    end: float


@dataclass(frozen=True)
class Tape:
    """A recording that was answered window by window.

    Attributes:
        name: name of the recording; `group` the person or machine, or the name where none is known.
        pieces: probabilities (n, labels) and times (n,) of the last row of each window; between pieces rows are
            missing, and no window reaches over.
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
        """Answers in all."""
        return sum(len(times) for _, times in self.pieces)

    def exposure(self, tolerance: float) -> float:
        """Return seconds of answers outside of events and of `tolerance` after them."""
        times = np.concatenate([t for _, t in self.pieces]) if self.pieces else np.zeros(0)
        inside = np.zeros(len(times), np.bool_)
        for event in self.events:
            inside |= (times >= event.start) & (times <= event.end + tolerance)
        return float((~inside).sum()) * self.step


def tapes_of(
    predictor: Predictor,
    dataset: DataSet,
    alarms: Sequence[str],
    people: Sequence[str] = (),
    advance: Callable[[int], None] = lambda count: None,
) -> tuple[list[Tape], float | None]:
    """Return answers to all windows of the recordings.

    Args:
        predictor: of the package.
        dataset: with the package's columns and a target.
        alarms: labels whose stretches are events.
        people: groups that are taken; all when empty.
        advance: hears of every recording.

    Returns:
        One tape a recording and group, and windows a second; None where nobody knows the rate: seconds are rows then.

    Raises:
        InputError: a column that is not there, no labels, or no recording as long as a window.
    """
    manifest = predictor.manifest
    names = [column.name for column in dataset.columns]
    absent = [column.name for column in manifest.columns if column.name not in names]
    if absent:
        raise InputError(f"the columns {', '.join(c.name for c in manifest.columns)}", f"no {', '.join(absent)}",
                         dataset.name)  # fmt: skip
    order = [names.index(column.name) for column in manifest.columns]
    rate = (manifest.window.rate if manifest.window else None) or dataset.rate
    parts = [
        (number, part)
        for number, recording in enumerate(dataset.recordings)
        for part in parts_of(recording)
        if not people or part[0] in people
    ]
    tasks = (_task(dataset.recordings[number], part, rate, alarms) for number, part in parts)
    tapes, reached = [], 0
    for (number, _), tape in zip(parts, each(_tape, _Answering(predictor, order, rate), tasks), strict=True):
        tapes.append(tape)
        advance(number - reached)
        reached = number
    advance(len(dataset.recordings) - reached)
    kept = [tape for tape in tapes if tape.windows]
    if not kept:
        minimum = manifest.window.samples if manifest.window else 1
        raise InputError(f"a recording of at least {minimum} rows", "none", dataset.name)
    step = manifest.window.step if manifest.window else 1
    return kept, rate / step if rate else None


def parts_of(recording: Recording) -> list[tuple[str, int, int]]:
    """Return stretches of one group; the recording's name stands for a group that is not known."""
    rows = len(recording.values)
    if recording.groups is None:
        return [(recording.name, 0, rows)]
    change = np.flatnonzero(recording.groups[1:] != recording.groups[:-1]) + 1
    edges = [0, *change.tolist(), rows]
    return [(str(recording.groups[a]), a, b) for a, b in pairwise(edges) if b > a]


def rows_of(recording: Recording, start: int, end: int) -> Recording:
    """Return some rows of a recording."""
    rows = slice(start, end)
    keys = ("values", "target", "groups", "sessions", "time")
    given = {key: getattr(recording, key) for key in keys}
    return msgspec.structs.replace(
        recording, **{key: values[rows] for key, values in given.items() if values is not None}
    )


@dataclass(frozen=True)
class _Answering:
    """What answers recordings: the package, the places of its columns, and rows a second."""

    predictor: Predictor
    order: list[int]
    rate: float | None


def _task(
    recording: Recording, part: tuple[str, int, int], rate: float | None, alarms: Sequence[str]
) -> tuple[Recording, str, tuple[Labelled, ...]]:
    """Return some rows of a recording without labels and names, their group, and their events."""
    group, start, end = part
    rows = rows_of(recording, start, end)
    events = stretches(rows, 0, end - start, _times(rows, rate), 1 / rate if rate else 1.0)
    alarming = tuple(event for event in events if event.label in alarms)
    return msgspec.structs.replace(rows, target=None, groups=None), group, alarming


def _times(recording: Recording, rate: float | None) -> Array:
    """Return seconds of rows; rows where nobody knows them."""
    if recording.time is not None and rate is not None:
        return recording.time
    return np.arange(len(recording.values)) / (rate or 1.0)


def _tape(answering: _Answering, task: tuple[Recording, str, tuple[Labelled, ...]]) -> Tape:
    (recording, group, events), rate, predictor = task, answering.rate, answering.predictor
    end = len(recording.values)
    window = predictor.manifest.window
    samples, step = (window.samples, window.step) if window else (1, 1)
    filled = window is not None and window.fill_start
    known = recording.time is not None and rate is not None
    time = _times(recording, rate)
    values = np.asarray(recording.values)[:, answering.order]
    pieces = []
    for a, b in _unbroken(recording, 0, end, time if known else None):
        if window is None:
            X, starts = values[a:b], np.arange(b - a)
        else:
            X, starts = cut(np.ascontiguousarray(values[a:b]), samples, step, fill_start=filled)
        if len(starts):
            answers = [
                predictor.predict(np.ascontiguousarray(X[i : i + _PIECE])).probabilities
                for i in range(0, len(starts), _PIECE)
            ]
            pieces.append((np.concatenate(answers), np.asarray(time[a + starts + samples - 1], np.float64)))
    period = 1 / rate if rate else 1.0
    return Tape(recording.name, group, tuple(pieces), step * period, events)


def _unbroken(recording: Recording, start: int, end: int, time: Array | None) -> list[tuple[int, int]]:
    """Return rows between gaps of the clock; without times between sessions."""
    jumps = gaps(time)
    if time is not None and jumps is not None:
        broken = jumps | (np.diff(time) < 0)
    elif time is None and recording.sessions is not None:
        sessions = recording.sessions[start:end]
        broken = sessions[1:] != sessions[:-1]
    else:
        broken = np.zeros(max(0, end - start - 1), np.bool_)
    edges = [0, *(np.flatnonzero(broken) + 1).tolist(), end - start]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def stretches(recording: Recording, start: int, end: int, time: Array, period: float) -> tuple[Labelled, ...]:
    """Return the labelled stretches of some rows, in order.

    Args:
        recording: with or without labels.
        start: first row.
        end: row behind the last.
        time: of each of these rows, seconds.
        period: seconds that a row lasts.
    """
    if recording.target is None:
        return ()
    labels = np.where(labelled(recording.target[start:end]), as_text(recording.target[start:end]), "")
    edges = [0, *(np.flatnonzero(labels[1:] != labels[:-1]) + 1).tolist(), len(labels)]
    return tuple(
        Labelled(str(labels[a]), float(time[a]), float(time[b - 1]) + period)
        for a, b in pairwise(edges)
        if b > a and labels[a]
    )


_DO = "Pass recordings that the run has not seen with --data RECORDINGS"


@dataclass(frozen=True)
class TuneData:
    """Recordings, the people that are taken (all when empty), and what a reader must know of them.

    `own` recordings are those of the run: its judged fit answers them, as a refitted package has seen them.
    """

    dataset: DataSet
    people: tuple[str, ...]
    description: str
    notes: tuple[str, ...]
    own: bool = False


def tune_data(
    file_path: Path,
    data: str | None,
    *,
    kind: str = "",
    target: str = "",
    group: str = "",
    people: tuple[str, ...] = (),
) -> TuneData:
    """Read the recordings.

    Args:
        file_path: run folder or package.
        data: file or folder; the run's own when None.
        kind: source or public set of the data; as the run's, or for a package judged by the path, when empty.
        target: column of the labels; a run knows its own.
        group: column of people or machines; a run knows its own.
        people: groups that are taken.

    Raises:
        InputError: a package without --data, a run without validation people, or people that are not there.
    """
    config = _config(file_path)
    if config is None or (kind and data is not None):
        if data is None:
            raise InputError("recordings with labels", "a package, which has none", str(file_path), _DO)
        proposed = propose_table(data, {"target": target, "group": group}, kind)
        dataset = load_data(proposed.table, seed=0, by_workers=True)
        notes = (proposed.sentence,) if proposed.sentence else ()
        return TuneData(dataset, _known(dataset, people), f"all of {dataset.name}", notes)
    own = remembered(file_path)
    table: dict[str, object] = dict(config.data)
    table.update({key: value for key, value in (("target", target), ("group", group)) if value})
    if data is not None and not (own.path and Path(data).resolve() == Path(own.path).resolve()):
        try:
            dataset = load_data(table, seed=config.seed, path=data, by_workers=True)
        except InputError as error:
            hint = error.do or f"They were read as {table['kind']}, the kind of the run; change it with --kind"
            raise InputError(error.expected, error.got, error.where, hint) from None
        return TuneData(dataset, _known(dataset, people), f"all of {Path(data).name}", ())
    return _of_run(config, table, data or own.data_location(), people)


def _config(path: Path) -> PipelineConfig | None:
    """Return the configuration of a run; None for a package alone."""
    if not path.is_dir() or not (path / "pipeline").is_dir():
        return None
    pipeline: Any = read_subject(path).pipeline
    return None if pipeline is None else pipeline.config


def _of_run(config: PipelineConfig, table: dict[str, object], path: str | None, people: tuple[str, ...]) -> TuneData:
    """Return the run's own data, by default of its validation people, and a warning if the model knows them."""
    refuse_objects(config.task, f"edgewright tune {config.name}")
    dataset = load_data(table, seed=config.seed, path=path, by_workers=True)
    samples, sides = cut_and_split(data_plan(config), dataset)
    groups = samples.groups
    if groups is None or sides.by != "group":
        raise InputError("a run that is split by group", f"one split by {sides.by}", config.name, _DO)
    side = {
        use: set(np.unique(groups[rows]).tolist())
        for use, rows in (("trained on", sides.train), ("tested with", sides.test))
    }
    chosen = _known(dataset, people)
    if not chosen:
        chosen = tuple(sorted({str(name) for name in np.unique(groups[sides.validation])}))
        if not chosen:
            raise InputError("validation people for tuning", "none", f"{config.name} [split] validation", _DO)
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
    """Return the labels whose beginning calls for somebody: those that are named, else all that do not mean 'normal'.

    Raises:
        InputError: a regression, or labels of which none is known to be normal.
        UnknownNameError: a label that the model does not have.
    """
    if manifest.task != "classification":
        raise InputError("a model of classes", "a regression model, which raises no alarms", manifest.name)
    for label in given:
        if label not in manifest.labels:
            raise UnknownNameError("label", label, manifest.labels, "--alarm")
    if given:
        return tuple(dict.fromkeys(given))
    alarms = tuple(label for label in manifest.labels if label.lower() not in NORMAL)
    if len(alarms) == len(manifest.labels) or not alarms:
        raise InputError("the labels that raise an alarm", "none", "edgewright tune",
                         f"Set them with --alarm, from {', '.join(manifest.labels)}")  # fmt: skip
    return alarms
