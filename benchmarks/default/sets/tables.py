"""Public sets whose sample is a row of a table."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.default.content import DataSet, Table, last_share, stratified, whole_groups

# Columns of the C-MAPSS files, which have no header.
_ENGINE = ["unit", "cycle", *(f"setting{n}" for n in range(1, 4)), *(f"sensor{n}" for n in range(1, 22))]
# Cycles left above this count as this many, as in the publications of the set.
_CAP = 125
_ENGINES = 40


def _ai4i2020(data: Path) -> Table:
    frame = pl.read_csv(data / "ai4i2020" / "ai4i2020.csv")
    answers = ("UDI", "Product ID", "TWF", "HDF", "PWF", "OSF", "RNF")
    test = stratified(frame["Machine failure"].cast(pl.String).to_numpy())
    return Table(frame, "Machine failure", test, ignore=answers)


def _occupancy(data: Path) -> Table:
    names = ["row", "date", "Temperature", "Humidity", "Light", "CO2", "HumidityRatio", "Occupancy"]
    parts = [
        pl.read_csv(data / "occupancy" / name, has_header=False, skip_rows=1, new_columns=names).drop("row")
        for name in ("datatraining.txt", "datatest.txt")
    ]
    test = np.repeat([False, True], [len(part) for part in parts])
    return Table(pl.concat(parts), "Occupancy", test, ordered=True, ignore=("date",))


def _wisdm_rows(data: Path) -> Table:
    (file,) = (data / "har-wisdm-v1.1").glob("*.csv.gz")
    frame = pl.read_csv(file, null_values="?")
    return Table(frame, "class", whole_groups(frame["user"]), "user", ignore=("UNIQUE_ID", "user"))


def _cmapss(data: Path) -> Table:
    (file,) = (data / "cmapss").glob("*.txt.gz")
    rows = [line.split() for line in gzip.decompress(file.read_bytes()).decode().splitlines()]
    frame = pl.DataFrame(np.array(rows, np.float64), schema=_ENGINE)
    frame = frame.with_columns(pl.col("unit", "cycle").cast(pl.Int64)).filter(pl.col("unit") <= _ENGINES)
    left = (pl.col("cycle").max().over("unit") - pl.col("cycle")).clip(upper_bound=_CAP)
    frame = frame.with_columns(left.alias("cycles_left"))
    return Table(frame, "cycles_left", whole_groups(frame["unit"]), "unit", ignore=("unit",))


def _skab(data: Path) -> Table:
    parts = []
    for file in sorted((data / "skab").glob("[vo]*/*.csv.gz")):
        name = f"{file.parent.name}-{file.name.partition('.')[0]}"
        part = pl.read_csv(file, separator=";").drop("changepoint")
        parts.append(part.with_columns(pl.col("anomaly").cast(pl.Int64), pl.lit(name).alias("experiment")))
    frame = pl.concat(parts)
    some = np.arange(len(frame)) % 2 == 0  # a row every two seconds
    frame = frame.filter(pl.Series(some))
    test = whole_groups(frame["experiment"])
    return Table(frame, "anomaly", test, "experiment", ignore=("experiment", "datetime"))


def _people_counts(data: Path) -> Table:
    frame = pl.read_csv(data / "people-counts" / "calit2.csv").drop_nulls()
    time = pl.col("timestamp").str.to_datetime()
    frame = frame.with_columns(
        time.dt.hour().cast(pl.Float64).add(time.dt.minute() / 60).alias("hour"), time.dt.weekday().alias("weekday"),
        pl.col("people_in").shift(1).alias("in_before"), pl.col("people_out").shift(1).alias("out_before"),
        pl.col("people_in").shift(48).alias("in_yesterday"),
    ).drop_nulls().drop("people_out")  # fmt: skip
    return Table(frame, "people_in", last_share(len(frame)), ordered=True, ignore=("timestamp",))


SETS = {
    "ai4i2020": DataSet("rows", "average_precision", _ai4i2020, "30 % of the rows of each class"),
    "occupancy": DataSet("rows", "macro_f1", _occupancy, "official file datatest"),
    "wisdm-rows": DataSet("rows", "macro_f1", _wisdm_rows, "whole users"),
    "cmapss": DataSet("rows", "rmse", _cmapss, f"whole engines, of the first {_ENGINES}"),
    "skab": DataSet("rows", "macro_f1", _skab, "whole experiments, every other row"),
    "people-counts": DataSet("rows", "rmse", _people_counts, "the last 30 % of the weeks"),
}
