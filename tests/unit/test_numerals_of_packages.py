"""How a package's numbers were written: kept with its columns, and what predictions, streams and devices read by."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest

from agent_example import package
from edgewright.core.csv.rows import iter_csv, read_csv
from edgewright.core.errors import CsvNumberError, UnitDiffersError
from edgewright.core.package import read_package
from edgewright.core.prediction_input import answer_rows
from edgewright.core.predictor import Predictor
from edgewright.core.records.data import Column, DataSet, Numerals
from edgewright.data.load import load_data
from edgewright.device.agent.plan import Plan, _ask
from edgewright.device.sources._csv_lines import LineReader
from edgewright.device.sources.replay import Replay, ReplayConfig

GERMAN = Numerals(decimal=",", thousands=".")
X = Column(name="x", unit="g", numerals=GERMAN)


def loaded(tmp_path: Path, *texts: str) -> DataSet:
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.csv").write_text(text, encoding="utf-8")
    return load_data({"kind": "csv", "path": str(tmp_path), "target": "y"}, seed=0)


def test_a_column_keeps_how_all_its_files_write_numbers(tmp_path: Path) -> None:
    german = "x;n;y\n1.234,5;1;on\n2;2;off\n"
    columns = loaded(tmp_path, german, german).columns
    assert [column.numerals for column in columns] == [GERMAN, msgspec.UNSET]
    assert "numerals" not in msgspec.json.encode(columns[1]).decode()
    assert msgspec.json.decode(msgspec.json.encode(columns), type=tuple[Column, ...]) == columns
    mixed = loaded(tmp_path, german, "x;n;y\n9.81;1;on\n2;2;off\n").columns
    assert mixed[0].numerals is msgspec.UNSET


def test_the_form_of_the_training_is_taken_where_the_first_rows_have_it() -> None:
    text = "x;y\n1.234;1\n5;2\n"
    assert read_csv(io.StringIO(text), name="a.csv").values[:, 0].tolist() == [pytest.approx(1.234), 5]
    with pytest.raises(CsvNumberError, match=r"'1\.234', which is 1\.234 or 1234 - at a\.csv, column x"):
        read_csv(io.StringIO(text), name="a.csv", trained=[X])
    shown = read_csv(io.StringIO(text + "2,5;3\n"), name="a.csv", trained=[X])
    assert shown.values[:, 0].tolist() == [1234, 5, 2.5]
    with pytest.raises(CsvNumberError, match=r"in the training \(decimal comma.*got '9.81' - at a.csv line 3"):
        read_csv(io.StringIO("x;y\n1,5;1\n9.81;2\n"), name="a.csv", trained=[X])
    # A comma between cells leaves none for decimals.
    assert read_csv(io.StringIO("x,y\n1.5,1\n"), name="a.csv", trained=[X]).values.tolist() == [[1.5, 1]]


@pytest.mark.parametrize("thousands", ["", "."])
def test_a_plain_file_is_read_by_a_model_of_decimal_commas(thousands: str) -> None:
    columns = [Column(name="temp", numerals=Numerals(decimal=",", thousands=thousands))]
    for text in ("temp\ty\n21.500\t1\n1.25\t2\n", "temp;y\n21.500;1\n1.25;2\n"):
        assert read_csv(io.StringIO(text), name="a.csv", trained=columns).values[:, 0].tolist() == [21.5, 1.25]


def test_a_later_number_of_another_form_is_refused_and_in_a_stream_told() -> None:
    text = "x;y\n1.234,5;1\n" + "2,5;1\n" * 2000 + "9.81;1\n"
    with pytest.raises(CsvNumberError, match=r"got '9\.81' - at a\.csv line 2003, column x.*in that way"):
        read_csv(io.StringIO(text), name="a.csv")
    lines: list[str] = []
    values = [chunk.values for chunk in iter_csv(io.StringIO(text), name="a.csv", report=lines.append)]
    assert str(values[-1][-1, 0]) == "nan"
    assert len(lines) == 1


def test_a_package_reads_by_the_form_of_its_training(tmp_path: Path) -> None:
    columns = (Column(name="level", unit="V", numerals=GERMAN), Column(name="heat"))
    predictor = Predictor(read_package(package(tmp_path / "german.edge", columns=columns)))
    plain = tuple(msgspec.structs.replace(column, numerals=msgspec.UNSET) for column in columns)
    older = Predictor(read_package(package(tmp_path / "older.edge", columns=plain)))
    rows = "level;heat\n" + "1.500;20\n" * 10
    pointed = rows.replace("1.500", "1.5")
    answer = next(answer_rows(predictor, io.StringIO(rows.replace("1.500", "1.500,0")), "a.csv"))
    assert answer == next(answer_rows(older, io.StringIO(rows.replace("1.500", "1500")), "a.csv"))
    answers = [next(answer_rows(older, io.StringIO(text), "a.csv")) for text in (rows, pointed)]
    answers.append(next(answer_rows(predictor, io.StringIO(pointed), "a.csv")))
    assert answers[0] == answers[1] == answers[2]
    with pytest.raises(CsvNumberError, match=r"'1\.500', which is 1\.500 or 1500"):
        list(answer_rows(predictor, io.StringIO(rows), "a.csv"))


@pytest.mark.parametrize("header", [b"x;y\n", b""])
def test_lines_of_a_device_are_read_as_in_the_training(header: bytes) -> None:
    reader = LineReader(["x [g]", "y"], name="line")
    reader.read_as([X, Column(name="y", unit="°C", numerals=Numerals(decimal=".", thousands=""))])
    arrived = reader.feed(header + b"1.234,5;20.5 C\n1.234;21\n9.81;22\n")
    assert arrived.values.tolist() == [[1234.5, 20.5], [1234, 21]]
    (notice,) = arrived.notices
    assert "decimal comma" in notice
    plain = LineReader(["x [g]", "y"], name="line")
    plain.read_as([X])
    assert plain.feed(b"x,y\n1.5,2\n").values.tolist() == [[1.5, 2]]


def test_a_replay_reads_as_in_the_training(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time;x\n0;1.234,0\n1;5\n", encoding="utf-8")
    replay = Replay(ReplayConfig(path=str(tmp_path / "a.csv")), ("x [g]",))
    replay.read_as([X])
    assert replay.read(0)[0].values.tolist() == [[1234], [5]]
    replay.close()


def test_packages_of_one_agent_write_a_column_alike() -> None:
    plan = Plan()
    _ask(plan, ["y [g]", "x [g]"], [Column(name="y", unit="g"), X], "first")
    _ask(plan, ["y", "x"], [Column(name="y"), Column(name="x")], "rules")
    assert plan.trained == {"y": Column(name="y", unit="g"), "x": X}
    other = msgspec.structs.replace(X, numerals=Numerals(decimal=".", thousands=","))
    with pytest.raises(UnitDiffersError, match="the numbers of x written as another one requires it, got other ones"):
        _ask(plan, ["x [g]"], [other], "second")
