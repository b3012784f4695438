"""What learning on the device would gain: people that the model has not seen calibrate it and use it afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.factory import Numbers
from edgewright.core.adaptation.predictor import origin_of
from edgewright.core.package import Package, read_package
from edgewright.core.predictor import package_path
from edgewright.data.samples import cut, part_of
from edgewright.pipeline.folder import judged_of
from edgewright.pipeline.packaging import count_seen
from edgewright.schema.adapt_simulation import AdaptedClass, AdaptedPerson, AdaptSimulation, ShippedFit
from edgewright.schema.data import Samples
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.trace import Interval
from edgewright.training.metrics import FEW_GROUPS, SHARE, class_scores, confusion, group_interval, mean_interval
from edgewright.workflows.adaptation.examples import Examples
from edgewright.workflows.adaptation.rehearsal import Rehearsal, Rehearsed, rehearsal_of
from edgewright.workflows.scoring.rows import ScoreRequest, read_labelled
from edgewright.workflows.scoring.workflow import config_of, own_part, window_of

# A person has lost by more than this share.
POINT = 0.01
_CHANGE = (-1.0, 1.0)


def simulate(
    path: Path, request: ScoreRequest, examples: Examples, people: Sequence[str] = (), worn: str = ""
) -> AdaptSimulation:
    """Let each person calibrate the device with its first examples, and judge all later samples.

    Args:
        path: run folder or package with a table `[adapt]`.
        request: what is read; without data, the test part of the run's own split.
        examples: how much each person labels.
        people: only these; all that the model was not fitted on when empty.
        worn: what the axes of the sensors show, such as '-x,y,-z'; as recorded when empty.

    Raises:
        InputError: a package that does not learn, or not its axes where they are changed; data without people, or too
            little of them.
        UnknownNameError: a person that the data do not have.
    """
    with unseen_samples(path, request) as (package, samples, name):
        record = _simulated(package, rehearsal_of(package, worn), samples, name, examples, people)
        if request.data or not path.is_dir() or judged_of(path) == path:
            return record
        shipped = read_package(package_path(path))
        own = _simulated(shipped, rehearsal_of(shipped, worn), samples, name, examples, people, seen=True)
    return msgspec.structs.replace(
        record, shipped=ShippedFit(before=own.before.value, after=own.after.value, losing=own.losing)
    )


@contextmanager
def unseen_samples(path: Path, request: ScoreRequest) -> Iterator[tuple[Package, Samples, str]]:
    """Give the package that answers and the samples that a request names, with their name.

    Raises:
        InputError: a package that does not learn, or data without people.
    """
    # Other data judge the package that ships; the run's test people can judge only the fit that has not seen them.
    run, path = path, judged_of(path) if path.is_dir() and not request.data else path
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
    package: Package,
    rehearsal: Rehearsal,
    samples: Samples,
    name: str,
    examples: Examples,
    people: Sequence[str],
    *,
    seen: bool = False,
) -> AdaptSimulation:
    """Simulate each person; `seen` keeps those whom the model was fitted on."""
    assert samples.groups is not None  # noqa: S101 - `unseen_samples` refuses it
    known = np.unique(samples.groups).tolist()
    for person in people:
        if person not in known:
            raise UnknownNameError("person", person, known, f"{name}, --people")
    labels = np.asarray(package.manifest.labels)
    found, matrices, notes, fitted, short, refused = [], [], list[str](), 0, 0, 0
    for person in people or known:
        mine = part_of(samples, np.flatnonzero(samples.groups == person))
        X = np.ascontiguousarray(mine.X[:], np.float32)
        if not seen and count_seen(X, package.manifest.fit)[0]:
            fitted += 1
            continue
        truth = np.searchsorted(labels, np.asarray(mine.y).astype(str))
        order, later = examples.parts(mine, truth)
        if not len(order) or not len(later):
            short += 1
            continue
        rehearsed = rehearsal(X, truth, order)
        refused += rehearsed.refused
        found.append(_person(str(person), rehearsed, truth, order, later))
        matrices.append(confusions(rehearsed, truth, later, len(labels)))
    if fitted:
        notes.append(f"{fitted} people whom the model was fitted on are left out")
    if short:
        of = "" if examples.unit == "first" else " of a class"
        notes.append(f"{short} people with too few samples before or after {examples.text}{of} are left out")
    if refused:
        notes.append(f"{refused} examples teach nothing: values are missing, or outside of what their sensor gives")
    if not found:
        raise InputError(
            "a person with later samples, whom the model was not fitted on", "none", name, "; ".join(notes)
        )
    if len(found) <= FEW_GROUPS:
        notes.append(f"{len(found)} people are few: the intervals hold for people like them")
    classes = _classes(labels, np.array(matrices))
    found.sort(key=lambda one: (one.after - one.before, one.name))
    before, after, raw = (np.array([getattr(one, key) for one in found]) for key in ("before", "after", "unguarded"))
    judged = sum(one.samples for one in found)
    return AdaptSimulation(
        name=package.manifest.name, layer=rehearsal.layer, data=name, examples=examples.text, people=tuple(found),
        before=mean_interval(before, "person", SHARE, judged), after=mean_interval(after, "person", SHARE, judged),
        gain=mean_interval(after - before, "person", _CHANGE), classes=classes,
        gain_without_best=mean_interval((after - before)[:-1], "person", _CHANGE) if len(found) > 1 else None,
        losing=tuple(one.name for one in found if one.before - one.after > POINT),
        losing_unguarded=tuple(one.name for one, now in zip(found, raw, strict=True) if one.before - now > POINT),
        state_bytes=rehearsal.memory, notes=tuple(notes),
    )  # fmt: skip


def _person(name: str, rehearsed: Rehearsed, truth: Numbers, order: Numbers, later: Numbers) -> AdaptedPerson:
    before = float((rehearsed.before[later] == truth[later]).mean())
    learned = float((rehearsed.learned[later] == truth[later]).mean())
    return AdaptedPerson(
        name=name, examples=len(order) - rehearsed.refused, samples=len(later), before=before,
        after=learned if rehearsed.used else before, unguarded=learned, used=rehearsed.used,
    )  # fmt: skip


def confusions(rehearsed: Rehearsed, truth: Numbers, later: Numbers, classes: int) -> Numbers:
    """Return confusion matrices of a person before, after, and without the guard, shape (3, classes, classes)."""
    after = rehearsed.learned if rehearsed.used else rehearsed.before
    known = [one[later] for one in (rehearsed.before, after, rehearsed.learned)]
    # An answer that is missing counts as none: a class of its own, which is cut off again.
    return np.array([
        confusion(truth[later], np.where(one < 0, classes, one), classes + 1) for one in known
    ])  # fmt: skip


def _classes(labels: NDArray[np.str_], matrices: Numbers) -> tuple[AdaptedClass, ...]:
    """Return F1 by class over all people together.

    Args:
        labels: of the classes.
        matrices: of each person, shape (people, 3, classes + 1, classes + 1).
    """
    people = np.arange(len(matrices))
    counts = matrices[:, 0].sum(axis=2)

    def score(which: int, label: int, rows: Numbers) -> float:
        return float(class_scores(matrices[rows, which].sum(axis=0))[2][label])

    def interval(which: int, label: int) -> Interval:
        return group_interval(people, partial(score, which, label), by="person", within=SHARE)

    def change(label: int, rows: Numbers) -> float:
        return score(1, label, rows) - score(0, label, rows)

    return tuple(
        AdaptedClass(
            label=str(name), samples=int(counts[:, label].sum()), people=int((counts[:, label] > 0).sum()),
            before=interval(0, label), after=interval(1, label), unguarded=score(2, label, people),
            gain=group_interval(people, partial(change, label), by="person", within=_CHANGE),
        )
        for label, name in enumerate(labels)
        if counts[:, label].any()
    )  # fmt: skip
