"""`run --explain ladder`: the models from simple to complex against the race's choice."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.records.race import RaceRecord
from edgewright.race.explanation import explain, ladder_blocks, ladder_of, ladder_sentences
from edgewright.race.race import Race
from edgewright.trace.blocks.records import Grid
from edgewright.trace.page_model import read_trace
from race_problems import race, table
from small_pipeline import write_rows

NAMES = ("majority", "threshold", "rules", "linear", "boosting")


def explained(path: Path, names: tuple[str, ...] = NAMES) -> tuple[Race, RaceRecord, RaceRecord]:
    started = race(path, names)
    record = started.run()
    return started, record, explain(started, record)


def test_gains_are_over_the_choice_and_the_choice_stays(tmp_path: Path) -> None:
    started, before, record = explained(table(tmp_path / "rows.csv", kind="product"))
    assert (record.chosen, record.why) == (before.chosen, before.why)
    ladder = ladder_of(record)
    assert tuple(entrant.name for entrant in ladder) == NAMES
    gains = {entrant.name: entrant.gain for entrant in ladder}
    assert gains[record.chosen] is msgspec.UNSET
    assert gains["majority"] and gains["majority"].high < 0
    assert {entrant.samples for entrant in ladder} == {len(started.problem.y)}
    assert record.beats_chance is True
    assert ladder_of(before) == ()
    assert ladder_blocks(before) == ()
    # Every entrant of the race keeps its verdict.
    verdicts = {entrant.name: entrant.verdict for entrant in before.entrants}
    assert {entrant.name: entrant.verdict for entrant in record.entrants} == verdicts
    (grid,) = [block for block in ladder_blocks(record) if isinstance(block, Grid)]
    assert [row[0] for row in grid.rows] == ["majority", "threshold", "rule list", "linear", "boosting"]
    assert [row[0] for row in grid.rows if row[-1] == "chosen"] == [
        entrant.title for entrant in ladder if entrant.name == record.chosen
    ]
    assert any("significantly worse" in sentence for sentence in ladder_sentences(record))


def test_noise_does_not_beat_chance(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [[f"{a:.4f}", f"{b:.4f}", "ab"[int(rng.integers(2))]] for a, b in rng.normal(size=(200, 2))]
    record = explained(write_rows(tmp_path / "noise.csv", rows, header="a,b,y"), NAMES[:4])[2]
    assert record.beats_chance is False


def test_ctrl_c_keeps_what_was_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = race(table(tmp_path / "rows.csv"), NAMES)
    record, measured = started.run(), []
    measure = started.measure

    def interrupted(standing: object, *arguments: object) -> bool:
        measured.append(standing)
        if len(measured) == 3:
            raise KeyboardInterrupt
        return measure(standing, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(started, "measure", interrupted)
    after = explain(started, record)
    assert len(ladder_of(after)) == 2
    assert record.chosen in {entrant.name for entrant in ladder_of(after)}


@pytest.mark.slow
def test_a_run_is_explained_on_request_and_chooses_the_same(tmp_path: Path, cli: Cli) -> None:
    rows = table(tmp_path / "rows.csv", 200)
    plain = cli("run", rows, "--budget", "5s", "--out", tmp_path / "plain")
    shown = cli("run", rows, "--budget", "5s", "--out", tmp_path / "shown", "--explain", "ladder")
    assert "From simple to complex" in shown and "From simple to complex" not in plain
    before, after = (read_trace(tmp_path / name / "rows" / "trace.json").race for name in ("plain", "shown"))
    assert before is not None and after is not None
    assert before.chosen == after.chosen
    packages = [(tmp_path / name / "rows" / "rows.edge").read_bytes() for name in ("plain", "shown")]
    assert packages[0] == packages[1]


def test_a_pipeline_has_no_race_to_explain(cli: Cli) -> None:
    assert "--explain" in cli("run", "activity", "--explain", "ladder", code=2)
    assert "--explain ladder" in cli("ladder", "rows.csv", code=2)
    assert "--search 10m" in cli("search", "demo", code=2)
