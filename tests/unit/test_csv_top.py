"""Lines at the top of a CSV file that are no rows: comments, units, and names that occur twice."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.csv.rows import iter_csv, read_csv
from edgewright.core.errors import DataWarning
from edgewright.data.contract import read_columns
from edgewright.data.load import load_data
from edgewright.data.preview import read_preview


def names_and_rows(text: str, **keys: object) -> tuple[tuple[str, ...], list[list[float]], list[int]]:
    rows = read_csv(io.StringIO(text), name="rows.csv", **keys)  # type: ignore[arg-type]
    return rows.names, rows.values.tolist(), rows.lines.tolist()


@pytest.mark.parametrize(
    ("text", "names", "lines"),
    [
        ("# logger 7\n# x, y\na,b\n1,2\n3,4\n", ("a", "b"), [4, 5]),  # the comment has as many cells as the header
        ("\n# logger 7\n\na;b\n1;2\n3;4\n", ("a", "b"), [5, 6]),
        ("# a,b\n1,2\n3,4\n", ("# a", "b"), [2, 3]),  # as numpy.savetxt writes a header
        ("# by me\n#a,b,c\ns,C,-\n1,2,3\n3,4,5\n", ("#a", "b", "c"), [4, 5]),
        ("# by me\n# a,b\n1,2\n3,4\n", ("# a", "b"), [3, 4]),
        ("# spectra\n400,402,c\n1,2,3\n3,4,5\n", ("400", "402", "c"), [3, 4]),
        ("a,b\ng,m/s²\n1,2\n3,4\n", ("a", "b"), [3, 4]),
        ("a,b\n[g],-\n1,2\n3,4\n", ("a", "b"), [3, 4]),
        ("a,a,b,a.1,a\n1,2,3,4,5\n1,2,3,4,5\n", ("a", "a.2", "b", "a.1", "a.3"), [2, 3]),
    ],
)
def test_lines_that_are_no_rows_are_left_out(text: str, names: tuple[str, ...], lines: list[int]) -> None:
    header, values, places = names_and_rows(text)
    assert (header, places) == (names, lines)
    assert len(values) == 2


@pytest.mark.parametrize("text", ["label\ng\nm\n", "blood,grade\nA,C\nC,A\n", "a,b\n?,g\n1,m\n", "a,b\ng,s\n"])
def test_texts_that_are_units_as_well_are_rows_where_no_number_stands_below(text: str) -> None:
    columns = text.partition("\n")[0].split(",")
    rows = read_csv(io.StringIO(text), name="rows.csv", text_columns=columns)
    assert rows.lines[0] == 2


def test_a_stream_answers_the_first_row_before_the_next_arrives() -> None:
    class Stream(io.StringIO):
        def read(self, size: int | None = -1) -> str:
            return self.readline()

    stream = Stream("# logger\na,b\n1,2\n3,4\n5,6\n")
    first = next(iter_csv(stream, name="stdin"))
    assert first.values.tolist() == [[1, 2]]
    assert stream.readline() == "3,4\n"


def test_a_comment_above_a_line_of_units_is_the_header() -> None:
    rows = read_csv(io.StringIO("#time,temp,load,label\ns,C,kg,-\n0,20,5,1\n"), name="rows.csv")
    assert rows.names == ("#time", "temp", "load", "label")
    assert rows.header.units == {"#time": "s", "temp": "C", "load": "kg"}
    # Names that read as units are names where the comment above has no name for each of them.
    assert names_and_rows("# logger\nm,g\n1,2\n3,4\n")[0] == ("m", "g")


def test_units_below_the_header_are_those_of_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("t;temp;label\ns;°C;-\n0;21.5;on\n1;21.7;off\n", encoding="utf-8")
    assert read_columns(path, path.name) == ("t", "temp", "label")
    assert read_preview(str(path)).units == {"t": "s", "temp": "°C"}
    dataset = load_data({"kind": "csv", "path": str(path), "target": "label", "time": "t"}, seed=0)
    assert dataset.recordings[0].values.tolist() == [[21.5], pytest.approx([21.7])]


@pytest.mark.slow
def test_a_model_of_one_column_reads_the_first_of_several_of_its_name_and_says_so(cli: Cli, tmp_path: Path) -> None:
    text = "a,b,a\n1,2,3\n"
    assert names_and_rows(text, only_columns=["a", "a.1"])[0] == ("a", "a.1")
    with pytest.warns(DataWarning, match="of several columns 'a' the first is read"):
        assert names_and_rows(text, only_columns=["a"]) == (("a",), [[1.0]], [2])
    rng = np.random.default_rng(0)
    rows = [f"{a},{b},{c},{'on' if a > b else 'off'}" for a, b, c in rng.normal(size=(300, 3)).round(3).tolist()]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["x,b,x,y", *rows]) + "\n")
    assert read_preview(str(path)).top.assumptions([]) == "several columns x as x, x.1"
    cli("run", path, "--ignore", "x.1", "--budget", "1s", "--out", tmp_path / "runs")
    answers = cli("predict", tmp_path / "runs" / "rows", "--csv", path)
    assert "edgewright: rows.csv: of several columns 'x' the first is read, as in training" in cli.err
    path.write_text("\n".join(["x,b,other,y", *rows]) + "\n")
    assert cli("predict", tmp_path / "runs" / "rows", "--csv", path) == answers
