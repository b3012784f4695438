"""Work over 20 seconds of a processor says so before it begins, once, and beside the output."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.models.architecture import architecture
from edgewright.pipeline import run as running
from edgewright.pipeline.config import read_config
from edgewright.pipeline.listener import Listener
from edgewright.pipeline.run import run_pipeline
from edgewright.pipeline.scaling import scaling_s
from edgewright.pipeline.work_ahead import LONG_S, tell_ahead, told_by_first, training_s
from edgewright.schema.trace import EpochRecord


class Heard(Listener):
    """Keeps what is told ahead, and ends a training after its first epoch."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.epochs = 0

    def ahead(self, sentence: str) -> None:
        assert not self.epochs
        self.sentences.append(sentence)

    def epoch(self, record: EpochRecord) -> None:
        self.epochs += 1

    def cancelled(self) -> bool:
        return self.epochs > 0


def test_short_work_says_nothing_and_long_work_how_long() -> None:
    heard = Heard()
    tell_ahead(heard.ahead, "Training", LONG_S)
    assert heard.sentences == []
    tell_ahead(heard.ahead, "Training", 273.4)
    assert heard.sentences == ["Training takes up to about 4 min 30 s of a processor (estimated; Ctrl-C ends it)"]


def test_scalability_is_estimated_near_what_it_took() -> None:
    """154 CPU seconds were measured; early stopping ends trainings that the estimate counts whole."""
    config = read_config("scalability", ())
    assert config.scaling is not None
    assert 154 / 2 < scaling_s(config, config.scaling, (230,)) < 154 * 3


def test_growing_sizes_are_told_before_the_first_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()

    def begins(*given: object) -> None:
        assert len(heard.sentences) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "scale", begins)
    with pytest.raises(KeyboardInterrupt):
        run_pipeline(read_config("scalability", ("data.rows=400",)), out=tmp_path, listener=heard)
    assert heard.sentences[0].startswith("Training at growing sizes takes up to about ")


@pytest.mark.slow
def test_a_long_training_is_told_and_a_short_one_is_not(tmp_path: Path) -> None:
    for epochs, told in ((1, 0), (100_000, 1)):
        heard = Heard()
        changes = ("data.rows=400", f"training.epochs={epochs}", "training.schedule=constant")
        run_pipeline(read_config("activity", changes), out=tmp_path, listener=heard)
        assert len(heard.sentences) == told


def test_the_first_of_like_parts_says_what_all_take(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 3.0, 99.0))
    monkeypatch.setattr("edgewright.pipeline.work_ahead.time.process_time", lambda: next(clock))
    heard, moved = Heard(), list[int]()
    step = told_by_first(moved.append, heard.ahead, "The curve", 40)
    step(1)
    step(1)
    assert heard.sentences == ["The curve takes up to about 2 min of a processor (estimated; Ctrl-C ends it)"]
    assert moved == [1, 1]


def test_more_looks_and_wider_layers_take_longer() -> None:
    small, large = (architecture([{"kind": "dense", "units": units}], (20,), 3) for units in (8, 800))
    assert training_s(small, 1e6, 64) < training_s(large, 1e6, 64) < training_s(large, 2e6, 64)
