"""Odd pictures: good ones train, every form answers alike, and the threshold keeps to the false alarms asked for."""

from __future__ import annotations

import ctypes
import io
import json
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import DataError, InputError
from edgewright.core.prediction.objects import oddest
from edgewright.core.predictor import load
from edgewright.core.records.config import SplitConfig
from edgewright.core.records.data import Column, Samples
from edgewright.core.records.package import ObjectMap
from edgewright.core.records.trace_flow import AnomaliesRecord
from edgewright.data.near_duplicates import split_goods
from edgewright.models.detection import ComposedRows, NetworkAnomaly
from edgewright.pipeline.config import checked
from edgewright.pipeline.evaluation.evaluate import evaluate_anomalies
from edgewright.pipeline.run import run_pipeline
from edgewright.trace.page_model import read_trace
from edgewright.training.loop import Sampled
from edgewright.training.rows import ArrayRows

SIDE = 48
LAYERS = tuple({"kind": "conv2d", "filters": filters, "kernel": 3, "stride": 2} for filters in (8, 16, 24))
SPEC = ObjectMap(labels=("odd",), rows=2, columns=2, height=16, width=16, threshold=0, false_alarms=0.1)


def picture(rng: np.random.Generator, odd: bool) -> NDArray[np.uint8]:
    """Return stripes on a tinted ground, with a blot where they are odd."""
    image = 90 + 40 * np.sin(np.arange(SIDE) / 2 + rng.uniform(0, 6))[None, :, None] + rng.normal(0, 6, (SIDE, SIDE, 3))
    if odd:
        row, column = rng.integers(8, SIDE - 16, 2)
        image[row : row + 10, column : column + 10] = rng.choice([10, 240])
    return np.asarray(image.clip(0, 255), np.uint8)


def write_parts(folder: Path, good: int, odd: int, seed: int = 0) -> Path:
    """Write PNG files into `good` and `scratched`, and return the folder."""
    rng = np.random.default_rng(seed)
    for label, count in (("good", good), ("scratched", odd)):
        for number in range(count):
            path = folder / label / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(rng, label != "good")).save(path)
    return folder


def some(labels: list[str], values: NDArray[np.float32] | None = None) -> Samples:
    n = len(labels)
    noise = np.random.default_rng(0).uniform(0, 255, (n, 3, 16, 16)).astype(np.float32)
    return Samples(
        X=noise if values is None else values, y=np.array(labels), groups=None,
        sessions=np.array([f"{k}.png" for k in range(n)]), starts=np.zeros(n, np.int64),
        columns=tuple(Column(name=name) for name in ("red", "green", "blue")),
    )  # fmt: skip


def test_odd_pictures_evaluate_and_nothing_else() -> None:
    samples = some(["good"] * 20 + ["scratch"] * 5)
    sides = split_goods(samples, SplitConfig(), 0)
    assert set(range(20, 25)) <= set(sides.test.tolist())
    assert len(sides.test) > 5
    assert max(*sides.train, *sides.validation) < 20
    assert sorted([*sides.train, *sides.validation, *sides.test]) == list(range(25))


@pytest.mark.parametrize(
    ("samples", "split", "line"),
    [
        (some(["apple"] * 20), SplitConfig(), "at least 10 pictures with the label 'good', got 0 (labels: apple)"),
        (some(["good"] + ["odd"] * 20), SplitConfig(), "got 1 (labels: good, odd)"),
        (some(["good"] * 12, np.ones((12, 3, 16, 16), np.float32)), SplitConfig(), "got 12 equal pictures"),
        (some(["good"] * 12, np.ones((12, 3), np.float32)), SplitConfig(), "expected pictures"),
        (some(["good"] * 20), SplitConfig(validation=0.0), "validation pictures, which choose the threshold"),
    ],
)
def test_bad_pictures_are_one_line(samples: Samples, split: SplitConfig, line: str) -> None:
    with pytest.raises(DataError) as refused:
        split_goods(samples, split, 0)
    assert line in str(refused.value)


def test_composed_places_are_the_same_each_time_and_only_where_they_are_said() -> None:
    rows = ArrayRows(some(["good"] * 6).X)
    composed = ComposedRows(rows, np.array([0, 2, 4]), 8, 0)
    indices = np.arange(len(composed))
    values, covered = composed.take(indices), composed.covered(16, 16)
    assert np.array_equal(values, ComposedRows(rows, np.array([0, 2, 4]), 8, 0).take(indices))
    changed = np.abs(values - rows.take(np.array([0, 2, 4]))[indices % 3]).max(axis=1) > 0
    assert not (changed & (covered == 0)).any()
    assert 0.3 < covered.any(axis=(1, 2)).mean() < 1.0
    assert rows.values.min() <= values.min()
    assert values.max() <= rows.values.max()


@pytest.mark.parametrize(("false_alarms", "promised"), [(0.1, 0.1), (0.01, 0.05)])
def test_the_threshold_keeps_to_the_false_alarms(
    false_alarms: float, promised: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = ComposedRows(ArrayRows(some(["good"] * 19).X), np.arange(19), 1, 0)
    model = NetworkAnomaly(LAYERS, false_alarms=false_alarms)
    model.objects_ = SPEC
    maps = np.zeros((19, 2, 2, 2), np.float32)
    maps[:, 1, 0, 1] = np.arange(19) / 16
    monkeypatch.setattr(model, "predict", lambda X: maps.reshape(19, -1))
    model._finish(Sampled(held_out, np.empty(0, np.float32), np.empty(0, np.float32)))
    # Of 19 and one more picture, 2 of 20 or 1 of 20 may reach the threshold.
    assert model.objects_.threshold == (18 if false_alarms == 0.1 else 19)
    assert model.objects_.false_alarms == promised


def test_figures_of_maps() -> None:
    samples = some(["good"] * 4 + ["dent"] * 4)
    maps = np.zeros((8, 2, 2, 2), np.float32)
    maps[..., 1] = -1
    maps[[3, 5, 6, 7], 0, 1, 1] = 1.0, 2.0, 3.0, 0.5
    evaluation = evaluate_anomalies(samples, np.arange(8), maps.reshape(8, -1), SPEC, split_by="row")
    record = evaluation.anomalies
    assert isinstance(record, AnomaliesRecord)
    assert (record.good, record.odd, record.false_alarms.value) == (4, 4, 0.25)
    assert record.recall is not None
    assert record.auroc is not None
    # 12 of 16 pairs are right, those of the silent odd picture with three good ones are ties.
    assert (record.recall.value, record.auroc.value) == (0.75, (8 + 3 + 1.5 + 0) / 16)
    assert evaluation.confusion == ((3, 1), (1, 3))
    assert oddest(maps.reshape(8, -1), SPEC)[5] == 32
    alone = evaluate_anomalies(samples, np.arange(4), maps[:4].reshape(4, -1), SPEC, split_by="row").anomalies
    assert isinstance(alone, AnomaliesRecord)
    assert alone.recall is None
    assert alone.auroc is None


def _table(folder: Path, **changes: object) -> dict[str, object]:
    return {
        "name": "parts", "task": "anomaly",
        "data": {"kind": "pictures", "path": str(folder), "height": SIDE, "width": SIDE},
        "model": {"layers": list(LAYERS)},
        "training": {"epochs": 4, "batch": 32, "learning_rate": 0.005, "false_alarms": 0.1},
        "compression": {"max_drop": 0.2}, **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run folder of stripes, of which blotted ones are odd."""
    folder = tmp_path_factory.mktemp("parts")
    return run_pipeline(checked(_table(write_parts(folder / "data", 60, 12)), "parts"), out=folder / "runs").folder


@pytest.mark.slow
def test_blots_are_found_by_every_form(folder: Path, tmp_path: Path, cli: Cli) -> None:
    new = write_parts(tmp_path / "new", 20, 20, seed=9)
    rows = cli.rows("predict", folder, "--pictures", new)
    odd = np.array(["scratched" in row["place"] for row in rows])
    alarms = np.array([row["alarm"] for row in rows])
    assert alarms[odd].mean() > 0.8
    assert alarms[~odd].mean() < 0.3
    assert all((row["score"] >= 0) == row["alarm"] == bool(row["odd_places"]) for row in rows)
    assert "from the threshold" in cli("predict", folder, "--pictures", new)
    assert "PROVEN" in cli("prove", folder)
    page = (folder / "trace.html").read_text()
    assert "Alarms on test pictures" in page
    assert page.count("data:image/png") == 6
    trace = read_trace(folder / "trace.json")
    assert trace.evaluation is not None
    record = trace.evaluation.anomalies
    assert isinstance(record, AnomaliesRecord)
    assert record.auroc is not None
    assert record.auroc.value > 0.8
    assert trace.refit is not None
    manifest = load(folder).manifest
    assert not isinstance(manifest.objects, msgspec.UnsetType)
    assert manifest.objects.labels == ("odd",)
    assert "NAME" not in cli("estimate", folder, "--device", "cortex-m7")


@pytest.mark.slow
def test_a_score_has_the_figures_of_the_run(folder: Path, tmp_path: Path, cli: Cli) -> None:
    trace = read_trace(folder / "trace.json")
    assert trace.evaluation is not None and isinstance(trace.evaluation.anomalies, AnomaliesRecord)
    own, report = trace.evaluation.anomalies, json.loads(cli("score", folder, "--json"))
    assert own.auroc is not None and own.recall is not None
    # The run answers in its own network, the score in the exported one: scores may differ by a sixteenth.
    assert report["figures"]["auroc"]["value"] == pytest.approx(own.auroc.value, abs=0.02)
    assert report["figures"]["recall"]["value"] == pytest.approx(own.recall.value, abs=0.1)
    assert report["samples"] == own.good + own.odd
    new = write_parts(tmp_path / "new", 20, 20, seed=9)
    others = cli("score", folder, "--data", new, "--need", "auroc>=0.8,recall>=0.5")
    assert "Alarms on test pictures" in others and "flips from float" in others and "missed" not in others


@pytest.mark.slow
def test_c_takes_bytes_of_a_camera_and_finds_the_places_of_python(folder: Path, tmp_path: Path, cli: Cli) -> None:
    cli("export", folder, "--to", "c99", "--out", tmp_path / "c")
    sources, library = [tmp_path / "c" / name for name in ("parts.c", "parts_objects.c")], tmp_path / "parts.so"
    command = ["gcc", "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", library, *sources, "-lm"], check=True, timeout=120)
    code = ctypes.CDLL(str(library))
    rng = np.random.default_rng(4)
    pictures = [picture(rng, number % 2 == 1) for number in range(24)]
    # The integers of generated C; other engines round in their own way.
    expected = load(folder, form="int8", engine="numpy").predict(
        np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32)
    )
    assert expected.objects is not None
    assert expected.predictions is not None
    assert set(expected.labels) == {"good", "odd"}
    context, answer = ctypes.create_string_buffer(1 << 20), ctypes.create_string_buffer(4 * 6 * 6 * 2 + 64)
    for number, one in enumerate(pictures):
        memory = np.full(1 + 4 * 32 + 4 * 36, 7, np.int32)
        code.parts_predict_pixels(context, np.ascontiguousarray(one).ctypes.data_as(ctypes.c_void_p), answer)
        code.parts_find_objects(answer, memory.ctypes.data_as(ctypes.c_void_p))
        objects = memory[1 : 1 + 4 * memory[0]].reshape(-1, 4).tolist()
        assert objects == [[o.label, o.x, o.y, o.score] for o in expected.objects[number]]
        assert (len(objects) > 0) == (expected.predictions[number] >= 0)


@pytest.mark.slow
def test_the_agent_raises_an_alarm_where_a_part_is_odd(folder: Path, tmp_path: Path, cli: Cli) -> None:
    rng, frames = np.random.default_rng(2), io.BytesIO()
    for odd in (False,) * 4 + (True,) * 4 + (False,) * 4:
        Image.fromarray(picture(rng, odd)).save(frames, "JPEG", quality=95)
    (tmp_path / "line.mjpeg").write_bytes(frames.getvalue())
    store = tmp_path / "store"
    cli("device", "run", folder, "--source", f"camera:{tmp_path / 'line.mjpeg'}", "--store", store)
    alarms = [row["event"] for row in cli.rows("device", "query", "--store", store, "--kind", "alarm")]
    assert {alarm["label"] for alarm in alarms} == {"odd"}
    assert all(len(region) == 2 for alarm in alarms for region in alarm["detail"]["places"])
    assert alarms[0]["detail"]["places"]


@pytest.mark.slow
def test_what_odd_pictures_cannot_have_is_said_in_a_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compress", str(folder), "--int8"]) == 2
    assert "task = 'anomaly'" in capsys.readouterr().err
    data = write_parts(tmp_path / "data", 12, 1)
    for changes, line in (
        ({"model": {"kind": "linear"}}, "model.kind = 'network' for anomaly"),
        ({"training": {"epochs": 1, "augment": [{"kind": "flip"}]}}, "leave objects where they are"),
        ({"training": {"false_alarms": 2.0}}, "false_alarms"),
    ):
        with pytest.raises(InputError) as refused:
            run_pipeline(checked(_table(data, **changes), "parts"), out=tmp_path / "runs", force=True)
        assert line in str(refused.value)
