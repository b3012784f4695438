"""Evaluation problem of ladders, curves and searches: samples, their units, and folds that never split a unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.catalogue import Registry
from edgewright.core.errors import RaceError, UnknownNameError
from edgewright.core.prediction.objects import refuse_objects
from edgewright.core.records.config import PipelineConfig, WindowConfig
from edgewright.core.records.data import DataSet, Floats, Recording, Samples
from edgewright.data.audited_labels import records_of
from edgewright.data.load import load_data
from edgewright.data.samples import cut, part_of
from edgewright.data.splits import touching
from edgewright.data.targets import counted, encode_target, task_of
from edgewright.pipeline.material import Material

Indices = NDArray[np.int64]
DAY = 86_400.0
# With fewer sessions or days than this there are too few folds; the samples are split into `BLOCKS` blocks of time.
FEWEST_DAYS = 5
BLOCKS = 10
# With fewer samples a fold tests on a handful of rows, and no confidence interval can exclude zero.
FEWEST_SAMPLES = 30
# Rows that a race draws from: five times those of its largest heat.
MOST_ROWS = 800_000


@dataclass(frozen=True)
class Fold:
    """Training and test indices into the samples of a problem, ascending and disjoint."""

    train: Indices
    test: Indices


@dataclass(frozen=True, eq=False)
class Problem:
    """Samples on which models are evaluated by cross-validation.

    Attributes:
        name: name of the data set.
        dataset: data set as read, with origin and licence.
        samples: samples without those of held-out groups.
        y: target in the form that models take: text labels or float64, shape (n,).
        task: 'classification' or 'regression'.
        window: window configuration; None for single rows.
        by: unit that folds keep whole: 'group', 'session', 'day', 'block' (of time) or 'row'.
        units: shape (n,), index of each sample's group, session, day or block, 0 to u-1.
        held_out: groups that are left out because the test report of a run uses them.
        whole: classes of the full problem where this is a subset; empty for a full problem.
        notes: automatic decisions about how samples are cut.
    """

    name: str
    dataset: DataSet
    samples: Samples
    y: Any
    task: str
    window: WindowConfig | None
    by: str
    units: Indices
    held_out: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def without_recordings(self) -> Problem:
        """Return the problem without the recordings that samples were cut from, which no fit reads."""
        return replace(self, dataset=msgspec.structs.replace(self.dataset, recordings=()))

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in sorted order; empty for a regression."""
        if self.whole:
            return self.whole
        return tuple(str(name) for name in counted(self.y)[0]) if self.task == "classification" else ()

    def subset(self, rows: Indices) -> Problem:
        """Return the problem with a subset of the samples; it keeps the classes of all samples."""
        samples = part_of(self.samples, rows)
        return replace(self, samples=samples, y=self.y[rows], units=self.units[rows], whole=self.classes)


def problem_of_pipeline(config: PipelineConfig, data: str | None = None, dataset: DataSet | None = None) -> Problem:
    """Return the evaluation problem of a pipeline without the groups that its split reserves for the test.

    The labels of these groups are removed before windows are cut.

    Args:
        config: pipeline configuration.
        data: path that overrides the one in `[data]`.
        dataset: data set, if it has already been read.

    Raises:
        InputError: the data cannot be read, has no target, only one target value, or too few samples.
        CheckFailedError: the labels are machine-made and no audit shows an error rate below the limit.
    """
    records_of(config.data, data or config.data.get("path"))
    dataset = dataset or load_data(config.data, seed=config.seed, path=data, mixed_rates=True)
    held_out = tuple(config.split.test_groups)
    if held_out:
        dataset = msgspec.structs.replace(dataset, recordings=tuple(_without(r, held_out) for r in dataset.recordings))
    samples = cut(dataset, config.window)
    if len(samples.y) < FEWEST_SAMPLES:
        raise RaceError(
            f"at least {FEWEST_SAMPLES} labelled samples", str(len(samples.y)), dataset.name,
            "Results on fewer samples may be chance. Record more, or label more of the data",
        )  # fmt: skip
    task = task_of(samples.y, config.task)
    refuse_objects(task, config.name)
    by, units = fold_units(samples, config.window)
    return Problem(
        name=dataset.name,
        dataset=dataset,
        samples=samples,
        y=encode_target(samples.y, task),
        task=task,
        window=config.window,
        by=by,
        units=units,
        held_out=held_out,
    )


def problem_of_training(material: Material) -> Problem:
    """Return the evaluation problem of the training and validation samples of a run.

    Of rows that stand alone no more are taken than the heats of a race draw theirs from.

    Args:
        material: samples of the run and their split.
    """
    rows = np.sort(np.concatenate([material.sides.train, material.sides.validation]))
    if material.sides.by == "row" and len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(material.plan.seed).choice(rows, MOST_ROWS, replace=False))
    every = Problem(
        name=material.dataset.name,
        dataset=material.dataset,
        samples=material.samples,
        y=material.samples.y,
        task=material.task,
        window=material.plan.window,
        by="row",
        units=np.arange(len(material.samples.y), dtype=np.int64),
    )
    part = replace(every.subset(rows), whole=())
    by, units = (
        ("row", np.arange(len(rows), dtype=np.int64))
        if material.sides.by == "row"
        else fold_units(part.samples, material.plan.window)
    )
    return replace(part, by=by, units=units)


def _without(recording: Recording, held_out: tuple[str, ...]) -> Recording:
    """Return the recording without the labels of the held-out groups, so that no sample is cut from their rows."""
    if recording.groups is None or recording.target is None:
        return recording
    rows = np.isin(recording.groups, held_out)
    if not rows.any():
        return recording
    target = np.array(recording.target)
    target[rows] = "" if target.dtype.kind == "U" else np.nan
    return msgspec.structs.replace(recording, target=target)


def are_pictures(samples: Samples) -> bool:
    """Return whether samples are pictures, shape (n, channels, height, width)."""
    return bool(samples.X.ndim == 4)


def fold_units(samples: Samples, window: WindowConfig | None) -> tuple[str, Indices]:
    """Return the kind of unit that folds keep whole ('group', 'session', ...) and the unit of each sample."""
    if samples.groups is not None and len(np.unique(samples.groups)) > 1:
        return "group", np.unique(samples.groups, return_inverse=True)[1].astype(np.int64)
    sessions = np.unique(samples.sessions, return_inverse=True)[1].astype(np.int64)
    has_bursts = are_pictures(samples) and FEWEST_DAYS <= sessions.max() + 1 < len(sessions)
    if samples.rate is None and window is None and not has_bursts:
        return "row", np.arange(len(samples.y), dtype=np.int64)
    if sessions.max() + 1 >= FEWEST_DAYS:
        return "session", sessions
    if samples.rate is not None:
        # Days are counted from the first row of each session, because a recording has no calendar time.
        day = (np.maximum(samples.starts, 0) / samples.rate // DAY).astype(np.int64)
        days = np.unique(sessions * (int(day.max()) + 1) + day, return_inverse=True)[1].astype(np.int64)
        if days.max() + 1 >= FEWEST_DAYS:
            return "day", days
    order = np.lexsort((samples.starts, sessions))
    blocks = np.empty(len(order), np.int64)
    blocks[order] = np.arange(len(order)) * BLOCKS // len(order)
    return "block", blocks


def folds(problem: Problem, count: int, *, seed: int = 0, leave_one_out: bool = False) -> tuple[Fold, ...]:
    """Return folds of whole units with nearly equal sample counts; every sample is in exactly one test set.

    The largest units are assigned first, each to the smallest fold; rows are stratified by class. Training samples
    that share rows with a test window are dropped.

    Args:
        problem: samples and their units.
        count: number of folds; reduced to the number of units where there are fewer.
        seed: random seed for the order of units of equal size.
        leave_one_out: make one fold per unit and ignore `count`.

    Raises:
        InputError: the problem has only one unit.
    """
    units, rng = problem.units, np.random.default_rng(seed)
    sizes = np.bincount(units)
    if len(sizes) < 2:
        raise RaceError(
            f"at least two {problem.by}s", "one", problem.name, "Record more, or choose another group column"
        )
    number = len(sizes) if leave_one_out else max(2, min(count, len(sizes)))
    if problem.by == "row":
        location = stratified_folds(problem, number, rng)
    else:
        order = rng.permutation(len(sizes))
        order = order[np.argsort(-sizes[order], kind="stable")]
        totals, dealt = np.zeros(number, np.int64), np.empty(len(sizes), np.int64)
        for unit in order:
            smallest = int(np.argmin(totals))
            dealt[unit], totals[smallest] = smallest, totals[smallest] + sizes[unit]
        location = dealt[units]
    length = problem.window.samples if problem.window else 1
    parts = []
    for fold in range(number):
        test, train = np.flatnonzero(location == fold), np.flatnonzero(location != fold)
        if length > 1:
            train = train[~touching(problem.samples, train, test, length)]
        parts.append(Fold(train, test))
    return tuple(parts)


def stratified_folds(problem: Problem, number: int, rng: np.random.Generator) -> Indices:
    """Return the fold of each row: rows are shuffled, sorted by target and assigned to the folds in turn."""
    order = rng.permutation(len(problem.y))
    order = order[np.argsort(problem.y[order], kind="stable")]
    location = np.empty(len(order), np.int64)
    location[order] = np.arange(len(order)) % number
    return location


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
