"""Models without epochs are as sure as they are right: a temperature that validation samples find, in every form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.prediction.executor import compile_graph
from edgewright.models._plain import PlainModel
from edgewright.models.boosting import Boosting
from edgewright.models.extra_trees import ExtraTrees
from edgewright.models.kernel_machine import KernelMachine
from edgewright.models.linear import Linear
from edgewright.models.neighbours import Neighbours
from edgewright.models.rules import Rules
from edgewright.models.tree import Tree
from edgewright.pipeline.config import checked
from edgewright.pipeline.fitting import graph_of
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.workflows.proof.workflow import prove_place

KINDS = (Linear, Boosting, KernelMachine, ExtraTrees, Tree, Rules, Neighbours)


def samples(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Return rows of six columns, two of which tell one of three classes, with noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 6)).astype(np.float32)
    level = X[:, 0] + X[:, 1] ** 2 + rng.normal(0, 0.7, count)
    return X, np.array(list("abc"))[np.digitize(level, [0.3, 1.5])]


def log_loss(shares: NDArray[Any], y: NDArray[np.str_]) -> float:
    return float(-np.log(np.maximum(shares[np.arange(len(y)), np.searchsorted(list("abc"), y)], 1e-6)).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_a_temperature_changes_how_sure_an_answer_is_and_no_label(kind: type[PlainModel]) -> None:
    X, y = samples(1000, 7)
    model = kind().fit(*samples(300, 1))
    before, labels = model.predict_proba(X), model.predict(X)
    model.calibrate(*samples(300, 2))
    after = model.predict_proba(X)
    assert model.training_.temperature != 1.0
    assert (model.predict(X) == labels).all()
    assert after.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    # A linear model, whose penalty folds choose, is calibrated already.
    assert log_loss(after, y) < log_loss(before, y) + (0.005 if kind is Linear else 0.0)
    graph = graph_of([("model", model)], (6,), "small")
    assert compile_graph(graph, ("probabilities",))(X)["probabilities"] == pytest.approx(after, abs=1e-5)
    stored = kind()
    stored.fitted_ = model.fitted_
    assert (stored.predict_proba(X) == after).all()


def test_the_width_of_neighbours_follows_the_scale_of_the_data() -> None:
    X, y = samples(300, 1)
    narrow, wide = Neighbours().fit(X, y), Neighbours().fit(64 * X, y)
    assert narrow.sharpness_ == pytest.approx(64**2 * wide.sharpness_, rel=1e-3)
    assert (wide.predict(64 * X) == narrow.predict(X)).all()


def test_few_samples_move_a_temperature_a_little() -> None:
    X, y = samples(300, 1)
    X, y = X[y != "c"], y[y != "c"]
    model = Linear().fit(X, y)
    right = model.predict(X) == y
    model.calibrate(X[right][:4], y[right][:4])
    assert 0.7 < model.training_.temperature < 1.0  # all right, which alone would ask for the lowest there is


def run(folder: Path, model: str, *, calibrate: bool) -> RunResult:
    X, y = samples(600, 3)
    lines = [",".join([*(f"{value:.4f}" for value in row), label]) for row, label in zip(X, y, strict=True)]
    (folder / "rows.csv").write_text("\n".join(["a,b,c,d,e,f,label", *lines]))
    table = {
        "name": "small", "data": {"kind": "csv", "path": str(folder / "rows.csv"), "target": "label"},
        "model": {"kind": model, "layers": []}, "training": {"calibrate": calibrate}, "split": {"by": "row"},
    }  # fmt: skip
    return run_pipeline(checked(table, "small"), out=folder / "runs", force=True)


def test_a_run_calibrates_on_its_validation_samples_unless_told_not_to(tmp_path: Path) -> None:
    plain, calibrated = (run(tmp_path, "extra_trees", calibrate=wanted) for wanted in (False, True))
    first, second = plain.trace.evaluation, calibrated.trace.evaluation
    assert first is not None and second is not None and first.calibration_error and second.calibration_error
    assert first.accuracy == second.accuracy
    assert second.calibration_error < first.calibration_error
    assert plain.trace.training is not None and plain.trace.training.temperature == 1.0
    assert calibrated.trace.training is not None and calibrated.trace.training.temperature < 1.0
    assert calibrated.trace.refit is not None and calibrated.trace.refit.kept


@pytest.mark.slow
@pytest.mark.parametrize("model", ["extra_trees", "linear", "rules"])
def test_every_form_has_the_temperature(tmp_path: Path, model: str) -> None:
    assert prove_place(str(run(tmp_path, model, calibrate=True).folder), rows=40).passed
