"""The samples of a run, their split, and copies of training windows."""

from __future__ import annotations

import hashlib
import math
import sys
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import (
    DataWarning,
    MemoryShortError,
    SyntheticDataMisplacedError,
    TaskError,
    TooFewClassesError,
)
from edgewright.core.prediction.objects import MAPPED
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import DataSet, Floats, LabelRecord, Samples, Split
from edgewright.core.records.trace import StageRecord
from edgewright.data.audited_labels import records_of, sentence_of
from edgewright.data.load import load_data
from edgewright.data.near_duplicates import is_odd, split_goods
from edgewright.data.picture_samples import TARGET as OBJECTS
from edgewright.data.picture_samples import read_centres
from edgewright.data.quality import KEY, find_sentinels
from edgewright.data.resampling import KEY as RESAMPLE
from edgewright.data.resampling import at_one_rate, lowest_rate, resampled_text
from edgewright.data.samples import cut, cut_in_parts
from edgewright.data.splits import split
from edgewright.data.synthetic import is_synthetic
from edgewright.data.targets import WindowViews, class_names, counted, encode_target, in_file, in_pieces, task_of
from edgewright.pipeline.cost import measured
from edgewright.pipeline.plan import DataPlan
from edgewright.pipeline.run_folder.journal import card
from edgewright.training.contract import augmented, copying

_KEY = "[training] synthetic"


def synthetic_samples(plan: DataPlan, samples: Samples, task: str) -> tuple[Floats, Any]:
    """Read the folder, and cut it as the data were cut.

    Args:
        plan: its `synthetic` names a folder.
        samples: of the data.
        task: as the data are understood.

    Returns:
        Samples of the data's shape, and their targets as the model takes them.

    Raises:
        InputError: no such folder, recordings that nobody made, another rate, other channels, or another label.
    """
    path = plan.synthetic
    if not Path(path).is_dir():
        raise SyntheticDataMisplacedError("a folder of synthetic recordings", f"no folder {path!r}", _KEY,
                         "Make it, for words with `edgewright synth speech`")  # fmt: skip
    dataset = load_data({"kind": "folder"}, seed=plan.seed, path=path, where=_KEY)
    # They may have one label: the data have the others.
    [more] = cut_in_parts(dataset, plan.window, sys.maxsize)
    measured = np.flatnonzero(~is_synthetic(more.sessions))
    if len(measured):
        raise SyntheticDataMisplacedError(
            "synthetic recordings alone",
            f"the measured {more.sessions[measured[0]]!r}",
            f"{_KEY} {path}",
            "Put measured recordings into [data]: a split keeps them from the test",
        )
    if samples.groups is not None and more.groups is not None:
        for person in np.intersect1d(samples.groups, more.groups):
            raise SyntheticDataMisplacedError(
                "recordings of nobody in the data",
                f"some of {str(person)!r}",
                f"{_KEY} {path}",
                "Copies of people belong into [data]: a split keeps them from the test",
            )
    if more.rate != samples.rate or more.X.shape[1:] != samples.X.shape[1:]:
        wanted, got = (f"{s.X.shape[1]} channels at {s.rate or 0:g} Hz" for s in (samples, more))
        raise TaskError(wanted, got, f"{_KEY} {path}", "Make them at the rate of the data (--rate)")
    y = encode_target(more.y, task)
    if task == "classification":
        for label in np.setdiff1d(y, samples.y):
            raise TaskError("labels of the data", repr(str(label)), f"{_KEY} {path}", "Label them as the data are")
    return np.asarray(more.X, np.float32), y


_CLASSES_SHOWN = 20
# Of rows that are read in parts so many are drawn for figures, and to compare the forms of a model.
_SAMPLED_ROWS, _SAMPLED_BYTES, _FEWEST = 20_000, 8 * 2**20, 2000
# Targets that are hashed at once.
_TEXTS = 65_536
# More whole numbers than this are taken for an amount without a word.
_CLASSES_ASKED = 200


@dataclass(frozen=True)
class Material:
    """What a run works on.

    Attributes:
        plan: what the configuration says of the samples.
        dataset, samples, sides, task: as they were read, cut, split and understood.
        extra_y: target as the model takes it: text labels or float64.
        extra: augmented copies of training windows, then synthetic samples, None for none; `extra_y` their targets.
        fitted_on: samples the stages are fitted on: all but the test samples.
        card: the first card of the data flow.
        sha256: of the samples and their targets.
        labels: records of labels that a machine had a hand in, audited; none where it had not.
    """

    plan: DataPlan
    dataset: DataSet
    samples: Samples
    sides: Split
    task: str
    extra: Floats | None
    extra_y: Any
    fitted_on: NDArray[np.int64]
    card: StageRecord
    sha256: str
    labels: tuple[LabelRecord, ...] = ()

    @property
    def compared(self) -> NDArray[np.int64]:
        """Test samples that the forms of a model are compared on: all, or as many as fit in memory, drawn by seed 0."""
        return subset_rows(self.samples, self.sides.test)


def every_sample(material: Material) -> Material:
    """Return the material with all samples to fit on, but for odd ones, and none to validate or judge."""
    every, none = every_row(material), np.empty(0, np.int64)
    return with_sides(material, Split(train=every, validation=none, test=none, by=material.sides.by))


def every_row(material: Material) -> NDArray[np.int64]:
    """Return the samples that a model can be fitted on: all, but for odd pictures."""
    every = np.arange(len(material.samples.X), dtype=np.int64)
    return every[~is_odd(material.samples.y)] if material.task == "anomaly" else every


def with_sides(material: Material, sides: Split) -> Material:
    """Return the material with another split, and copies of its training windows."""
    fitted_on = np.sort(np.concatenate([sides.train, sides.validation]))
    extra, extra_y = _augment(material.plan, material.samples, sides, material.task)
    return replace(material, sides=sides, fitted_on=fitted_on, extra=extra, extra_y=extra_y)


def subset_rows(samples: Samples, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return some of the rows where samples are read in parts, in order; all of them otherwise."""
    maximum = min(_SAMPLED_ROWS, max(_FEWEST, _SAMPLED_BYTES // (4 * math.prod(samples.X.shape[1:]))))
    if in_pieces(samples.X) is None or len(rows) <= maximum:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, maximum, replace=False))


def prepare(
    plan: DataPlan,
    data: str | None,
    dataset: DataSet | None = None,
    spool: Path | None = None,
    *,
    audited: bool = False,
) -> Material:
    """Read, cut and split.

    Args:
        plan: how.
        data: path that overrides the one in `[data]`.
        dataset: recordings that were read already; then nothing is read.
        spool: folder for values that are too large for memory.
        audited: whether labels by a machine are checked even of recordings that were read already.

    Raises:
        InputError: whatever is wrong with the data, with its place.
        CheckFailedError: labels by a machine whose audit is missing, of other labels, or above `[data] label_errors`.
    """
    location = data or plan.table.get("path")
    labels = records_of(plan.table, location) if dataset is None or audited else ()
    read = measured(lambda: _read(plan, data, dataset, spool))
    dataset, samples, task, resample = read.value
    _check_objects(plan, dataset, task)
    if task == "classification" and len(counted(samples.y)[0]) < 2:
        raise TooFewClassesError(
            "at least two classes",
            f"only {samples.y[0]!r}",
            f"target {dataset.target_name or 'of the data'}",
            "A classifier needs samples of another class",
        )
    sides = _sides(plan, samples, task)
    extra, extra_y = _augment(plan, samples, sides, task)
    missing = sum(int(np.isnan(piece).sum()) for piece in _pieces(samples.X))
    counts = f"{len(dataset.recordings)} recordings" if len(dataset.recordings) > 1 else "one recording"
    groups = "" if samples.groups is None else f", {len(np.unique(samples.groups))} groups"
    record = card(
        name=plan.card,
        kind="data",
        why=f"Raw samples: {counts}{groups}, {missing:,} missing values.",
        before=None,
        after=np.asarray(samples.X[subset_rows(samples, np.arange(len(samples.X)))])
        if in_pieces(samples.X) is not None
        else samples.X,
        shape_in=(),
        shape_out=tuple(samples.X.shape),
        columns=samples.columns,
        cost=read.cost,
        settings=dict(plan.table),
        notes=(
            _target_text(plan.task, dataset, samples, task),
            _split_text(sides),
            *map(sentence_of, labels),
            *_spooled_text(samples),
            *([] if resample is None else [resampled_text(resample)]),
            *_left_out(plan.window, dataset, samples),
        ),
    )
    fitted_on = np.sort(np.concatenate([sides.train, sides.validation]))
    digest = sha256(samples)
    return Material(plan, dataset, samples, sides, task, extra, extra_y, fitted_on, record, digest, labels)


def cut_and_split(plan: DataPlan, dataset: DataSet) -> tuple[Samples, Split]:
    """Cut and split recordings as `prepare` does, and nothing else.

    Raises:
        InputError: whatever is wrong with the data, with its place.
    """
    _, samples, task, _ = _read(plan, None, dataset, None)
    return samples, _sides(plan, samples, task)


def _sides(plan: DataPlan, samples: Samples, task: str) -> Split:
    if task == "anomaly":
        return split_goods(samples, plan.split, seed=plan.seed)
    mixed = samples
    if task == "detection":
        # Sides have the same mix of numbers of objects: no two pictures have the same ones.
        numbers = np.array([len(some) for some in read_centres(samples.y)], np.float64)
        mixed = msgspec.structs.replace(samples, y=numbers)
    return split(mixed, plan.split, seed=plan.seed, window=plan.window.samples if plan.window else None)


def _read(
    plan: DataPlan, data: str | None, dataset: DataSet | None, spool: Path | None
) -> tuple[DataSet, Samples, str, float | None]:
    """Return recordings, their samples, the task, and the rate that recordings of several were averaged to."""
    if plan.whole and plan.table.get("in_parts") == "always":
        raise MemoryShortError("rows that can be read in parts", plan.whole, "[data] in_parts", "Omit in_parts")
    spool = None if plan.whole else spool
    if dataset is None:
        dataset = load_data(plan.table, seed=plan.seed, path=data, spool=spool, mixed_rates=True)
        for sentinel in find_sentinels(dataset):
            do = f"does it mean missing? data.{KEY} reads it so"
            warnings.warn(f"{dataset.name}, column {sentinel.column}: {sentinel}; {do}", DataWarning, 2)
    resample: Any = plan.table.get(RESAMPLE)
    if plan.window is not None and (lowest := lowest_rate(dataset)) is not None:
        dataset, resample = at_one_rate(dataset), lowest
    samples = cut(dataset, plan.window)
    task = task_of(samples.y, plan.task)
    X: Any = samples.X
    if isinstance(X, WindowViews) and (copying(plan.augment) or plan.synthetic):
        samples = msgspec.structs.replace(samples, X=np.asarray(X))
    return dataset, msgspec.structs.replace(samples, y=encode_target(samples.y, task)), task, resample


def _check_objects(plan: DataPlan, dataset: DataSet, task: str) -> None:
    """Refuse objects without the task that finds them, and the task without objects or with another model.

    Raises:
        InputError: saying which.
    """
    has = dataset.target_name == OBJECTS
    if has and task != "detection":
        raise TaskError("task = 'detection' for boxes", f"task = {plan.task!r}", f"{plan.name} task")
    if task == "detection" and not has:
        do = "Load pictures with boxes: [data] kind = 'pictures', boxes = 'FILE'"
        raise TaskError("boxes around objects", f"the target {dataset.target_name!r}", f"{plan.name} [data]", do)
    if task in MAPPED and plan.model != "network":
        raise TaskError(f"model.kind = 'network' for {task}", repr(plan.model), f"{plan.name} [model]")


def _pieces(X: Any) -> Iterable[NDArray[Any]]:  # noqa: ANN401 - an array or spooled rows
    lazy = in_pieces(X)
    return (X,) if lazy is None else lazy.pieces()


def _spooled_text(samples: Samples) -> tuple[str, ...]:
    if in_pieces(samples.X) is None:
        return ()
    shown = len(subset_rows(samples, np.arange(len(samples.X))))
    if in_file(samples.X) is None:
        return (f"cut in parts from the rows in memory; channel statistics come from {shown:,} windows",)
    size = 4 * len(samples.X) * samples.X.shape[1] / 1e9
    return (f"read in parts: the run uses {size:.2f} GB of disk; column statistics come from {shown:,} rows",)


class SamplesHash:
    """Hash of samples that come in parts: their shape, values and targets.

    Args:
        shape: of all of them.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._digest = hashlib.sha256(repr(shape).encode())
        self._targets: list[str] = []

    def add(self, values: NDArray[Any], targets: Iterable[object]) -> None:
        """Take the next samples and their targets."""
        self._digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
        texts = map(str, targets)
        while some := "\n".join(islice(texts, _TEXTS)):  # all of many rows at once leave holes in the memory
            self._targets.append(some)

    def hexdigest(self) -> str:
        """Of all that came; the targets come last."""
        digest = self._digest.copy()
        digest.update("\n".join(filter(None, self._targets)).encode())
        return digest.hexdigest()


def sha256(samples: Samples) -> str:
    """Hash of the samples: shape, values and targets."""
    samples_hash = SamplesHash(samples.X.shape)
    for piece in _pieces(samples.X):
        samples_hash.add(piece, ())
    samples_hash.add(np.empty(0, np.float32), samples.y)
    return samples_hash.hexdigest()


def _augment(plan: DataPlan, samples: Samples, sides: Split, task: str) -> tuple[Floats | None, Any]:
    """Return changed copies of the training windows and synthetic samples, and their targets; None without any."""
    parts: list[tuple[Floats, Any]] = []
    if copying(plan.augment):
        given = np.asarray(samples.X[sides.train], np.float32)
        copies, origin = augmented(plan.augment, given, plan.seed)
        parts.append((copies, samples.y[sides.train][origin]))
    if plan.synthetic:
        parts.append(synthetic_samples(plan, samples, task))
    if not parts:
        return None, None
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _target_text(wanted: str, dataset: DataSet, samples: Samples, task: str) -> str:
    """Return what is learned: classes with their counts, or the span of an amount; `wanted` is the configured task."""
    head = f"target {dataset.target_name}: " if dataset.target_name else "target: "
    if task == "classification":
        names, counts = counted(samples.y)
        count_of = {str(n): int(c) for n, c in zip(names, counts, strict=True)}
        order = class_names(names)
        shown = ", ".join(f"{name} ({count_of[name]:,})" for name in order[:_CLASSES_SHOWN])
        more = f" and {len(order) - _CLASSES_SHOWN:,} more" if len(order) > _CLASSES_SHOWN else ""
        return f"{head}{len(order):,} classes, {shown}{more}"
    if task == "detection":
        centres = read_centres(samples.y)
        of_label = Counter(centre.label for some in centres for centre in some)
        shown = ", ".join(f"{name} ({count:,})" for name, count in sorted(of_label.items())[:_CLASSES_SHOWN])
        empty = sum(not some for some in centres)
        return f"{head}{sum(of_label.values()):,} centres, {shown}; {empty:,} pictures without any"
    if task == "anomaly":
        odd = int(is_odd(samples.y).sum())
        return f"{head}{len(samples.y) - odd:,} good pictures, {odd:,} odd ones that evaluate"
    y = np.asarray(samples.y, np.float64)
    text = f"{head}a number from {y.min():.6g} to {y.max():.6g}"
    whole = wanted == "auto" and bool((y == np.round(y)).all()) and len(np.unique(y)) <= _CLASSES_ASKED
    return text + ("; if its whole numbers are classes, set task = 'classification'" if whole else "")


def _left_out(window: WindowConfig | None, dataset: DataSet, samples: Samples) -> tuple[str, ...]:
    """How many labelled recordings (or sessions) gave no window: a reader would believe they were learned from."""
    if window is None:
        return ()
    names: set[str] = set()
    for recording in dataset.recordings:
        if recording.target is None or not len(recording.values):
            continue
        if recording.sessions is None:
            names.add(recording.name)
        else:
            starts = np.concatenate([[True], recording.sessions[1:] != recording.sessions[:-1]])
            names.update(str(name) for name in recording.sessions[starts])
    absent = len(names - {str(name) for name in np.unique(samples.sessions)})
    if not absent:
        return ()
    short = f"{absent:,} of {len(names):,} recordings or sessions hold no window of {window.samples:,} samples"
    return (f"{short} and are left out" + ("" if window.pad else "; window.pad = true pads them"),)


def _split_text(sides: Split) -> str:
    return (
        f"split by {sides.by}: {len(sides.train):,} samples fit, {len(sides.validation):,} validate, "
        f"{len(sides.test):,} evaluate"
    )
