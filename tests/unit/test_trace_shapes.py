"""What a reader of the trace is told about shapes, names and numbers is so."""

from __future__ import annotations

import io

from rich.console import Console

from edgewright.core.records.trace import (
    CompressionRecord,
    EvaluationRecord,
    LayerRecord,
    Mistake,
    PredictionRecord,
    StageRecord,
    VariantRecord,
)
from edgewright.trace.blocks.terminal import blocks_parts
from edgewright.trace.blocks.view_blocks import ViewBlock
from edgewright.trace.page import page_of, plain_lines
from edgewright.trace.sections.data import stage_card
from edgewright.trace.sections.model import compression_blocks, model_blocks
from edgewright.trace.sections.results import evaluation_blocks, prediction_card
from trace_example import insight_of


def _text(*blocks: ViewBlock) -> str:
    return "\n".join(plain_lines(blocks_parts(blocks, PAGE), PAGE))


PAGE = page_of(Console(file=io.StringIO(), width=80))


def test_names_and_number_of_columns_that_are_not_shown() -> None:
    names = tuple(f"w{i}" for i in range(500))
    stage = StageRecord(
        name="Scale", kind="scale", shape_in=(600, 500), shape_out=(600, 500), why="", names_after=names,
        sample_before=((1.5,) * 20,), sample_after=((2.5,) * 20,),
    )  # fmt: skip
    text = _text(stage_card(stage, 1, names))
    assert text.count("+495") == 2
    assert text.count("w4") == 2


def test_a_window_shows_the_name_of_its_first_channel_and_all_its_samples() -> None:
    stage = StageRecord(
        name="Filter", kind="filter", shape_in=(50, 3, 100), shape_out=(50, 3, 100), why="",
        names_after=("ax", "ay", "az"), sample_after=((1.5,) * 20,),
    )  # fmt: skip
    text = _text(stage_card(stage, 1))
    assert "after: ax" in text
    assert "+95" in text


def _prediction(**changed: object) -> PredictionRecord:
    fields: dict[str, object] = {
        "row": 4, "input_names": (), "raw": (), "features": (), "layers": (), "probabilities": (("a", 1.0),),
        "answer": "a", "confidence": 1.0, **changed,
    }  # fmt: skip
    return PredictionRecord(**fields)  # type: ignore[arg-type]


def test_all_inputs_of_a_wide_row_are_counted() -> None:
    names = tuple(f"w{i}" for i in range(64))
    record = _prediction(input_names=names, raw=(0.5,) * 64, raw_shape=(500,))
    assert "and 496 more" in _text(prediction_card(record))


def test_a_window_is_no_row_of_features() -> None:
    record = _prediction(
        input_names=("ax",), raw=(0.5,) * 64, raw_shape=(3, 100),
        feature_names=("ax", "ay", "az"), features=(0.25,) * 64, feature_shape=(3, 50),
    )  # fmt: skip
    text = " ".join(_text(prediction_card(record)).split())
    assert "Window 5" in text  # people count from 1
    assert "3 x 100 values, ax" in text
    assert "To the network 3 x 50 values" in text


def test_long_names_of_layers_stay_on_one_line() -> None:
    layers = tuple(
        LayerRecord(
            name=name, kind=kind, shape_out=(16, 25), parameters=192, macs=4200, activation_bytes=1600,
            activation="relu", formula="f",
        )
        for name, kind in (("depthwise_separable 1", "depthwise_separable"), ("output", "dense"))
    )  # fmt: skip
    lines = _text(*model_blocks(layers)).splitlines()
    assert any(line.startswith("depthwise_separable 1  16 x 25") for line in lines)
    assert any(line.startswith("output (dense)") for line in lines)


def test_a_mistake_over_a_window_is_no_row() -> None:
    mistake = Mistake(row=12, group="", truth="a", answer="b", confidence=0.9)
    record = EvaluationRecord(samples=3, split_by="row", mistakes=(mistake,), unit="window")
    assert {"window", "13"} <= set(_text(*evaluation_blocks(record)).split())


def test_an_error_that_falls_is_not_said_to_grow() -> None:
    def variant(name: str, error: float, size: int) -> VariantRecord:
        return VariantRecord(
            name=name, accuracy=None, flips=0, flips_by_class=(), weight_bytes=size, file_bytes=size,
            latency_p50_us=None, latency_p99_us=None, engine="numpy", error=error,
        )  # fmt: skip

    record = CompressionRecord(
        variants=(variant("float", 0.2, 400), variant("int8", 0.19, 100)), max_drop=0.02, drop=-0.05, within=True
    )
    assert "lowers the error by 5.0 %" in insight_of(compression=record).sentence
    assert "error reduced: 5.0 %" in _text(*compression_blocks(record))


def test_directions_are_not_called_columns() -> None:
    stage = StageRecord(name="PCA", kind="pca", shape_in=(50, 24), shape_out=(50, 8), why="")
    evaluation = EvaluationRecord(samples=10, split_by="row", regression={"r2": 0.5})
    sentence = insight_of(stages=(stage,), evaluation=evaluation).sentence
    assert sentence.startswith("8 directions in the space of 24 columns are enough to explain 50.0 %")
