"""Trees of other libraries: missing values, markers, links and forests, and the comparison with the library itself."""

from __future__ import annotations

import itertools
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from cli_runner import Cli
from edgewright import Pipeline
from edgewright.core.errors import DataWarning, GraphError, InputError, OnnxError, TreesError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.graph import onnx_writer
from edgewright.graph.ensembles import DRAWN_ROWS, Format, Node, draw_rows, float32_limits, format_of, parsed
from edgewright.graph.from_onnx import read_model, read_with_notes
from edgewright.graph.onnx_writer import NOT_COMPARED
from edgewright.models.boosting import Boosting
from edgewright.workflows.proof.subject import read_subject
from foreign import MODELS, absent_forms

BOOSTED = MODELS / "boosted"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 4)).astype(np.float32)
HOLES = np.where(RNG.random(X.shape) < 0.2, np.float32(np.nan), X)
AMOUNT = np.exp(0.5 * X[:, 0] + 0.2 * X[:, 1])
# Our own ONNX is no foreign file, and TFLM has no GATHER of int32.
TREES_LACK = {"the .onnx file itself in ONNX Runtime", "float .tflite in TFLM"}
LOSSES: tuple[dict[str, Any], ...] = (
    {"loss": "squared_error"}, {"loss": "absolute_error"}, {"loss": "poisson"}, {"loss": "gamma"},
    {"loss": "quantile", "quantile": 0.7},
)  # fmt: skip


def fitted(rows: NDArray[np.float32], settings: dict[str, Any]) -> Any:  # noqa: ANN401 - of scikit-learn
    small: dict[str, Any] = {"max_iter": 8, "max_leaf_nodes": 8, "random_state": 0}
    if settings:
        return HistGradientBoostingRegressor(**small, **settings).fit(rows, AMOUNT)
    return HistGradientBoostingClassifier(**small).fit(rows, np.where(X[:, 0] * X[:, 1] > 0, "on", "off"))


@pytest.mark.parametrize("settings", [*LOSSES, {}], ids=str)
@pytest.mark.parametrize("rows", [X, HOLES], ids=["complete", "with holes"])
def test_a_fitted_model_keeps_its_link_and_its_missing_values(
    rows: NDArray[np.float32], settings: dict[str, Any]
) -> None:
    model = fitted(rows, settings)
    pipeline = Pipeline([("model", Boosting.from_fitted(model))])
    queries = HOLES[~np.isnan(HOLES).all(axis=1)]
    expected = model.predict(queries) if settings else model.predict_proba(queries)
    given = pipeline.predict(queries) if settings else pipeline.predict_proba(queries)
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-6)
    outputs = compile_graph(read_onnx(pipeline.to_onnx((4,))))(queries)
    of_graph = outputs["prediction" if settings else "probabilities"]
    np.testing.assert_allclose(of_graph.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)


def test_a_stored_model_keeps_them_too() -> None:
    model = Boosting.from_fitted(fitted(HOLES, {"loss": "gamma"}))
    other = Boosting("regression")
    other.fitted_ = model.fitted_
    queries = HOLES[~np.isnan(HOLES).all(axis=1)]
    np.testing.assert_array_equal(other.predict(queries), model.predict(queries))
    assert (other.link_, other.missing) == ("log", True)
    assert {"link_", "missing"}.isdisjoint(Boosting("regression", rounds=2).fit(X, AMOUNT).fitted_)


def test_a_model_of_a_data_frame_is_taken_without_a_warning() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    model = HistGradientBoostingRegressor(max_iter=3, loss="poisson").fit(frame, AMOUNT)
    np.testing.assert_allclose(Boosting.from_fitted(model).predict(X), model.predict(frame), rtol=1e-5)


def test_a_model_that_predicts_something_else_is_refused() -> None:
    model = fitted(X, {"loss": "squared_error"})
    model._baseline_prediction = model._baseline_prediction + 1
    kept = model.predict
    model.predict = lambda rows: kept(rows) + 1
    with pytest.raises(TreesError):
        Boosting.from_fitted(model)


@pytest.mark.slow
def test_missing_values_agree_in_every_form(tmp_path: Path) -> None:
    pipeline = Pipeline([("model", Boosting.from_fitted(fitted(HOLES, {"loss": "poisson"})))])
    absent = absent_forms(pipeline.to_onnx((4,)), tmp_path)
    assert set(absent) <= TREES_LACK


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::edgewright.core.errors.DataWarning")
@pytest.mark.parametrize("name", ["extreme-leaves.json", "extreme-leaf.json", "light-forest-three.txt"])
def test_trees_agree_in_every_form(name: str, tmp_path: Path) -> None:
    from edgewright.graph.onnx_writer import to_onnx

    absent = absent_forms(to_onnx(read_model(BOOSTED / name)), tmp_path)
    assert set(absent) <= TREES_LACK


def test_a_marker_is_a_missing_value() -> None:
    kept = np.load(BOOSTED / "extreme-marker.json.npz")
    x, y = kept["x"], kept["y"]
    assert (x == -999).any()
    given = compile_graph(read_model(BOOSTED / "extreme-marker.json", missing=-999))(x)["probabilities"]
    np.testing.assert_allclose(given, y, atol=1e-6)
    document = json.loads((BOOSTED / "extreme-marker.json").read_text(encoding="utf-8"))
    # As `set_attr(missing="-999")` of the booster writes it.
    document["learner"]["attributes"]["missing"] = "-999"
    text = json.dumps(document, separators=(",", ":")).encode()
    np.testing.assert_allclose(compile_graph(read_model(text))(x)["probabilities"], y, atol=1e-6)
    document["learner"]["attributes"]["missing"] = "none"
    with pytest.raises(InputError):
        read_model(json.dumps(document).encode())


def test_an_unknown_marker_is_warned_of() -> None:
    with pytest.warns(DataWarning):
        unmarked = read_model(BOOSTED / "extreme-marker.json")
    kept = np.load(BOOSTED / "extreme-marker.json.npz")
    assert np.abs(compile_graph(unmarked)(kept["x"])["probabilities"] - kept["y"]).max() > 0.01
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_model(BOOSTED / "extreme-marker.json", missing=np.nan)
        read_model(BOOSTED / "extreme-two.json")
        read_model(BOOSTED / "light-three.txt")


def test_a_marker_of_other_models_is_refused() -> None:
    with pytest.raises(OnnxError):
        read_model(MODELS / "sklearn-tree.onnx", missing=-999)


def test_export_takes_the_marker_and_says_what_was_compared(tmp_path: Path, cli: Cli) -> None:
    path = BOOSTED / "extreme-marker.json"
    cli("export", path, "--to", "onnx", "--out", tmp_path / "plain")
    assert "missing=-999" in cli.err
    record = cli.json("export", path, "--to", "onnx", "--out", tmp_path / "marked", "--missing", "-999")
    assert not cli.err
    written = read_onnx(Path(record["files"][0]["path"]).read_bytes())
    kept = np.load(f"{path}.npz")
    np.testing.assert_allclose(compile_graph(written)(kept["x"])["probabilities"], kept["y"], atol=1e-6)
    assert "XGBoost" in record["note"]
    cli("export", MODELS / "sklearn-tree.onnx", "--to", "onnx", "--out", tmp_path / "other", "--missing", "0", code=2)


def test_rows_are_drawn_on_both_sides_of_each_threshold() -> None:
    thresholds = np.asarray([0.5, -3.0, np.inf, 2e6], np.float64)
    features = np.asarray([0, 0, 1, 2])
    rows = draw_rows(4, features, thresholds, -999)
    assert rows.shape == (DRAWN_ROWS, 4)
    assert rows.dtype == np.float32
    for feature, threshold in zip(features[[0, 1, 3]], float32_limits(thresholds)[[0, 1, 3]], strict=True):
        column = rows[:, feature]
        assert (column == threshold).any()
        assert (column == np.nextafter(threshold, np.float32(np.inf))).any()
        assert (column == np.nextafter(threshold, np.float32(-np.inf))).any()
    assert np.isnan(rows).any(axis=0).all()
    assert (rows == -999).any(axis=0).all()
    np.testing.assert_array_equal(rows, draw_rows(4, features, thresholds, -999))


# A library that predicts by a formula of the first column; its arguments are those of `Format.predict`.
_LIBRARY = """
import sys
import numpy
model, rows, answers, marker = sys.argv[1:]
x = numpy.load(rows)[:, 0]
absent = numpy.isnan(x) | (x == numpy.float32(float(marker)))
numpy.save(answers, numpy.where((x <= 0) | absent, 1.0, {above}))
"""


def compare(predict: str, library: str = "numpy", marker: float | None = None) -> str:
    """Compare a stump, which is 1 up to 0 and for missing values, and 2 above, with a library."""
    known = Format("Library", lambda _: True, lambda _: stump, library, predict)
    stump = parsed(
        [[Node(0.0, 0, 1, 2, missing=True), Node(1.0), Node(2.0)]],
        mode="BRANCH_LEQ", columns=2, ends=[0], base=[0.0], link="NONE", marker=marker,
    )  # fmt: skip
    data = b"tree\nof a test"
    patched = pytest.MonkeyPatch()
    with patched.context() as patch:
        patch.setattr("edgewright.graph.from_onnx.format_of", lambda _: known)
        patch.setattr("edgewright.graph.from_onnx.read_ensemble", lambda *_: stump)
        return read_with_notes(data)[1][0]


@pytest.mark.parametrize("marker", [None, -999.0])
def test_the_library_predicts_drawn_rows(marker: float | None) -> None:
    assert "Library" in compare(_LIBRARY.format(above=2.0), marker=marker)
    with pytest.raises(GraphError):
        compare(_LIBRARY.format(above=2.1), marker=marker)


@pytest.mark.parametrize(
    "predict",
    ["raise SystemExit(3)", "import os; os.abort()", "pass", "print('no file')", "import time; time.sleep(9)"],
)
def test_a_library_that_fails_is_reported(predict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_writer, "_TIME_LIMIT_S", 1)
    assert compare(predict).startswith(NOT_COMPARED)


def test_a_library_that_is_absent_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compare("", library="no_such_library_of_trees").startswith(NOT_COMPARED)
    monkeypatch.setattr(onnx_writer, "find_spec", lambda _: None)
    subject = read_subject(BOOSTED / "light-two.txt")
    assert any("library" in absent.name for absent in subject.absent)


@pytest.mark.parametrize(("name", "library"), [("light-two.txt", "lightgbm"), ("extreme-two.json", "xgboost")])
def test_every_format_has_a_library(name: str, library: str) -> None:
    known = format_of((BOOSTED / name).read_bytes())
    assert known is not None
    assert known.library == library
    compile(known.predict, name, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name.removesuffix(".npz") for path in BOOSTED.glob("*.npz")))
def test_each_file_is_compared_where_its_library_is(name: str) -> None:
    pytest.importorskip("lightgbm" if name.startswith("light") else "xgboost")
    missing = -999.0 if "marker" in name else np.nan if name.startswith("extreme") else None
    (note,) = read_with_notes(BOOSTED / name, missing=missing)[1]
    assert note.startswith("compared")


def test_neighbors_in_an_imputer_are_refused_by_name() -> None:
    skl2onnx = pytest.importorskip("skl2onnx")
    model = make_pipeline(KNNImputer(n_neighbors=3), LogisticRegression()).fit(HOLES[:60], X[:60, 0] > 0)
    data = skl2onnx.to_onnx(model, HOLES[:1], options={"zipmap": False}).SerializeToString()
    with pytest.raises(OnnxError) as raised:
        read_model(data)
    assert "KNNImputer" in raised.value.got


def test_all_rows_of_missing_values_end_at_the_same_leaf() -> None:
    model = read_model(BOOSTED / "extreme-leaves.json")
    rows = np.asarray(list(itertools.product([np.nan, 0.0, np.inf], repeat=6)), np.float32)
    given = compile_graph(model)(rows)["prediction"]
    assert len(np.unique(given)) == 1
    assert np.isfinite(given).all()


def test_a_comparison_of_another_kind_is_noticed() -> None:
    """Rows at the thresholds themselves tell `<` from `<=`."""
    with pytest.raises(GraphError):
        compare(_LIBRARY.format(above=2.0).replace("x <= 0", "x < 0"))
