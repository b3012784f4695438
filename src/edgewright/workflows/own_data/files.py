"""Files and folders of rows where a pipeline may stand too."""

from __future__ import annotations

from pathlib import Path

from edgewright.data.sources import csv, parquet
from edgewright.pipeline.config import shipped

_ENDINGS = (*csv.SUFFIXES, *parquet.SUFFIXES)


def is_own_data(name: str) -> bool:
    """Return whether a name is a file or folder of rows where a pipeline may stand too."""
    place = Path(name)
    if name in shipped() or place.suffix == ".toml":
        return False
    return place.is_dir() or place.name.lower().endswith((*_ENDINGS, ".wav", ".npz", ".zip"))
