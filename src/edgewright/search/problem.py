"""What a ladder, a curve or a search judges models on: samples, what must stay together, and folds that keep it so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.data.audited_labels import limit_of, records
from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.data.splits import touching
from edgewright.data.targets import encode_target, task_of
from edgewright.schema.config import PipelineConfig, WindowConfig
from edgewright.schema.data import DataSet, Recording, Samples
from edgewright.schema.errors import InputError

Indices = NDArray[np.int64]
DAY = 86_400.0
# Fewer whole days than this leave too few folds: the time is cut into that many equal blocks instead.
FEWEST_DAYS = 5
BLOCKS = 10
# Below this a fold would test on a handful of rows, and no interval could exclude anything.
FEWEST_SAMPLES = 30


@dataclass(frozen=True)
class Fold:
    """Indices into the samples of a problem: those that fit and those that judge, ascending and disjoint."""

    train: Indices
    test: Indices


@dataclass(frozen=True)
class Problem:
    """Samples to be judged on by cross-validation.

    Attributes:
        name: of the data set.
        dataset: as it was read, with origin and licence.
        samples: without those of people or machines that are held back.
        y: target as a model takes it: text labels or float64, shape (n,).
        task: 'classification' or 'regression'.
        window: None for rows.
        by: what folds keep whole: 'group', 'session', 'day', 'block' of time, or 'row'.
        units: shape (n,), number of the group, session, day or block of a sample, 0 to u-1.
        held: groups that were left out because a report judges on them.
        whole: classes of the problem that this is a part of; empty for a whole.
        notes: what was decided by itself about how samples are cut.
    """

    name: str
    dataset: DataSet
    samples: Samples
    y: Any
    task: str
    window: WindowConfig | None
    by: str
    units: Indices
    held: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in order; empty for a regression."""
        if self.whole:
            return self.whole
        return tuple(str(name) for name in np.unique(self.y)) if self.task == "classification" else ()

    def some(self, rows: Indices) -> Problem:
        """Return the problem of some of the samples; it knows the classes of all."""
        of = self.samples
        samples = msgspec.structs.replace(
            of,
            X=of.X[rows],
            y=of.y[rows],
            groups=None if of.groups is None else of.groups[rows],
            sessions=of.sessions[rows],
            starts=of.starts[rows],
        )
        return replace(self, samples=samples, y=self.y[rows], units=self.units[rows], whole=self.classes)


def problem_of_pipeline(config: PipelineConfig, data: str | None = None, dataset: DataSet | None = None) -> Problem:
    """Return the problem of a pipeline, without the people or machines that its split names for the test.

    They are left out before a window is cut.

    Args:
        config: of the pipeline.
        data: path that overrides the one in `[data]`.
        dataset: recordings that were read already.

    Raises:
        InputError: the data cannot be read, have no target, one value of it, or too few samples.
        CheckFailedError: labels by a machine without an audit that holds their error rate below the limit.
    """
    location = data or config.data.get("path")
    records(location if isinstance(location, str) else None, limit_of(config.data))
    dataset = dataset or load_data(config.data, seed=config.seed, path=data)
    held = tuple(config.split.test_groups)
    if held:
        dataset = msgspec.structs.replace(dataset, recordings=tuple(_without(r, held) for r in dataset.recordings))
    samples = cut(dataset, config.window)
    if len(samples.y) < FEWEST_SAMPLES:
        raise InputError(
            f"at least {FEWEST_SAMPLES} labelled samples", str(len(samples.y)), dataset.name,
            "Results on fewer samples may be chance. Record more, or label more of the data",
        )  # fmt: skip
    task = task_of(samples.y, config.task)
    by, units = kept_together(samples, config.window)
    return Problem(
        name=dataset.name,
        dataset=dataset,
        samples=samples,
        y=encode_target(samples.y, task),
        task=task,
        window=config.window,
        by=by,
        units=units,
        held=held,
    )


def _without(recording: Recording, held: tuple[str, ...]) -> Recording:
    """Return the recording with rows of some groups unlabelled: no sample is cut from them, other rows stay."""
    if recording.groups is None or recording.target is None:
        return recording
    rows = np.isin(recording.groups, held)
    if not rows.any():
        return recording
    target = np.array(recording.target)
    target[rows] = "" if target.dtype.kind == "U" else np.nan
    return msgspec.structs.replace(recording, target=target)


def kept_together(samples: Samples, window: WindowConfig | None) -> tuple[str, Indices]:
    """Return the unit that folds keep whole (groups, sessions, days, blocks, rows) and that of each sample."""
    if samples.groups is not None and len(np.unique(samples.groups)) > 1:
        return "group", np.unique(samples.groups, return_inverse=True)[1].astype(np.int64)
    if samples.rate is None and window is None:
        return "row", np.arange(len(samples.y), dtype=np.int64)
    sessions = np.unique(samples.sessions, return_inverse=True)[1].astype(np.int64)
    if sessions.max() + 1 >= FEWEST_DAYS:
        return "session", sessions
    if samples.rate is not None:
        # Days are counted from the first row of each session: a recording knows no calendar.
        day = (samples.starts / samples.rate // DAY).astype(np.int64)
        days = np.unique(sessions * (int(day.max()) + 1) + day, return_inverse=True)[1].astype(np.int64)
        if days.max() + 1 >= FEWEST_DAYS:
            return "day", days
    order = np.lexsort((samples.starts, sessions))
    blocks = np.empty(len(order), np.int64)
    blocks[order] = np.arange(len(order)) * BLOCKS // len(order)
    return "block", blocks


def folds(problem: Problem, count: int, *, seed: int = 0, leave_one_out: bool = False) -> tuple[Fold, ...]:
    """Yield folds of whole units, nearly equal in samples; every sample judges once.

    Units are dealt largest first to the smallest fold, rows with the mix of classes kept. Training samples that share
    rows with a judging window are left out.

    Args:
        problem: to be judged.
        count: of folds; fewer where there are fewer units.
        seed: of the order in which units of equal size are dealt.
        leave_one_out: a fold a unit, whatever `count` says.

    Raises:
        InputError: one unit only.
    """
    units, rng = problem.units, np.random.default_rng(seed)
    sizes = np.bincount(units)
    if len(sizes) < 2:
        raise InputError(
            f"at least two {problem.by}s", "one", problem.name, "Record more, or choose another group column"
        )
    number = len(sizes) if leave_one_out else max(2, min(count, len(sizes)))
    if problem.by == "row":
        location = dealt_rows(problem, number, rng)
    else:
        order = rng.permutation(len(sizes))
        order = order[np.argsort(-sizes[order], kind="stable")]
        totals, dealt = np.zeros(number, np.int64), np.empty(len(sizes), np.int64)
        for unit in order:
            smallest = int(np.argmin(totals))
            dealt[unit], totals[smallest] = smallest, totals[smallest] + sizes[unit]
        location = dealt[units]
    length = problem.window.samples if problem.window else 1
    made = []
    for fold in range(number):
        test, train = np.flatnonzero(location == fold), np.flatnonzero(location != fold)
        if length > 1:
            train = train[~touching(problem.samples, train, test, length)]
        made.append(Fold(train, test))
    return tuple(made)


def dealt_rows(problem: Problem, number: int, rng: np.random.Generator) -> Indices:
    """Return the fold of each row: shuffled within its class, or along the sorted amounts, and dealt in turn."""
    order = rng.permutation(len(problem.y))
    order = order[np.argsort(problem.y[order], kind="stable")]
    location = np.empty(len(order), np.int64)
    location[order] = np.arange(len(order)) % number
    return location
