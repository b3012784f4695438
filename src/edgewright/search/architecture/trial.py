"""Work of an engine: trains points on folds of the samples and returns their errors.

The network of a point is a candidate of the race; dense ones of different widths share compiled programs.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise
from edgewright.compression.qat import alone
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.material import sha256
from edgewright.pipeline.package.variants import recording_engine
from edgewright.pipeline.plan import build_model
from edgewright.race.contract import Candidate, Fitted, Part
from edgewright.race.heats import HeatFold, Heats
from edgewright.race.metrics import METRICS, codes
from edgewright.race.pipeline_end import PipelineEnd, fit_candidate
from edgewright.race.problem import Indices
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Floats
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.search.architecture.estimates import Estimate, SearchSamples
from edgewright.training.loop import Sampled
from edgewright.training.metrics import SHARE, group_interval
from edgewright.training.padded import fit_padded
from edgewright.training.rows import ArrayRows

# Inputs are zero-padded to a multiple of this, so that points with different features share a compiled program.
INPUTS = 64


@dataclass(frozen=True)
class FittedPoint(PipelineEnd):
    """A fitted point.

    Attributes:
        raw: returns raw outputs of the network, shape (n, k).
    """

    raw: Callable[[Floats], Floats]

    def answers(self, rows: Indices) -> Floats:
        """Return probabilities in the problem's class order, or predictions; a class absent from training gets 0."""
        raw = self.raw(self.part.X[rows])
        return raw if self.part.problem.task == "regression" else self.in_order(self.model.probabilities(raw))


def _fit(part: Part, config: PipelineConfig) -> FittedPoint:
    """Train the network of a point; dense ones with ReLU in padded programs, others without padding.

    Raises:
        EdgewrightError: the loss is not finite.
    """
    task = part.problem.task
    model = build_model(config, task)
    X, y = part.training
    if dense(config.model.layers) and X.ndim == 2:
        _fit_padded(model, X, y)
        return FittedPoint(part, model, partial(_dense_outputs, model))
    model.fit(X, y)
    return FittedPoint(part, model, model._raw)


POINT = Candidate(rank=0, title="point", tail=lambda config: config, fit=_fit)


def dense(layers: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether a network can be trained in a padded program: it has only dense layers with ReLU."""
    return all(layer.get("kind") == "dense" and layer.get("activation", "relu") == "relu" for layer in layers)


def _fit_padded(model: Any, X: Floats, y: Any) -> None:  # noqa: ANN401 - any network
    """Train a dense network in a padded program, in place of its own `fit`."""
    model._rows(X, fitting=True)
    targets, weights = model._targets(y, len(X), True)
    first = model.network().initialise(np.random.default_rng(model.seed))
    start = [{name: np.asarray(array, np.float32) for name, array in layer.items()} for layer in first]
    inputs, missing = X.shape[1], -X.shape[1] % INPUTS
    start[0]["weights"] = np.pad(start[0]["weights"], ((0, missing), (0, 0)))
    samples = Sampled(ArrayRows(np.pad(X, ((0, 0), (0, missing)))), targets, weights)
    # A fold has no validation samples, so early stopping is off.
    result = fit_padded(start, samples, replace(model.settings(model.loss), patience=0))
    layers = [{name: np.asarray(a, np.float32) for name, a in layer.items()} for layer in result.parameters]
    layers[0]["weights"] = layers[0]["weights"][:inputs]
    model.parameters_ = layers
    model._finish(None)


def _dense_outputs(model: Any, X: Floats) -> Floats:  # noqa: ANN401 - any network
    """Return raw outputs of a dense network by NumPy, which compiles nothing."""
    for number, layer in enumerate(model.parameters_):
        X = X @ layer["weights"] + layer["bias"]
        if number < len(model.parameters_) - 1:
            X = np.maximum(X, np.float32(0))
    return X


TRY, JUDGE = "edgewright.search.architecture.trial:train_batch", "edgewright.search.architecture.trial:judge"
# Number of training samples for the calibration of activation ranges, as in a run.
CALIBRATION = 2048


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """Data that all batches of a search need.

    Attributes:
        config: pipeline of the search.
        data: path that overrides the one in `[data]`.
        folds: number of folds during the search.
        sha256: hash of the samples that the client has; empty where nobody compares.
    """

    config: PipelineConfig
    data: str | None
    folds: int
    sha256: str = ""


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


class CandidateTrial(msgspec.Struct, frozen=True, kw_only=True):
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


# Samples of the last search of this process, by what it shares.
_SAMPLES: dict[bytes, SearchSamples] = {}


def samples_of(shared: bytes) -> SearchSamples:
    """Return the samples of a search; read once per process.

    Raises:
        InputError: this machine has other data than the client.
    """
    if shared not in _SAMPLES:
        request = msgspec.json.decode(shared, type=Shared)
        samples = SearchSamples(request.config, request.data)
        if request.sha256 and sha256(samples.problem(request.config.window).samples) != request.sha256:
            where = f"{request.data or request.config.data.get('path')} on {socket.gethostname()}"
            do = "Give every machine the same data; where they changed meanwhile, search into another --out"
            raise InputError("the samples of the search", "others", where, do)
        keep_samples(shared, samples)
    return _SAMPLES[shared]


def keep_samples(shared: bytes, samples: SearchSamples) -> None:
    """Keep the samples of a search for the batches that this process trains."""
    _SAMPLES.clear()
    _SAMPLES[shared] = samples


def train_batch(shared: bytes, batch: bytes) -> bytes:
    """Train every pipeline of a batch on every requested fold; a failed training adds no error.

    Args:
        shared: a `Shared` as JSON.
        batch: a `Batch` as JSON.

    Returns:
        JSON with a list of `FoldError` for each pipeline.
    """
    samples, request = samples_of(shared), msgspec.json.decode(batch, type=Batch)
    count = msgspec.json.decode(shared, type=Shared).folds
    fold_errors: list[list[FoldError]] = [[] for _ in request.configs]
    for number in request.folds:
        for index, config in enumerate(request.configs):
            heats = samples.heats(config.window, count)
            fold = heats.every[number]
            fitted = _fitted(heats, fold, config)
            if fitted is None:
                continue
            errors = _errors(fitted.answers(fold.test), fold)
            spread = float(errors.std() / np.sqrt(len(errors)))
            fold_errors[index].append(FoldError(mean=float(errors.mean()), spread=spread, samples=len(errors)))
    return msgspec.json.encode(fold_errors)


def _fitted(heats: Heats, fold: HeatFold, config: PipelineConfig) -> Fitted | None:
    """Return a fitted point, or the majority where a fold trains on one class; None where its training fails.

    Raises:
        InputError: a stage does not accept the samples.
    """
    part = heats.part(fold, config)
    try:
        return fit_candidate(POINT, part, config)
    except EdgewrightError:
        return None


def _errors(answers: Floats, fold: HeatFold) -> NDArray[np.float64]:
    """Return the error of each asked sample, shape (n,): 1 for a wrong class and 0 otherwise, or the squared error."""
    truth = codes(fold.problem)[fold.test]
    if fold.problem.task == "regression":
        return np.asarray((answers[:, 0].astype(np.float64) - truth) ** 2)
    return np.asarray(np.argmax(answers, axis=1) != truth, np.float64)


def judge(shared: bytes, batch: bytes) -> bytes:
    """Cross-validate the pipelines of a batch over units, in the form that a run packages.

    Returns:
        JSON with a `TrialScore` for each pipeline, or null where its training failed.
    """
    samples, request = samples_of(shared), msgspec.json.decode(batch, type=Batch)
    return msgspec.json.encode([_trial_score(samples.heats(config.window, 0), config) for config in request.configs])


def _trial_score(heats: Heats, config: PipelineConfig) -> TrialScore | None:
    problem, fold_scores, errors = heats.problem, [], []
    for fold in heats.every:
        fitted = _fitted(heats, fold, config)
        if fitted is None:
            return None
        if config.compression.int8 and isinstance(fitted, FittedPoint):
            fitted = replace(fitted, raw=_packaged(fitted, config))
        fold_scores.append(fitted.answers(fold.test))
        errors.append(_errors(fold_scores[-1], fold))
    test_rows = np.concatenate([fold.queries for fold in heats.every])
    every, owner = np.concatenate(errors), problem.units[test_rows]
    root = problem.task == "regression"

    def figure(rows: NDArray[np.int64]) -> float:
        return float(np.sqrt(every[rows].mean()) if root else every[rows].mean())

    interval = group_interval(owner, figure, by="unit", within=(0.0, np.inf) if root else SHARE)
    f1 = None if root else METRICS["macro-f1"].score(codes(problem)[test_rows], np.concatenate(fold_scores))
    return TrialScore(
        error=interval.value, low=interval.low, high=interval.high, method=interval.method, macro_f1=f1,
        units=int(owner.max()) + 1, samples=len(every), unit_sums=tuple(np.bincount(owner, every).tolist()),
        unit_samples=tuple(np.bincount(owner).tolist()),
    )  # fmt: skip


def _packaged(fitted: FittedPoint, config: PipelineConfig) -> Callable[[Floats], Floats]:
    """Return a function that gives the raw outputs of the int8 network, which equal those of the generated C code."""
    X, own = fitted.part.training[0], config.compression
    places = np.random.default_rng(config.seed).permutation(len(X))[:CALIBRATION]
    graph, _ = alone(fitted.model)
    small = quantise(graph, X[places], method=own.method, percentile=own.percentile, per_channel=own.per_channel)
    packed = to_onnx(small)
    ask = recording_engine(packed).load(packed)

    def raw(samples: Floats) -> Floats:
        pieces = [ask(np.ascontiguousarray(samples[i : i + 4096]))["raw"] for i in range(0, len(samples), 4096)]
        return np.concatenate(pieces).reshape(len(samples), -1)

    return raw
