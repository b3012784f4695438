"""Shapes of files that are no text tables: spreadsheets, arrays, archives."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
import polars as pl
from scipy.io import savemat

from odd_files.layouts import in_recordings, series_sheet
from odd_files.shape import Draw, OddFile, Sheet, shape, text_of
from odd_files.signals import motion, spots


def _archive(path: Path, members: Mapping[str, str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)


_OFFICE = "http://schemas.openxmlformats.org"


@shape
def excel_workbook(draw: Draw) -> OddFile:
    """Write the first sheet of an .xlsx file, without a program of spreadsheets."""
    sheet = spots(draw)
    rows = "".join(
        f'<row r="{number}">{"".join(map(_xlsx_cell, row))}</row>' for number, row in enumerate(sheet.table(), 1)
    )
    package, document = f"{_OFFICE}/package/2006", f"{_OFFICE}/officeDocument/2006/relationships"
    main = f"{_OFFICE}/spreadsheetml/2006/main"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    path = draw.path(".xlsx")
    _archive(path, {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{document}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{document}"><sheets>'
        f'<sheet name="{draw.words.recording}" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{document}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>',
    })  # fmt: skip
    return OddFile(path, sheet.truth)


def _xlsx_cell(value: object) -> str:
    if isinstance(value, float):
        return f"<c><v>{value}</v></c>"
    return f'<c t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'


@shape
def open_document(draw: Draw) -> OddFile:
    """Write the first sheet of an .ods file."""
    sheet = spots(draw)
    path = draw.path(".ods")
    write_ods(path, {draw.words.recording: sheet.table()})
    return OddFile(path, sheet.truth)


def write_ods(path: Path, sheets: Mapping[str, Sequence[Sequence[object]]]) -> None:
    """Write an .ods file, without a program of spreadsheets."""
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    name = "urn:oasis:names:tc:opendocument:xmlns"
    tables = "".join(
        f'<table:table table:name="{title}">'
        + "".join(f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in rows)
        + "</table:table>"
        for title, rows in sheets.items()
    )
    _archive(path, {
        "mimetype": kind,
        "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{name}:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>',
        "content.xml": f'<office:document-content xmlns:office="{name}:office:1.0" xmlns:table="{name}:table:1.0" '
        f'xmlns:text="{name}:text:1.0"><office:body><office:spreadsheet>{tables}'
        "</office:spreadsheet></office:body></office:document-content>",
    })  # fmt: skip


def _ods_cell(value: object) -> str:
    if isinstance(value, float):
        kind = f'office:value-type="float" office:value="{value}"'
    else:
        kind = 'office:value-type="string"'
    return f"<table:table-cell {kind}><text:p>{escape(str(value))}</text:p></table:table-cell>"


@shape
def json_lines(draw: Draw) -> OddFile:
    """Write an object a line; a value that is missing is null or not there."""
    sheet = spots(draw)
    values = sheet.truth.values.copy()
    values[draw.rng.integers(0, sheet.rows, 5), 0] = np.nan
    path = draw.path(draw.take(".jsonl", ".ndjson"))
    lines = []
    for row, (number, label) in enumerate(zip(values.tolist(), sheet.truth.y.tolist(), strict=True)):
        cells = {name: None if np.isnan(v) else v for name, v in zip(sheet.truth.readings, number, strict=True)}
        if row and draw.seed % 2:
            cells = {name: value for name, value in cells.items() if value is not None}
        lines.append(json.dumps({**cells, sheet.truth.target: label}, ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return OddFile(path, sheet.known(values=values).truth)


def _arrays(draw: Draw, text: bool) -> tuple[Sheet, dict[str, object]]:
    """Return arrays: one of all values with y, or one for each column; classes are texts or numbers."""
    sheet = spots(draw)
    if not text:
        _, numbers = np.unique(sheet.truth.y, return_inverse=True)
        sheet = sheet.known(y=numbers.astype(np.float64))
    if draw.seed % 2:
        columns = zip(sheet.truth.readings, sheet.truth.values.T, strict=True)
        return sheet, {**dict(columns), sheet.truth.target: sheet.truth.y}
    names = tuple(f"x{index}" for index in range(len(sheet.truth.readings)))
    return sheet.known(readings=names, target="y"), {"X": sheet.truth.values, "y": sheet.truth.y}


@shape
def numpy_archive(draw: Draw) -> OddFile:
    """Write an .npz file."""
    sheet, arrays = _arrays(draw, text=True)
    path = draw.path(".npz")
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return OddFile(path, sheet.truth)


@shape
def matlab_file(draw: Draw) -> OddFile:
    """Write a .mat file."""
    sheet, arrays = _arrays(draw, text=False)
    path = draw.path(".mat")
    savemat(path, arrays)
    return OddFile(path, sheet.truth)


@shape
def attribute_relations(draw: Draw) -> OddFile:
    """Write an .arff file."""
    sheet = spots(draw)
    classes = ",".join(f"'{name}'" for name in np.unique(sheet.truth.y))
    lines = [f"% {draw.words.recording}", f"@RELATION {draw.words.recording}", ""]
    lines += [f"@ATTRIBUTE {name} {draw.take('NUMERIC', 'REAL')}" for name in sheet.truth.readings]
    lines += [f"@ATTRIBUTE {sheet.truth.target} {{{classes}}}", "", "@DATA"]
    lines += [",".join(map(str, row)) for row in sheet.table()[1:]]
    path = draw.path(".arff")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return OddFile(path, sheet.truth)


@shape
def time_series_archive(draw: Draw) -> OddFile:
    """Write a .ts file of series of one length; it has no name for its classes."""
    sheet = series_sheet(draw).known(target="label")
    labels = " ".join(np.unique(sheet.truth.y))
    lines = ["@problemName odd", "@timeStamps false", "@univariate true", "@equalLength true"]
    lines += [f"@seriesLength {len(sheet.truth.readings)}", f"@classLabel true {labels}", "@data"]
    for row, label in zip(sheet.truth.values.tolist(), sheet.truth.y.tolist(), strict=True):
        lines.append(",".join(map(str, row)) + f":{label}")
    path = draw.path(".ts")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return OddFile(path, sheet.truth)


@shape
def zipped_tables(draw: Draw) -> OddFile:
    """Write a ZIP file of CSV files, a recording each."""
    sheet = motion(draw, turns=6).known(rate_hz=None)
    parts = in_recordings(sheet, 6)
    path = draw.path(".zip")
    _archive(path, {f"{draw.take('', 'data/')}rec{number}.csv": text_of(part) for number, part in enumerate(parts)})
    return OddFile(path, sheet.known(recordings=len(parts)).truth)


@shape
def parquet_table(draw: Draw) -> OddFile:
    """Write a Parquet file, with times as the format stores them."""
    sheet = motion(draw)
    assert sheet.truth.rate_hz
    path = draw.path(draw.take(".parquet", ".pq"))
    nanoseconds = pl.Series((1e9 * np.arange(sheet.rows) / sheet.truth.rate_hz[0]).astype(np.int64))
    times: Sequence[object] = nanoseconds.cast(draw.take(pl.Datetime("ns"), pl.Duration("ns")))  # type: ignore[assignment]
    pl.DataFrame({draw.words.time: times, **sheet.cells}).write_parquet(path)
    return OddFile(path, sheet.known(time=draw.words.time).truth)
