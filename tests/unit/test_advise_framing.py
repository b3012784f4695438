"""How data is framed: text, documents, pictures, series, counters of rows, columns that know the target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.data.roles import assign_roles
from edgewright.data.table_proposal import propose_table
from edgewright.schema.errors import InputError
from edgewright.search.advise.contract import AdviceRequest
from edgewright.search.advise.figures import parse_needs
from edgewright.search.advise.framings import labelled
from edgewright.search.advise.framings.unlabelled import find_clusters
from edgewright.search.advise.inspection import inspect
from edgewright.search.advise.workflow import advise
from edgewright.workflows.own_data.proposal import OwnDataRequest, look
from ladder_problems import silent
from small_pipeline import write_rows


@pytest.mark.slow
def test_text_with_labels_is_an_intent(tmp_path: Path) -> None:
    answer = {"light": "please switch the lamp number {} on", "heat": "make room {} a little warmer"}
    rows = [[text.format(n), label] for n in range(30) for label, text in answer.items()]
    file = write_rows(tmp_path / "said.csv", rows, header="said,what")
    record = advise(AdviceRequest(data=str(file), target="what"), silent)
    assert (record.frame.task, record.location) == ("intent", "device")
    assert dict(record.measured)["most frequent label"] == "accuracy 0.500"
    assert record.measured[2][1].startswith("accuracy 1.000")
    assert any("language train" in command for command in record.commands)
    unlabelled = advise(AdviceRequest(data=str(file)), silent)
    assert [one.name for one in unlabelled.frame.capabilities if one.needed] == ["zero-shot"]
    assert unlabelled.location != "device"
    path = write_rows(
        tmp_path / "qa.csv", [[f"how do I do {n}", "press a button"] for n in range(9)], header="question,answer"
    )
    assert advise(AdviceRequest(data=str(path)), silent).frame.task == "retrieval"
    one = write_rows(tmp_path / "one.csv", [[row[0], "x"] for row in rows], header="text,intent")
    with pytest.raises(InputError, match="two different intents"):
        advise(AdviceRequest(data=str(one)), silent)


@pytest.mark.slow
def test_documents_are_looked_up_and_pictures_described(tmp_path: Path) -> None:
    for name in ("papers/a.md", "papers/more/b.html", "pictures/milk/1.jpg", "pictures/juice/2.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    papers = advise(AdviceRequest(data=str(tmp_path / "papers")), silent)
    assert papers.frame.task == "retrieval"
    assert [one.name for one in papers.frame.capabilities if one.needed] == ["retrieval"]
    assert papers.location != "device"
    assert "64 MB" in next(placement for placement in papers.places if placement.name == "device").misses[0]
    gateway = advise(AdviceRequest(data=str(tmp_path / "papers"), device="raspberry-pi-5"), silent)
    assert gateway.location == "device"
    pictures = advise(AdviceRequest(data=str(tmp_path / "pictures")), silent)
    assert pictures.frame.task == "classification"
    assert any("zero-shot" in command for command in pictures.commands)


@pytest.mark.slow
def test_rows_that_are_series_are_said_to_be_once(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    waves = np.sin(np.arange(20) / 2 + generator.uniform(0, 6, (60, 1))) * np.array([1, 3] * 30)[:, None]
    rows = [[*map(str, wave), ("calm", "wild")[number % 2]] for number, wave in enumerate(waves.round(3).tolist())]
    path = write_rows(tmp_path / "waves.csv", rows, header=",".join([*(f"t{n}" for n in range(20)), "label"]))
    record = advise(AdviceRequest(data=str(path), target="label", curve=False), silent)
    sentence = "each row is a series of 20 values, t0 to t19"
    assert sentence in record.frame.why and not any(sentence in note for note in record.notes)


@pytest.mark.slow
def test_a_series_without_labels_is_watched_or_foretold(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = [[str(60 * n), f"{np.sin(n / 12 * 2 * np.pi) + rng.normal() * 0.1:.3f}"] for n in range(240)]
    file = str(write_rows(tmp_path / "pump.csv", rows, header="time,flow"))
    watched = advise(AdviceRequest(data=file), silent)
    assert watched.frame.task == "anomaly"
    assert "the column flow repeats every 12 rows" in watched.frame.why
    assert watched.traffic.rows_day == 1440.0
    assert watched.commands[0].startswith(f"edgewright detect fit {file} --time time")
    assert "--detector robust" in watched.commands[0]
    ahead = advise(AdviceRequest(data=file, task="forecasting"), silent)
    assert ahead.frame.task == "forecasting"
    assert ahead.commands[0].endswith("--column flow --time time --horizon 12 --out next.forecaster")
    assert any("MASE" in value for _, value in ahead.measured)
    assert ahead.footprint is not None
    assert ahead.footprint.ram.value < 2_000
    assert ahead.met
    tight = advise(AdviceRequest(data=file, task="forecasting", needs=parse_needs("flash=1kB,score=0.9")), silent)
    assert [reason.split()[0] for reason in tight.unmet] == ["flash", "score:"]


@pytest.mark.slow
def test_a_forecast_is_measured_with_the_seasons_that_the_printed_command_takes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    hours = np.arange(672)
    flow = 20 + 3 * np.sin(2 * np.pi * hours / 24) - 0.6 * (hours // 24 % 7 >= 5) + 0.5 * rng.normal(size=672)
    rows = [[str(3600 * n), f"{value:.3f}"] for n, value in zip(hours, flow, strict=True)]
    file = str(write_rows(tmp_path / "pump.csv", rows, header="time,flow"))
    ahead = advise(AdviceRequest(data=file, task="forecasting"), silent)
    assert "seasonal naive, 168 rows" in {name for name, _ in ahead.measured}


@pytest.mark.slow
def test_a_target_is_what_is_foretold_or_says_what_is_odd(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = []
    for n in range(1000):
        odd = n % 200 in (100, 101, 102)
        flow = np.sin(n / 12 * 2 * np.pi) + rng.normal() * 0.1 + 9 * odd
        rows.append([str(60 * n), f"{rng.normal():.3f}", f"{flow:.3f}", "leak" if odd else "ok"])
    file = str(write_rows(tmp_path / "pump.csv", rows, header="time,level,flow,state"))
    ahead = advise(AdviceRequest(data=file, task="forecasting", target="flow"), silent)
    assert (ahead.target, ahead.frame.why[0]) == ("flow", "flow is to be forecast")
    assert "--column flow" in ahead.commands[0]
    with pytest.raises(InputError, match=r"no column of numbers 'flaw'\. Known: flow, level"):
        advise(AdviceRequest(data=file, task="forecasting", target="flaw"), silent)
    watched = advise(AdviceRequest(data=file, task="anomaly", target="state"), silent)
    assert watched.choice_why.split("; ")[-1].startswith("event F1 on labelled rows")
    assert "--target state" in watched.commands[0]
    assert watched.footprint is not None
    assert watched.footprint.notes[0] == "latency and energy are modelled, unverified on silicon"
    folder = tmp_path / "pumps"
    folder.mkdir()
    Path(file).rename(folder / "one.csv")
    again = advise(AdviceRequest(data=str(folder), task="anomaly", target="state"), silent)
    assert again.places[1].leaves == "every reading of level, flow, to the gateway only"
    assert "--time time" in again.commands[0]


def test_what_nothing_reads_is_said(tmp_path: Path) -> None:
    file = str(write_rows(tmp_path / "plain.csv", [["1", "2"], ["3", "4"]], header="a,b"))
    with pytest.raises(InputError, match="data for classification, got data for anomaly, clustering, forecasting"):
        advise(AdviceRequest(data=file, task="classification"), silent)
    (tmp_path / "snips").mkdir()
    (tmp_path / "snips" / "train.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"an unpacked copy of the public set snips, got archives"):
        advise(AdviceRequest(data=str(tmp_path / "snips")), silent)


@pytest.mark.slow
def test_rows_in_kinds_that_lie_apart_are_clustered(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 0.1, (60, 2)), rng.normal(5, 0.1, (60, 2))])
    rows = [[f"{a:.4f}", f"{b:.4f}"] for a, b in rng.permutation(values)]
    record = advise(AdviceRequest(data=str(write_rows(tmp_path / "two.csv", rows, header="a,b"))), silent)
    assert record.frame.task == "clustering"
    assert find_clusters(values.astype(np.float32), 0)[0] == 2
    assert find_clusters(rng.uniform(size=(200, 3)).astype(np.float32), 0)[0] == 0


def test_what_is_no_measurement_is_seen(tmp_path: Path) -> None:
    rows = [[str(n + 1), f"M{n}", "a long word here", f"{n % 7}.5", "on" if n % 2 else "off"] for n in range(40)]
    seen = inspect(str(write_rows(tmp_path / "t.csv", rows, header="id,name,remark,x,state")))
    assert set(seen.words) == {"name", "remark", "state"}
    assert seen.sentences == ("remark",)
    assert seen.few_valued() == ("x", "state")
    rows = [[f"{n * 7 % 40}", f"{n % 7}.5", "3", "on" if n % 2 else "off"] for n in range(80)]
    seen = inspect(str(write_rows(tmp_path / "i.csv", rows, header="SiteID,x,mode,state")))
    left = {"SiteID": "an identifier, by its name", "mode": "always 3"}
    assert left == assign_roles(seen.columns, {"target": "state"}).ignored
    assert left == propose_table(str(tmp_path / "i.csv"), {"target": "state"}).roles.ignored
    binary = tmp_path / "b.csv"
    binary.write_bytes(b"\xff\xfe\x00,1\n")
    assert inspect(str(binary)).header == ()
    assert inspect("hapt").location is None


@pytest.mark.slow
def test_columns_that_know_the_target_are_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(300):
        x = rng.uniform()
        bad = x > 0.8
        rows.append([f"{x:.4f}", f"{rng.uniform():.4f}", str(int(bad)), "bad" if bad else "good"])
    file = str(write_rows(tmp_path / "m.csv", rows, header="x,z,repaired,y"))
    record = advise(AdviceRequest(data=file, target="y", by="row", curve=False), silent)
    # Each class has a range of x, too: that is what a threshold is for, and it is noted.
    assert [name for name, _ in record.frame.left_out] == ["repaired"]
    assert any(note.startswith("x alone determines the class") for note in record.notes)
    assert record.choice == "threshold"
    assert record.ladder is not None
    assert record.ladder.columns == ("x", "z")
    kept = advise(AdviceRequest(data=file, target="y", by="row", curve=False, keep=("repaired",)), silent)
    assert kept.frame.left_out == ()
    assert kept.choice == "threshold"


@pytest.mark.parametrize(("rate", "lasts", "samples"), [(50, 600, 125), (50, 60, 60), (1, 600, None)])
def test_windows_are_those_of_a_run(tmp_path: Path, rate: int, lasts: int, samples: int | None) -> None:
    rows = [[f"{n / rate:.3f}", f"{n % 11}", "ab"[n // lasts % 2]] for n in range(3600)]
    file = str(write_rows(tmp_path / "w.csv", rows, header="time,x,y"))
    setup = labelled._setup(inspect(file), AdviceRequest(data=file, target="y"))
    framing = look(OwnDataRequest(path=file)).framing
    assert setup.problem.window == framing.window
    assert (framing.window.samples if framing.window else None) == samples
    assert framing.why in setup.why
