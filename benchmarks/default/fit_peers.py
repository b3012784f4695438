"""Tunes peers in their own environment: `python -m benchmarks.default.fit_peers FOLDER`. It imports no package of ours.

The folder has `peers.json` and `peers.npz`, which the suite wrote. Each family of models is tuned by folds of the
training samples, which keep groups whole, and answers the test samples once. `answers.npz` has the answers, and their
record as JSON.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from aeon.classification.convolution_based import MiniRocketClassifier
from aeon.regression.convolution_based import MiniRocketRegressor
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import average_precision_score, f1_score
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from benchmarks.default import peer_models as models
from benchmarks.default.features import of_rows, tables

Array = NDArray[Any]
Folds = list[tuple[Array, Array]]
FOLDS = 3
# A table with more columns than this counts as wide: PLS is fitted too, and boosting looks at a fifth of them.
_WIDE = 50
# Before the text of a label.
_TEXT = "class "
# MiniRocket's ridge solves for all samples at once, and a kernel machine compares each with each.
_MAXIMUM_ROCKET, _MAXIMUM_KERNEL = 2_000, 8_000


def rocket(channels: int, amounts: bool) -> Any:  # noqa: ANN401 - an estimator without types
    """Return MiniRocket with a ridge, compiled."""
    kind = MiniRocketRegressor if amounts else MiniRocketClassifier
    tiny = np.random.default_rng(0).normal(size=(8, channels, 16)).astype(np.float32)
    # Compiling takes longer than a fit; it is done once and not counted.
    y = np.arange(8.0) if amounts else np.array(["a", "b"] * 4)
    kind(n_kernels=84, random_state=0).fit(tiny, y).predict(tiny)
    return kind(random_state=0)


@dataclass
class Problem:
    """What peers are fitted on.

    Attributes:
        metric: of the set.
        X: training and test tables by name of the features.
        y: targets of training samples.
        folds: of the training samples.
        signals: training and test recordings, shape (n, channels, samples); None where there are none.
        answers, records: of the families.
    """

    metric: str
    X: dict[str, tuple[Array, Array]]
    y: Array
    folds: Folds
    signals: tuple[Array, Array] | None
    answers: list[Array] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)


def families(metric: str, columns: int, rows: int) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Yield each family of models with its small grid of settings.

    Args:
        metric: of the set.
        columns: of the training table.
        rows: of the training table.
    """
    # On wide tables trees take most of the time: they look at fewer columns, in fewer settings.
    wide = columns > _WIDE
    share, sizes, parts = (0.2, (15,), ("sqrt",)) if wide else (1.0, (7, 31), ("sqrt", 0.3))
    few = {"min_samples_leaf": 20 if rows > 200 else 5}
    small = rows <= _MAXIMUM_KERNEL
    if metric == "rmse":
        yield "extra trees", [(f"leaves of {leaf}", ExtraTreesRegressor(200, min_samples_leaf=leaf, random_state=0))
                              for leaf in (1, 3)]  # fmt: skip
        yield "boosting", [
            (f"{leaves} leaves", HistGradientBoostingRegressor(
                learning_rate=0.06, max_iter=150, max_leaf_nodes=leaves, max_features=share, random_state=0, **few))
            for leaves in sizes
        ]  # fmt: skip
        yield "ridge", [(f"alpha {alpha:g}", make_pipeline(StandardScaler(), Ridge(alpha=alpha)))
                        for alpha in (0.01, 1.0, 30.0, 300.0)]  # fmt: skip
        if small:
            yield "SVM", [(f"C {c:g}, epsilon {e:g}", _kernel_machine(c, e)) for c in (1.0, 10.0, 100.0)
                          for e in (0.03, 0.2)]  # fmt: skip
        if wide:
            yield "PLS", [(f"{count} components", PLSRegression(count)) for count in (2, 5, 9, 14, 20) if count < rows]
        return
    weight = "balanced" if metric == "macro_f1" else None
    yield "extra trees", [
        (f"leaves of {leaf}, {part} of the features", models.extra_trees(
            min_samples_leaf=leaf, max_features=part, class_weight=weight))
        for leaf in (1, 3) for part in parts
    ]  # fmt: skip
    yield "boosting", [
        (f"{leaves} leaves", models.boosting(
            max_iter=80, max_leaf_nodes=leaves, max_features=share, class_weight=weight, **few))
        for leaves in sizes
    ]  # fmt: skip
    yield "logistic regression", [(f"C {c:g}", models.logistic(c, class_weight=weight)) for c in (0.03, 1.0)]
    if small:
        yield "SVM", [
            (f"C {c:g}, gamma x {g:g}", models.support_vectors(c, g / columns)) for c in (1.0, 10.0, 100.0)
            for g in (0.3, 1.0)
        ]  # fmt: skip


def _kernel_machine(c: float, epsilon: float) -> Any:  # noqa: ANN401 - an estimator
    """Return a kernel machine of amounts, which are scaled to a spread of one."""
    machine = make_pipeline(StandardScaler(), SVR(C=c, epsilon=epsilon))
    return TransformedTargetRegressor(machine, transformer=StandardScaler())


def answers_of(model: Any, X: Array, metric: str, rare: str) -> Array:  # noqa: ANN401 - an estimator
    """Return labels or amounts; of the average precision, how likely the rarer class is."""
    if metric != "average_precision":
        return np.asarray(model.predict(X)).reshape(len(X))
    column = list(model.classes_).index(rare)
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(X)[:, column])
    return np.asarray(model.decision_function(X)) * (1 if column else -1)


def score(metric: str, truth: Array, answers: Array, rare: str) -> float:
    """Return the metric of a set, errors negative: larger is better."""
    if metric == "rmse":
        return -float(np.sqrt(((answers - truth) ** 2).mean()))
    if metric == "average_precision":
        return float(average_precision_score(truth == rare, answers))
    if metric == "macro_f1":
        return float(f1_score(truth, answers, average="macro"))
    return float((truth == answers).mean())


def divide(y: Array, groups: Array | None, ordered: bool) -> Folds:
    """Return folds of the training samples: groups whole, stretches of time, or the same mix of classes."""
    rows, amounts = np.arange(len(y)), y.dtype.kind == "f"
    if groups is not None and len(np.unique(groups)) >= FOLDS:
        kind = GroupKFold(FOLDS) if amounts else StratifiedGroupKFold(FOLDS)
        return list(kind.split(rows, y, groups))
    if ordered:
        return list(KFold(FOLDS).split(rows))
    kind = KFold(FOLDS, shuffle=True, random_state=0) if amounts else StratifiedKFold(
        FOLDS, shuffle=True, random_state=0)  # fmt: skip
    return list(kind.split(rows, y))


def tune(problem: Problem, name: str, grid: list[tuple[str, Any, Array, Array]]) -> None:
    """Choose the best of a family by the folds, and keep its answers to the test samples.

    Args:
        problem: takes the answers.
        name: of the family.
        grid: of each setting its name, model, training table and test table.
    """
    started = time.process_time()
    names, counts = np.unique(problem.y, return_counts=True)
    rare, metric = names[np.argmin(counts)], problem.metric
    scores = []
    for _, model, X, _ in grid:
        answers = [answers_of(clone(model).fit(X[train], problem.y[train]), X[test], metric, rare)
                   for train, test in problem.folds]  # fmt: skip
        truth = np.concatenate([problem.y[test] for _, test in problem.folds])
        scores.append(score(metric, truth, np.concatenate(answers), rare))
    best = int(np.argmax(scores))
    setting, model, X, test_X = grid[best]
    problem.answers.append(answers_of(clone(model).fit(X, problem.y), test_X, metric, rare))
    record = {"name": name, "setting": setting, "cv": scores[best], "cpu_s": time.process_time() - started}
    problem.records.append(record)
    print(f"  {name}, {setting}: {scores[best]:.4f} in folds, {record['cpu_s']:.1f} CPU-s", flush=True)


def read(folder: Path) -> Problem:
    """Read what the suite wrote, and compute the features."""
    settings = json.loads((folder / "peers.json").read_text())
    with np.load(folder / "peers.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    y, groups = arrays["train_y"], arrays.get("train_groups")
    if y.dtype.kind == "U":  # scikit-learn takes the text '1' for a number in one place, and for a text in another
        y = np.char.add(_TEXT, y)
    signals = None
    if settings["kind"] == "rows":
        sides = of_rows(Path(settings["train"]), Path(settings["test"]), settings["ignore"])
        X = {"columns": sides}
    else:
        if settings["kind"] == "signals":
            signals = (np.nan_to_num(arrays["train_X"]), np.nan_to_num(arrays["test_X"]))
        train, test = (tables(settings["kind"], arrays, side) for side in ("train", "test"))
        X = {name: (train[name], test[name]) for name in train}
    return Problem(settings["metric"], X, y, divide(y, groups, settings["ordered"]), signals)


def main() -> None:
    """Tune every family, and MiniRocket with a ridge where there are recordings."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    problem = read(folder)
    grids: dict[str, list[tuple[str, Any, Array, Array]]] = {}
    for features, (train, test) in problem.X.items():
        for name, settings in families(problem.metric, train.shape[1], len(train)):
            # Boosting takes longer than all others together, so it gets the last and richest table alone.
            if name != "boosting" or features == list(problem.X)[-1]:
                grids.setdefault(name, []).extend(
                    (f"{features}, {setting}", model, train, test) for setting, model in settings
                )
    for name, grid in grids.items():
        tune(problem, name, grid)
    if problem.signals is not None and problem.metric != "average_precision":
        _tune_rocket(problem, *problem.signals)
    answers = [answer if answer.dtype.kind == "f" else np.char.replace(answer.astype(str), _TEXT, "", 1)
               for answer in problem.answers]  # fmt: skip
    np.savez(folder / "answers.npz", records=json.dumps(problem.records),
             **{f"answers_{n}": answer for n, answer in enumerate(answers)})  # type: ignore[arg-type]  # fmt: skip


def _tune_rocket(problem: Problem, train: Array, test: Array) -> None:
    """Fit MiniRocket with a ridge on so many samples at most; it has no setting, and folds show how good it is."""
    if train.shape[2] < 9:
        return
    if len(train) > _MAXIMUM_ROCKET:
        kept = np.sort(np.random.default_rng(0).choice(len(train), _MAXIMUM_ROCKET, replace=False))
        number = np.full(len(train), -1)
        number[kept] = np.arange(len(kept))
        folds = [tuple(number[side][number[side] >= 0] for side in fold) for fold in problem.folds]
        part = Problem(problem.metric, {}, problem.y[kept], folds, None, problem.answers, problem.records)  # type: ignore[arg-type]
        problem, train = part, train[kept]
    model = rocket(train.shape[1], problem.metric == "rmse")
    tune(problem, "MiniRocket and ridge", [("no setting", model, train, test)])


if __name__ == "__main__":
    main()
