"""Rows and files that cannot be read: listed in one pass, and left out where that is asked for."""

from __future__ import annotations

import re
import shlex
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import Cli
from edgewright.core.csv.rows import BadLines, iter_csv, open_csv
from edgewright.core.errors import CsvBadRowsError, DataWarning
from edgewright.core.input.riff import wav_bytes
from edgewright.core.records.data import DataSet
from edgewright.data.load import load_data
from edgewright.data.preview import read_preview
from edgewright.data.roles import assign_roles
from edgewright.workflows.own_data.proposal import OwnDataRequest, base_table, look

ROWS = 400
BANNER = ["Logger 3.1 started", "Serial: 4711, firmware 2"]


def lines() -> list[str]:
    """Return a header and rows of two people."""
    x = np.random.default_rng(0).normal(size=(ROWS, 2))
    names = [f"{'ann' if i < ROWS // 2 else 'bo'},{i % (ROWS // 2) / 25:.2f}" for i in range(ROWS)]
    values = [f"{a:.4f},{b:.4f},{'up' if a > b else 'down'}" for a, b in x]
    return ["person,time,a,b,label", *(",".join(row) for row in zip(names, values, strict=True))]


def damaged() -> tuple[list[str], list[int]]:
    """Return lines of which some are damaged, and the numbers of the damaged ones."""
    table = [*BANNER, *lines()]
    faults = {
        20: "WARNING: battery low",
        60: table[59][:7],  # a cut line
        90: table[89].replace(",", ',"', 1),
        120: "ann,4.5,x?y,0.1,up",
        150: "ann,noon?,0.1,0.2,up",
        180: ",6.5,0.1,0.2,up",
        210: "\0" * 9,
        240: "bo,1,2,3,up,7",
    }
    for line, text in faults.items():
        table[line - 1] = text
    return table, [1, 2, *faults]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(damaged()[0]) + "\n")
    return path


def load(path: Path, **keys: object) -> DataSet:
    table = {"kind": "csv", "path": str(path), "target": "label", "group": "person", "time": "time", **keys}
    return load_data(table, seed=0)


def listed(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"line (\d+)", text)]


def test_all_bad_lines_are_listed_in_one_error_and_nothing_else_is(file: Path) -> None:
    wanted = [line for line in damaged()[1] if line != 180]  # a missing name, which a file without people may have
    for read in (lambda: load(file), lambda: read_preview(str(file))):
        with pytest.raises(CsvBadRowsError) as caught:
            read()
        assert listed(caught.value.got) == wanted
        assert "--skip-bad-rows" in caught.value.do


def test_rows_that_can_be_read_are_read_and_the_others_counted(file: Path) -> None:
    table, bad = damaged()
    with pytest.warns(DataWarning) as warned:
        data = load(file, skip_bad_rows=True)
    assert len(warned) == 1
    assert f"8 of {ROWS} rows (2.00 %)" in str(warned[0].message)
    good = [row.split(",") for number, row in enumerate(table, 1) if number not in (*bad, 3)]
    (recording,) = data.recordings
    np.testing.assert_array_equal(recording.values, np.array([row[2:4] for row in good], np.float32))
    assert recording.target.tolist() == [row[4] for row in good]
    assert recording.groups is not None
    assert recording.groups.tolist() == [row[0] for row in good]


def test_the_preview_and_the_roles_are_those_of_a_whole_file(file: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.csv"
    whole.write_text("\n".join(lines()) + "\n")
    roles = [assign_roles(read_preview(str(path), skip_bad_rows=path is file).columns, {}) for path in (file, whole)]
    assert roles[0] == roles[1]


def test_init_records_the_key(file: Path) -> None:
    request = OwnDataRequest(path=str(file), skip_bad_rows=True)
    with pytest.warns(DataWarning):
        own = look(request)
    assert base_table(request, own)["data"]["skip_bad_rows"] is True
    assert (own.roles.target, own.roles.group, own.roles.time) == ("label", "person", "time")


def test_a_file_of_mostly_bad_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    table = lines()
    for line in range(10, 10 + ROWS // 20 + 1):
        table[line] = "?"
    path.write_text("\n".join(table) + "\n")
    with pytest.raises(CsvBadRowsError) as caught:
        load(path, skip_bad_rows=True)
    assert "5 %" in caught.value.expected
    table[10] = lines()[10]
    path.write_text("\n".join(table) + "\n")
    with pytest.warns(DataWarning):
        assert len(load(path, skip_bad_rows=True).recordings[0].values) == ROWS - ROWS // 20


def test_a_clean_file_is_read_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["# a comment", "", *lines()]) + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(
            load(path, skip_bad_rows=True).recordings[0].values, load(path).recordings[0].values
        )


@pytest.mark.parametrize(
    ("text", "names", "above"),
    [
        ("Title\nby me\n\na,b\n1,2\n3,4\n", ("a", "b"), 2),
        ("Title,,\nSerial,4711,\na,b,c\n1,2,3\n3,4,5\n", ("a", "b", "c"), 2),
        ("a;b\n1;2\n3;4\n", ("a", "b"), 0),
        ("note\na;b\n1,5;2\n3,5;4\n", ("a", "b"), 1),
        ("# one\na,b\n1,2\n", ("a", "b"), 0),
        ("a\n1\n2\n", ("a",), 0),
        ("x,y,z\n1,2,3\n4,5\n6,7,8\n", ("x", "y", "z"), 0),
    ],
)
def test_the_header_below_a_title_is_found(text: str, names: tuple[str, ...], above: int, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    bad = BadLines("t.csv")
    opened = open_csv(path, "t.csv", bad=bad)
    assert (opened.columns, bad.above) == (names, above)
    rows = list(iter_csv(opened, name="t.csv", bad=bad))
    assert sum(map(len, rows)) == bad.rows - bad.count


def _sheet(path: Path, rows: list[list[str]]) -> None:
    """Write a spreadsheet of one sheet, numbers as such."""

    def cell(text: str) -> str:
        try:
            return f"<c><v>{float(text)}</v></c>"
        except ValueError:
            return f'<c t="inlineStr"><is><t>{text}</t></is></c>'

    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    body = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
        f'<Override PartName="/xl/sheet1.xml" ContentType="{kinds}.worksheet+xml"/></Types>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="One" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="sheet1.xml"/></Relationships>',
        "xl/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>',
    }  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)


def test_a_title_block_of_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "report.xlsx"
    rows = [row.split(",") for row in lines()]
    _sheet(path, [["Report of line 7"], ["Date", "May"], *rows])
    with pytest.raises(CsvBadRowsError) as caught:
        load(path)
    assert listed(caught.value.got) == [1, 2]
    with pytest.warns(DataWarning):
        assert len(load(path, skip_bad_rows=True).recordings[0].values) == ROWS


@pytest.mark.parametrize("kind", ["wav", "pictures", "folder"])
def test_damaged_files_of_a_folder_are_listed_together_or_left_out(kind: str, tmp_path: Path) -> None:
    for number in range(40):
        file = tmp_path / ("on", "off")[number % 2] / f"{number:02}{'.jpg' if kind == 'pictures' else '.wav'}"
        file.parent.mkdir(exist_ok=True)
        if kind == "pictures":
            Image.new("RGB", (16, 16), (number, 0, 0)).save(file)
        else:
            file.write_bytes(wav_bytes(np.full((100, 1), number / 40), 8000))
        if number in (7, 30):
            file.write_bytes(file.read_bytes()[:40])
    table: dict[str, object] = {"kind": kind, "path": str(tmp_path)}
    with pytest.raises(CsvBadRowsError) as caught:
        load_data(table, seed=0)
    assert "off/07" in caught.value.got
    assert "on/30" in caught.value.got
    with pytest.warns(DataWarning, match="2 of 40"):
        data = load_data({**table, "skip_bad_rows": True}, seed=0)
    counts = len(data.recordings[0].values) if kind == "pictures" else len(data.recordings)
    assert counts == 38
    (tmp_path / "on" / "02").with_suffix(file.suffix).write_bytes(b"")
    with pytest.raises(CsvBadRowsError, match="3 of 40"):
        load_data({**table, "skip_bad_rows": True}, seed=0)


def test_commands_take_the_option(file: Path, cli: Cli) -> None:
    cli("check", file, code=2)
    quality = cli.json("check", file, "--skip-bad-rows")["quality"]
    assert quality["rows"] == ROWS - 8


@pytest.mark.slow
def test_advise_leaves_bad_rows_out(file: Path, tmp_path: Path, cli: Cli) -> None:
    advise = ("advise", file, "--target", "label", "--group", "person", "--out")
    refused, out = tmp_path / "refused", tmp_path / "advice"
    assert "--skip-bad-rows" in cli(*advise, refused, code=2)
    assert not refused.exists()
    cli(*advise, out, "--skip-bad-rows")
    assert f"8 of {ROWS} rows" in cli.err
    first, *_ = re.findall(r"edgewright run .*", (out / "advice.md").read_text())
    cli(*shlex.split(first)[1:], "--out", tmp_path / "runs")
    assert (tmp_path / "runs").exists()
