"""A preview of many rows: some of each block, and all texts of columns that may be categories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.core.csv import blocks
from edgewright.data import preview
from edgewright.data.preview import read_preview


def write(path: Path, count: int, quoted: bool = False) -> Path:
    rng = np.random.default_rng(0)
    lines = [
        f"{value:.4f},{'early' if row < count - 3 else 'late'}" for row, value in enumerate(rng.normal(size=count))
    ]
    if quoted:
        lines[count // 2] = '1.0,"a\nb"'
    path.write_text("\n".join(["reading,state", *lines, ""]))
    return path


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 12)
    for name, value in {"_ROWS": 500, "_ROWS_A_BLOCK": 100, "_MANY": 4_000, "_ROWS_OF_MANY": 10}.items():
        monkeypatch.setattr(preview, name, value)


def test_of_many_rows_few_are_kept_and_every_text_is_known(tmp_path: Path) -> None:
    seen = read_preview(str(write(tmp_path / "many.csv", 40_000)))
    # 500 at once, 100 of each block up to 4,000 rows, then 10 of some 130 blocks.
    assert 1_500 < len(seen.columns["reading"]) < 4_000
    assert seen.columns["reading"].dtype.kind == "U"
    assert seen.texts["state"] == {"early", "late"}
    assert len(seen.columns["state"]) == len(seen.columns["reading"])


def test_a_cell_with_a_line_break_is_no_row_of_its_own(tmp_path: Path) -> None:
    seen = read_preview(str(write(tmp_path / "quoted.csv", 8_000, quoted=True)))
    assert seen.texts["state"] == {"early", "a\nb", "late"}


def test_rows_are_kept_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "rows.csv", 3_000)
    seen = read_preview(str(path)).columns["reading"]
    monkeypatch.setattr(preview, "_ROWS", 100_000)
    every = read_preview(str(path)).columns["reading"]
    assert 500 < len(seen) < len(every) == 3_000
    assert np.array_equal(seen[:500], every[:500])
    following = iter(every.tolist())
    assert all(cell in following for cell in seen.tolist())
