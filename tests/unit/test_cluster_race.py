"""Races, ladders and folds on workers: the same results as in this process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli_runner import Cli
from edgewright.cluster.mapping import ClusterLostError, Engine, engine_for, on_engine
from edgewright.core.errors import InputError, RaceError
from edgewright.core.records.config import DeviceConfig, PipelineConfig, SplitConfig
from edgewright.core.records.race import RaceRecord
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan
from edgewright.race.explanation import explain
from edgewright.race.pipeline_end import entrants_of
from edgewright.race.problem import problem_of_training
from edgewright.race.race import Race
from edgewright.trace.page_model import read_trace
from race_problems import race, table

CHEAP = ("majority", "threshold", "linear", "tree", "neighbours")


def _race(path: Path, names: tuple[str, ...]) -> Race:
    config = PipelineConfig(
        name="race", data={"kind": "csv", "path": str(path), "target": "y"}, split=SplitConfig(by="row"),
        device=DeviceConfig(profile="cortex-m4"),
    )  # fmt: skip
    problem = problem_of_training(prepare(data_plan(config), None))
    return Race(problem, [one for one in entrants_of(problem, config) if not names or one.name in names], "cortex-m4")


def _plain(record: msgspec.Struct) -> Any:  # noqa: ANN401 - JSON
    """Return a record without its times."""

    def without(value: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, dict):
            return {key: without(entry) for key, entry in value.items() if key != "cpu_seconds"}
        return [without(entry) for entry in value] if isinstance(value, list | tuple) else value

    return without(msgspec.to_builtins(record))


def test_a_race_on_workers_has_the_same_record_as_in_this_process(tmp_path: Path) -> None:
    path = table(tmp_path / "rows.csv", kind="product")
    here = _race(path, CHEAP).run()
    with on_engine(engine_for("local:1")):  # as on a worker: everything travels as bytes
        there = _race(path, CHEAP).run()
    assert _plain(here) == _plain(there)
    assert sum(entrant.heats for entrant in here.entrants) > len(CHEAP)


def test_a_cluster_of_one_process_does_not_count_its_time_twice(tmp_path: Path) -> None:
    race = _race(table(tmp_path / "rows.csv", kind="product"), CHEAP)
    with on_engine(engine_for("local:1")):
        began = time.process_time()
        record = race.run()
        spent = time.process_time() - began
    assert 0.0 < sum(entrant.cpu_seconds for entrant in record.entrants) <= spent


@pytest.mark.slow
def test_a_race_of_all_candidates_in_processes_has_the_same_record(tmp_path: Path) -> None:
    path = table(tmp_path / "rows.csv", kind="product")
    here = _race(path, ()).run()
    with on_engine(engine_for("local:2")):
        there = _race(path, ()).run()
    assert _plain(here) == _plain(there)


def explained(path: Path) -> RaceRecord:
    started = race(path)
    return explain(started, started.run())


@pytest.mark.slow
def test_an_explained_race_in_processes_has_the_same_record(tmp_path: Path) -> None:
    path = table(tmp_path / "rows.csv", kind="product")
    here = explained(path)
    with on_engine(engine_for("local:2")):
        there = explained(path)
    assert _plain(here) == _plain(there)


@pytest.mark.slow
def test_people_left_out_in_turn_in_processes_have_the_same_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    path = table(tmp_path / "rows.csv", kind="product")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{lines[0]},who", *(f"{line},p{n % 5}" for n, line in enumerate(lines[1:]))]) + "\n")
    words = ["--target", "y", "--group", "who", "--budget", "0s", "--out"]
    scores = []
    for out, more in (("here", []), ("there", ["--cluster", "local:2"])):
        cli("run", str(path), *words, out, *more)
        assert ("cluster local:2: 2 workers" in cli.err) is bool(more)
        evaluation = read_trace(tmp_path / out / "rows" / "trace.json").evaluation
        assert evaluation is not None and evaluation.left_out is not None
        scores.append(msgspec.structs.replace(evaluation.left_out, seconds=0.0))
    assert scores[0] == scores[1]
    assert len(scores[0].groups) == 5


class _Falling(Engine):
    """An engine whose cluster is lost after some results."""

    def __init__(self, inner: Engine, after: int) -> None:
        super().__init__()
        self.inner, self.left = inner, after

    def run(self, shared: bytes, batches: Any) -> Any:  # noqa: ANN401 - as the engine
        for answer in self.inner.run(shared, batches):
            self.left -= 1
            if self.left < 0:
                raise ClusterLostError("a running cluster", "none")
            yield answer


def test_a_lost_cluster_ends_a_race_and_leaves_out_no_candidate(tmp_path: Path) -> None:
    race = _race(table(tmp_path / "rows.csv"), CHEAP)
    with on_engine(_Falling(engine_for("local:1"), 3)), pytest.raises(ClusterLostError):
        race.run()
    assert not any(standing.record.left_out for standing in race.standings)


def test_what_a_worker_refuses_is_left_out_with_the_same_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path / "rows.csv")
    reasons = []
    for address in ("", "local:1"):
        race = _race(path, CHEAP)

        def refuse(*_: object) -> None:
            raise InputError("fewer samples", "many", "linear")

        monkeypatch.setattr("edgewright.race.fold_fits.fit_fold", refuse)
        monkeypatch.setattr("edgewright.race.race.fit_fold", refuse)
        with pytest.raises(RaceError) as error:
            if address:
                with on_engine(engine_for(address)):
                    race.run()
            else:
                race.run()
        reasons.append(str(error.value))
    assert reasons[0] == reasons[1]
    assert "fewer samples" in reasons[0]


def test_one_training_is_refused_kindly(small: Path, cli: Cli) -> None:
    text = cli("run", str(small), "--cluster", "local:2", code=2)
    assert "expected several fits to spread, got one training of small" in text
    assert "trains in less time than its weights travel" in text
