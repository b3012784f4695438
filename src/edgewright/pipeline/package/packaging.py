"""Building a package: models, test vectors, reference statistics, fingerprints of training samples, hashes."""

from __future__ import annotations

import base64
import math
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

from edgewright.core.engines import get
from edgewright.core.errors import DataWarning
from edgewright.core.input.recordings import names_in
from edgewright.core.input.samples import read_limit
from edgewright.core.integer.qdq import has_integer_form, integer_network
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import model_file, vector_files, write_package
from edgewright.core.prediction.objects import read_objects
from edgewright.core.records.config import AdaptConfig, DeviceConfig, WindowConfig
from edgewright.core.records.data import DataSet, Floats, Recording, Samples
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.package import (
    AdaptSpec,
    AffineSpec,
    FitSpec,
    IntervalSpec,
    JointReference,
    Manifest,
    PictureSpec,
    RecordingColumns,
    ReferenceColumn,
    WindowSpec,
)
from edgewright.data.targets import in_file, in_pieces
from edgewright.monitor.drift.cross_channel import faults, moved, products
from edgewright.pipeline.material import Material
from edgewright.pipeline.package.motion import FEWEST_UNITS, motion_reference, parts_of_unit, units_of
from edgewright.pipeline.plan import DataPlan

_KEPT, _DIGITS = 64, 10
_PIECE_BYTES = 2**19


def fit_spec(X: Any, rows: NDArray[np.int64], *, refitted: bool) -> FitSpec:  # noqa: ANN401 - an array or spooled rows
    """Return what a package says of its fit.

    Args:
        X: all samples, shape (n, ...).
        rows: those that were fitted on.
        refitted: whether it was made after another fit had been judged.
    """
    smallest = np.unique(_hashes(X, rows))[:_KEPT]
    return FitSpec(samples=len(rows), refitted=refitted, seen="".join(f"{h:0{_DIGITS}x}" for h in smallest.tolist()))


def count_seen(X: Any, fit: FitSpec | None) -> tuple[int, int]:  # noqa: ANN401 - an array or spooled rows
    """How many samples a fit has seen, of those that its sketch can tell of: counts of parts of samples add up."""
    if fit is None or not fit.seen:
        return 0, 0
    known = np.asarray([int(fit.seen[i : i + _DIGITS], 16) for i in range(0, len(fit.seen), _DIGITS)], np.uint64)
    known_hashes = _hashes(X, np.arange(len(X), dtype=np.int64))
    comparable = known_hashes if len(known) < _KEPT else known_hashes[known_hashes <= known[-1]]
    return int(np.isin(comparable, known).sum()), len(comparable)


def _hashes(X: Any, rows: NDArray[np.int64]) -> NDArray[np.uint64]:  # noqa: ANN401 - an array or spooled rows
    """Return a hash of 40 bits of each sample's float32 values; all missing values are alike."""
    size = int(np.prod(X.shape[1:]))
    odd = np.random.default_rng(0).integers(0, 2**63, size, np.uint64) * np.uint64(2) + np.uint64(1)
    # Products of 64 bits take several times the room of the values.
    step = max(1, _PIECE_BYTES // (4 * size))
    parts = [np.zeros(0, np.uint64)]
    for start in range(0, len(rows), step):
        values = np.asarray(X[rows[start : start + step]], np.float32).reshape(-1, size) + np.float32(0)
        words = np.where(np.isnan(values), np.float32(np.nan), values).view(np.uint32).astype(np.uint64)
        mixed = (words * odd).sum(axis=1, dtype=np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        parts.append(mixed >> np.uint64(64 - 4 * _DIGITS))
    return np.concatenate(parts)


Array = NDArray[np.float64]
MOST_CHANNELS = 16
_DIRECTIONS, _FOLDS, _PIECES, _SHORTEST = 4, 40, 100, 20
# Of the spread within units so much is added to that between them.
_WITHIN = 0.02
# Products of units that differ no more are alike but for rounding.
_ALIKE = 1e-9
# Rounded to 16 bits, so many times the limit move a usual unit by 5 % of it; and the largest number there.
_STEEPEST, _LARGEST = 100.0, 6e4
# A unit of training lies beyond the limit once in so many.
_BEYOND = 0.01
# A level this many deviations from zero is taken out first.
_FAR = 3.0


@dataclass(frozen=True)
class _Directions:
    """Mean products and directions of some units, with the marks of faults in them, shape (faults, directions)."""

    mean: Array
    directions: Array
    marks: Array


def joint_reference(dataset: DataSet, samples: Samples, rows: NDArray[np.int64]) -> JointReference | None:
    """Return the reference of a package; None for one channel or very many, few or equal units, or no time.

    All rows of the recordings of a unit count, those without a label too: a device sees them.

    Args:
        dataset: recordings.
        samples: cut from them.
        rows: samples that were fitted on; recordings of other people or machines are left out.
    """
    if not 2 <= len(dataset.columns) <= MOST_CHANNELS or dataset.rate is None or in_file(samples.X) is not None:
        return None
    names = units_of(dataset, samples, rows)
    every_unit = (np.concatenate(parts_of_unit(dataset, name, samples)) for name in names)
    units = [unit for unit in every_unit if len(unit) >= _SHORTEST]
    if len(units) < FEWEST_UNITS:
        return None
    every = np.concatenate(units)
    units = np.split(every, np.cumsum([len(unit) for unit in units])[:-1])
    level, deviation = every.mean(0), every.std(0)
    if (deviation <= 1e-9 * np.maximum(np.abs(level), 1.0)).any():
        return None
    center = np.where(np.abs(level) > _FAR * deviation, level, 0.0).astype(np.float32).astype(np.float64)
    scale = np.sqrt(deviation**2 + (level - center) ** 2).astype(np.float32).astype(np.float64)
    pieces = [_pieces(unit, center, scale) for unit in units]
    # Units can be exactly alike, as where texts take turns. Products are about 1 in size.
    means = np.asarray([piece.mean(0) for piece in pieces])
    spread = means.std(axis=0, ddof=1)
    if spread.max() <= _ALIKE:
        return None
    within = np.asarray([np.cov(piece.T) for piece in pieces])
    changes = np.asarray([fault.change for fault in faults(samples.columns, center, scale, deviation / scale)])
    whole = _directions(means, within, changes)
    distances = _held_out(means, within, changes, whole)
    count, wide = len(distances), whole.directions.shape[1]
    limit = wide * (count - 1) / (count - wide) * float(fdtri(wide, count - wide, 1 - _BEYOND))
    # The directions are turned and stretched so that the limit is a distance of 1.
    size, turn = np.linalg.eigh(distances.T @ distances / count)
    directions = whole.directions @ turn / np.sqrt(np.maximum(size, 1e-12) * limit)
    # Where channels add up to a constant, directions are steep: rounded to 16 bits they still keep usual units inside.
    steep = np.linalg.norm(directions * spread[:, None], axis=0) / _STEEPEST
    directions /= np.maximum(1.0, np.maximum(steep, np.abs(directions).max(0) / _LARGEST))
    packed = [a.astype("<f4").tobytes() for a in (center, scale, whole.mean)]
    packed += [a.astype("<f2").tobytes() for a in (spread, directions)]
    data = base64.b64encode(b"".join(packed)).decode("ascii")
    seconds = float(np.median([len(unit) for unit in units])) / dataset.rate
    return JointReference(units=count, seconds=seconds, directions=wide, data=data)


def _pieces(rows: Array, center: Array, scale: Array) -> Array:
    """Return mean products of pieces of a unit in its order, shape (pieces, products)."""
    pieces = []
    for piece in np.array_split((rows - center) / scale, min(_PIECES, len(rows) // 2)):
        with_constant = np.concatenate([np.ones((len(piece), 1)), piece], axis=1)
        pieces.append(products(with_constant.T @ with_constant / len(with_constant)))
    return np.asarray(pieces)


def _directions(means: Array, within: Array, changes: Array) -> _Directions:
    mean = means.mean(0)
    spread = np.cov(means.T) + _WITHIN * within.mean(0)
    spread += 1e-9 * np.trace(spread) / len(spread) * np.eye(len(spread))
    # Not the root of the inverse: where channels follow each other, that has lost its smallest sizes.
    root = np.linalg.inv(np.linalg.cholesky(spread)).T
    marks = moved(mean, changes) @ root
    alike = marks / np.maximum(np.linalg.norm(marks, axis=1, keepdims=True), 1e-12)
    strongest = np.linalg.eigh(alike.T @ alike)[1][:, ::-1][:, :_DIRECTIONS]
    return _Directions(mean, root @ strongest, marks @ strongest)


def _held_out(means: Array, within: Array, changes: Array, whole: _Directions) -> Array:
    """Where each unit lies in directions of the others, turned as those of all, shape (units, directions)."""
    distances = []
    for part in np.array_split(np.arange(len(means)), min(_FOLDS, len(means))):
        directions = _directions(np.delete(means, part, axis=0), np.delete(within, part, axis=0), changes)
        left, _, right = np.linalg.svd(directions.marks.T @ whole.marks)
        distances += [(means[i] - directions.mean) @ directions.directions @ left @ right for i in part]
    return np.asarray(distances)


MAX_VECTORS = 32
MAX_VECTOR_BYTES = 48 << 10
"""Compressed test vectors of a package; with the reference statistics at most `REFERENCE_BYTES` more."""
REFERENCE_BYTES = 16 << 10
# Statistics that are too large are rounded to these shares of the deviation, which drift detection does not need.
_ROUNDING = (0.001, 0.01, 0.1)
# Rows on disk, and windows that are cut when they are asked for, that the reference statistics are of.
_SAMPLED_ROWS, _SAMPLED_BYTES = 50_000, 16 * 2**20
# Beyond this many bytes some samples say what training looked like.
_WHOLE_BYTES = 2**26
_QUANTILES = (0, 1, 5, 25, 50, 75, 95, 99, 100)
# Engines differ in the last digits of float32; a probability may move by this much without being another answer.
_FLOAT_TOLERANCE = 1e-4
# Engines round int8 in their own ways: a step of the last layer moves a probability by at most a quarter of the
# logit's step (the steepest slope of the logistic function), and earlier layers add steps of their own.
_INT8_TOLERANCE = 0.08


def tolerance_of(form: str, model: bytes) -> float:
    """Return by how much a probability or a share of the range may differ between engines."""
    if form == "float":
        return _FLOAT_TOLERANCE
    graph = read_onnx(model)
    if not graph.labels or not has_integer_form(graph):
        return _INT8_TOLERANCE
    network = integer_network(graph)
    # Two steps of the raw output, where the logistic function is steepest: one up and one down.
    return min(0.5, max(_INT8_TOLERANCE, network.values[network.output].scale / 2))


def vector_limit(device: DeviceConfig) -> int:
    """Return the limit of compressed test vectors in bytes."""
    limit = device.test_vectors_kb
    return MAX_VECTOR_BYTES if isinstance(limit, msgspec.UnsetType) else limit << 10


def choose_vectors(samples: Samples, rows: NDArray[np.int64], seed: int, max_bytes: int = MAX_VECTOR_BYTES) -> Floats:
    """Return test vectors: samples of every class in turn, drawn with the run's seed.

    Args:
        samples: to draw from.
        rows: indices that may be drawn.
        seed: of the run.
        max_bytes: limit of the vectors when they are compressed; one is returned in any case.

    Returns:
        Shape (n, ...), n from 1 to `MAX_VECTORS`.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(rows)
    labels = np.asarray(samples.y)[order]
    if labels.dtype.kind == "U":
        rank = np.zeros(len(order), np.int64)
        for label in np.unique(labels):
            here = np.flatnonzero(labels == label)
            rank[here] = np.arange(len(here))
        order = order[np.argsort(rank, kind="stable")]
    vectors = np.ascontiguousarray(samples.X[order[:MAX_VECTORS]], np.float32)
    sizes = np.cumsum([len(zlib.compress(vector.tobytes(), 9)) for vector in vectors])
    return vectors[: max(1, int(np.searchsorted(sizes, max_bytes, side="right")))]


def vector_bytes(vectors: Floats, outputs: Mapping[str, Floats]) -> int:
    """Return the bytes that test vectors and the outputs of all forms take in a package."""
    return sum(len(zlib.compress(data, 9)) for data in vector_files(vectors, outputs).values())


def answers(model: bytes, X: Floats) -> Floats:
    """Probabilities (n, classes) or predictions (n, 1) of a model, by the base install: int8 as generated C answers."""
    given = get("numpy").load(model)(X)
    outputs = given["probabilities"] if "probabilities" in given else given["prediction"]
    return np.asarray(outputs, np.float32).reshape(len(X), -1)


def fit_reference(columns: tuple[ReferenceColumn, ...], max_bytes: int) -> tuple[ReferenceColumn, ...]:
    """Round statistics until they fit; warn and return none if they never do.

    Args:
        columns: statistics of training.
        max_bytes: limit of the statistics when they are compressed.
    """
    needed = 0
    for share in (0.0, *_ROUNDING):
        fitting = tuple(_rounded(column, share) for column in columns) if share else columns
        needed = reference_bytes(fitting)
        if needed <= max_bytes:
            return fitting
    limit_kb = math.ceil((2 * needed - REFERENCE_BYTES) / 1024)
    warnings.warn(
        f"reference statistics of {len(columns):,} columns take {needed >> 10} kB, more than {max_bytes >> 10} kB: the "
        f"package has none, and its devices detect no drift. Set device.test_vectors_kb = {limit_kb} to keep them, "
        "or select fewer columns", DataWarning, 2,
    )  # fmt: skip
    return ()


def reference_bytes(columns: tuple[ReferenceColumn, ...]) -> int:
    """Return the bytes that statistics take in the compressed manifest."""
    return len(zlib.compress(msgspec.json.format(msgspec.json.encode(columns), indent=1), 9))


def _rounded(column: ReferenceColumn, share: float) -> ReferenceColumn:
    """Round to a share of the deviation; the range between the extremes does not shrink."""
    if not column.deviation > 0:
        return column
    digits = -math.floor(math.log10(share * column.deviation))
    scale, low, high = 10.0**digits, column.quantiles[0], column.quantiles[-1]
    if not 0 < scale < math.inf or not math.isfinite(scale * max(abs(low), abs(high))):
        return column
    # Neighbouring floats that round to one number stay on the outer side of it.
    lowest, highest = min(low, math.floor(low * scale) / scale), max(high, math.ceil(high * scale) / scale)
    ends = {low: lowest, high: highest}
    return msgspec.structs.replace(
        column,
        mean=round(column.mean, digits + 1),
        deviation=float(f"{column.deviation:.3g}"),
        missing=round(column.missing, 3),
        quantiles=tuple(ends.get(value, round(value, digits)) for value in column.quantiles),
    )


def reference(samples: Samples, rows: NDArray[np.int64]) -> tuple[ReferenceColumn, ...]:
    """Return what each column or channel looked like in training."""
    references = []
    X: Any = samples.X
    if in_pieces(X) is not None or 4 * len(rows) * math.prod(X.shape[1:]) > _WHOLE_BYTES:
        # Of so many rows the median lies within a quarter of a percent of the ranks of all.
        maximum = min(len(rows), _SAMPLED_ROWS, max(2000, _SAMPLED_BYTES // (4 * math.prod(X.shape[1:]))))
        rows = np.sort(np.random.default_rng(0).choice(rows, maximum, replace=False))
        X, rows = X[rows], np.arange(len(rows))
    for index, column in enumerate(samples.columns):
        values = np.asarray(X[rows, index], np.float64).ravel()
        finite = values[np.isfinite(values)]
        some = finite if finite.size else np.zeros(1)
        references.append(
            ReferenceColumn(
                name=column.name,
                mean=float(some.mean()),
                deviation=float(some.std()),
                missing=1.0 - finite.size / max(values.size, 1),
                quantiles=tuple(float(q) for q in np.percentile(some, _QUANTILES)),
            )
        )
    return tuple(references)


def window_spec(window: WindowConfig, rate: float | None) -> WindowSpec:
    """How a device cuts the windows of a configuration."""
    step = window.step or max(1, window.samples // 2)
    return WindowSpec(
        samples=window.samples, step=step, rate=rate, target=window.target, within=window.within, pad=window.pad,
        fill_start=window.fill_start,
    )  # fmt: skip


def recording_columns(plan: DataPlan, rate: float | None, recordings: Sequence[Recording] = ()) -> RecordingColumns:
    """Return the columns of `[data]` that say which rows belong together, and the rate of windows by their times.

    Args:
        plan: of the samples.
        rate: of their windows.
        recordings: of the training, whose dates may have shown their order: a file with few days does not show it.
    """
    timed = bool(plan.table.get("time"))
    unit: Any = plan.table.get("time_unit", "auto") if timed else "auto"
    orders = {recording.day_order for recording in recordings} - {""}
    if timed and unit == "auto" and len(orders) == 1:
        unit = orders.pop()
    return RecordingColumns(
        **{key: str(plan.table.get(key, "")) for key in ("group", "session", "time")}, time_unit=unit,
        rate=rate if timed and plan.window is not None and plan.table.get("rate") is None else None,
    )  # fmt: skip


def build_package(
    path: Path,
    *,
    name: str,
    material: Material,
    refitted: bool | None,
    window: WindowConfig | None,
    picture: PictureSpec | msgspec.UnsetType = msgspec.UNSET,
    models: dict[str, bytes],
    default: str,
    confidence: float,
    provenance: dict[str, str],
    seed: int,
    adapt: AdaptConfig | None = None,
    recordings: RecordingColumns | None = None,
    debounce: int = 1,
    max_vector_bytes: int = MAX_VECTOR_BYTES,
    interval: IntervalSpec | msgspec.UnsetType = msgspec.UNSET,
) -> str:
    """Write the package and give its SHA-256.

    Args:
        path: of the package.
        name: of the pipeline.
        material: the samples, with those that were fitted on as its training ones.
        refitted: whether samples that judged are among them; None for a model that was fitted elsewhere.
        window: None for rows.
        picture: how pictures are resized; left out where samples are none.
        models: ONNX bytes by form, 'float' and perhaps 'int8'.
        default: the form that answers.
        confidence: below it an answer is marked unsure.
        provenance: text without times or paths, so that the same run gives the same bytes.
        seed: of the run.
        adapt: what devices may learn; None for nothing.
        recordings: columns that say which rows belong together.
        debounce: windows in a row that must agree before a decision changes.
        max_vector_bytes: limit of the compressed test vectors; reference statistics may take `REFERENCE_BYTES` more.
        interval: around predicted amounts.
    """
    samples, train = material.samples, material.sides.train
    total = max_vector_bytes + REFERENCE_BYTES
    columns = fit_reference(reference(samples, train), max(REFERENCE_BYTES, total // 2))
    left_bytes = total - reference_bytes(columns)
    max_vector_bytes = min(max_vector_bytes, left_bytes)
    vectors = choose_vectors(samples, train, seed, max_vector_bytes)
    forms = {form: model_file(form) for form in models}
    outputs = {form: answers(model, vectors) for form, model in models.items()}
    while len(vectors) > 1 and vector_bytes(vectors, outputs) > left_bytes:
        kept = len(vectors) - 1
        vectors, outputs = vectors[:kept], {form: array[:kept] for form, array in outputs.items()}
    files = vector_files(vectors, outputs)
    files |= {forms[form]: model for form, model in models.items()}
    graph = read_onnx(models["float"])
    learning: AdaptSpec | msgspec.UnsetType = msgspec.UNSET
    axes: AffineSpec | msgspec.UnsetType = msgspec.UNSET
    if adapt is not None:
        from edgewright.pipeline.package.adaptation import adaptation, affine_adaptation  # noqa: PLC0415 - few learn

        arrays: dict[str, bytes]
        if adapt.layer == "affine":
            axes, arrays = affine_adaptation(adapt, material, graph.labels)
        else:
            learning, arrays = adaptation(adapt, models, material, vectors, seed)
        files |= arrays
    manifest = Manifest(
        name=name,
        task=material.task,
        columns=samples.columns,
        shape=tuple(int(n) for n in samples.X.shape[1:]),
        window=None if window is None else window_spec(window, samples.rate),
        labels=graph.labels,
        target=material.dataset.target_name,
        thresholds={"confidence": confidence} if graph.labels else {},
        vectors=len(vectors),
        tolerance={form: tolerance_of(form, model) for form, model in models.items()},
        forms=forms,
        default=default,
        reference=columns,
        picture=picture,
        joint=joint_reference(material.dataset, samples, train),
        motion=motion_reference(material.dataset, samples, train) or msgspec.UNSET,
        licences=tuple(text for text in (material.dataset.licence,) if text),
        provenance=provenance,
        files=(),
        missing=read_limit(graph.metadata),
        fit=None if refitted is None else fit_spec(samples.X, material.fitted_on, refitted=refitted),
        adapt=learning,
        objects=read_objects(graph.metadata) or msgspec.UNSET,
        affine=axes,
        interval=interval,
        decision=DecisionSpec(debounce=debounce),
        recordings=recordings if recordings is not None and names_in(recordings) and window else msgspec.UNSET,
    )
    return write_package(path, manifest, files)
