"""Work of an engine: trains points on folds of the samples and returns their errors."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
from sklearn.metrics import f1_score

from edgewright.compression.int8 import quantise
from edgewright.compression.qat import alone
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.variants import recording_engine
from edgewright.schema.config import PipelineConfig
from edgewright.search.architecture.cache import ArrayCache
from edgewright.search.architecture.estimates import Estimate
from edgewright.search.architecture.features import Features, Rows
from edgewright.search.architecture.training import answers, errors_in, errors_of, train_one
from edgewright.training.metrics import SHARE, group_interval

TRY, JUDGE = "edgewright.search.architecture.trial:train_batch", "edgewright.search.architecture.trial:judge"
# Number of training samples for the calibration of activation ranges, as in a run.
CALIBRATION = 2048


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """Data that all batches of a search need.

    Attributes:
        config: pipeline of the search.
        data: path that overrides the one in `[data]`.
        copies: maximum number of augmented copies of a sample.
        folds: number of folds during the search.
        cache: folder for cached arrays; a temporary folder replaces it on a machine without its parent folder.
    """

    config: PipelineConfig
    data: str | None
    copies: int
    folds: int
    cache: str


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Pipelines of some points, and the indices of the folds to train on."""

    configs: tuple[PipelineConfig, ...]
    folds: tuple[int, ...] = ()


class FoldError(msgspec.Struct, frozen=True, kw_only=True):
    """Error of a network on a fold: mean over its test samples, standard error of the mean, and number of samples."""

    mean: float
    spread: float
    samples: int


class TrialScore(msgspec.Struct, frozen=True, kw_only=True):
    """Cross-validation score of a point over whole units, in the packaged form.

    Attributes:
        error: error rate, or root mean squared error.
        low, high: 95 % CI of the error over whole units.
        method: how the interval was computed.
        macro_f1: macro-F1 of a classification; None for a regression.
        units: number of units.
        samples: number of samples.
        unit_sums: number of wrong answers, or sum of squared errors, of each unit; empty in older studies.
        unit_samples: number of samples of each unit; empty in older studies.
    """

    error: float
    low: float
    high: float
    method: str = ""
    macro_f1: float | None
    units: int
    samples: int
    unit_sums: tuple[float, ...] = ()
    unit_samples: tuple[int, ...] = ()


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A trial of a search.

    Attributes:
        number: number of the trial, from 0.
        batch: index of the batch that proposed it.
        point: value of each axis.
        estimate: estimated cost on the device.
        state: 'done'; 'stopped' after the first fold; 'beyond' the budget; 'impossible' to build; 'failed' in training.
        beyond: sum of the relative excesses over the budget.
        folds: error of each fold.
        error: error over all folds; of the first fold only where the trial was stopped.
        reason: why the trial did not finish.
    """

    number: int
    batch: int
    point: dict[str, bool | int | float | str]
    estimate: Estimate
    state: str
    beyond: float = 0.0
    folds: tuple[FoldError, ...] = ()
    error: float | None = None
    reason: str = ""


@lru_cache(maxsize=2)
def features_of(shared: bytes) -> Features:
    """Return the samples of a search; read once per process."""
    request = msgspec.json.decode(shared, type=Shared)
    folder: Path | None = Path(request.cache) if request.cache else None
    if folder is not None and not folder.parent.is_dir():  # this worker runs on another machine
        folder = Path(tempfile.gettempdir()) / "edgewright-search" / folder.parent.name
    return Features(request.config, request.data, request.copies, ArrayCache(folder))


def train_batch(shared: bytes, batch: bytes) -> bytes:
    """Train every pipeline of a batch on every requested fold; a failed training adds no error.

    Args:
        shared: a `Shared` as JSON.
        batch: a `Batch` as JSON.

    Returns:
        JSON with a list of `FoldError` for each pipeline.
    """
    features, request = features_of(shared), msgspec.json.decode(batch, type=Batch)
    count = msgspec.json.decode(shared, type=Shared).folds
    found: list[list[FoldError]] = [[] for _ in request.configs]
    for fold in request.folds:
        for index, config in enumerate(request.configs):
            task = features.prepared(config.window).problem.task
            rows = features.rows(config, features.folds(config.window, count)[fold])
            model = train_one(config, rows, task)
            if model is None:
                continue
            errors = errors_of(model, rows, task)
            spread = float(errors.std() / np.sqrt(len(errors)))
            found[index].append(FoldError(mean=float(errors.mean()), spread=spread, samples=len(errors)))
    return msgspec.json.encode(found)


def judge(shared: bytes, batch: bytes) -> bytes:
    """Cross-validate the pipelines of a batch over units, in the form that a run packages.

    Returns:
        JSON with a `TrialScore` for each pipeline, or null where its training failed.
    """
    features, request = features_of(shared), msgspec.json.decode(batch, type=Batch)
    return msgspec.json.encode([_judged(features, config) for config in request.configs])


def _judged(features: Features, config: PipelineConfig) -> TrialScore | None:
    problem = features.prepared(config.window).problem
    errors, truths, found, units = [], [], [], []
    for fold in features.folds(config.window, 0):
        rows = features.rows(config, fold)
        model = train_one(config, rows, problem.task)
        if model is None:
            return None
        raw = _packaged(model, rows, config) if config.compression.int8 else answers(model, rows.test)
        classes = getattr(model, "classes_", None)
        errors.append(errors_in(raw, classes, rows.y_test, problem.task))
        units.append(problem.units[fold.test])
        truths.append(rows.y_test)
        if classes is not None:
            places = (raw[:, 0] > 0).astype(int) if raw.shape[1] == 1 else np.argmax(raw, axis=1)
            found.append(np.asarray(classes)[places])
    every, owner = np.concatenate(errors), np.concatenate(units)
    root = problem.task == "regression"
    numbers = np.unique(owner, return_inverse=True)[1]

    def figure(rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> float:
        return float(np.sqrt(every[rows].mean()) if root else every[rows].mean())

    judged = group_interval(owner, figure, by="unit", within=(0.0, np.inf) if root else SHARE)
    f1 = None if root else float(f1_score(np.concatenate(truths), np.concatenate(found), average="macro"))
    return TrialScore(
        error=judged.value, low=judged.low, high=judged.high, method=judged.method, macro_f1=f1,
        units=int(numbers.max()) + 1, samples=len(every), unit_sums=tuple(np.bincount(numbers, every).tolist()),
        unit_samples=tuple(np.bincount(numbers).tolist()),
    )  # fmt: skip


def _packaged(model: object, rows: Rows, config: PipelineConfig) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return the raw outputs of the int8 network, which equal those of the generated C code."""
    places = np.random.default_rng(config.seed).permutation(len(rows.train))[:CALIBRATION]
    graph, _ = alone(model)  # type: ignore[arg-type]
    own = config.compression
    small = quantise(
        graph, rows.train[places], method=own.method, percentile=own.percentile, per_channel=own.per_channel
    )
    packed = to_onnx(small)
    ask = recording_engine(packed).load(packed)
    pieces = [ask(np.ascontiguousarray(rows.test[i : i + 4096]))["raw"] for i in range(0, len(rows.test), 4096)]
    return np.concatenate(pieces).reshape(len(rows.test), -1)
