"""How much a random split would flatter, measured with a quick model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError, PipelineError, SplitMissesClassError
from edgewright.core.formatting import plural
from edgewright.core.input.pictures import png
from edgewright.core.input.recordings import parts
from edgewright.core.prediction.objects import find_objects, probability, read_objects
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import Column, DataSet, Floats, Labels, Recording, Samples
from edgewright.core.records.network import Graph
from edgewright.core.records.package import Centre, FoundObject, ObjectMap
from edgewright.core.records.trace import EvaluationRecord, GroupRow, Interval
from edgewright.core.records.trace_flow import ObjectClass, ObjectsRecord, Scene, Spot
from edgewright.data import clock as kinds
from edgewright.data.picture_samples import read_centres
from edgewright.data.samples import cut
from edgewright.training.centroids import Counts, count
from edgewright.training.metrics import group_interval, regression

_MAX_ROWS = 10_000
_TREES = 60
_FOLDS = 5
# Blocks of time that are tried in turn: what is alike in runs as long as a block shows in some of them alone. Together
# independent samples seem alike in one of a hundred data sets.
_BLOCKS = (20, 15, 10)
_SURE = 1.0 - 0.01 / len(_BLOCKS)


class Inflation(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracy (R² for a regression) of one quick model, cross-validated two ways on the same samples.

    Attributes:
        by: what the honest folds keep whole: 'group', 'session' or 'time'.
        random: with samples dealt at random; `kept` with `by` kept whole.
        difference: random minus kept, with its interval over whole units.
        sure: whether samples are related: an interval of 99.7 % excludes zero, so that independent ones seldom seem so.
        samples: used.
        model: what the quick model is.
    """

    by: str
    random: float
    kept: float
    difference: Interval
    sure: bool
    samples: int
    model: str


@dataclass(frozen=True)
class QuickAnswers:
    """What the quick model answers to samples that it was not fitted on.

    Attributes:
        y: targets, shape (n,).
        units: what must stay together, shape (n,); `by` says what they are.
        by: 'group', 'session' or 'time'.
        random: answers where the folds were dealt at random, shape (n,).
        kept: answers by a model that saw nothing of the sample's unit, shape (n,).
        features: their number.
        classify: whether `y` are classes.
    """

    y: NDArray[Any]
    units: NDArray[Any]
    by: str
    random: NDArray[Any]
    kept: NDArray[Any]
    features: int
    classify: bool


def inflation(samples: Samples, task: str, seed: int) -> Inflation | None:
    """Measure it; None where nothing is known that could leak (no group, no session, no time).

    Args:
        samples: with text classes or float64 amounts as targets.
        task: 'classification' or 'regression'.
        seed: of the model and the folds.
    """
    gain = None
    for blocks in _BLOCKS:
        answers = quick_answers(samples, task, seed, blocks)
        if answers is None:
            return gain
        shown = inflation_of(answers)
        if shown.sure or answers.by != "time":
            return shown
        gain = gain or shown
    return gain


def inflation_of(answers: QuickAnswers) -> Inflation:
    """Return the inflation that the answers of a quick model show."""
    y, loose, honest, classify = answers.y, answers.random, answers.kept, answers.classify

    def gain(rows: NDArray[np.int64]) -> float:
        return _score(y[rows], loose[rows], classify) - _score(y[rows], honest[rows], classify)

    return Inflation(
        by=answers.by,
        random=_score(y, loose, classify),
        kept=_score(y, honest, classify),
        difference=group_interval(answers.units, gain),
        sure=group_interval(answers.units, gain, level=_SURE).low > 0,
        samples=len(y),
        model=f"{_TREES} extremely randomised trees on {plural(answers.features, 'plain feature')}",
    )


def quick_answers(samples: Samples, task: str, seed: int, blocks: int = _BLOCKS[0]) -> QuickAnswers | None:
    """Cross-validates the quick model two ways; None as for `inflation`, whose arguments these are.

    `blocks` is the number of blocks of time where no group or session is known.
    """
    units, by = _units(samples, blocks)
    if units is None or len(np.unique(units)) < 2:
        return None
    rows = np.arange(len(samples.y))
    if len(rows) > _MAX_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MAX_ROWS, replace=False))
    X, y, units = plain_features(samples.X, rows), samples.y[rows], units[rows]
    folds = min(_FOLDS, len(np.unique(units)))
    classify = task == "classification"
    if classify and min(np.unique(y, return_counts=True)[1]) < folds:
        keep = np.isin(y, [c for c, n in zip(*np.unique(y, return_counts=True), strict=True) if n >= folds])
        X, y, units = X[keep], y[keep], units[keep]
        if len(np.unique(y)) < 2 or len(np.unique(units)) < folds:
            return None
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor  # noqa: PLC0415 - slow to load, seldom needed
    from sklearn.model_selection import GroupKFold, cross_val_predict  # noqa: PLC0415

    kind = ExtraTreesClassifier if classify else ExtraTreesRegressor
    model = kind(n_estimators=_TREES, min_samples_leaf=2, random_state=seed, n_jobs=1)
    # Rows dealt at random make folds of the same sizes, and no more balanced ones: independent rows score alike.
    dealt = np.random.default_rng(seed).permutation(units)
    loose = cross_val_predict(model, X, y, cv=GroupKFold(folds), groups=dealt)
    honest = cross_val_predict(model, X, y, cv=GroupKFold(folds), groups=units)
    return QuickAnswers(y, units, by, loose, honest, X.shape[1], classify)


def _score(y: NDArray[Any], answer: NDArray[Any], classify: bool) -> float:
    return float(np.mean(y == answer)) if classify else regression(y, answer)["r2"]


def _units(samples: Samples, blocks: int) -> tuple[NDArray[Any] | None, str]:
    """Return what must not stand on both sides: groups, else sessions, else blocks of time."""
    if samples.groups is not None and len(np.unique(samples.groups)) > 1:
        return samples.groups, "group"
    if len(np.unique(samples.sessions)) >= _FOLDS:
        return samples.sessions, "session"
    if samples.rate is None and samples.X.ndim != 3:
        return None, "row"
    names, session = np.unique(samples.sessions, return_inverse=True)
    longest = max(int(samples.starts.max()) + 1, 1)
    per_session = max(1, blocks // len(names))
    block = session * per_session + np.clip(samples.starts * per_session // longest, 0, per_session - 1)
    return block, "time"


def plain_features(X: NDArray[np.float32], rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
    """Plain features: the row itself, or mean, spread, extremes and mean change of each channel.

    A picture's channel is read row by row, as a window's. `rows` are the samples that are taken, all when left out.
    """
    rows = np.arange(len(X)) if rows is None else rows
    if X.ndim > 2:
        pieces = parts((len(rows), *X.shape[1:]))
        return np.concatenate([_of_channels(X[rows[part]].reshape(-1, X.shape[1], X[0, 0].size)) for part in pieces])
    X = X[rows]
    filled = np.where(np.isfinite(X), X, np.nan)
    known = np.isfinite(filled).any(axis=0)
    middle = np.zeros(X.shape[1])
    middle[known] = np.nanmedian(filled[:, known], axis=0)
    return np.where(np.isnan(filled), middle, filled).astype(np.float32)


def _of_channels(X: NDArray[np.float32]) -> NDArray[np.float32]:
    filled = np.where(np.isfinite(X), X, np.nan)
    known = np.isfinite(filled).any(axis=2, keepdims=True)
    filled = np.where(known, filled, 0.0)
    change = np.abs(np.diff(filled, axis=2))
    statistics = [np.nanmean(filled, 2), np.nanstd(filled, 2), np.nanmin(filled, 2), np.nanmax(filled, 2)]
    if change.shape[2]:
        statistics.append(np.nan_to_num(change).mean(2))
    return np.concatenate(statistics, axis=1).astype(np.float32)


_GAIN, _RATE = 0.05, 0.02
# Sensors whose amplifiers or scales drift.
_SCALED = (kinds.ACCELERATION, kinds.ROTATION, kinds.SIGNAL)
# A degree, and 2 hPa, in the units of a column.
_DEGREE = {"°F": 1.8, "F": 1.8}
_PRESSURE = {"Pa": 200.0, "kPa": 0.2}
# Without a unit, values of air pressure at usual heights say it.
_USUAL_HPA = (800.0, 1100.0)
# One missing sensor in so many at most is measured: each costs a pass over the test samples.
_MOST_SENSORS = 24


def plausible_changes(
    dataset: DataSet, samples: Samples, window: WindowConfig | None, groups: frozenset[str], rows: NDArray[np.int64]
) -> Iterator[tuple[str, Floats, object]]:
    """Give copies of the test samples as sensors with a plausible error would have given them.

    Args:
        dataset: the recordings.
        samples: cut from them.
        window: how they were cut, None for rows.
        groups: names of the test groups; empty when the split was not by group.
        rows: indices of the test samples.

    Yields:
        (what was done, changed samples, their targets): gains 5 % up and down and swapped axes of motion, gains of
        signals, offsets of a degree or 2 hPa, each sensor of several missing, and for windows split by group the
        sampling rate 2 % up and down, where windows still fit. Times, counts and one-hot columns never change.
    """
    X, y = samples.X[rows], samples.y[rows]
    if X.ndim == 4:
        for sign in (1, -1):
            yield f"brightness {100 * sign * _GAIN:+.0f} %", np.asarray(X * (1 + sign * _GAIN), np.float32), y
        return
    for name, numbers, factor, offset in _errors(samples.columns, X):
        changed = np.array(X, np.float32)
        changed[:, numbers] = changed[:, numbers] * np.float32(1 + factor) + _across(offset, X.ndim)
        yield name, changed, y
    pairs = kinds.axis_pairs(samples.columns)
    if pairs:
        order = np.arange(X.shape[1])
        for first, second in pairs:
            order[[first, second]] = second, first
        yield "axes x and y swapped", np.ascontiguousarray(X[:, order]), y
    sensors = kinds.sensors_of(samples.columns)
    for name, numbers in sensors.items() if 1 < len(sensors) <= _MOST_SENSORS else ():
        changed = np.array(X, np.float32)
        changed[:, numbers] = np.nan
        yield f"{name} missing", changed, y
    if window is not None and groups and samples.groups is not None:
        yield from _rates(dataset, window, groups)


def _errors(columns: tuple[Column, ...], X: Floats) -> Iterator[tuple[str, list[int], float, NDArray[np.float32]]]:
    """Give the columns that change together, by which factor more and which offset of each."""
    of = kinds.kinds_of(columns)
    for kind in _SCALED:
        numbers = [number for number, of_kind in enumerate(of) if of_kind == kind]
        for sign in (1, -1) if numbers else ():
            yield f"{kind} gain {100 * sign * _GAIN:+.0f} %", numbers, sign * _GAIN, np.zeros(len(numbers), np.float32)
    for kind, text in ((kinds.TEMPERATURE, "1 °C"), (kinds.PRESSURE, "2 hPa")):
        sizes = {
            number: _offset(kind, columns[number], X[:, number]) for number, of_kind in enumerate(of) if of_kind == kind
        }
        numbers = [number for number, size in sizes.items() if size]
        for sign in (1, -1) if numbers else ():
            shift = np.array([sign * sizes[number] for number in numbers], np.float32)
            yield f"{kind} {'+' if sign > 0 else '-'}{text}", numbers, 0.0, shift


def _across(offset: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    return offset.reshape(1, -1, *([1] * (dimensions - 2)))


def _offset(kind: str, column: Column, values: Floats) -> float:
    """Return the plausible offset in the unit of a column; 0 where nothing tells the unit of a pressure."""
    if kind == kinds.TEMPERATURE:
        return _DEGREE.get(column.unit, 1.0)
    if column.unit in ("hPa", "mbar", *_PRESSURE):
        return _PRESSURE.get(column.unit, 2.0)
    known = values[np.isfinite(values)]
    usual = float(np.median(known)) if len(known) and not column.unit else 0.0
    for size, unit in ((2.0, 1.0), (200.0, 100.0), (0.2, 0.1)):
        if _USUAL_HPA[0] * unit <= usual <= _USUAL_HPA[1] * unit:
            return size
    return 0.0


def _rates(dataset: DataSet, window: WindowConfig, groups: frozenset[str]) -> Iterator[tuple[str, Floats, object]]:
    for sign in (1, -1):
        try:
            # No name holds the recordings: those of the first rate are gone before the second.
            changed = cut(_stretched(dataset, groups, 1 + sign * _RATE), window)
        except InputError:
            # A recording as long as one window holds none at a lower rate: there is nothing to measure.
            continue
        kept = np.isin(changed.groups, sorted(groups)) if changed.groups is not None else np.zeros(0, np.bool_)
        if kept.any():
            yield f"sampling rate {100 * sign * _RATE:+.0f} %", changed.X[kept], changed.y[kept]


def _stretched(dataset: DataSet, groups: frozenset[str], factor: float) -> DataSet:
    recordings = tuple(_stretch(part, factor) for part in dataset.recordings if _in(part, groups))
    return msgspec.structs.replace(dataset, recordings=recordings)


def _in(recording: Recording, groups: frozenset[str]) -> bool:
    names = recording.groups
    if names is None:
        return False
    return bool(np.isin(names if any(names.strides) else names[:1], sorted(groups)).any())


def _rows(column: NDArray[Any] | None, rows: NDArray[np.int64]) -> NDArray[Any] | None:
    """Return some rows of a column; a text that stands for all rows is not written for each."""
    if column is None or any(column.strides):
        return None if column is None else column[rows]
    return np.broadcast_to(column[:1], len(rows))


def _stretch(recording: Recording, factor: float) -> Recording:
    """Resample a recording as if the sensor were `factor` times as fast (linear interpolation)."""
    rows = len(recording.values)
    places = np.arange(int(rows * factor)) / factor
    places = places[places <= rows - 1]
    low = np.floor(places).astype(np.int64)
    high = np.minimum(low + 1, rows - 1)
    share = (places - low)[:, None]
    values = recording.values[low] * (1 - share) + recording.values[high] * share
    nearest = np.where(places - low < 0.5, low, high)
    return msgspec.structs.replace(
        recording,
        values=np.asarray(values, np.float32),
        target=_rows(recording.target, nearest),
        groups=_rows(recording.groups, nearest),
        sessions=_rows(recording.sessions, nearest),
        time=None,
    )


_SCENES, _GROUPS = 6, 50
F1 = "f1"
"""Name of the figure."""


def sample_map(spec: ObjectMap, samples: Samples) -> ObjectMap:
    """Return how a map is read in pixels of a sample."""
    height, width = (int(n) for n in samples.X.shape[2:])
    return msgspec.structs.replace(spec, height=height, width=width)


def counted(texts: Labels, maps: Floats, spec: ObjectMap) -> Counts:
    """Return how many objects of each picture and class were found.

    Args:
        texts: targets.
        maps: answers of the model, shape (n, values of the map).
        spec: how they are read.
    """
    return count(find_objects(maps, spec), _known(texts, spec), spec)


def graph_f1(texts: Labels, maps: Floats, graph: Graph, groups: Labels | None) -> Interval:
    """Return F1 of an exported form, with its interval by picture.

    Args:
        texts: targets.
        maps: answers of the form.
        graph: of the form, which says how they are read.
        groups: of the pictures, None where unknown.
    """
    spec = read_objects(graph.metadata)
    if spec is None:
        raise PipelineError("a graph that says how its map is read", "none", graph.name)
    return counted(texts, maps, spec).f1_interval(groups)


def objects_text(maps: Floats, spec: ObjectMap) -> str:
    """Return what is found in the first map: '2 apple, 1 milk', or 'no object'."""
    return _spots_text(spec.labels[spot.label] for spot in find_objects(maps[:1], spec)[0])


def truths_text(text: str) -> str:
    """Return what is in a picture, as `objects_text`."""
    return _spots_text(centre.label for centre in read_centres([text])[0])


def _spots_text(labels: Iterable[str]) -> str:
    return ", ".join(f"{number} {label}" for label, number in sorted(Counter(labels).items())) or "no object"


def evaluate_objects(
    samples: Samples, rows: NDArray[np.int64], maps: Floats, spec: ObjectMap, *, split_by: str
) -> EvaluationRecord:
    """Return the evaluation of a model that finds objects.

    Args:
        samples: all samples.
        rows: those that test.
        maps: answers to them.
        spec: how they are read, in pixels of a sample.
        split_by: what the split kept whole.
    """
    groups, objects = None if samples.groups is None else samples.groups[rows], find_objects(maps, spec)
    evaluation = evaluate_found(samples.y[rows], objects, spec, groups, split_by=split_by)
    few = zip(rows[:_SCENES], read_centres(samples.y[rows[:_SCENES]]), objects, strict=False)
    scenes = tuple(_scene(samples, int(row), spec, true, some) for row, true, some in few)
    record = None if isinstance(evaluation.objects, msgspec.UnsetType) else evaluation.objects
    return (
        evaluation
        if record is None
        else msgspec.structs.replace(evaluation, objects=msgspec.structs.replace(record, scenes=scenes))
    )


def evaluate_found(
    texts: Labels, objects: Sequence[tuple[FoundObject, ...]], spec: ObjectMap, groups: Labels | None, *, split_by: str
) -> EvaluationRecord:
    """Return the evaluation of objects that were found, without pictures.

    Args:
        texts: targets.
        objects: objects of each picture, the surest first.
        spec: labels and sizes.
        groups: of the pictures, None where unknown.
        split_by: what the split kept whole.
    """
    true = _known(texts, spec)
    counts = count(objects, true, spec)
    classes = tuple(
        ObjectClass(
            label=label, precision=counts.precision(index), recall=counts.recall(index),
            f1=counts.f1_interval(groups, index), true=int(counts.true[:, index].sum()),
            detected=int(counts.detected[:, index].sum()),
        )
        for index, label in enumerate(spec.labels)
    )  # fmt: skip
    whole = counts.f1_interval(groups)
    return EvaluationRecord(
        samples=len(texts),
        split_by=split_by,
        groups=_groups(counts, groups),
        regression={F1: whole.value, "precision": counts.precision(), "recall": counts.recall()},
        intervals={F1: whole},
        objects=ObjectsRecord(spec=spec, classes=classes, crowded=_crowded(true, spec), scenes=()),
    )


def _groups(counts: Counts, groups: Labels | None) -> tuple[GroupRow, ...]:
    """Return F1 of each group, the worst first; none where all pictures are one group."""
    if groups is None or len(np.unique(groups)) == 1:
        return ()
    mine = [(str(name), np.flatnonzero(groups == name)) for name in np.unique(groups)]
    rows = [GroupRow(group=name, samples=len(some), regression={F1: counts.f1(some)}) for name, some in mine]
    return tuple(sorted(rows, key=lambda row: row.regression[F1])[:_GROUPS])


def _known(texts: Labels, spec: ObjectMap) -> list[tuple[Centre, ...]]:
    centres = read_centres(texts)
    for centre in (centre for some in centres for centre in some):
        if centre.label not in spec.labels:
            raise SplitMissesClassError("test labels that also occur in training", repr(centre.label), "the target")
    return centres


def _crowded(true: list[tuple[Centre, ...]], spec: ObjectMap) -> int:
    cells = [(i, centre.label, int(centre.x * spec.columns), int(centre.y * spec.rows)) for i, some in enumerate(true)
             for centre in some]  # fmt: skip
    return len(cells) - len(set(cells))


def _scene(
    samples: Samples, row: int, spec: ObjectMap, true: tuple[Centre, ...], objects: tuple[FoundObject, ...]
) -> Scene:
    return Scene(
        row=row,
        name=str(samples.sessions[row]),
        picture=png(samples.X[row]),
        true=tuple(Spot(label=centre.label, x=centre.x * spec.width, y=centre.y * spec.height) for centre in true),
        detected=tuple(
            Spot(label=spec.labels[centre.label], x=centre.x, y=centre.y, chance=round(probability(centre.score), 4))
            for centre in objects
        ),
    )
