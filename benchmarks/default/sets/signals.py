"""Public sets whose sample is a window of a stream, or a whole recording."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.default.content import SEED, Array, DataSet, Items, Table, stratified, whole_groups
from benchmarks.default.plain_files import FILES

_BEATS = {"N": 200, "S": 100, "V": 100}
_HAPT_ACTIVITIES = ["walking", "upstairs", "downstairs", "sitting", "standing", "lying"]
# People 26 to 30 test, as the set suggests; of the others, every other one trains.
_HAPT_TRAIN, _HAPT_TEST = (1, 5, 7, 11, 15, 17, 21, 23), (26, 27, 28, 29, 30)


def _plain_file(name: str, data: Path) -> pl.DataFrame:
    """Return the plain file of a set that another benchmark writes."""
    public, write = FILES[name]
    with tempfile.TemporaryDirectory() as room:
        return pl.read_csv(Path(room) / write(data / public, Path(room)))


def _watch(data: Path) -> Table:
    frame = _plain_file("wisdm", data)
    people = frame["subject"].unique().sort()[::2]
    frame = frame.filter(pl.col("subject").is_in(people.implode()))
    return Table(frame, "activity", whole_groups(frame["subject"]), "subject", window=200)


def _hapt(data: Path) -> Table:
    parts = []
    for file in sorted((data / "har-hapt").glob("exp*.csv.gz")):
        experiment, user = (int(part[-2:]) for part in file.name.partition(".")[0].split("_"))
        if user in _HAPT_TRAIN + _HAPT_TEST:
            names = {str(number): name for number, name in enumerate(_HAPT_ACTIVITIES, 1)}
            label = pl.col("activity_id").cast(pl.String).replace_strict(names, default="")
            columns = (label.alias("activity"), pl.lit(user).alias("user"), pl.lit(experiment).alias("experiment"))
            parts.append(pl.read_csv(file).with_columns(*columns).drop("activity_id"))
    frame = pl.concat(parts)
    test = frame["user"].is_in(_HAPT_TEST).to_numpy()
    return Table(frame, "activity", test, "user", ignore=("experiment",), window=128)


def _heartbeats(data: Path) -> Items:
    with np.load(data / "mitdb" / "beats.npz") as beats:
        X, classes, record = beats["x"], np.array(list("NSVFQ"))[beats["y"]], beats["record"].astype(str)
    generator, chosen = np.random.default_rng(SEED), []
    for patient in np.unique(record):
        for label, maximum in _BEATS.items():
            members = np.flatnonzero((record == patient) & (classes == label))
            chosen.append(generator.permutation(members)[:maximum])
    rows = np.sort(np.concatenate(chosen))
    return Items(list(X[rows, None, :]), classes[rows], whole_groups(record[rows]), record[rows])


def _ecg200(data: Path) -> Items:
    rows = np.loadtxt(data / "ecg200" / "ECG200_TRAIN.tsv")
    y = rows[:, 0].astype(int).astype(str)
    return Items(list(rows[:, None, 1:]), y, stratified(y))


def _strokes(data: Path) -> Items:
    frame = _plain_file("strokes", data)
    strokes = frame.partition_by("stroke", maintain_order=True)
    X: list[Array] = [stroke.select("x", "y").to_numpy().T for stroke in strokes]
    y = np.array([str(stroke["label"][0]) for stroke in strokes])
    return Items(X, y, stratified(y))


def _keywords(data: Path) -> Items:
    with np.load(data / "mlperf-tiny" / "kws01" / "kws01.npz") as inputs:
        X, y = inputs["x"].astype(np.float64).transpose(0, 2, 1), inputs["y"].astype(str)
    return Items(list(X), y, stratified(y))


SETS = {
    "wisdm-watch": DataSet("windows", "macro_f1", _watch, "whole people, of every other one"),
    "hapt": DataSet("windows", "macro_f1", _hapt, "people 26 to 30; eight others train"),
    "ecg200": DataSet("recordings", "accuracy", _ecg200, "30 % of each class"),
    "strokes": DataSet("recordings", "accuracy", _strokes, "30 % of each class"),
    "keywords-mfcc": DataSet("recordings", "accuracy", _keywords, "30 % of each class"),
    "mitdb": DataSet(
        "beats", "macro_f1", _heartbeats, "whole patients; a patient has at most 200 N, 100 S and 100 V beats"
    ),
}
