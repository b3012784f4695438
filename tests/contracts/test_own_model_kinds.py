"""Every kind of models that `models add` takes: described in a line, and not taken in by what is something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.core.errors import InputError
from edgewright.language.own_models.kinds import KINDS


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_matches_nothing_else(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    assert kind.title == " ".join(kind.title.split())
    (tmp_path / "notes.txt").write_text("a b c d e f g h i j\nno vectors here\n")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.bin").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for path in tmp_path.iterdir():
        assert not kind.matches(path)
    (tmp_path / "target").mkdir()
    with pytest.raises((InputError, OSError)):
        kind.copy(tmp_path / "absent", tmp_path / "target")
