"""The linear model chooses its penalty on training samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LogisticRegression, Ridge

from edgewright.models.linear import Linear

Floats = NDArray[np.float32]


def spectra(seed: int, samples: int, bands: int) -> tuple[Floats, NDArray[np.float64]]:
    """Return scaled mixtures of five substances with scatter, a baseline and noise, and the share of the first."""
    rng = np.random.default_rng(seed)
    wave = np.linspace(0.0, 1.0, bands)
    peaks = rng.uniform(size=(5, 3, 1)), rng.uniform(0.03, 0.2, (5, 3, 1)), rng.uniform(0.2, 1.0, (5, 3, 1))
    substances = (peaks[2] * np.exp(-(((wave - peaks[0]) / peaks[1]) ** 2))).sum(axis=1)
    shares = rng.dirichlet(np.ones(5) * 2, samples)
    X = shares @ substances * (1 + 0.02 * rng.normal(size=(samples, 1)))
    X += 0.1 * rng.normal(size=(samples, 1)) + 0.1 * rng.normal(size=(samples, 1)) * wave
    X += 1e-4 * rng.normal(size=X.shape)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return X.astype(np.float32), 100 * shares[:, 0] + 0.3 * rng.normal(size=samples)


def error(predicted: NDArray[np.floating], wanted: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean((np.ravel(predicted) - wanted) ** 2)))


def test_spectra_with_more_bands_than_samples_need_no_partial_least_squares() -> None:
    ratios = []
    for seed in range(8):
        X, y = spectra(seed, 120, 300)
        train, test = slice(0, 60), slice(60, None)
        model = Linear("regression").fit(X[train], y[train])
        peers: list[Any] = [PLSRegression(n, scale=False) for n in range(4, 14)]
        # The peer chooses its components on the test samples.
        wrong = [error(peer.fit(X[train], y[train]).predict(X[test]), y[test]) for peer in (*peers, Ridge(1.0))]
        own = error(model.predict(X[test]), y[test])
        ratios.append((own / min(wrong[:-1]), own / wrong[-1]))
    to_peer, to_fixed_penalty = np.exp(np.log(ratios).mean(axis=0))
    assert to_peer < 1.05
    assert to_fixed_penalty < 0.95


def test_columns_that_say_nothing_get_a_large_penalty() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 100)).astype(np.float32)
    amount = Linear("regression").fit(X, rng.normal(size=60))
    assert amount.penalty_ > 100.0
    assert np.abs(amount.predict(X)).max() < 1.0
    kinds = Linear().fit(X, rng.choice(["a", "b", "c"], 60))
    assert kinds.penalty_ == 1000.0
    assert kinds.predict_proba(X).max() < 0.6


def test_classes_that_lie_cleanly_apart_get_a_small_penalty() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 4)).astype(np.float32)
    X = X[np.abs(X[:, 0] - X[:, 1]) > 0.2]
    y = np.where(X[:, 0] > X[:, 1], "above", "below")
    model = Linear().fit(X, y)
    assert model.penalty_ < 0.1
    assert (model.predict(X) == y).all()
    fixed = LogisticRegression().fit(X, y)
    assert np.log(model.predict_proba(X).max(axis=1)).mean() > np.log(fixed.predict_proba(X).max(axis=1)).mean()


def test_the_penalty_is_chosen_between_blocks_of_neighbouring_samples() -> None:
    """Forty recordings of ten alike windows: folds at random would know each recording and ask for no penalty."""
    rng = np.random.default_rng(2)
    recordings = rng.normal(size=(40, 200))
    labels = np.where(recordings[:, 0] + 0.5 * rng.normal(size=40) > 0, "on", "off")
    X = (np.repeat(recordings, 10, axis=0) + 0.05 * rng.normal(size=(400, 200))).astype(np.float32)
    y = np.repeat(labels, 10)
    order = rng.permutation(400)
    assert Linear().fit(X, y).penalty_ >= 100.0 * Linear().fit(X[order], y[order]).penalty_


@pytest.mark.parametrize("counts", [(1, 30), (2, 2), (1, 1, 1), (1, 1)])
def test_classes_of_few_samples_are_fitted(counts: tuple[int, ...]) -> None:
    y = np.repeat(np.array(["a", "b", "c"])[: len(counts)], counts)
    X = np.arange(len(y), dtype=np.float32)[:, None] - len(y) / 2
    model = Linear().fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()
    assert set(model.predict(X)) <= set(y)


def test_more_samples_than_choose_are_fitted_on_all() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(9000, 3)).astype(np.float32)
    y = np.where(X[:, 0] + rng.normal(size=9000) > 0, "on", "off")
    model = Linear().fit(X, y)
    whole = LogisticRegression(C=1.0 / model.penalty_, max_iter=300).fit(X, y)
    np.testing.assert_allclose(model.weights_[:, 1] * 2, whole.coef_[0], atol=1e-3)
