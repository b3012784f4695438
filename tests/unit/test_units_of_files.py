"""Units that files say in cells or below the header: compared between files, with [data] and with a package."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from agent_example import package
from edgewright.core.csv.rows import read_csv
from edgewright.core.errors import UnitDiffersError
from edgewright.core.formatting import is_same_unit
from edgewright.core.package import read_package
from edgewright.core.prediction_input import answer_rows
from edgewright.core.predictor import Predictor
from edgewright.core.records.data import DataSet
from edgewright.data.load import load_data

CELLS = {"in cells": "heat,y\n{0} {1},on\n{0} {1},off\n", "below the header": "heat,y\n{1},-\n{0},on\n{0},off\n"}


def folder_of(tmp_path: Path, *texts: str, **keys: object) -> DataSet:
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.csv").write_text(text, encoding="utf-8")
    return load_data({"kind": "csv", "path": str(tmp_path), "target": "y", **keys}, seed=0)


@pytest.mark.parametrize("text", CELLS.values(), ids=CELLS)
def test_the_files_of_a_folder_have_one_unit(text: str, tmp_path: Path) -> None:
    with pytest.raises(UnitDiffersError, match=r"heat in °C, as in 0\.csv, got °F - at 1\.csv, column heat.*Convert"):
        folder_of(tmp_path, text.format(20, "°C"), text.format(70, "°F"))


def test_spellings_of_a_unit_and_files_without_one_fit(tmp_path: Path) -> None:
    texts = [CELLS["in cells"].format(20, unit) for unit in ("C", "°C", "degC")]
    dataset = folder_of(tmp_path, *texts, "heat,y\n21,on\n22,off\n")
    assert [column.unit for column in dataset.columns] == ["C"]
    assert is_same_unit("m/s2", "m/s²")
    assert not is_same_unit("g", "m/s²")


def test_the_unit_of_a_file_contradicts_what_is_declared(tmp_path: Path) -> None:
    with pytest.raises(UnitDiffersError, match="heat in °C, as declared, got °F"):
        folder_of(tmp_path, CELLS["in cells"].format(70, "°F"), units={"heat": "°C"})


def test_texts_have_no_unit_and_amounts_have_one(tmp_path: Path) -> None:
    seats = folder_of(
        tmp_path, "heat,seat,y\n1,12A,on\n2,12A,off\n", "heat,seat,y\n1,13C,on\n2,13C,off\n", group="seat"
    )
    assert list(seats.groups) == ["12A", "13C"]
    with pytest.raises(UnitDiffersError):
        folder_of(tmp_path, "heat,y\n1,12.5 V\n2,13 V\n", "heat,y\n1,12.5 mV\n2,13 mV\n")


def test_a_column_has_the_unit_below_the_header_in_its_cells() -> None:
    with pytest.raises(UnitDiffersError, match="heat in °C, as below the header, got F"):
        read_csv(io.StringIO("heat,y\n°C,-\n70 F,1\n71 F,2\n"), name="a.csv")


@pytest.mark.parametrize(("unit", "refused"), [("V", False), ("", False), ("mV", True), ("A", True)])
def test_a_package_refuses_rows_in_another_unit(unit: str, refused: bool, tmp_path: Path) -> None:
    predictor = Predictor(read_package(package(tmp_path / "switch.edge")))
    rows = "level,heat\n" + f"1.5 {unit},20\n" * 20
    if not refused:
        assert len(list(answer_rows(predictor, io.StringIO(rows), "new.csv"))) == 3
        return
    with pytest.raises(
        UnitDiffersError, match=f"level in V, as in the training, got {unit} - at new.csv, column level"
    ):
        list(answer_rows(predictor, io.StringIO(rows), "new.csv"))
    with pytest.raises(UnitDiffersError):
        predictor.predict(read_csv(io.StringIO(rows), name="new.csv"))


def test_units_below_the_header_are_those_of_a_package_too(tmp_path: Path) -> None:
    predictor = Predictor(read_package(package(tmp_path / "switch.edge")))
    rows = "level,heat\nmV,K\n" + "1.5,20\n" * 20
    with pytest.raises(UnitDiffersError, match="level in V, as in the training, got mV"):
        list(answer_rows(predictor, io.StringIO(rows), "new.csv"))


def test_each_file_has_the_unit_of_its_own_clock(tmp_path: Path) -> None:
    dataset = folder_of(
        tmp_path, "t,heat,y\ns,°C,-\n0,20,on\n1,21,off\n", "t,heat,y\nms,C,-\n0,20,on\n1000,21,off\n", time="t"
    )
    assert dataset.rate == 1
