"""scikit-learn's own checks of estimators, over every model and every stage of rows."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import check_estimator

from edgewright.features.compress import Compress
from edgewright.features.polynomial import Polynomial
from edgewright.features.union import Union
from edgewright.graph.stage import SampleTransformer
from edgewright.models.boosting import Boosting
from edgewright.models.extra_trees import ExtraTrees
from edgewright.models.forest import Forest
from edgewright.models.kernel_machine import KernelMachine
from edgewright.models.linear import Linear
from edgewright.models.majority import Majority
from edgewright.models.neighbours import Neighbours
from edgewright.models.network import NetworkClassifier, NetworkRegressor
from edgewright.models.rules import Rules
from edgewright.models.threshold import Threshold
from edgewright.models.tree import Tree
from edgewright.preprocessing.impute import Impute
from edgewright.preprocessing.scale import Scale
from edgewright.workflows.model import Classifier, Model, Pipeline, Regressor
from stage_examples import KINDS

pytestmark = pytest.mark.slow

PLAIN = (Boosting, ExtraTrees, Forest, KernelMachine, Linear, Majority, Neighbours, Rules, Threshold, Tree)
# Batches are drawn by chance, so weights are not the same as repeated samples; scikit-learn's SGDClassifier is excused
# from this check too.
BATCHES = {
    "check_sample_weight_equivalence_on_dense_data": "batches are drawn by chance",
    # On processors with AVX-512 the last bit of a row depends on its index in the batch.
    "check_methods_sample_order_invariance": "OpenBLAS multiplies rows in blocks of several kernels",
}

# scikit-learn's own Pipeline is excused from these checks, too.
IN_PLACE = dict.fromkeys(
    ("check_estimators_overwrite_params", "check_dont_overwrite_parameters"), "a pipeline fits its steps in place"
)
UNION = Union((("compress", Compress(), ("shape_",)), ("polynomial", Polynomial(), ("shape_",))))


def stage_class(room: str, kind: str) -> type[SampleTransformer]:
    """Return the transformer of a stage's file."""
    module = importlib.import_module(f"{room}.{kind}")
    (stage,) = [
        thing
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, SampleTransformer) and thing.__module__ == module.__name__
    ]
    return stage


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("kind", PLAIN)
def test_models_pass(kind: type[BaseEstimator], task: str) -> None:
    failed(kind(task), {})


@pytest.mark.parametrize("model", [NetworkClassifier(epochs=60), NetworkRegressor(epochs=60)])
def test_networks_pass(model: BaseEstimator) -> None:
    failed(model.set_params(learning_rate=0.01), BATCHES)


@pytest.mark.parametrize("kind", KINDS)
def test_stages_of_rows_pass(kind: tuple[str, str]) -> None:
    """Leave out stages of windows and of pictures: every check gives rows."""
    stage = UNION if kind[1] == "union" else stage_class(*kind)()
    if 1 in stage.takes:
        failed(stage, {})


def test_a_pipeline_passes() -> None:
    failed(Pipeline([("impute", Impute()), ("scale", Scale()), ("model", Tree())]), IN_PLACE)
    failed(Pipeline([("model", Linear("regression"))]), IN_PLACE)


def test_a_model_of_own_data_passes(tmp_path: Path) -> None:
    """A race takes seconds a fit; the estimator is the same with steps."""
    classes, amounts = (
        Pipeline([("scale", Scale()), ("model", Tree(task))]) for task in ("classification", "regression")
    )
    failed(Model(pipeline=classes, out=tmp_path), {})
    failed(Classifier(pipeline=classes, out=tmp_path), {})
    failed(Regressor(pipeline=amounts, out=tmp_path), {})


def failed(estimator: BaseEstimator, expected: dict[str, str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = check_estimator(estimator, expected_failed_checks=expected, on_fail=None, on_skip=None)
    assert len(done) > 35
    wrong = [(check["check_name"], check["exception"]) for check in done if check["status"] == "failed"]
    assert wrong == []


@pytest.mark.parametrize("kind", [Tree, Forest, ExtraTrees])
def test_many_classes_of_few_samples_are_fitted_without_a_warning(
    kind: type[Tree] | type[Forest] | type[ExtraTrees],
) -> None:
    labels = [f"good {number % 16}" for number in range(24)]
    model = kind().fit(np.arange(24, dtype=np.float32)[:, None], labels)
    assert len(model.classes_) == 16
