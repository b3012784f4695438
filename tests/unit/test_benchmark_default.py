"""The suite of the default model: how sets are divided and written, what peers get, and what its table says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from benchmarks.default.__main__ import peer_samples
from benchmarks.default.content import DataSet, Items, Table, halves, stratified, whole_groups
from benchmarks.default.features import of_pictures, of_rows
from benchmarks.default.forms import write
from benchmarks.default.judging import difference, ratio, score
from benchmarks.default.product import Product, run_product
from benchmarks.default.report import report
from benchmarks.default.sets import SETS
from sklearn.datasets import load_iris
from sklearn.metrics import average_precision_score


def _entry(kind: str, metric: str = "accuracy") -> DataSet:
    return DataSet(kind, metric, lambda data: Items([], np.array([]), np.array([])), "")


def test_each_kind_is_split_into_halves_that_a_new_set_does_not_change() -> None:
    half = halves(SETS)
    for kind in {entry.kind for entry in SETS.values()}:
        sides = [half[name] for name, entry in SETS.items() if entry.kind == kind]
        assert abs(sides.count("A") - sides.count("B")) <= 1
    assert halves({**SETS, "new": _entry("rows")}).items() >= half.items()


def test_the_suite_has_the_sets_that_were_asked() -> None:
    installed = [entry.installed for entry in SETS.values()]
    assert installed.count(False) >= 14
    assert installed.count(True) >= 10
    assert {entry.kind for entry in SETS.values()} >= {"rows", "windows", "recordings", "beats", "sounds", "pictures"}


def test_a_division_keeps_groups_whole_and_the_mix_of_classes() -> None:
    groups = np.repeat(np.arange(10), 7)
    test = whole_groups(groups)
    assert test.sum() == 21
    assert set(groups[test]).isdisjoint(groups[~test])
    y = np.array(["a"] * 100 + ["b"] * 20)
    chosen = stratified(y)
    assert [int((chosen & (y == name)).sum()) for name in "ab"] == [30, 6]


def test_recordings_become_a_row_each_or_rows_with_their_number(tmp_path: Path) -> None:
    y, test = np.array(["a", "b", "a"]), np.array([False, True, False])
    wide = Items([np.arange(3.0)[None] + n for n in range(3)], y, test, np.array(["p", "q", "p"]))
    train, _ = write("beats", wide, tmp_path)
    table = pl.read_csv(train)
    assert table.columns == ["t0", "t1", "t2", "person", "label"]
    assert table.rows() == [(0.0, 1.0, 2.0, "p", "a"), (2.0, 3.0, 4.0, "p", "a")]
    long = Items([np.ones((2, n + 1)) for n in range(3)], y, test)
    _, answers = write("recordings", long, tmp_path)
    assert pl.read_csv(answers).rows() == [(1, 1.0, 1.0, "b")] * 2


def test_sounds_of_persons_carry_both_in_their_names(tmp_path: Path) -> None:
    items = Items([np.zeros(80)] * 2, np.array(["yes", "no"]), np.array([False, True]), np.array(["ann", "bob"]), 8000)
    write("sounds", items, tmp_path)
    assert [path.name for path in tmp_path.rglob("*.wav")] in (
        ["yes_ann_00000.wav", "no_bob_00001.wav"], ["no_bob_00001.wav", "yes_ann_00000.wav"],
    )  # fmt: skip


def test_scores_agree_with_scikit_learn_and_a_ratio_above_one_is_better() -> None:
    generator = np.random.default_rng(1)
    truth = np.where(generator.random(300) < 0.2, "1", "0")
    answers = generator.random(300) + 0.5 * (truth == "1")
    expected = average_precision_score(truth == "1", answers)
    interval = score("average_precision", truth, answers, None)
    assert interval.value == pytest.approx(expected)
    assert interval.low < expected < interval.high
    assert score("rmse", np.array([1.0, 2.0]), np.array([4.0, 6.0]), None).value == pytest.approx(12.5**0.5)
    own = np.where(np.arange(300) < 290, truth, "0")
    assert score("macro_f1", truth, own, None).high <= 1
    assert score("macro_f1", truth, own, np.arange(300) // 100).high <= 1
    better = difference("average_precision", truth, answers + (truth == "1"), answers, None)
    assert better.value == pytest.approx(1.0 - expected)
    assert better.low > 0
    assert difference("rmse", np.arange(9.0), np.arange(9.0) + 1, np.arange(9.0) + 3, None).value == pytest.approx(2)
    assert ratio("rmse", 2.0, 3.0) == 1.5
    assert ratio("accuracy", 0.9, 0.75) == pytest.approx(1.2)


def test_peers_read_texts_as_columns_and_fill_gaps_with_the_median_of_training_rows(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,kind,label\n1,L,x\n3,M,y\n,L,x\n")
    (tmp_path / "test.csv").write_text("a,kind,label\n100,L,x\n,H,y\n")
    train, test = of_rows(tmp_path / "train.csv", tmp_path / "test.csv", ["label"])
    assert train.tolist() == [[1, 1, 0], [3, 0, 1], [2, 1, 0]]
    assert test.tolist() == [[100, 1, 0], [2, 0, 0]]


def test_orientations_differ_between_stripes_and_colors_between_hues() -> None:
    stripes = np.zeros((24, 24, 3), np.uint8)
    stripes[::4] = stripes[1::4] = 200
    turned = stripes.transpose(1, 0, 2)
    red = stripes * np.array([1, 0, 0], np.uint8)
    tables = of_pictures(np.stack([stripes, turned, red]))
    gaps = np.linalg.norm(tables["orientations"] - tables["orientations"][0], axis=1)
    assert gaps[1] > 1 > gaps[2]
    colors = tables["orientations and colors"][:, tables["orientations"].shape[1] :]
    assert np.allclose(colors[0], colors[1])
    assert np.linalg.norm(colors[0] - colors[2]) > 0.5


def _stream(window: int) -> Table:
    frame = pl.DataFrame({"x": np.arange(40.0), "label": ["a"] * 20 + ["b"] * 20})
    return Table(frame, "label", np.tile(np.repeat([False, True], 10), 2), window=window)


def test_peers_take_the_windows_of_the_product_and_their_own_where_it_cut_none(tmp_path: Path) -> None:
    product = Product(truth=np.array(["a"] * 20))
    arrays, settings = peer_samples(_entry("windows"), _stream(5), product, tmp_path, tmp_path)
    assert settings["kind"] == "signals"
    assert arrays["test_X"][:, 0, 0].tolist() == [10, 15, 30, 35]
    assert arrays["test_y"].tolist() == ["a", "a", "b", "b"]
    assert product.problems == ["answered rows of a stream that needs windows"]
    cut = Product(windows={"test_X": np.zeros((2, 1, 7)), "test_y": np.array(["a", "b"])})
    arrays, _ = peer_samples(_entry("rows"), _stream(0), cut, tmp_path, tmp_path)
    assert arrays is cut.windows
    assert cut.problems == ["cut windows of 7 rows from a table of rows"]
    arrays, settings = peer_samples(_entry("rows"), _stream(0), Product(), tmp_path, tmp_path)
    assert settings["ignore"] == ["label"]
    assert len(arrays["train_y"]) == len(arrays["test_y"]) == 20


def _record(value: float | None, **product: Any) -> dict[str, Any]:  # noqa: ANN401
    interval = {"value": 0.9, "low": 0.8, "high": 1.0}
    record: dict[str, Any] = {
        "metric": "accuracy", "train": 100, "test": 50, "problems": [], "product": {"cpu_s": 10.0, **product},
        "peers": [{"name": "SVM", "cv": 0.8, "score": {**interval, "value": 0.8}},
                  {"name": "extra trees", "cv": 0.7, "score": interval}],
    }  # fmt: skip
    if value is not None:
        record["product"]["score"] = {**interval, "value": value}
        record |= {"ratio": value / 0.8, "ratio_highest": value / 0.9}
    return record


def test_the_table_marks_misses_and_counts_a_refusal_as_nothing() -> None:
    fine = _record(0.96, flash_bytes=5000.0, ram_bytes=900.0, calibration_error=0.01)
    text, reached = report({"iris": fine})
    assert "| SVM .800 | 1.200 | extra trees .900 | 1.067 | 5.0 | .9 | 10 | .010 |" in text
    assert reached
    row = report({"iris": _record(0.96, calibration_error=0.06, calibration_chance=0.055)})[0]
    assert "| **.060** (.055) |" in row
    slow = _record(0.96, flash_bytes=5000.0, ram_bytes=65_000.0, calibration_error=0.06) | {"problems": ["init: no"]}
    slow["product"]["cpu_s"] = 121.0
    text, reached = report({"iris": slow})
    assert "| 5.0 | **65.0** | **121** | **.060** |" in text
    assert "†" not in text.partition("| sets |")[0]
    sure = _record(0.7) | {"difference": {"value": -0.1, "low": -0.15, "high": -0.01}}
    assert "| **.875** † |" in report({"iris": sure})[0]
    assert text.endswith("- iris: init: no")
    assert not reached
    text, reached = report({"iris": fine, "wine": _record(None)})
    assert "**no answer**" in text
    assert "| all | 2 | 1 | **.600** | 1.200 | .533 | 1 (0) | 5.0 |" in text
    assert not reached


@pytest.mark.slow
def test_the_product_answers_a_file_and_says_why_it_does_not(tmp_path: Path) -> None:
    iris = load_iris()
    frame = pl.DataFrame(iris.data, schema=["a", "b", "c", "d"]).with_columns(
        pl.Series("species", iris.target_names[iris.target].astype(str))
    )
    content = Table(frame, "species", stratified(frame["species"].to_numpy()))
    train, test = write("rows", content, tmp_path)
    product = run_product(tmp_path, train, test, "species", "accuracy")
    assert product.problems == []
    assert product.truth.tolist() == frame["species"].to_numpy()[content.test].tolist()
    assert (product.answers == product.truth).mean() > 0.85
    assert 0 < product.facts["flash_bytes"] < 100_000
    assert product.facts["cpu_s"] > 1
    train.write_text("a,species\n1,x\n")
    refused = run_product(tmp_path, train, test, "species", "accuracy")
    assert len(refused.truth) == 0
    assert "exit 2" in refused.problems[0]
