"""`edgewright advise`: the five steps, needs that are not met, data without a target, and the stored record."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.advice.figures import parse_needs
from edgewright.advice.frames import inspect, pointer_of, task_for
from edgewright.advice.records import Advice
from edgewright.advice.report import AdviceRequest, advice_blocks, advise, markdown, page
from edgewright.core.errors import UnknownNameError
from edgewright.race.explanation import WITHOUT_ML
from edgewright.workflows.own_data.proposal import OwnDataRequest, subject_of
from race_problems import silent, table
from small_pipeline import write_rows


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("advice") / "room.csv", count=120)


def advised(path: Path, needs: str = "", **data: object) -> Advice:
    request = OwnDataRequest(path=str(path), target="y", **data)  # type: ignore[arg-type]
    return advise(AdviceRequest(data=request, needs=parse_needs(needs)), silent)[0]


@pytest.mark.slow
def test_five_steps_over_the_choice_of_the_race(rows: Path) -> None:
    record = advised(rows, "flash=8kB,offline")
    assert record.race is not None
    race = subject_of(OwnDataRequest(path=str(rows), target="y")).race("cortex-m4").run()
    assert record.race.chosen == race.chosen
    assert (record.frame.task, record.met, record.location) == ("classification", True, "device")
    names = [solution.name for solution in record.existing]
    assert names[0] == "majority" and len(names) <= len(WITHOUT_ML)
    assert "gain" in record.choice_why or "worse" in record.choice_why
    assert [name for name, _ in record.costs][:3] == ["flash", "RAM", "latency on the device"]
    text, html = markdown(record), page(record)
    for part in ("1. Frame", "2. Constraints", "3. A solution without ML", "4 and 5.", "Figures and sources"):
        assert part in text and part in html
    assert advice_blocks(record)
    assert msgspec.json.decode(msgspec.json.encode(record), type=Advice) == record


@pytest.mark.slow
@pytest.mark.parametrize(
    ("needs", "missed"), [("flash=100B", "flash"), ("ram=1B", "ram"), ("bandwidth=1B/day", "bandwidth")]
)
def test_a_need_that_is_not_met_is_named(rows: Path, needs: str, missed: str) -> None:
    record = advised(rows, needs)
    assert not record.met
    assert any(text.lower().startswith(missed) for text in record.unmet)


def test_data_without_a_target_is_framed_by_its_kind(tmp_path: Path) -> None:
    stream = write_rows(tmp_path / "pump.csv", [[str(n), f"{n % 7}"] for n in range(60)], header="time,flow")
    assert task_for(inspect(str(stream)), "auto", "") == "anomaly"
    pointer = pointer_of("anomaly", inspect(str(stream)), "")
    assert pointer.commands[0].startswith("edgewright detect fit ")
    folder = tmp_path / "manuals"
    folder.mkdir()
    (folder / "a.md").write_text("# Power\n\nOpen the lid.\n")
    assert task_for(inspect(str(folder)), "auto", "") == "retrieval"
    talk = write_rows(tmp_path / "talk.csv", [["turn on the light", "on"], ["turn off the light now", "off"]] * 20,
                      header="text,intent")  # fmt: skip
    assert task_for(inspect(str(talk)), "auto", "") == "intent"
    assert task_for(inspect("latency"), "auto", "") == "classification"
    with pytest.raises(UnknownNameError):
        task_for(inspect("latency"), "clusters", "")


def test_a_pointer_is_an_advice_without_a_race(tmp_path: Path, cli: Cli) -> None:
    stream = write_rows(tmp_path / "pump.csv", [[str(n), f"{n % 7}"] for n in range(60)], header="time,flow")
    record = cli.json("advise", stream, "--out", tmp_path / "advice")
    assert (record["race"], record["frame"]["task"], record["met"]) == (None, "anomaly", True)
    assert sorted(path.name for path in (tmp_path / "advice").iterdir()) == ["advice.html", "advice.json", "advice.md"]
    cli("advise", stream, "--need", "offline", "--out", tmp_path / "needs", code=1)


@pytest.mark.slow
def test_the_command_writes_a_record_and_a_state_table(tmp_path: Path, cli: Cli) -> None:
    rng = np.random.default_rng(0)
    lines = [[str(n), f"{(n // 30 % 2) + rng.normal() * 0.1:.3f}", ("off", "on")[n // 30 % 2]] for n in range(600)]
    path = write_rows(tmp_path / "room.csv", lines, header="time,light,y")
    shown = cli("advise", path, "--target", "y", "--out", tmp_path / "advice")
    assert "state machine" in shown
    assert (tmp_path / "advice" / "state-table.toml").is_file()
    assert "--decision" in cli("advise", path, "--window", "10", code=2)


def test_wrong_options_are_refused(rows: Path, cli: Cli) -> None:
    for words in (["--need", "speed=3"], ["--radio", "smoke"], ["--price", "cell=x"], ["--device", "toaster"]):
        cli("advise", rows, "--target", "y", *words, code=2)
