"""Sets that come inside scikit-learn and sktime: they are read where those are installed, and never copied."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn import datasets

from benchmarks.default.content import Array, DataSet, Items, Table, stratified
from edgewright.data.set_files import read_ts

Read = Callable[[Path], Any]


def _table(load: Callable[[], Any], target: str) -> Read:
    """Return what reads a table of scikit-learn with a name for its target."""

    def read(data: Path) -> Table:
        bunch = load()
        names = [str(name).replace(" (cm)", "_cm").replace(" ", "_").replace("/", "_") for name in bunch.feature_names]
        y = np.asarray(bunch.target)
        amounts = y.dtype.kind == "f"
        column = y if amounts else np.asarray(bunch.target_names)[y].astype(str)
        frame = pl.DataFrame(np.asarray(bunch.data, np.float64), schema=names)
        return Table(frame.with_columns(pl.Series(target, column)), target, stratified(y if amounts else column))

    return read


def _digit_pictures(data: Path) -> Items:
    digits = datasets.load_digits()
    y = np.char.add("digit", digits.target.astype(str))
    pictures = np.kron(np.round(digits.images * (255 / 16)), np.ones((1, 4, 4))).astype(np.uint8)
    return Items([np.stack([picture] * 3, axis=2) for picture in pictures], y, stratified(y))


def _archive(name: str) -> Read:
    """Return what reads a set of the archives UCR and UEA with its official division."""

    def read(data: Path) -> Items:
        folder = Path(str(files("sktime.datasets"))) / "data" / name
        X: list[Array] = []
        y, test = [], []
        for part in ("TRAIN", "TEST"):
            for channels, label in read_ts(folder / f"{name}_{part}.ts"):
                X.append(np.array(channels))
                y.append(label)
                test.append(part == "TEST")
        try:
            amounts = np.array(y, np.float64)
        except ValueError:
            amounts = np.zeros(0)
        # Codes of classes are whole numbers; an amount has decimals.
        is_amount = len(amounts) > 0 and bool((amounts != np.round(amounts)).any())
        return Items(X, amounts if is_amount else np.array(y), np.array(test))

    return read


_OFFICIAL, _STRATIFIED = "official", "30 % of each class"
SETS = {
    "iris": DataSet("rows", "accuracy", _table(datasets.load_iris, "species"), _STRATIFIED, True),
    "wine": DataSet("rows", "accuracy", _table(datasets.load_wine, "cultivar"), _STRATIFIED, True),
    "breast-cancer": DataSet("rows", "accuracy", _table(datasets.load_breast_cancer, "diagnosis"), _STRATIFIED, True),
    "digits-rows": DataSet("rows", "accuracy", _table(datasets.load_digits, "digit"), _STRATIFIED, True),
    "diabetes": DataSet("rows", "rmse", _table(datasets.load_diabetes, "progression"), "30 % of the rows", True),
    "digit-pictures": DataSet("pictures", "accuracy", _digit_pictures, _STRATIFIED, True),
    "gunpoint": DataSet("recordings", "accuracy", _archive("GunPoint"), _OFFICIAL, True),
    "italy-power": DataSet("recordings", "accuracy", _archive("ItalyPowerDemand"), _OFFICIAL, True),
    "arrowhead": DataSet("recordings", "accuracy", _archive("ArrowHead"), _OFFICIAL, True),
    "osuleaf": DataSet("recordings", "accuracy", _archive("OSULeaf"), _OFFICIAL, True),
    "acsf1": DataSet("recordings", "accuracy", _archive("ACSF1"), _OFFICIAL, True),
    "basic-motions": DataSet("recordings", "accuracy", _archive("BasicMotions"), _OFFICIAL, True),
    "japanese-vowels": DataSet("recordings", "accuracy", _archive("JapaneseVowels"), _OFFICIAL, True),
    "plaid": DataSet("recordings", "accuracy", _archive("PLAID"), _OFFICIAL, True),
    "covid": DataSet("recordings", "rmse", _archive("Covid3Month"), _OFFICIAL, True),
    "tecator": DataSet("spectra", "rmse", _archive("Tecator"), _OFFICIAL, True),
}
