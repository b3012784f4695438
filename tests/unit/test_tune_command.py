"""`edgewright tune`: from a run and recordings to a package that decides as was chosen; and what cannot be tuned on."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import InputError
from edgewright.core.package import read_package
from edgewright.core.predictor import load, package_path
from edgewright.workflows.tuning.document import TuneRecord
from edgewright.workflows.tuning.recordings import tune_data
from small_pipeline import run_small, write_rows, write_toml

Capture = pytest.CaptureFixture[str]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    toml = write_toml(folder / "small.toml", write_rows(folder / "rows.csv"))
    changes = ("training.epochs=30", "training.learning_rate=0.02", "compression.max_drop=0.2")
    return run_small(toml, folder / "runs", *changes).folder


def recordings(path: Path, *, events: int = 8, header: str = "a,b,label", turned: bool = False) -> Path:
    """Rows of calm hours with spikes of a row that look like an event, and events of 20 rows; or the events first."""
    draw = np.random.default_rng(4)
    table = []
    for _ in range(events or 3):
        for on, rows in ((False, 150), (True, 20 if events else 0)):
            for _ in range(rows):
                spike = not on and draw.random() < 0.05
                a, b = draw.normal(1.6 if on or spike else -1.2, 0.3, 2)
                table.append([f"{a:.4f}", f"{b:.4f}", "on" if on else "off"])
    return write_rows(path, table[::-1] if turned else table, header=header)


def test_a_package_with_the_chosen_decision_is_written_beside_the_run(
    model: Path, tmp_path: Path, cli: Cli, capsys: Capture
) -> None:
    data = recordings(tmp_path / "rows.csv")
    before = package_path(model).read_bytes()
    requested = ["tune", str(model), "--data", str(data), "--alarm", "on", "--cost", "false-alarm=1,miss=20"]
    assert "0 of 8" in cli(*requested)
    folder = model.parent / "small-tuned"
    assert sorted(p.name for p in folder.iterdir()) == ["small.edge", "tune.json"]
    assert package_path(model).read_bytes() == before
    record = msgspec.json.decode((folder / "tune.json").read_bytes(), type=TuneRecord)
    package = read_package(folder / "small.edge")
    assert package.manifest.decision == record.decision
    assert package.manifest.decision.alarms == ("on",)
    assert package.manifest.provenance["tuned_from"] == read_package(package_path(model)).sha256
    assert "20" in package.manifest.provenance["tuned"]
    chosen = record.points[record.chosen]
    # Spikes of one row are what smoothing and debounce are for.
    assert (chosen.missed, chosen.false) == (0, 0)
    assert record.before.false > 20
    assert chosen.smoothing + chosen.debounce > 2
    assert record.per == "1000 windows"
    assert record.exposure == pytest.approx((8 * 150 - 8 * 2) / 1000, abs=0.01)
    assert load(folder).check() < 1e-6
    assert load(folder).predict(np.array([[2.5, 2.5]], np.float32)).labels[0] == "on"
    assert run([*requested, "--json"]) == 0
    assert (model.parent / "small-tuned-2").is_dir()
    again = msgspec.json.decode(capsys.readouterr().out, type=TuneRecord)
    assert again.decision == record.decision
    assert run(["prove", str(folder)]) == 0


@pytest.mark.heavy
def test_a_package_in_a_run_folder_is_tuned_beside_the_run_from_data_of_another_kind(
    model: Path, tmp_path: Path, cli: Cli, capsys: Capture
) -> None:
    data = recordings(tmp_path / "rows.csv")
    names = sorted(p.name for p in model.iterdir())
    requested = ["--data", str(data), "--alarm", "on", "--json"]
    assert run(["tune", str(package_path(model)), *requested, "--target", "label"]) == 0
    assert sorted(p.name for p in model.iterdir()) == names
    first = capsys.readouterr().out
    folder = tmp_path / "folder"
    (folder / "ward").mkdir(parents=True)
    rows = data.read_text().splitlines()
    (folder / "ward" / "one.csv").write_text("\n".join(row.rpartition(",")[0] for row in rows) + "\n")
    requested[1] = str(folder)
    assert "the kind of the run; change it with --kind" in cli("tune", model, *requested, code=2)
    labels = [row.rpartition(",")[2] for row in rows[1:]]
    starts = [index for index, label in enumerate(labels) if not index or labels[index - 1] != label]
    lines = [f"one.csv,{a},{b},{labels[a]}" for a, b in zip(starts, [*starts[1:], len(labels)], strict=True)]
    (folder / "ward" / "labels.csv").write_text("\n".join(["file,start_sample,end_sample,label", *lines]) + "\n")
    (folder / "ward" / "labels.csv").rename(folder / "labels.csv")
    second = msgspec.json.decode(cli("tune", model, *requested, "--kind", "folder"), type=TuneRecord)
    assert second.decision == msgspec.json.decode(first, type=TuneRecord).decision


def test_the_package_alone_is_tuned_with_named_columns_and_never_written_over(
    model: Path, tmp_path: Path, cli: Cli
) -> None:
    data = recordings(tmp_path / "rows.csv", header="a,b,state")
    out = tmp_path / "mine"
    requested = ["tune", str(package_path(model)), "--alarm", "on", "--out", str(out)]
    cli(*requested, "--data", data, "--target", "state")
    assert read_package(out / "small.edge").manifest.decision.alarms == ("on",)
    kept = (out / "small.edge").read_bytes()
    assert "does not exist yet" in cli(*requested, "--data", data, "--target", "state", code=2)
    assert (out / "small.edge").read_bytes() == kept


@pytest.mark.parametrize(
    ("events", "header", "message"),
    [
        (0, "a,b,label", "at least two events of on, got none"),
        (1, "a,b,label", "got one, which is too few"),
        (4, "a,c,label", "the columns a, b, got no b"),
        (4, "a,b,other", "label"),
    ],
)
def test_what_cannot_be_tuned_on_is_said(
    model: Path, tmp_path: Path, cli: Cli, events: int, header: str, message: str
) -> None:
    data = recordings(tmp_path / "rows.csv", events=events, header=header)
    out = tmp_path / "out"
    assert message in cli("tune", model, "--data", data, "--alarm", "on", "--out", out, code=2)
    assert not out.exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--cost", "miss"], "costs such as false-alarm=1,miss=20"),
        (["--cost", "miss=0"], "each above 0"),
        (["--alarm", "up"], "no label 'up'"),
        (["--people", "nobody"], "no person 'nobody'"),
        (["--point", "1"], "Use --cost"),
    ],
)
def test_a_slip_of_the_pen_is_said(model: Path, tmp_path: Path, cli: Cli, more: list[str], message: str) -> None:
    data = recordings(tmp_path / "rows.csv", turned=True)
    alarm = [] if "--alarm" in more else ["--alarm", "on"]
    assert message in cli("tune", model, "--data", data, *alarm, *more, "--out", tmp_path / "out", code=2)


def test_labels_that_alarm_must_be_named_and_a_package_carries_no_recordings(model: Path, cli: Cli) -> None:
    assert "--alarm, from off, on" in cli("tune", model, code=2)
    assert "a package, which has none" in cli("tune", package_path(model), "--alarm", "on", code=2)
    # Rows that were dealt to three sides at random are no recordings.
    with pytest.raises(InputError, match="a run that is split by group"):
        tune_data(model, None)
