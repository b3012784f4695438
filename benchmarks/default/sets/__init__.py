"""The sets of the suite by name: to add a set is to add one entry to the `SETS` of a file of this folder."""

from __future__ import annotations

from benchmarks.default.content import DataSet
from benchmarks.default.sets import installed, media, signals, tables

SETS: dict[str, DataSet] = {**tables.SETS, **signals.SETS, **media.SETS, **installed.SETS}
