"""The work that an engine does: points trained on some folds of the samples, and how wrong each was."""

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

TRY, JUDGE = "edgewright.search.architecture.trial:try_out", "edgewright.search.architecture.trial:judge"
# Training samples on which ranges of activations are watched, as in a run.
CALIBRATION = 2048


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What all batches of a search need.

    Attributes:
        config: of the pipeline that is searched.
        data: path that overrides the one in `[data]`.
        copies: changed copies of a sample at most.
        folds: while searching.
        cache: folder for arrays that were worked out; where it cannot be made, a temporary one is.
    """

    config: PipelineConfig
    data: str | None
    copies: int
    folds: int
    cache: str


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Pipelines of some points, and the folds they are tried on."""

    configs: tuple[PipelineConfig, ...]
    folds: tuple[int, ...] = ()


class FoldError(msgspec.Struct, frozen=True, kw_only=True):
    """How wrong a network was in a fold: mean over its samples of 0 or 1 (of squared errors), spread and number."""

    mean: float
    spread: float
    samples: int


class TrialScore(msgspec.Struct, frozen=True, kw_only=True):
    """A point judged by leaving units out, in the form that is packaged.

    Attributes:
        error: share of wrong classes, or root mean squared error.
        low, high: 95 % interval of the error over whole units, and `method` how it was computed.
        macro_f1: of a classification.
        units: how many were left out.
        samples: how many were answered.
        unit_sums: wrong classes or squared errors of each unit, and `unit_samples` how many it has; empty in studies
            of earlier versions.
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
    """A trial.

    Attributes:
        number: from 0.
        batch: in which it was asked for.
        point: the choices.
        estimate: what it takes of the device.
        state: 'done'; 'stopped' after the first fold; 'beyond' the budget; 'impossible' to build; 'failed' in training.
        beyond: sum of relative excesses over the budget.
        folds: errors, by fold.
        error: over the folds; of the first alone where it was stopped there.
        reason: why it was not finished.
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
    """Return the samples of a search, read once a process."""
    asked = msgspec.json.decode(shared, type=Shared)
    folder: Path | None = Path(asked.cache) if asked.cache else None
    if folder is not None and not folder.parent.is_dir():  # a worker on another machine
        folder = Path(tempfile.gettempdir()) / "edgewright-search" / folder.parent.name
    return Features(asked.config, asked.data, asked.copies, ArrayCache(folder))


def try_out(shared: bytes, batch: bytes) -> bytes:
    """Train every pipeline of a batch on every fold asked for; a failed one has no errors.

    Args:
        shared: a `Shared` as JSON.
        batch: a `Batch` as JSON.

    Returns:
        As JSON, for each pipeline a list of `FoldError`.
    """
    features, asked = features_of(shared), msgspec.json.decode(batch, type=Batch)
    count = msgspec.json.decode(shared, type=Shared).folds
    found: list[list[FoldError]] = [[] for _ in asked.configs]
    for fold in asked.folds:
        for index, config in enumerate(asked.configs):
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
    """Judge the pipelines of a batch by leaving units out, in the form that a run packages.

    Returns:
        As JSON, for each pipeline a `TrialScore`, or None where its training failed.
    """
    features, asked = features_of(shared), msgspec.json.decode(batch, type=Batch)
    return msgspec.json.encode([_judged(features, config) for config in asked.configs])


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
    """Raw outputs of the int8 network, as generated C answers."""
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
