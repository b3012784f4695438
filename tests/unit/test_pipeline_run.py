"""One execution: what a run folder holds, that it is the same twice, and that a failing run leaves nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.errors import CheckFailedError, EdgewrightError, InputError
from edgewright.core.predictor import load
from edgewright.core.records.trace import EpochRecord
from edgewright.models.network import NetworkClassifier
from edgewright.pipeline.config import parse, read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.trace.page_model import read_trace
from small_pipeline import ROWS, Cancels, names, rows, run_small, write_rows, write_toml

# Protocol 2 and later begin with this byte; a file of ours never does.
PICKLE = b"\x80"


def regression(folder: Path) -> Path:
    """Return the small pipeline with a number as its target."""
    table = [[a, b, f"{2 * float(a) - float(b):.4f}"] for a, b, _ in rows()]
    return write_toml(folder / "regression.toml", write_rows(folder / "numbers.csv", table))


@pytest.mark.slow
def test_a_run_folder_holds_record_models_stages_and_package(small: Path, tmp_path: Path) -> None:
    result = run_small(small, tmp_path / "runs")
    assert result.folder == tmp_path / "runs" / "small"
    assert result.package == result.folder / "small.edge"
    assert result.refused == ""
    assert names(result.folder) == [
        "model.int8.onnx", "model.onnx", "pipeline", "small.edge", "trace.html", "trace.json"
    ]  # fmt: skip
    assert names(tmp_path / "runs") == ["small"]
    trace = read_trace(result.folder / "trace.json")
    assert trace == result.trace
    package = (result.folder / "small.edge").read_bytes()
    assert trace.provenance.package_hash == hashlib.sha256(package).hexdigest()


@pytest.mark.slow
def test_no_file_is_a_pickle_and_every_array_loads_without_one(small: Path, tmp_path: Path) -> None:
    folder = run_small(small, tmp_path / "runs").folder
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert not [path for path in files if path.read_bytes()[:1] == PICKLE]
    arrays = list(folder.rglob("*.npy"))
    assert arrays
    for path in arrays:
        assert np.load(path, allow_pickle=False).dtype != object


@pytest.mark.slow
def test_same_data_configuration_and_seed_give_the_same_bytes(small: Path, tmp_path: Path) -> None:
    first, second = (run_small(small, tmp_path / "runs") for _ in range(2))
    other = run_small(small, tmp_path / "runs", "seed=4")
    assert [r.folder.name for r in (first, second, other)] == ["small", "small-2", "small-3"]
    hashes = [r.trace.provenance.package_hash for r in (first, second, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    for name in ("model.onnx", "model.int8.onnx", "small.edge", "pipeline/pipeline.json"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes(), name
    assert first.trace.training is not None
    assert second.trace.training is not None
    assert [e.loss for e in first.trace.training.epochs] == [e.loss for e in second.trace.training.epochs]


@pytest.mark.slow
def test_another_value_in_the_data_gives_another_data_hash(small: Path, tmp_path: Path) -> None:
    first = run_small(small, tmp_path / "runs")
    write_rows(tmp_path / "rows.csv", [["9", "9", "on"], *rows()[1:]])
    second = run_small(small, tmp_path / "runs")
    assert first.trace.provenance.data_hash != second.trace.provenance.data_hash
    assert first.trace.provenance.config_hash == second.trace.provenance.config_hash
    assert first.trace.provenance.package_hash != second.trace.provenance.package_hash


class Stops(Listener):
    """Ends the run when the first epoch is over."""

    def __init__(self, how: BaseException) -> None:
        self.how = how

    def epoch(self, record: EpochRecord) -> None:
        raise self.how


@pytest.mark.parametrize("how", [KeyboardInterrupt(), OSError(28, "No space left on device"), ValueError("defect")])
def test_a_run_that_fails_in_training_leaves_nothing(small: Path, tmp_path: Path, how: BaseException) -> None:
    with pytest.raises((KeyboardInterrupt, EdgewrightError, ValueError)):
        run_pipeline(read_config(str(small)), out=tmp_path / "runs", listener=Stops(how))
    assert names(tmp_path / "runs") == []


@pytest.mark.slow
def test_a_cancelled_training_still_gives_a_whole_run(small: Path, tmp_path: Path) -> None:
    config = read_config(str(small), ("training.epochs=50",))
    result = run_pipeline(config, out=tmp_path, listener=Cancels())
    assert result.trace.training is not None
    assert len(result.trace.training.epochs) == 3
    assert load(result.folder).predict([0.1, 0.2]).labels.shape == (1,)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [("off", "on"), ("high", "low", "middle")])
def test_two_and_more_classes_give_labels_that_follow_the_data(tmp_path: Path, classes: tuple[str, ...]) -> None:
    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv", rows(classes, 300)))
    result = run_small(
        toml, tmp_path / "runs", "training.epochs=30", "training.learning_rate=0.02", "compression.max_drop=0.1"
    )
    evaluation = result.trace.evaluation
    assert evaluation is not None
    assert evaluation.labels == classes
    assert evaluation.accuracy is not None
    assert evaluation.accuracy.value > 0.85
    assert sum(map(sum, evaluation.confusion)) == evaluation.samples == 60
    low, high = load(result.folder).predict([[-3, -3], [3, 3]]).labels
    assert (low, high) == (classes[0], classes[-1])


@pytest.mark.slow
def test_a_number_as_target_gives_a_regression(tmp_path: Path) -> None:
    changes = ("training.epochs=60", "training.learning_rate=0.01", "compression.max_drop=1")
    result = run_small(regression(tmp_path), tmp_path / "runs", *changes)
    assert result.trace.task == "regression"
    evaluation = result.trace.evaluation
    assert evaluation is not None
    assert evaluation.accuracy is None
    assert evaluation.regression["r2"] > 0.8
    answers = load(result.folder, form="float").predict([[1.0, 0.0], [-1.0, 0.0]])
    assert answers.predictions is not None
    assert answers.predictions == pytest.approx([2.0, -2.0], abs=0.8)


def test_int8_that_loses_more_than_allowed_leaves_a_run_without_a_package(tmp_path: Path) -> None:
    harsh = (
        "compression.max_drop=0", "compression.method=percentile", "compression.percentile=50.1",
        "compression.repair=false",
    )  # fmt: skip
    result = run_small(regression(tmp_path), tmp_path / "runs", "training.epochs=20", *harsh)
    assert "int8 loses" in result.refused
    assert "max_drop 0.0" in result.refused
    assert result.package is None
    assert not list(result.folder.rglob("*.edge"))
    assert (result.folder / "model.int8.onnx").exists()
    trace = read_trace(result.folder / "trace.json")
    assert trace.compression is not None
    assert not trace.compression.within
    assert trace.verdict.startswith("not ready")
    assert trace.provenance.package_hash == ""
    with pytest.raises(InputError, match="expected a package in the run folder, got none: the run was refused"):
        load(result.folder)


def with_people(folder: Path) -> Path:
    """Return the small pipeline over twelve people of ten rows each."""
    table = [[*row, f"p{number // 10:02}"] for number, row in enumerate(rows())]
    data = write_rows(folder / "people.csv", table, header="a,b,label,person")
    toml = write_toml(folder / "people.toml", data)
    toml.write_text(toml.read_text().replace('target = "label"\n', 'target = "label"\ngroup = "person"\n'))
    return toml


@pytest.mark.slow
def test_people_stand_on_one_side_where_they_are_known(tmp_path: Path) -> None:
    trace = run_small(with_people(tmp_path), tmp_path / "runs").trace
    assert trace.evaluation is not None
    assert trace.evaluation.split_by == "group"
    assert trace.evaluation.samples % 10 == 0
    assert sum(group.samples for group in trace.evaluation.groups) == trace.evaluation.samples < ROWS
    assert trace.warnings == ()


@pytest.mark.slow
def test_a_split_that_leaks_is_refused_with_its_price(tmp_path: Path) -> None:
    with pytest.raises(
        CheckFailedError, match=r"the split leaks: .*inflates accuracy by [+-][\d.]+ points.*Split by group"
    ):
        run_small(with_people(tmp_path), tmp_path / "runs", "split.by=row")
    assert names(tmp_path / "runs") == []


@pytest.mark.slow
def test_a_leak_that_is_allowed_is_a_warning_of_the_record(tmp_path: Path) -> None:
    result = run_small(with_people(tmp_path), tmp_path / "runs", "split.by=row", "split.allow_leakage=true")
    assert len(result.trace.warnings) == 1
    assert result.trace.warnings[0].startswith("the split leaks: ")
    assert result.package is not None


@pytest.mark.slow
def test_a_device_that_is_too_small_is_a_refusal(small: Path, tmp_path: Path) -> None:
    wide = "model.layers=[{kind='dense',units=2000},{kind='dense',units=2000}]"
    result = run_small(small, tmp_path / "runs", wide, "device.profile=cortex-m4", "training.epochs=1")
    assert "beyond the budget of cortex-m4" in result.refused
    assert result.package is None
    assert result.trace.device is not None
    assert not result.trace.device.fits


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("model.layers.0.kind=conv1d",), "conv1d|kernel|units|shape"),
        (("model.layers=[{kind='conv1d',filters=4,kernel=3}]",), "channels, samples"),
        (("stages.1={kind='select',k=9}",), "9"),
        (("stages.1={kind='statistics'}",), "window|channels"),
        (("window.samples=500",), "at least 500"),
        (("model.layers.0.kind=dens",), "Did you mean 'dense'"),
        (("device.profile=cortex",), "Did you mean 'cortex-m"),
        (("training.optimiser=adm",), "Did you mean 'adam'"),
        (("architecture=big",), "no architecture 'big'"),
        (("model.kind=shrub",), "no model 'shrub'"),
        (("training.learning_rate=1e30",), "expected a finite loss"),
    ],
)
def test_impossible_shapes_and_names_are_refused_and_leave_nothing(
    small: Path, tmp_path: Path, changes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run_small(small, tmp_path / "runs", *changes)
    assert names(tmp_path / "runs") == []


UNFILLED = 'name = "m"\n[data]\nkind = "csv"\ntarget = "label"\n[training]\nepochs = 1\n'


def _with_a_hole(path: Path, hole: int) -> str:
    """Sixty rows; one reading of b is missing in row `hole`."""
    values = np.random.default_rng(0).normal(size=(60, 2))
    lines = [f"{a:.3f},{'' if i == hole else f'{b:.3f}'},{'yn'[i % 2]}" for i, (a, b) in enumerate(values)]
    path.write_text("\n".join(["a,b,label", *lines]) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("hole", [0, 59])
@pytest.mark.parametrize("stages", ["", '[[stages]]\nkind = "scale"\n', '[[stages]]\nkind = "pca"\n'])
def test_missing_values_without_a_stage_that_fills_them(tmp_path: Path, stages: str, hole: int) -> None:
    with pytest.raises(InputError, match="impute") as caught:
        run_pipeline(
            parse(UNFILLED + stages, "m.toml"), data=_with_a_hole(tmp_path / "m.csv", hole), out=tmp_path / "runs"
        )
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_numbers_near_the_limit_of_float32_make_no_noise() -> None:
    X = np.array([[3e38, 1.0], [-3e38, 2.0], [3e38, 3.0], [-3e38, 4.0]] * 4, np.float32)
    model = NetworkClassifier(({"kind": "dense", "units": 2},), epochs=1)
    # A warning is an error in these tests: the sum of such numbers would be one.
    assert model.fit(X, np.array(["a", "b"] * 8)).predict_proba(X).shape == (16, 2)


CARDS = """
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


@pytest.mark.slow
@pytest.mark.parametrize("large", [1.0, 1000.0])
def test_what_the_cards_say(tmp_path: Path, large: float) -> None:
    values = np.random.default_rng(0).normal(size=(80, 2)) * [1.0, large]
    rows = [f"{a:.4f},{b:.4f},{2 * a + 1:.4f}" for a, b in values]
    (tmp_path / "m.csv").write_text("\n".join(["a,b,y", *rows]) + "\n", encoding="utf-8")
    trace = run_pipeline(parse(CARDS, "m.toml"), data=str(tmp_path / "m.csv"), out=tmp_path / "runs").trace
    cards = {card.name: card for card in trace.stages}
    assert "no training value is missing" in cards["Impute"].why
    assert ("large ranges would dominate" in cards["Scale"].why) == (large > 1)
    # A regression is not calibrated, and without patience nothing stops it.
    assert "monitor it;" in cards["Training"].why and "calibrate" not in cards["Training"].why
    assert cards["Training"].names_after == ("y",)
    stopping = parse(CARDS, "m.toml", ("training.patience=3",))
    again = run_pipeline(stopping, data=str(tmp_path / "m.csv"), out=tmp_path / "runs").trace
    assert "select the epoch;" in next(card.why for card in again.stages if card.name == "Training")
