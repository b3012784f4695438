"""Sentences of the cards are true of what happened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.pipeline.config import parse
from edgewright.pipeline.run import run_pipeline

TEXT = """
name = "m"
refit = false
[data]
kind = "csv"
target = "y"
[[stages]]
kind = "impute"
[[stages]]
kind = "scale"
method = "standard"
[training]
epochs = 1
[compression]
max_drop = 1.0
"""


@pytest.mark.parametrize("large", [1.0, 1000.0])
def test_what_the_cards_say(tmp_path: Path, large: float) -> None:
    values = np.random.default_rng(0).normal(size=(80, 2)) * [1.0, large]
    rows = [f"{a:.4f},{b:.4f},{2 * a + 1:.4f}" for a, b in values]
    (tmp_path / "m.csv").write_text("\n".join(["a,b,y", *rows]) + "\n", encoding="utf-8")
    trace = run_pipeline(parse(TEXT, "m.toml"), data=str(tmp_path / "m.csv"), out=tmp_path / "runs").trace
    cards = {card.name: card for card in trace.stages}
    assert "the training samples miss none" in cards["Impute"].why
    assert ("would not count alike" in cards["Scale"].why) == (large > 1)
    # A regression is not calibrated, and without patience nothing stops it.
    assert "watch it;" in cards["Training"].why and "calibrate" not in cards["Training"].why
    assert cards["Training"].names_after == ("y",)
    stopping = parse(TEXT, "m.toml", ("training.patience=3",))
    again = run_pipeline(stopping, data=str(tmp_path / "m.csv"), out=tmp_path / "runs").trace
    assert "stop it;" in next(card.why for card in again.stages if card.name == "Training")
