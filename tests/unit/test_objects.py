"""Objects in pictures: boxes become targets, a map becomes objects, the same in Python and C, counted by centres."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import InputError, LabelsError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.objects import find_objects, read_objects
from edgewright.core.predictor import load
from edgewright.core.records.package import Centre, FoundObject, ObjectMap
from edgewright.core.records.trace_flow import ObjectsRecord
from edgewright.data.picture_samples import centres_text, placed, read_boxes, read_centres
from edgewright.data.sources.pictures import PicturesConfig
from edgewright.data.sources.pictures import load as load_pictures
from edgewright.export.c99_code.linkable import write_objects_c99
from edgewright.export.c99_host.host import compile_c99
from edgewright.pipeline.config import checked
from edgewright.pipeline.evaluation.robustness import evaluate_found
from edgewright.pipeline.run import run_pipeline
from edgewright.training.centroids import best_threshold, count
from scene_folder import SIDE, write_scenes

SPEC = ObjectMap(labels=("a", "b"), rows=5, columns=7, height=40, width=56, threshold=0, max_objects=3)


def maps(rng: np.random.Generator, number: int = 1, spec: ObjectMap = SPEC) -> NDArray[np.float32]:
    """Return maps with some cells of each class, many of them equal as those of bytes are."""
    cells = rng.integers(-4, 5, (number, spec.rows, spec.columns, 1 + len(spec.labels))).astype(np.float32) / 2
    cells[..., 0] += 2
    return np.asarray(cells, np.float32).reshape(number, -1)


def one_map(*cells: tuple[int, int, int, float]) -> NDArray[np.float32]:
    """Return a map with log-odds (row, column, class, value) against the background, -8 elsewhere."""
    picture = np.full((1, SPEC.rows, SPEC.columns, 3), -8, np.float32)
    picture[..., 0] = 0
    for row, column, label, value in cells:
        picture[0, row, column, label] = value
    return picture.reshape(1, -1)


def test_touching_cells_of_a_label_are_one_object_at_their_weighted_centre() -> None:
    objects = find_objects(one_map((1, 1, 1, 2.0), (2, 2, 1, 0.0), (1, 2, 2, 1.0), (4, 6, 1, 1.5)), SPEC)
    # Weights 33 and 1: (33 * 12 + 1 * 20) / 34 = 12.2 pixels.
    assert objects == [(
        FoundObject(label=0, x=12, y=12, score=32), FoundObject(label=0, x=52, y=36, score=24),
        FoundObject(label=1, x=20, y=12, score=16)
    )]  # fmt: skip


def test_a_list_is_bounded_and_no_number_is_no_object() -> None:
    some = one_map(*((0, column, 1, 1.0 + column / 8) for column in (0, 2, 4, 6)))
    assert [one.x for one in find_objects(some, SPEC)[0]] == [52, 36, 20]
    assert find_objects(np.full_like(some, np.nan), SPEC) == [()]


@pytest.mark.slow
def test_c_finds_the_objects_of_python(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number, threshold in enumerate((-40, 0, 9)):
        spec = ObjectMap(**{**{n: getattr(SPEC, n) for n in SPEC.__struct_fields__}, "threshold": threshold})
        header = "typedef struct { float prediction[105]; unsigned flags; } m_answer;\n"
        files = {
            "m.h": "#include <stdint.h>\n" + header,
            "m.c": '#include "m.h"\n',
            **write_objects_c99(spec, name="m"),
        }
        strict = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror")
        library = ctypes.CDLL(str(compile_c99(files, tmp_path / str(number), flags=strict)))
        broken_maps = np.where(rng.random((50, 105)) < 0.05, np.float32(np.nan), maps(rng, 50))
        random_maps = np.concatenate([maps(rng, 200), broken_maps, np.full((1, 105), np.nan, np.float32)])
        for values, expected in zip(random_maps, find_objects(random_maps, spec), strict=True):
            memory = np.full(13 + 4 * 35, 7, np.int32)
            answer = np.append(values, np.float32(0))
            library.m_find_objects(answer.ctypes.data_as(ctypes.c_void_p), memory.ctypes.data_as(ctypes.c_void_p))
            listed = memory[1:13].reshape(3, 4)[: memory[0]].tolist()
            assert listed == [[one.label, one.x, one.y, one.score] for one in expected]


def test_pairs_are_one_to_one_and_at_most_a_cell_apart() -> None:
    true = [(Centre(label="a", x=0.5, y=0.5), Centre(label="b", x=0.1, y=0.1))]
    detections = [
        (
            FoundObject(label=0, x=35, y=20, score=9),
            FoundObject(label=0, x=28, y=20, score=8),
            FoundObject(label=1, x=15, y=4, score=1),
        )
    ]
    counts = count(detections, true, SPEC)
    # The first of label a takes the only true one; that of label b is 9.4 of 8 pixels away.
    assert counts.hits.tolist() == [[1, 0]]
    assert counts.detected.tolist() == [[2, 1]]
    assert counts.f1(np.array([0])) == pytest.approx(2 / 5)
    assert counts.f1_interval(None, 1).value == 0.0


def test_the_threshold_of_best_f1_is_chosen() -> None:
    some = np.concatenate([one_map((1, 1, 1, 2.0), (3, 5, 1, 1.0)), one_map((2, 2, 2, 1.0))])
    true = [(Centre(label="a", x=12 / 56, y=12 / 40),), ()]
    assert 16 < best_threshold(some, true, SPEC) <= 32


def test_boxes_of_coco_and_csv_are_the_same_centres(tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "scenes", 6)
    coco = read_boxes(folder / "boxes.json")
    lines = ["file,label,x,y,width,height"]
    for name, boxes in coco.of.items():
        lines += [f"{name},{b.label},{b.left},{b.top},{b.width},{b.height}" for b in boxes] or [f"{name},,,,,"]
    (tmp_path / "boxes.csv").write_text("\n".join(lines))
    sides = {"height": SIDE, "width": SIDE, "path": str(folder)}
    texts = []
    for path in (folder / "boxes.json", tmp_path / "boxes.csv"):
        (recording,) = load_pictures(PicturesConfig(**sides, boxes=str(path)), 0).recordings  # type: ignore[arg-type]
        texts.append(recording.target.tolist())
    assert texts[0] == texts[1]
    assert sum(map(len, read_centres(texts[0]))) == sum(map(len, coco.of.values()))


def test_centres_follow_the_picture_into_its_new_size() -> None:
    # 200 x 100 pixels: 'crop' keeps x from 50 to 150, 'pad' adds bands above and below.
    assert placed((75, 25), (200, 100), (50, 50), "crop") == (0.25, 0.25)
    assert placed((75, 25), (200, 100), (50, 50), "stretch") == (0.375, 0.25)
    assert placed((75, 25), (200, 100), (50, 50), "pad") == (0.375, 0.375)
    assert placed((20, 25), (200, 100), (50, 50), "crop")[0] < 0


Spoiled = Callable[[dict[str, list[dict[str, object]]]], object]


def _first(key: str, value: object) -> Spoiled:
    return lambda coco: coco["annotations"][0].update({key: value})


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (_first("bbox", [60, 60, 4, 4]), "boxes with their centre within its picture, got 1 of"),
        (_first("bbox", [1, 1, 0, 4]), "a box with a width and a height"),
        (_first("bbox", [1, 1, 4]), "a COCO file"),
        (_first("category_id", 9), "the id of a listed category"),
        (_first("image_id", 999), "the id of a listed picture"),
        (lambda coco: coco["images"][0].update(width=99), "a picture of 99 x 48 pixels"),
        (lambda coco: coco["images"][0].update(file_name="none.png"), "missing: none.png"),
        (lambda coco: coco["annotations"].clear(), "at least one box around an object, got none - at boxes"),
        (lambda coco: coco["annotations"].append(dict(coco["annotations"][0])), "each box once, got 1 of"),
        (lambda coco: coco["images"].append(dict(coco["images"][0])), "each picture once"),
    ],
)
def test_bad_boxes_are_one_line(spoil: Spoiled, line: str, tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "scenes", 6)
    coco = json.loads((folder / "boxes.json").read_text())
    spoil(coco)
    (folder / "boxes.json").write_text(json.dumps(coco))
    config = PicturesConfig(path=str(folder), boxes=str(folder / "boxes.json"), height=SIDE, width=SIDE)
    with pytest.raises(InputError) as refused:
        load_pictures(config, 0)
    assert line in str(refused.value)


def test_what_a_crop_cuts_off_is_refused_and_counted(tmp_path: Path) -> None:
    (tmp_path / "wide").mkdir()
    Image.new("RGB", (200, 100)).save(tmp_path / "wide" / "a.png")
    (tmp_path / "boxes.csv").write_text(
        "file,label,xmin,ymin,xmax,ymax\na.png,cup,10,10,30,30\na.png,cup,90,10,110,30\n"
    )
    config = PicturesConfig(path=str(tmp_path / "wide"), boxes=str(tmp_path / "boxes.csv"))
    with pytest.raises(LabelsError, match=r"1 of 2 outside, the first one - at boxes.csv line 2. Set fit"):
        load_pictures(config, 0)


def _table(folder: Path, **changes: object) -> dict[str, object]:
    layers = [{"kind": "conv2d", "filters": filters, "kernel": 3, "stride": 2} for filters in (8, 16, 24)]
    return {
        "name": "scenes", "task": "detection", "refit": False,
        "data": {"kind": "pictures", "path": str(folder), "boxes": str(folder / "boxes.json"), "height": SIDE,
                 "width": SIDE},
        "model": {"layers": layers},
        "training": {"epochs": 6, "batch": 16, "learning_rate": 0.01, "class_weights": "balanced"},
        "compression": {"max_drop": 0.2}, **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run folder of a small detector of discs and squares."""
    folder = tmp_path_factory.mktemp("objects")
    table = _table(write_scenes(folder / "data", 200))
    return run_pipeline(checked(table, "scenes"), out=folder / "runs").folder


@pytest.mark.slow
def test_discs_and_squares_are_found_by_every_form(folder: Path, tmp_path: Path, cli: Cli) -> None:
    scenes = write_scenes(tmp_path / "new", 40, seed=9)
    config = PicturesConfig(path=str(scenes), boxes=str(scenes / "boxes.json"), height=SIDE, width=SIDE)
    (recording,) = load_pictures(config, 0).recordings
    true = read_centres(recording.target)
    for form in ("float", "int8"):
        answers = load(folder, form=form).predict(recording.values)
        spec = read_objects(read_onnx((folder / f"model{'.int8' * (form == 'int8')}.onnx").read_bytes()).metadata)
        assert spec is not None
        objects = answers.objects or ()
        assert count(objects, true, spec).f1(np.arange(40)) > 0.5
    rows = cli.rows("predict", folder, "--pictures", scenes, "--json")
    assert [len(row["objects"]) for row in rows] == [len(some) for some in objects]
    assert "PROVEN" in cli("prove", folder)
    page = (folder / "trace.html").read_text()
    assert "Objects in test pictures" in page
    assert page.count("data:image/png") == 6


@pytest.mark.slow
def test_what_detection_cannot_have_is_said_in_a_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compress", str(folder), "--int8"]) == 2
    assert "task = 'detection'" in capsys.readouterr().err
    assert run(["score", str(folder), "--data", str(folder)]) == 2
    assert "Pass it: --set boxes=FILE" in capsys.readouterr().err
    source = f"camera:{tmp_path / 'none.mjpeg'}"
    assert run(["device", "run", str(folder), "--source", source, "--store", str(tmp_path / "store")]) == 2
    assert "got a list of objects in each picture" in capsys.readouterr().err
    data = write_scenes(tmp_path / "data", 30)
    training = {"epochs": 1, "augment": [{"kind": "flip"}]}
    for changes, line in (
        ({"task": "auto"}, "task = 'detection' for boxes"),
        ({"model": {"kind": "linear"}}, "model.kind = 'network'"),
        ({"training": training}, "leave objects where they are"),
        ({"model": {"layers": [{"kind": "global_average_pool"}]}}, "pictures of shape"),
    ):
        with pytest.raises(InputError) as refused:
            run_pipeline(checked(_table(data, **changes), "scenes"), out=tmp_path / "runs", force=True)
        assert line in str(refused.value)


def test_each_group_has_its_f1() -> None:
    texts = np.array([centres_text([Centre(label="a", x=0.5, y=0.5)])] * 3)
    right, groups = (FoundObject(label=0, x=28, y=20, score=9),), np.array(["one", "one", "two"])
    evaluation = evaluate_found(texts, [right, right, ()], SPEC, groups, split_by="")
    assert [(row.group, row.samples, row.regression) for row in evaluation.groups] == [
        ("two", 1, {"f1": 0.0}),
        ("one", 2, {"f1": 1.0}),
    ]
    assert evaluation.regression["f1"] == 0.8
    assert not evaluate_found(texts, [right, right, ()], SPEC, None, split_by="").groups


@pytest.mark.slow
def test_a_score_has_the_figures_of_the_run(folder: Path, tmp_path: Path, cli: Cli) -> None:
    from edgewright.trace.page_model import read_trace

    own = read_trace(folder / "trace.json").evaluation
    report = json.loads(cli("score", folder, "--json"))
    assert own is not None
    # The run answers in its own network, the score in the exported one: a cell at the threshold may differ.
    assert report["figures"]["f1"]["value"] == pytest.approx(own.regression["f1"], abs=0.02)
    assert report["figures"]["f1"]["method"] == own.intervals["f1"].method
    assert report["unit"] == "picture" and report["samples"] == own.samples
    assert [form["name"] for form in report["forms"]] == ["float", "int8"]
    assert report["forms"][0]["figure"] == report["figures"]["f1"]["value"] or report["details"]["default"] == "int8"
    scenes = write_scenes(tmp_path / "new", 40, seed=9)
    others = cli("score", folder, "--data", scenes, "--set", f"boxes={scenes / 'boxes.json'}", "--need", "f1.disc>=0.3")
    assert "Objects by class" in others and "other objects than float" in others and "met" in others


@pytest.mark.slow
def test_the_record_counts_each_class(folder: Path) -> None:
    from edgewright.trace.page_model import read_trace

    evaluation = read_trace(folder / "trace.json").evaluation
    assert evaluation is not None
    assert isinstance(evaluation.objects, ObjectsRecord)
    classes = evaluation.objects.classes
    assert [one.label for one in classes] == ["disc", "square"]
    assert min(one.f1.value for one in classes) <= evaluation.regression["f1"] <= max(one.f1.value for one in classes)
    assert all(one.f1.low <= one.f1.value <= one.f1.high for one in classes)
