"""What a decision is about, by rate, stretches of labels and likeness of neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgewright.core.errors import CsvNumberError
from edgewright.core.records.config import ModelConfig, PipelineConfig
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.quality import axes, examine
from edgewright.data.table_proposal import choose_framing
from edgewright.race.pipeline_end import Entrant
from edgewright.race.problem import candidates
from edgewright.race.stages import motion_stages
from edgewright.workflows.own_data.recipes import with_selection

GENERATOR = np.random.default_rng(0)


def stream(rows: int = 2000, *, rate: float | None = None, label_rows: int = 500, alike: bool = True) -> DataSet:
    noise = GENERATOR.normal(size=(rows, 3))
    values = np.stack([np.sin(np.arange(rows) / 3 + k) for k in range(3)], axis=1) + 0.1 * noise if alike else noise
    target = np.where((np.arange(rows) // label_rows) % 2 == 0, "still", "moving")
    recording = Recording(name="one", values=values.astype(np.float32), target=target)
    return DataSet(name="made", columns=tuple(Column(name=n) for n in "abc"), recordings=(recording,), rate=rate)


def test_a_fast_stream_is_cut_into_windows_of_two_and_a_half_seconds() -> None:
    choice = choose_framing(stream(rate=50.0))
    assert choice.window is not None
    assert (choice.kind, choice.window.samples, choice.window.step) == ("window", 125, 62)
    assert choice.why == "50 rows a second: a decision looks at 125 rows, 2.5 s"


def test_a_stream_without_times_shows_in_its_neighbours() -> None:
    choice = choose_framing(stream())
    assert choice.window is not None
    assert (choice.kind, choice.window.samples) == ("window", 128)
    assert choose_framing(stream(alike=False)).kind == "row"


def test_a_row_a_minute_is_judged_alone() -> None:
    choice = choose_framing(stream(rate=1 / 60))
    assert (choice.kind, choice.window) == ("row", None)


def test_short_recordings_of_unlike_lengths_are_samples() -> None:
    recordings = tuple(
        Recording(
            name=str(n), values=np.ones((30 + n, 2), np.float32), target=np.broadcast_to(np.array("ab"[n % 2]), 30 + n)
        )
        for n in range(40)
    )
    choice = choose_framing(
        DataSet(name="strokes", columns=(Column(name="x"), Column(name="y")), recordings=recordings)
    )
    assert choice.window is not None
    assert (choice.kind, choice.window.samples, choice.window.pad) == ("recording", 69, True)


def test_short_stretches_of_one_person_each_are_samples_where_no_session_is_known() -> None:
    ids = np.repeat([f"c{n}" for n in range(40)], 50)
    target = np.repeat(np.array(["a", "b"])[np.arange(40) % 2], 50)
    values = GENERATOR.normal(size=(2000, 2)).astype(np.float32)
    recording = Recording(name="all", values=values, target=target, groups=ids)
    columns = (Column(name="x"), Column(name="y"))
    choice = choose_framing(DataSet(name="clips", columns=columns, recordings=(recording,)))
    assert choice.window is not None
    assert (choice.kind, choice.window.samples) == ("recording", 50)
    mixed = GENERATOR.permutation(2000)  # rows in random order are no recordings
    recording = Recording(name="all", values=values[mixed], target=target[mixed], groups=ids[mixed])
    assert choose_framing(DataSet(name="rows", columns=columns, recordings=(recording,))).kind == "row"


@pytest.mark.parametrize(("decision", "samples"), [("row", None), ("100 rows", 100), ("2 s", 100), ("recording", 500)])
def test_a_person_says_what_a_decision_is_about(decision: str, samples: int | None) -> None:
    choice = choose_framing(stream(rate=50.0), decision)
    assert (choice.window.samples if choice.window else None) == samples


@pytest.mark.parametrize("decision", ["soon", "2 s", "1 rows"])
def test_a_decision_that_cannot_be_made_is_an_error(decision: str) -> None:
    with pytest.raises(CsvNumberError, match="--decision"):
        choose_framing(stream(), decision)


def test_gravity_shows_in_columns_named_x_y_z_and_raw_counts_are_said() -> None:
    values = np.round(GENERATOR.normal([0, 0, 16384], 100, (200, 3))).astype(np.float32)
    columns = tuple(Column(name=name) for name in "xyz")
    counts = DataSet(name="raw", columns=columns, recordings=(Recording(name="a", values=values),), rate=50.0)
    assert axes(counts) == [("x, y, z", (0, 1, 2))]
    assert any("raw counts, about 16,384 to 1 g" in finding.sentence for finding in examine(counts).findings)
    assert (
        axes(DataSet(name="no", columns=columns, recordings=(Recording(name="a", values=values / np.float32(7000)),)))
        == []
    )


def test_windows_with_gravity_get_features_of_the_body() -> None:
    windowed = stream(rate=50.0)
    values = (windowed.recordings[0].values + np.array([0, 0, 9.8])).astype(np.float32)
    recording = Recording(name="a", values=values, target=windowed.recordings[0].target)
    columns = tuple(Column(name=name) for name in "xyz")
    dataset = DataSet(name="g", columns=columns, recordings=(recording,), rate=50.0)
    assert [stage["kind"] for stage in motion_stages(dataset, 125)] == ["gravity", "union"]
    assert [stage["kind"] for stage in motion_stages(windowed, 125)] == ["union"]


def test_windows_without_a_rate_get_equal_bands() -> None:
    (union,) = motion_stages(stream(), 128)
    (bands,) = [part for part in union["parts"] if part["kind"] == "spectral"]
    assert (bands["features"], bands["bands"], "edges" in bands) == (["bands"], 8, False)


def test_a_few_giants_do_not_make_the_noise_of_a_channel() -> None:
    """Of these, noise of 1 % of the spread would be 10, above all other values."""
    values = np.random.default_rng(1).normal(size=(2_000, 1)).astype(np.float32)
    giant = values.copy()
    giant[:40] = 10_000

    def noise(values: Any) -> float:  # noqa: ANN401 - an array
        dataset = DataSet(name="d", columns=(Column(name="a"),), recordings=(Recording(name="r", values=values),))
        (union,) = motion_stages(dataset, 64)
        return float(union["parts"][0]["noise"])

    assert noise(values) == noise(giant) == pytest.approx(0.01)


def test_so_many_features_are_kept_before_they_are_scaled() -> None:
    scale = {"kind": "scale", "method": "standard"}
    stages = [{"kind": "fill"}, *motion_stages(stream(rate=50.0), 125), scale]

    def entrant(model: ModelConfig, stages: list[dict[str, Any]]) -> Entrant:
        return Entrant(
            "any", candidates()["linear"], PipelineConfig(name="any", data={}, stages=tuple(stages), model=model)
        )

    dense = with_selection(entrant(ModelConfig(layers=({"kind": "dense", "units": 8},)), stages), 12)
    assert dense is not None
    assert [stage["kind"] for stage in dense.config.stages] == ["fill", "union", "select", "scale"]
    assert dense.config.stages[2] == {"kind": "select", "score": "anova", "k": 12}
    trees = with_selection(entrant(ModelConfig(kind="boosting"), [{"kind": "impute"}]), 2)
    assert trees is not None
    assert [stage["kind"] for stage in trees.config.stages] == ["impute", "select"]
    for layer in ("conv1d", "gru"):
        assert with_selection(entrant(ModelConfig(layers=({"kind": layer},)), stages), 3) is None
