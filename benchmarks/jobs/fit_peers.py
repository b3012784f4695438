"""Fits peers in their own environment: `python fit_peers.py SAMPLES.npz ANSWERS.npz`. No package of ours is imported.

Every candidate is fitted on the training samples. The best of scikit-learn, by its accuracy or the error of its amounts
on the validation samples, which are other groups, answers the test samples. MiniRocket with a ridge has no setting.
"""

from __future__ import annotations

import json
import pickle  # noqa: TID251 - a peer's size is measured; nothing is kept
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from aeon.classification.convolution_based import MiniRocketClassifier
from aeon.regression.convolution_based import MiniRocketRegressor
from numpy.typing import NDArray
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Model = Any
Array = NDArray[Any]
SINGLE = 50  # predictions of one sample that are timed


def candidates(amounts: bool) -> Iterator[tuple[str, Model]]:
    """Return simple models by name, of amounts or classes."""
    if amounts:
        for strength in (1.0, 100.0):
            yield f"ridge, alpha = {strength:g}", make_pipeline(StandardScaler(), Ridge(alpha=strength))
        yield "random forest, leaves of 5", RandomForestRegressor(50, min_samples_leaf=5, random_state=0)
        yield "gradient boosting", HistGradientBoostingRegressor(max_iter=100, random_state=0)
        return
    for strength in (0.01, 1.0):
        model = LogisticRegression(C=strength, max_iter=200)
        yield f"logistic regression, C = {strength:g}", make_pipeline(StandardScaler(), model)
    for leaf in (1, 5):
        model = RandomForestClassifier(100, min_samples_leaf=leaf, max_features="sqrt", random_state=0)
        yield f"random forest, leaves of {leaf}", model
    yield "gradient boosting", HistGradientBoostingClassifier(max_iter=60, random_state=0)


def rocket(channels: int, amounts: bool) -> Model:
    """Return MiniRocket with a ridge, compiled."""
    kind = MiniRocketRegressor if amounts else MiniRocketClassifier
    tiny = np.random.default_rng(0).normal(size=(8, channels, 16)).astype(np.float32)
    # Compiling takes longer than a fit; it is done once and not counted.
    y = np.arange(8.0) if amounts else np.array(["a", "b"] * 4)
    kind(n_kernels=84, random_state=0).fit(tiny, y).predict(tiny)
    return kind(random_state=0)


def score(answers: Array, truth: Array) -> float:
    """Return the share of right labels, or the root mean squared error of amounts, negative: larger is better."""
    if truth.dtype.kind == "f":
        return -float(np.sqrt(((answers - truth) ** 2).mean()))
    return float((answers == truth).mean())


def fitted(model: Model, X: Array, y: Array) -> float:
    """Return processor seconds of a fit."""
    started = time.process_time()
    model.fit(X, y)
    return time.process_time() - started


def peer_record(
    name: str,
    model: Model,
    fit_s: float,
    validation: float,
    X: Array,
) -> tuple[dict[str, Any], Any]:
    """Return what is reported of a model, and its answers."""
    answers = model.predict(X)
    started = time.process_time()
    for row in X[:SINGLE]:
        model.predict(row[None])
    predict_s = (time.process_time() - started) / min(len(X), SINGLE)
    size = len(pickle.dumps(model, protocol=5))
    return {"name": name, "fit_s": fit_s, "validation": validation, "bytes": size, "predict_s": predict_s}, answers


def main() -> None:
    """Write the answers of the best of scikit-learn, and of MiniRocket where there are windows."""
    data = dict(np.load(sys.argv[1]))
    amounts = data["train_y"].dtype.kind == "f"
    fits: dict[str, tuple[float, float, Any]] = {}
    for name, model in candidates(amounts):
        fit_s = fitted(model, data["train_X"], data["train_y"])
        fits[name] = (score(model.predict(data["validation_X"]), data["validation_y"]), fit_s, model)
    validation_scores, total = {name: one[0] for name, one in fits.items()}, sum(one[1] for one in fits.values())
    name = max(validation_scores, key=lambda one: validation_scores[one])
    validation, fit_s, model = fits[name]
    record, answers = peer_record(name, model, fit_s, validation, data["test_X"])
    arrays: dict[str, Any] = {"answers_0": answers}
    records = [{**record, "tried": validation_scores, "all_fits_s": total}]
    if "train_W" in data:
        model = rocket(data["train_W"].shape[1], amounts)
        fit_s = fitted(model, data["train_W"], data["train_Wy"])
        validation = score(model.predict(data["validation_W"]), data["validation_Wy"])
        record, answers = peer_record("MiniRocket and ridge", model, fit_s, validation, data["test_W"])
        records.append({**record, "rows": len(data["train_W"])})
        arrays["answers_1"] = answers
    np.savez(sys.argv[2], told=json.dumps(records), **arrays)


if __name__ == "__main__":
    main()
