"""`edgewright.fit`: a frame becomes a package, C and answers; what is wrong is said as on the command line."""

from __future__ import annotations

import copy
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import check_cv

import edgewright as ew
from edgewright.core.errors import CheckFailedError, ColumnMissingError, InputError, MissingFileError, RunError
from edgewright.features.statistics import Statistics
from edgewright.models.linear import Linear
from edgewright.models.tree import Tree
from edgewright.preprocessing.fill import Fill
from edgewright.workflows import run_folder
from edgewright.workflows.frames import label_codes
from edgewright.workflows.model import Model, Pipeline

PEOPLE, ROWS = 8, 60


def table(seed: int = 0) -> dict[str, list[object]]:
    """Return rows of a machine whose heat and hum tell whether it is worn."""
    rng = np.random.default_rng(seed)
    worn = rng.random(PEOPLE * ROWS) < 0.4
    heat, hum = rng.normal(40.0, 2.0, len(worn)) + 6.0 * worn, rng.normal(1.0, 0.2, len(worn)) + 0.6 * worn
    return {
        "machine": [f"m{number // ROWS}" for number in range(len(worn))], "hum": hum.tolist(), "heat": heat.tolist(),
        "state": np.where(worn, "worn", "good").tolist(),
    }  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return ew.fit(
        pl.DataFrame(table()),
        target="state",
        group="machine",
        window="row",
        need=0.9,
        out=tmp_path_factory.mktemp("runs"),
    )


@pytest.mark.slow
def test_a_frame_becomes_a_model_that_answers_by_column_name(model: Model) -> None:
    new = pd.DataFrame(table(1))
    expected = np.asarray(new["state"])
    for frame in (new, new[["heat", "state", "hum"]], pl.DataFrame(table(1)).select("heat", "hum")):
        assert (model.predict(frame) == expected).mean() > 0.95
    with pytest.raises(InputError, match="Add hum"):
        model.predict(new[["heat"]])


@pytest.mark.slow
def test_it_reports_proves_exports_and_packages(model: Model, tmp_path: Path) -> None:
    report = model.explain()
    assert "Split: 8 people or machines" in report
    assert "on 8 groups left out in turn (95 % CI " in report
    assert "by machine)" in report
    assert re.search(r"Verdict: ready(, with a weakness)? for cortex-m4", report)
    assert model.prove().passed
    names = {path.name for path in model.to_c(tmp_path / "firmware", name="pump")}
    assert {"pump.c", "pump.h"} <= names
    package = model.package(tmp_path / "pump.edge")
    assert ew.load(package).predict(pd.DataFrame(table(1))).labels.tolist()
    assert (model.result.folder.parent / model.result.folder.name).is_dir()
    assert len(list(model.result.folder.parent.glob("model-*.csv"))) == 1


@pytest.mark.slow
def test_a_file_takes_its_own_name(tmp_path: Path) -> None:
    pl.DataFrame(table()).write_csv(tmp_path / "pump.csv")
    model = ew.fit(tmp_path / "pump.csv", out=tmp_path / "runs")
    assert model.result.folder == tmp_path / "runs" / "pump"
    assert "Target: state" in model.explain()


@pytest.mark.parametrize("names", [["a", "a", "state"], ["a", "state", "state"]])
def test_columns_of_one_name_are_refused(names: list[str], tmp_path: Path) -> None:
    frame = pd.DataFrame([[1.0, 2.0, 3.0]] * 4, columns=names)
    with pytest.raises(ColumnMissingError, match=f"columns with different names, got '{names[1]}' 2 times"):
        ew.fit(frame, target="state", out=tmp_path)
    with pytest.raises(ValueError, match="'a' 2 times"):
        Model(out=tmp_path).fit(pd.DataFrame(np.eye(4)[:, :2], columns=["a", "a"]), [0, 1, 0, 1])
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError):
        ew.fit([1, 2, 3], out=tmp_path)
    with pytest.raises(MissingFileError, match="no such"):
        ew.fit(tmp_path / "none.csv", out=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_it_is_an_estimator(model: Model, tmp_path: Path) -> None:
    new = pl.DataFrame(table(1))
    answers, chances = model.answers(new), model.predict_proba(new)
    assert model.classes_.tolist() == ["good", "worn"]
    assert model.predict(new).tolist() == answers.labels.tolist()
    assert (model.classes_[chances.argmax(axis=1)] == model.predict(new)).all()
    assert model.score(new) == model.score(new[["heat", "hum"]], new["state"]) > 0.95
    assert (model.feature_names_in_.tolist(), model.n_features_in_) == (["hum", "heat"], 2)
    assert not hasattr(clone(model), "classes_") and clone(model).get_params() == model.get_params()
    with pytest.raises(InputError, match="480 labels, one an answer"):
        model.score(new, new["state"][:7])
    with pytest.warns(FutureWarning, match="called explain"):
        assert model.report() == model.explain()


@pytest.mark.slow
def test_a_classifier_is_one_before_it_is_fitted_so_that_folds_are_stratified() -> None:
    assert is_classifier(ew.Classifier()) and is_regressor(ew.Regressor())
    assert not is_classifier(ew.Model())
    labels = np.repeat([0, 1, 2], 20)
    folds = check_cv(5, labels, classifier=is_classifier(ew.Classifier())).split(labels[:, None], labels)
    assert all(len(np.unique(labels[test])) == 3 for _, test in folds), "sorted labels"


@pytest.mark.slow
def test_the_class_decides_the_task(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2)).astype(np.float32)
    few = np.clip(np.round(2 * X[:, 0]), -2, 2)
    many = np.arange(300) % 25
    wide = np.stack([many + 0.1 * X[:, 0], X[:, 1]], axis=1)
    assert ew.Regressor(budget_s=0.0, out=tmp_path / "few").fit(X, few).task_ == "regression"
    model = ew.Classifier(budget_s=0.0, out=tmp_path / "many").fit(wide, many)
    assert (model.task_, model.classes_.tolist()) == ("classification", list(range(25)))
    with pytest.raises(ValueError, match="continuous"):
        ew.Classifier(out=tmp_path / "amounts").fit(X, X[:, 0])


def test_its_text_has_five_lines(model: Model) -> None:
    lines = repr(model).splitlines()
    assert [line.split()[0] for line in lines] == ["Model", "target", "score", "size", "verdict"]
    assert lines[1] == "target state: 2 classes (good, worn)"
    assert re.fullmatch(r"score .* % \(95 % CI .* to .*\), accuracy, each machine left out once", lines[2])
    assert "flash" in lines[3] and "on cortex-m4" in lines[3]
    assert repr(Model("state", group="machine")) == "Model(group='machine', target='state')"


@pytest.mark.slow
def test_what_is_saved_is_loaded(model: Model, tmp_path: Path) -> None:
    again = Model.load(model.save(tmp_path / "saved"))
    new = pl.DataFrame(table(1))
    assert again.predict(new).tolist() == model.predict(new).tolist()
    assert again.explain().replace(str(tmp_path / "saved"), str(model.result.folder)) == model.explain()
    assert again.get_params()["group"] == "machine"
    with pytest.raises(InputError, match="one that exists"):
        model.save(tmp_path / "saved")
    (tmp_path / "saved" / "model.json").unlink()
    assert repr(Model.load(tmp_path / "saved")) == repr(model)
    with pytest.raises(InputError, match=r"a trace\.json"):
        Model.load(tmp_path / "none")
    with pytest.raises(NotFittedError):
        Model().predict(new)


def small(out: Path, sign: int) -> tuple[Model, NDArray[np.float64], NDArray[np.str_]]:
    """Return a tree that was fitted on 60 samples, and these."""
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = np.where(sign * X[:, 0] > 0, "high", "low")
    return Model(pipeline=Pipeline([("model", Tree())]), out=out, force=True).fit(X, y), X, y


def readings(model: Model, X: NDArray[np.float64], folder: Path) -> list[Callable[[], object]]:
    """Return everything that reads the run folder of a model."""
    frame = pl.DataFrame({**{f"x{column}": X[:, column] for column in range(3)}, "target": ["high", "low"] * 30})
    return [
        lambda: model.predict(X), lambda: model.predict_proba(X), lambda: model.score(frame), model.prove,
        lambda: model.score(X, ["high", "low"] * 30), lambda: model.to_c(folder / "c"),
        lambda: model.package(folder / "m.edge"), lambda: model.save(folder / "saved"),
    ]  # fmt: skip


@pytest.mark.slow
def test_a_model_refuses_the_folder_of_another_fit(tmp_path: Path) -> None:
    first, X, y = small(tmp_path / "runs", 1)
    before, kept = first.predict(X), copy.deepcopy(first)
    again, _, _ = small(tmp_path / "runs", 1)
    assert (again.predict(X) == before).all() and (first.predict(X) == before).all()
    second, _, other = small(tmp_path / "runs", -1)
    assert second.result.folder == first.result.folder and second.score(X, other) > 0.9
    for model in (first, kept, copy.deepcopy(first)):
        for reading in readings(model, X, tmp_path):
            with pytest.raises(
                InputError, match=r"expected the .* of this model.*another.*Fit again with another name"
            ):
                reading()
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    shutil.rmtree(second.result.folder)
    for reading in readings(second, X, tmp_path):
        with pytest.raises(InputError, match=r"of this model, got no such .*Put the run folder back"):
            reading()
    assert first.fit(X, y).score(X, y) > 0.9


@pytest.mark.slow
def test_a_model_reads_its_package_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, X, y = small(tmp_path, 1)
    reads: list[Path] = []

    def read(path: Path, *_: str, **__: str) -> bytes:
        reads.append(path)
        return path.read_bytes()

    monkeypatch.setattr(run_folder, "read_file", read)
    assert len({model.score(X, y) for _ in range(5)}) == 1 and len(reads) == 1
    os.utime(str(model.result.package))
    assert (copy.deepcopy(model).predict(X) == model.predict(X)).all() and len(reads) == 3


@pytest.mark.slow
def test_a_run_without_a_package_is_kept_apart_too(tmp_path: Path) -> None:
    model, X, _ = small(tmp_path / "runs", 1)
    small(tmp_path / "runs", -1)
    model._result = replace(model.result, package=None, refused="too large")
    refused = copy.deepcopy(model)
    with pytest.raises(CheckFailedError, match="no package: too large"):
        refused.predict(X)
    with pytest.raises(InputError, match="the run of this model, got another run"):
        refused.save(tmp_path / "saved")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [int, bool, float, str])
def test_labels_come_back_in_the_type_that_they_were_given_in(kind: type, tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = np.asarray([kind(number) for number in X[:, 0] > 0])
    steps = Pipeline([("model", Tree())])
    model = Model(pipeline=steps, out=tmp_path).fit(X, y)
    assert model.predict(X).dtype.kind == y.dtype.kind
    assert model.score(X, y) > 0.9
    assert Model.load(model.result.folder).predict(X).tolist() == model.predict(X).tolist()
    with pytest.raises(ValueError, match="X has 2 features, but Model is expecting 3"):
        model.predict(X[:, :2])
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    assert Model(pipeline=steps, out=tmp_path).fit(frame, y).feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="without the column a"):
        Model("a", out=tmp_path).fit(frame, y)


@pytest.mark.slow
def test_amounts_and_windows_are_scored(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    amount = Model(pipeline=Pipeline([("model", Linear("regression"))]), out=tmp_path).fit(X, X[:, 0] * 3 + 1)
    assert amount.score(X, X[:, 0] * 3 + 1) > 0.99 and not hasattr(amount, "predict_proba")
    assert "an amount" in repr(amount) and "rmse" in repr(amount)
    on = np.arange(1600) // 80 % 2 == 1
    rows = pl.DataFrame({
        "a": rng.normal(size=1600) * np.where(on, 3.0, 1.0), "who": [f"p{n // 160}" for n in range(1600)],
        "state": np.where(on, "on", "off"),
    })  # fmt: skip
    steps = Pipeline([("fill", Fill()), ("moves", Statistics(features=("std",))), ("model", Tree())])
    model = Model("state", group="who", window="20 rows", pipeline=steps, out=tmp_path).fit(rows)
    assert len(model.predict(rows)) < 1600 and model.score(rows) > 0.8
    with pytest.raises(InputError, match="Give rows with the target as a column, without y"):
        model.score(rows, rows["state"])


@pytest.mark.slow
def test_a_longer_label_than_those_of_the_training_is_a_mistake(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = np.where(X[:, 0] > 0, "high", "low")
    model = Model(pipeline=Pipeline([("model", Tree())]), out=tmp_path).fit(X, y)
    assert model.predict(X[y == "low"]).dtype == model.classes_.dtype == np.dtype("<U4")
    assert model.score(X, y) > 0.9
    assert model.score(X, np.char.add(y, "_high")) == 0.0
    assert model.score(X, y[:, None]) == model.score(X, y) == model.score(X, y.astype(object))
    with pytest.raises(InputError, match="60 labels, one an answer"):
        model.score(X, np.stack([y, y], axis=1))
    numbers = Model(pipeline=Pipeline([("model", Tree())]), out=tmp_path).fit(X, (X[:, 0] > 0).astype(int))
    assert numbers.score(X, (X[:, 0] > 0) + 0.5) == 0.0
    assert numbers.score(X, np.where(X[:, 0] > 0, "1", "0")) == numbers.score(X, X[:, 0] > 0) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    "labels", [("01", "02"), ("1.10", "1.1"), ("1e4", "2"), ("NA", "ok"), (" a", "a"), (1e6, 1234567.0), ("1", "2")]
)
def test_classes_are_the_values_that_were_given(labels: tuple[object, object], tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = np.asarray(labels)[(X[:, 0] > 0).astype(int)]
    steps = Pipeline([("model", Tree())])
    model = Model(pipeline=steps, out=tmp_path).fit(X, y)
    assert model.classes_.tolist() == sorted(labels, key=str) and model.classes_.dtype == y.dtype
    assert (model.predict(X) == y).mean() == model.score(X, y) > 0.9
    assert Model.load(model.result.folder).classes_.tolist() == model.classes_.tolist()
    for frame in (pl.DataFrame({"a": X[:, 0], "state": y}), pd.DataFrame({"a": X[:, 0], "state": y})):
        target = "" if isinstance(labels[0], str) else "state"
        framed = Model(target, pipeline=steps, window="row", out=tmp_path).fit(frame)
        assert framed.classes_.tolist() == model.classes_.tolist()
        assert framed.score(frame) == framed.score(frame[["a"]], y) > 0.9
    rows = pl.DataFrame({"a": X[:, 0], "state": y})
    rows.write_parquet(tmp_path / "rows.parquet")
    assert framed.score(tmp_path / "rows.parquet") == framed.score(frame)
    if labels[0] != " a":  # cells of a CSV file are read without blanks around them
        rows.write_csv(tmp_path / "rows.csv")
        assert framed.score(tmp_path / "rows.csv") == framed.score(frame)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, ""])
def test_a_row_without_a_label_is_refused(missing: object, tmp_path: Path) -> None:
    for y in (["a", missing, "b", "a"], pd.Series([1, missing, 2, 1], dtype=object)):
        with pytest.raises(ValueError, match="Input y contains NaN, None or '' in 1 rows"):
            Model(out=tmp_path).fit(np.zeros((4, 2)), np.asarray(y, dtype=object))
    assert list(tmp_path.iterdir()) == []


def test_labels_that_a_file_gives_back_are_written_as_they_are() -> None:
    for labels in (
        ["1", "2"],
        ["none", "1e4"],
        ["true", "false"],
        [None, "a, b"],
        [1, 2],
        [f"{i}.5" for i in range(30)],
    ):
        assert label_codes(labels) == {}
    assert label_codes(["1,5", "2"]) == {"1,5": "'1,5'", "2": "'2'"}
    assert label_codes(["NA", "'NA'"]) == {"NA": "'NA'", "'NA'": "\"'NA'\""}
    assert label_codes([f"{i:02d}" for i in range(30)])["07"] == "'07'"
