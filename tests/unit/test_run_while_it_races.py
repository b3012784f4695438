"""Packages of `edgewright run FILE` while the race goes on: the first within seconds, a better one in its place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.cli import listeners
from edgewright.core.errors import INTERRUPTED
from edgewright.export.answering import load
from edgewright.race.heats import HeatFold
from edgewright.race.race import Race, Standing
from race_problems import table
from small_pipeline import names

MEASURE = Race.measure


@pytest.mark.slow
def test_a_package_stands_before_the_race_ends_and_is_replaced(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, runs = table(tmp_path / "rows.csv", kind="product"), tmp_path / "runs"
    (runs / "rows").mkdir(parents=True)
    (runs / "rows" / "mine.txt").write_text("an earlier run")
    counts: list[int] = []

    def looked(race: Race, standing: Standing, folds: Sequence[HeatFold]) -> bool:
        if (runs / "rows-2").exists():
            assert [name for name in names(runs) if not name.startswith(".")] == ["rows", "rows-2"]
            counts.append(len(load(runs / "rows-2" / "rows.edge").predict([[0.5, 0.5]]).labels))
        return MEASURE(race, standing, folds)

    monkeypatch.setattr(Race, "measure", looked)
    cli("run", rows, "--target", "y", "--budget", "60s", "--out", runs)
    assert counts
    assert "first package: " in cli.err
    assert names(runs) == ["rows", "rows-2"]
    assert names(runs / "rows") == ["mine.txt"]


@pytest.mark.parametrize("at", ["race", "last run"])
def test_an_interrupt_leaves_a_package(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    rows, runs = table(tmp_path / "rows.csv", kind="product"), tmp_path / "runs"

    def stopped(race: Race, standing: Standing, folds: Sequence[HeatFold]) -> bool:
        if (runs / "rows").exists():
            raise KeyboardInterrupt
        return MEASURE(race, standing, folds)

    def at_the_end(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Race, "measure", stopped)
    if at == "last run":
        monkeypatch.setattr(listeners, "run_and_show", at_the_end)
    cli("run", rows, "--target", "y", "--budget", "60s", "--out", runs, code=INTERRUPTED if at == "last run" else 0)
    assert names(runs) == ["rows"]
    assert len(load(runs / "rows" / "rows.edge").predict([[0.5, 0.5]]).labels) == 1
