"""How much a random split would flatter, measured with a quick model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.formatting import plural
from edgewright.core.input.windows import parts
from edgewright.schema.data import Samples
from edgewright.schema.trace import Interval
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
