"""Missing values without a stage that fills them: one line that says so, not a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.models.network import NetworkClassifier
from edgewright.pipeline.config import parse
from edgewright.pipeline.run import run_pipeline
from edgewright.schema.errors import InputError

TEXT = 'name = "m"\n[data]\nkind = "csv"\ntarget = "label"\n[training]\nepochs = 1\n'


def _csv(path: Path, hole: int) -> str:
    """Sixty rows; one reading of b is missing in row `hole`."""
    values = np.random.default_rng(0).normal(size=(60, 2))
    lines = [f"{a:.3f},{'' if i == hole else f'{b:.3f}'},{'yn'[i % 2]}" for i, (a, b) in enumerate(values)]
    path.write_text("\n".join(["a,b,label", *lines]) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("hole", [0, 59])
@pytest.mark.parametrize("stages", ["", '[[stages]]\nkind = "scale"\n', '[[stages]]\nkind = "pca"\n'])
def test_missing_values_without_a_stage_that_fills_them(tmp_path: Path, stages: str, hole: int) -> None:
    with pytest.raises(InputError, match="impute") as caught:
        run_pipeline(parse(TEXT + stages, "m.toml"), data=_csv(tmp_path / "m.csv", hole), out=tmp_path / "runs")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "runs").iterdir()) == []


def test_numbers_near_the_limit_of_float32_make_no_noise() -> None:
    X = np.array([[3e38, 1.0], [-3e38, 2.0], [3e38, 3.0], [-3e38, 4.0]] * 4, np.float32)
    model = NetworkClassifier(({"kind": "dense", "units": 2},), epochs=1)
    # A warning is an error in these tests: the sum of such numbers would be one.
    assert model.fit(X, np.array(["a", "b"] * 8)).predict_proba(X).shape == (16, 2)
