"""The data flow as tiles: each drawing is made of the record, and what the record lacks is left out."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

import hostile
import trace_example as example
from edgewright.core.records.trace import LayerRecord, StageRecord, Trace
from edgewright.features.select import Select
from edgewright.trace.blocks.flow_picture import HEIGHT, WIDTH, Tile, tiles


def tile(trace: Trace, title: str) -> Tile:
    """Return the tile of a title."""
    return next(tile for tile in tiles(trace) if tile.title == title)


def staged(*stages: StageRecord) -> Trace:
    """Return the example with other stages."""
    return msgspec.structs.replace(example.trace(3), stages=stages)


def test_tiles_go_from_the_data_to_the_answer_with_a_shape_each() -> None:
    trace = example.trace(20)
    assert [(tile.title, tile.shape, tile.anchor) for tile in tiles(trace)] == [
        ("Raw data collection", "10,000 x 20 columns", "data_flow-1"),
        ("Preprocessing", "20 columns", "data_flow-2"),
        ("Feature engineering", "20 → 10 columns", "data_flow-3"),
        ("Network", "5,059 parameters", "model"),
        ("Loss", "20 epochs", "training"),
        ("phone-arm64", "fits", "device"),
        ("An answer", "walking: right", "prediction"),
    ]


@pytest.mark.parametrize("trace", [example.trace(3), hostile.trace()], ids=["example", "hostile"])
def test_drawings_stay_in_their_frame_and_are_well_formed(trace: Trace) -> None:
    for known in tiles(trace):
        root = ElementTree.fromstring(known.drawing)  # noqa: S314 - drawn by the code under test
        assert root.get("aria-label")
        for shape in root.iter():
            for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", shape.get("d", "")):
                assert -1 <= float(x) <= WIDTH + 1 and -1 <= float(y) <= HEIGHT + 1, known.title


def test_a_window_is_a_curve_before_and_after_with_a_gap_where_a_value_is_missing() -> None:
    wave, smooth = (0.0, 3.0, None, 1.0, 2.0, 0.5), (0.0, 1.0, 1.5, 1.2, 1.0, 0.8)
    data = StageRecord(
        name="Data", kind="data", shape_in=(), shape_out=(90, 3, 6), why="", names_after=("x", "y", "z"),
        sample_after=(wave,),
    )  # fmt: skip
    change = StageRecord(
        name="Smooth", kind="smooth", shape_in=(90, 3, 6), shape_out=(90, 3, 6), why="", names_after=("x", "y", "z"),
        sample_before=(wave,), sample_after=(smooth,),
    )  # fmt: skip
    trace = staged(data, change)
    (curve,) = re.findall(r'd="([^"]+)" fill="none"', tile(trace, "Data").drawing)
    assert curve.count("M") == 2 and curve.count("L") == 3
    curves = re.findall(
        r'd="([^"]+)" fill="none" stroke="var\(--(quiet|series-1)\)" stroke-width', tile(trace, "Smooth").drawing
    )
    assert [colour for _, colour in curves] == ["quiet", "series-1"]
    assert curves[0][0].count("M") == 2 and curves[1][0].count("M") == 1


def test_chosen_columns_stand_by_their_score_and_those_that_stay_are_in_colour() -> None:
    X = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    y = (X[:, 2] + 0.3 * X[:, 0] > 0).astype(np.int64)
    stage = Select(k=2, criterion="anova", names=("a", "b", "c", "d")).fit(X, y)
    scores = stage.column_scores_
    assert [name for name, _ in sorted(scores, key=lambda pair: -pair[1])][:2] == ["c", "a"]
    record = StageRecord(
        name="Select", kind="select", shape_in=(200, 4), shape_out=(200, 2), why="", names_after=("a", "c"),
        scores=scores,
    )  # fmt: skip
    drawing = tile(staged(example.stages()[0], record), "Select").drawing
    assert "c scores highest; 2 of 4 columns stay" in drawing
    bars = dict(re.findall(r'd="([^"]+)" fill="var\(--([\w-]+)\)"', drawing))
    by_colour = {colour: [float(h) for h in re.findall(r"v(-?[\d.]+)h", path)] for path, colour in bars.items()}
    assert len(by_colour["series-1"]) == len(by_colour["line"]) == 2
    assert min(map(abs, by_colour["series-1"])) > max(map(abs, by_colour["line"]))
    assert abs(by_colour["series-1"][0]) == pytest.approx(HEIGHT - 8)


def test_many_stages_are_two_tiles_and_a_tree_is_drawn_by_its_nodes() -> None:
    raw, clean, chosen, *rest = example.stages()
    trace = staged(raw, clean, clean, chosen, *rest)
    assert [tile.title for tile in tiles(trace)][1:3] == ["Preprocessing and 1 more", "Feature engineering"]
    tree = LayerRecord(
        name="tree", kind="tree", shape_out=(3,), parameters=0, macs=0, activation_bytes=12, activation="", formula="",
        nodes=31, comparisons=5,
    )  # fmt: skip
    trace = msgspec.structs.replace(trace, layers=(tree,), training=None, device=None, predictions=())
    assert [tile.title for tile in tiles(trace)][3:] == ["Model"]
    assert tile(trace, "Model").shape == "31 nodes"
    assert tile(trace, "Model").drawing.count("L") == 2 + 4 + 8 + 16
    assert tiles(msgspec.structs.replace(trace, stages=(), layers=())) == []


def test_columns_that_are_not_drawn_count_and_new_names_have_no_score() -> None:
    names = tuple(f"c{i}" for i in range(100))
    record = StageRecord(
        name="Select", kind="select", shape_in=(200, 100), shape_out=(200, 50), why="", names_after=names[:50],
        scores=tuple((name, 100.0 - i) for i, name in enumerate(names)),
    )  # fmt: skip
    raw = example.stages()[0]
    assert "50 of 100 columns stay" in tile(staged(raw, record), "Select").drawing
    renamed = msgspec.structs.replace(record, names_after=("p1", "p2"), sample_before=raw.sample_after)
    assert "columns stay" not in tile(staged(raw, renamed), "Select").drawing


def test_a_loss_that_is_no_number_leaves_a_gap() -> None:
    trace = example.trace(4)
    assert trace.training is not None
    epochs = [msgspec.structs.replace(epoch, loss=float("nan")) for epoch in trace.training.epochs[:1]]
    training = msgspec.structs.replace(trace.training, epochs=(*epochs, *trace.training.epochs[1:]))
    lines = re.findall(r'points="([^"]+)"', tile(msgspec.structs.replace(trace, training=training), "Loss").drawing)
    assert [len(line.split()) for line in lines] == [3, 4]
    assert "nan" not in " ".join(lines)
