"""Fits peers in their own environment: `python fit_peers.py SAMPLES.npz ANSWERS.npz`. No package of ours is imported.

Every candidate is fitted on the training samples; the best of scikit-learn is chosen by its accuracy on the validation
samples, which are other groups, and answers the test samples. MiniRocket with a ridge has no setting to choose.
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
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Model = Any
Array = NDArray[Any]
SINGLE = 100  # predictions of one sample that are timed


def candidates() -> Iterator[tuple[str, Model]]:
    """Return simple models by name."""
    for strength in (0.01, 1.0):
        model = LogisticRegression(C=strength, max_iter=200)
        yield f"logistic regression, C = {strength:g}", make_pipeline(StandardScaler(), model)
    for leaf in (1, 5):
        model = RandomForestClassifier(200, min_samples_leaf=leaf, max_features="sqrt", random_state=0)
        yield f"random forest, leaves of {leaf}", model
    yield "gradient boosting", HistGradientBoostingClassifier(max_iter=60, random_state=0)


def rocket(channels: int) -> Model:
    """Return MiniRocket with a ridge, compiled."""
    tiny = np.random.default_rng(0).normal(size=(8, channels, 16)).astype(np.float32)
    # Compiling takes longer than a fit; it is done once and not counted.
    MiniRocketClassifier(n_kernels=84, random_state=0).fit(tiny, np.array(["a", "b"] * 4)).predict(tiny)
    return MiniRocketClassifier(random_state=0)


def fitted(model: Model, X: Array, y: Array) -> float:
    """Return processor seconds of a fit."""
    started = time.process_time()
    model.fit(X, y)
    return time.process_time() - started


def judged(
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
    made: dict[str, tuple[float, float, Any]] = {}
    for name, model in candidates():
        fit_s = fitted(model, data["train_X"], data["train_y"])
        made[name] = (float((model.predict(data["validation_X"]) == data["validation_y"]).mean()), fit_s, model)
    tried, total = {name: one[0] for name, one in made.items()}, sum(one[1] for one in made.values())
    name = max(tried, key=lambda one: tried[one])
    validation, fit_s, model = made[name]
    record, answers = judged(name, model, fit_s, validation, data["test_X"])
    arrays: dict[str, Any] = {"answers_0": answers}
    told = [{**record, "tried": tried, "all_fits_s": total}]
    if "train_W" in data:
        model = rocket(data["train_W"].shape[1])
        fit_s = fitted(model, data["train_W"], data["train_Wy"])
        validation = float((model.predict(data["validation_W"]) == data["validation_Wy"]).mean())
        record, answers = judged("MiniRocket and ridge", model, fit_s, validation, data["test_W"])
        told.append({**record, "rows": len(data["train_W"])})
        arrays["answers_1"] = answers
    np.savez(sys.argv[2], told=json.dumps(told), **arrays)


if __name__ == "__main__":
    main()
