"""Reading small copies of public data sets with the loaders of the examples."""

from __future__ import annotations

from pathlib import Path

from edgewright.core.records.data import DataSet
from edgewright.data.load import load_data


def read_set(kind: str, folder: Path, **keys: object) -> DataSet:
    """Return a public data set that a registered source reads from a folder."""
    return load_data({"kind": kind, **keys}, seed=0, path=str(folder), mixed_rates=True)
