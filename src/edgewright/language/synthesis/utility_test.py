"""Utility of synthetic windows: the same model with and without them, tested on real people who were left out."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from edgewright.data.samples import cut
from edgewright.data.synthetic import measured_only
from edgewright.language.synthesis.methods import Windows, method_of
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import DataSet, Floats, Labels, Samples
from edgewright.schema.errors import InputError
from edgewright.schema.trace_flow import Interval
from edgewright.training.metrics import group_interval

SOUND = 1000.0
"""Samples a second from which a recording is a sound: one that is shorter than a window is followed by silence."""


def windows_of(data: DataSet, window: int, every: int = 1) -> Samples:
    """Measured windows that do not overlap, with their people.

    Args:
        data: recordings with a rate, labels and people.
        window: rows.
        every: takes the first of so many windows.

    Raises:
        InputError: without a rate or people, or as `data.samples.cut`.
    """
    if not data.rate or any(recording.groups is None for recording in data.recordings):
        raise InputError("recordings with a rate and people", "none", data.name, "Give --time and --group")
    samples, _ = measured_only(cut(data, WindowConfig(samples=window, step=window, pad=data.rate >= SOUND)))
    kept = np.arange(0, len(samples.y), every)
    groups = None if samples.groups is None else samples.groups[kept]
    return Samples(X=samples.X[kept], y=samples.y[kept], groups=groups, sessions=samples.sessions[kept],
                   starts=samples.starts[kept], columns=samples.columns, rate=data.rate)  # fmt: skip


_BANDS, _PARTS_OF_SOUND = 12, 6


class Utility(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, in shares of windows that are right; intervals draw whole people anew.

    Attributes:
        method: that made the windows.
        windows, people: real ones that were tested on.
        trained_on: people in each training; 0: all of the others.
        folds: times that a model was fitted.
        without, with_synthetic: accuracy without and with synthetic windows.
        gain: their difference.
    """

    method: str
    options: dict[str, object]
    windows: int
    people: int
    trained_on: int
    folds: int
    without: Interval
    with_synthetic: Interval = msgspec.field(name="beside")
    gain: Interval


def measure_utility(
    samples: Samples, name: str, options: Mapping[str, object], *, copies: int = 1, people: int = 0, folds: int = 5,
    seed: int = 0,
) -> Utility:  # fmt: skip
    """Measure one method.

    Args:
        samples: windows (n, channels, samples) with their people; measured ones.
        name: name of the method.
        options: of the method.
        copies: synthetic windows of each in the training.
        people: that train, drawn anew in each fold; 0: all who are not tested.
        folds: parts of the people; each is tested on once.
        seed: of all that is drawn.

    Raises:
        InputError: without people or windows, with fewer than three people, or as the method.
    """
    if samples.groups is None or samples.X.ndim != 3 or samples.rate is None:
        raise InputError("windows with the person of each", "none", "synth utility", "Give --group and --window")
    method, config = method_of(name, options)
    known = np.unique(samples.groups)
    if len(known) < 3:
        raise InputError("at least three people", str(len(known)), "synth utility")
    folds = min(folds, len(known))
    # Who tests and trains does not depend on the method: all methods are judged beside the same models without them.
    rng, method_rng = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    parts = np.array_split(rng.permutation(known), folds)
    right = np.zeros((2, len(samples.y)), np.float64)
    names = tuple(column.name for column in samples.columns)
    for part in parts:
        test = np.isin(samples.groups, part)
        others = np.setdiff1d(known, part)
        chosen = rng.choice(others, min(people, len(others)), replace=False) if people else others
        train = np.isin(samples.groups, chosen)
        x, y = samples.X[train], samples.y[train]
        windows = Windows(x=x, y=y, rate=samples.rate, columns=names)
        generated = [method.apply(config, windows, method_rng) for _ in range(copies)]
        more, labels = np.concatenate([x, *generated]), np.concatenate([y] * (copies + 1))
        tested = features(samples.X[test], samples.rate)
        for row, (content, answers) in enumerate(((x, y), (more, labels))):
            right[row, test] = _answers(features(content, samples.rate), answers, tested, seed) == samples.y[test]
    without, with_synthetic, gain = (
        _interval(samples.groups, values) for values in (right[0], right[1], right[1] - right[0])
    )
    return Utility(
        method=name, options=dict(options), windows=len(samples.y), people=len(known), trained_on=people, folds=folds,
        without=without, with_synthetic=with_synthetic, gain=gain,
    )  # fmt: skip


def _interval(groups: Labels, values: NDArray[np.float64]) -> Interval:
    return group_interval(groups, lambda rows: float(values[rows].mean()), by="person")


def features(x: Floats, rate: float) -> NDArray[np.float64]:
    """Return mean, spread, extremes and change of each channel, and the logarithm of its power in bands of frequency.

    Missing values take the mean of their channel in the window. Sounds, from 1 kHz on, are cut into six parts and their
    bands, even in octaves, are taken of each.
    """
    clean = np.asarray(x, np.float64)
    missing = np.isnan(clean)
    if missing.any():
        count = np.maximum((~missing).sum(axis=2, keepdims=True), 1)
        clean = np.where(missing, np.nansum(clean, axis=2, keepdims=True) / count, clean)
    sound = rate >= SOUND
    parts = np.array_split(clean, _PARTS_OF_SOUND, axis=2) if sound else [clean]
    figures = [_powers(part) for part in parts]
    if not sound:
        middle = clean.mean(axis=2)
        figures += [middle, clean.std(axis=2), clean.min(axis=2), clean.max(axis=2)]
        figures += [np.abs(np.diff(clean, axis=2)).mean(axis=2)]
    return np.concatenate(figures, axis=1)


def _powers(part: NDArray[np.float64]) -> NDArray[np.float64]:
    power = np.abs(np.fft.rfft(part - part.mean(axis=2, keepdims=True), axis=2)[:, :, 1:]) ** 2
    edges = np.unique(np.geomspace(1, power.shape[2], _BANDS + 1).astype(int)) - 1
    bands = np.add.reduceat(power, edges[:-1], axis=2) if len(edges) > 1 else power
    return np.log(bands + 1e-9).reshape(len(part), -1)


def _answers(x: NDArray[np.float64], y: NDArray[np.str_], tested: NDArray[np.float64], seed: int) -> NDArray[np.str_]:
    model = RandomForestClassifier(n_estimators=100, random_state=seed, n_jobs=1, min_samples_leaf=2)
    answers: NDArray[np.str_] = model.fit(x, y).predict(tested)
    return answers
