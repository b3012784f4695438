"""Answers and messages as a person reads them."""

from __future__ import annotations

import pytest

from edgewright.cli.commands.predict import _sentence
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
