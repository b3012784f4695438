"""A misspelt name ends a run before it reads or trains anything, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.pipeline.config import parse
from edgewright.pipeline.run import run_pipeline
from edgewright.schema.errors import InputError

BASE = 'name = "m"\n[data]\nkind = "wearable"\nrows = 400\npeople = 8\n'


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('[[model.layers]]\nkind = "dens"\nunits = 3\n', "no layer 'dens'"),
        ('[[model.layers]]\nkind = "dense"\n', "expected the key `units`, got none - at m.toml model.layers 1 (dense)"),
        ('[[model.layers]]\nkind = "dense"\nunits = -3\n', "got -3 - at m.toml model.layers 1 (dense) units"),
        ('[training]\noptimiser = "adm"\n', "no optimiser 'adm'"),
        ('[training]\naugment = [{ kind = "nois" }]\n', "no augmentation 'nois'"),
        ('[device]\nprofile = "m4"\n', "no device profile 'm4'"),
        ('[model]\nkind = "shrub"\n', "no model 'shrub'"),
    ],
)
def test_names_are_checked_before_anything_is_read(tmp_path: Path, more: str, said: str) -> None:
    config = parse(BASE + more, "m.toml", ("data.path=/no/such/file",))
    with pytest.raises(InputError) as caught:
        run_pipeline(config, out=tmp_path / "runs")
    assert said in str(caught.value)
    assert list((tmp_path / "runs").iterdir()) == []
