"""What learning on the device would gain: people that the model has not seen calibrate it and use it afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.factory import Numbers
from edgewright.core.adaptation.predictor import origin_of
from edgewright.core.package import Package, read_package
from edgewright.core.predictor import package_path
from edgewright.data.samples import cut, part_of
from edgewright.pipeline.folder import judged_of
from edgewright.pipeline.packaging import count_seen
from edgewright.schema.adapt_simulation import AdaptedPerson, AdaptSimulation
from edgewright.schema.data import Samples
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.trace import Interval
from edgewright.training.metrics import group_interval
from edgewright.workflows.adaptation.rehearsal import Rehearsal, Rehearsed, rehearsal_of
from edgewright.workflows.scoring.rows import ScoreRequest, read_labelled
from edgewright.workflows.scoring.workflow import config_of, own_part, window_of

# A person has lost by more than this share.
POINT = 0.01


@dataclass(frozen=True)
class Examples:
    """How much of each class a person labels: seconds of its recordings, or samples.

    Attributes:
        amount: how much.
        seconds: whether it counts seconds.
    """

    amount: float
    seconds: bool

    @property
    def text(self) -> str:
        """As a user writes it."""
        return f"{self.amount:g}s" if self.seconds else f"{self.amount:g}"


def simulate(
    path: Path, request: ScoreRequest, examples: Examples, people: Sequence[str] = (), worn: str = ""
) -> AdaptSimulation:
    """Let each person calibrate the device with the first examples of each class, and judge all later samples.

    Args:
        path: run folder or package with a table `[adapt]`.
        request: what is read; without data, the test part of the run's own split.
        examples: of each class.
        people: only these; all that the model was not fitted on when empty.
        worn: what the axes of the sensors show, such as '-x,y,-z'; as recorded when empty.

    Raises:
        InputError: a package that does not learn, or not its axes where they are changed; data without people, or too
            little of them.
        UnknownNameError: a person that the data do not have.
    """
    with unseen_samples(path, request) as (package, samples, name):
        return _simulated(package, rehearsal_of(package, worn), samples, name, examples, people)


@contextmanager
def unseen_samples(path: Path, request: ScoreRequest) -> Iterator[tuple[Package, Samples, str]]:
    """Give the package that answers and the samples that a request names, with their name.

    Raises:
        InputError: a package that does not learn, or data without people.
    """
    # The fit that has not seen the run's test people: they can judge no other.
    run, path = path, judged_of(path) if path.is_dir() else path
    package, config = read_package(package_path(path)), config_of(path)
    origin_of(package)
    with tempfile.TemporaryDirectory(prefix="edgewright-adapt-") as room:
        if request.data:
            dataset = read_labelled(package.manifest, config, request, Path(room))
            samples, name = cut(dataset, window_of(package.manifest)), dataset.name
        else:
            samples, _, name, _ = own_part(run, config, request, Path(room))
        if samples.groups is None:
            raise InputError("data that say whose each sample is", "none", name, "Name the column: --group COLUMN")
        yield package, samples, name


def _simulated(
    package: Package, rehearsal: Rehearsal, samples: Samples, name: str, examples: Examples, people: Sequence[str]
) -> AdaptSimulation:
    assert samples.groups is not None  # noqa: S101 - `unseen_samples` refuses it
    known = np.unique(samples.groups).tolist()
    for person in people:
        if person not in known:
            raise UnknownNameError("person", person, known, f"{name}, --people")
    labels = package.manifest.labels
    found, notes, fitted, short = [], [], 0, 0
    for person in people or known:
        mine = part_of(samples, np.flatnonzero(samples.groups == person))
        X = np.ascontiguousarray(mine.X[:], np.float32)
        if count_seen(X, package.manifest.fit)[0]:
            fitted += 1
            continue
        begins, ends = _times(mine, labels)
        limit = _limit(mine, examples)
        first, later = np.flatnonzero(ends <= limit), np.flatnonzero(begins >= limit)
        if not len(first) or not len(later):
            short += 1
            continue
        truth = np.searchsorted(np.asarray(labels), np.asarray(mine.y).astype(str))
        order = first[np.argsort(truth[first], kind="stable")]
        found.append(_person(str(person), rehearsal(X, truth, order), truth, order, later))
    if fitted:
        notes.append(f"{fitted} people whom the model was fitted on are left out")
    if short:
        notes.append(f"{short} people with too few samples before or after {examples.text} of a class are left out")
    if not found:
        raise InputError(
            "a person with later samples, whom the model was not fitted on", "none", name, "; ".join(notes)
        )
    found.sort(key=lambda one: (one.after - one.before, one.name))
    before, after, raw = (np.array([getattr(one, key) for one in found]) for key in ("before", "after", "unguarded"))
    return AdaptSimulation(
        name=package.manifest.name, layer=rehearsal.layer, data=name, examples=examples.text, people=tuple(found),
        before=_interval(before), after=_interval(after), gain=_interval(after - before),
        losing=tuple(one.name for one in found if one.before - one.after > POINT),
        losing_unguarded=tuple(one.name for one, now in zip(found, raw, strict=True) if one.before - now > POINT),
        state_bytes=rehearsal.memory, notes=tuple(notes),
    )  # fmt: skip


def _person(name: str, rehearsed: Rehearsed, truth: Numbers, order: Numbers, later: Numbers) -> AdaptedPerson:
    before = float((rehearsed.before[later] == truth[later]).mean())
    learned = float((rehearsed.learned[later] == truth[later]).mean())
    return AdaptedPerson(
        name=name, examples=len(order), samples=len(later), before=before,
        after=learned if rehearsed.used else before, unguarded=learned, used=rehearsed.used,
    )  # fmt: skip


def _times(mine: Samples, labels: tuple[str, ...]) -> tuple[Numbers, Numbers]:
    """Return where each sample of a person begins and ends, in rows of its class so far; overlaps count once."""
    length = mine.X.shape[2] if mine.X.ndim == 3 else 1
    ends = np.zeros(len(mine.X), np.int64)
    for label in labels:
        places = np.flatnonzero(np.asarray(mine.y) == label)
        if not len(places):
            continue
        step = np.full(len(places), length)
        same = mine.sessions[places][1:] == mine.sessions[places][:-1]
        moved = np.diff(mine.starts[places])
        step[1:] = np.where(same & (moved > 0) & (moved < length), moved, length)
        ends[places] = np.cumsum(step)
    return ends - length, ends


def _limit(mine: Samples, examples: Examples) -> float:
    """Return the rows of a class that are labelled.

    Raises:
        InputError: seconds of samples whose rate is not known.
    """
    if examples.seconds:
        if mine.rate is None:
            raise InputError("a number of samples, such as 20", examples.text, "--examples", "The rows have no rate")
        return examples.amount * mine.rate
    length = mine.X.shape[2] if mine.X.ndim == 3 else 1
    step = int(np.median(np.diff(mine.starts))) if length > 1 and len(mine.starts) > 1 else length
    return length + (examples.amount - 1) * max(step, 1)


def _interval(values: NDArray[np.float64]) -> Interval:
    """Return the mean over people with its interval."""
    people = np.arange(len(values))
    if len(values) < 2:
        return Interval(value=float(values.mean()), low=-1.0, high=1.0, method="one person: no interval")
    return group_interval(people, lambda rows: float(values[rows].mean()), by="person")
