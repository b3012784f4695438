"""The settings of Dask in deploy/cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from support import ROOT

FOLDER = ROOT / "deploy" / "cluster"


def test_settings_of_dask_are_ones_that_it_has() -> None:
    distributed = pytest.importorskip("distributed")
    own = yaml.safe_load((FOLDER / "dask.yaml").read_text(encoding="utf-8"))
    usual = yaml.safe_load((Path(distributed.__file__).parent / "distributed.yaml").read_text(encoding="utf-8"))

    def assert_known(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
        for key, value in mine.items():
            assert key in theirs
            if isinstance(value, dict):
                assert_known(value, theirs[key])
            else:
                assert value != theirs[key]

    assert_known(own, usual)
