"""WISDM activity prediction v1.1, transformed: 43 features of ten seconds of a phone in the trouser pocket.

Original: `WISDM_ar_v1.1_transformed.arff`. Plain copy: the same values as CSV. `?` stands for a missing value.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import Column, DataSet
from edgewright.schema.errors import InputError

_ATTRIBUTE = re.compile(r"""^@attribute\s+["']?([^"'\s]+)["']?\s""", re.IGNORECASE)
_NOT_FEATURES = ("UNIQUE_ID", "user", "class")


def _arff(path: Path) -> pl.DataFrame:
    """Table of an ARFF file: names from its attributes, rows after `@data`."""
    lines = files.read_text(path).splitlines()
    names = [m.group(1) for m in (_ATTRIBUTE.match(line) for line in lines) if m]
    start = next((i + 1 for i, line in enumerate(lines) if line.strip().lower() == "@data"), None)
    if start is None or not names:
        raise InputError("lines '@attribute' and '@data'", "none", str(path), "Is it a whole ARFF file?")
    rows = [tuple(c.strip() for c in line.split(",")) for line in lines[start:] if line.strip()]
    for number, row in enumerate(rows, start + 1):
        if len(row) != len(names):
            raise InputError(f"{len(names)} values", str(len(row)), f"{path} line {number}")
    table = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return table.with_columns(pl.all().replace("?", None))


def _column(name: str) -> Column:
    """Return shares of samples in ten bins, time between peaks in milliseconds, the rest in m/s²."""
    if name[0] in "XYZ" and name[1:].isdigit():
        return Column(name=name, unit="1", minimum=0.0, maximum=1.0)
    return Column(name=name, unit="ms" if name.endswith("PEAK") else "m/s²")


def _load(config: SourceConfig, folder: Path) -> DataSet:
    path = files.need_files(folder, "WISDM_ar_v1.1_transformed.csv", "WISDM_ar_v1.1_transformed.arff")[0]
    table = _arff(path) if ".arff" in path.name else files.read_table(path)
    names = [n for n in table.columns if n not in _NOT_FEATURES]
    values = files.numbers(table, names, path)
    return DataSet(
        name="wisdm",
        columns=tuple(_column(n) for n in names),
        recordings=files.by_group(values, files.texts(table, "class", path), files.texts(table, "user", path), "user-"),
        target_name="class",
        group_name="user",
    )


def _classes(*rows: int) -> tuple[tuple[str, int], ...]:
    return tuple(zip(("Walking", "Jogging", "Upstairs", "Downstairs", "Sitting", "Standing"), rows, strict=True))


SET = PublicSet(
    title="WISDM activity prediction v1.1: features of ten seconds of a phone",
    homepage="https://www.cis.fordham.edu/wisdm/dataset.php",
    url="https://www.cis.fordham.edu/wisdm/includes/datasets/latest/WISDM_ar_latest.tar.gz",
    check="5,418 rows, 2081 1625 632 528 306 246 by class, as published",
    licence="no formal licence; asks for its citation and to keep its readme.txt with the data",
    citation="Kwapisz, Weiss, Moore: Activity Recognition using Cell Phone Accelerometers. SensorKDD 2010.",
    task="activities of people: 6 classes, 43 features a row, split by person",
    loader=_load,
    folder="har-wisdm-v1.1",
    marks=("WISDM_ar_v1.1_transformed.*",),
    documented=(
        Documented("whole set, 36 people", recordings=36, rows=5_418, classes=_classes(2081, 1625, 632, 528, 306, 246)),
        Documented("plain copy, users 1-28", rows=4_095, classes=_classes(1603, 1244, 479, 387, 212, 170)),
    ),
)
