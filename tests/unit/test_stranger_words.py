"""Answers and messages as a person reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.cli.commands.predict import _sentence
from edgewright.core.csv.rows import iter_csv
from edgewright.data.load import load_data
from edgewright.schema.errors import InputError


@pytest.mark.parametrize(
    ("confidence", "said"),
    [(0.854, "85 %"), (0.9951, "99.5 %"), (0.999377, "99.9 %"), (0.9999, "> 99.9 %"), (1.0, "100 %"), (0.0, "0 %")],
)
def test_what_is_not_quite_sure_is_not_called_sure(confidence: float, said: str) -> None:
    assert _sentence({"place": "line 2", "label": "low", "confidence": confidence}) == f"line 2: low, {said}"


@pytest.mark.parametrize("kind", ["csv", "numpy", "edge_impulse", "wav", "parquet", "folder"])
def test_a_source_without_a_path_says_where_to_name_one(kind: str) -> None:
    with pytest.raises(InputError, match=r"got none - at \[data\] path, or --data"):
        load_data({"kind": kind}, seed=0)
    with pytest.raises(InputError, match=r"got no such (file|folder) - at nowhere"):
        load_data({"kind": kind, "path": "nowhere"}, seed=0)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"RIFF\x24\xa4\x00\x00WAVE", "a sound file (WAV)"),
        (b"PK\x03\x04\x14\x00\x06\xff", "a ZIP file or a spreadsheet"),
        (b"\x1f\x8b\x08\x00", "a gzip file without the ending .gz"),
    ],
)
def test_another_kind_of_file_is_called_by_its_name(tmp_path: Path, start: bytes, said: str) -> None:
    (tmp_path / "rows.csv").write_bytes(start + bytes(range(1, 200)) + b"\n")
    with pytest.raises(InputError) as caught:
        list(iter_csv(tmp_path / "rows.csv", name="rows.csv"))
    assert str(caught.value).startswith(f"expected a CSV file, got {said} - at rows.csv.")
