"""The race on pictures: histograms of colours, then convolutions over pixels."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from edgewright.advice.report import AdviceRequest, advise
from edgewright.core.records.config import PipelineConfig, TrainingConfig
from edgewright.features.colours import Colours
from edgewright.race.explanation import explain, ladder_of
from edgewright.race.heats import Heats
from edgewright.race.pipeline_end import entrants_of
from edgewright.race.problem import FEATURES, PLAIN, WINDOWS, Problem, candidates
from edgewright.race.race import Race
from edgewright.race.stage_outputs import StageOutputs
from edgewright.race.stages import config_of
from edgewright.workflows.own_data.proposal import OwnDataRequest
from race_problems import problem_of, silent

TABLE: dict[str, Any] = {"kind": "pictures", "height": 40, "width": 48}


def write_fruits(folder: Path, each: int = 20) -> Path:
    """Write pictures of discs on noise, red ones and green ones, of which some are dark."""
    rng = np.random.default_rng(0)
    down, right = np.mgrid[:40, :48]
    for label, channel in (("green", 1), ("red", 0)):
        (folder / label).mkdir(parents=True)
        for number in range(each):
            picture = rng.integers(0, 90, (40, 48, 3))
            y, x = rng.uniform(10, 30, 2)
            inside = np.hypot(down - y, right - x) < 9
            picture[inside, channel] += rng.integers(60, 160)
            Image.fromarray(picture.astype(np.uint8)).save(folder / label / f"{number:02d}.png")
    return folder


def fruits(folder: Path) -> tuple[Problem, PipelineConfig]:
    problem, config = problem_of(folder, **TABLE)
    return problem, msgspec.structs.replace(config, training=TrainingConfig(epochs=3, batch=16, learning_rate=0.01))


def test_colours_are_counted_wherever_they_are() -> None:
    colours = Colours(step=64, names=("red", "green", "blue"))
    picture = np.zeros((1, 3, 4, 4), np.float32)
    picture[0, 0, :2], picture[0, 1:] = 192.0, 96.0
    names = colours.fit(picture).get_feature_names_out().tolist()
    values = dict(zip(names, colours.transform(picture)[0].tolist(), strict=True))
    # Half of the pixels have a red of 192, all have a green between two levels.
    assert (values["red 0"], values["red 192"], values["green 64"], values["green 128"]) == (0.5, 0.5, 0.5, 0.5)
    # Red is 96 more than green in one half, and 96 less in the other.
    assert (values["red-green 64"], values["red-green 128"], values["green-blue 0"]) == (0.25, 0.25, 1.0)
    assert sum(values.values()) == pytest.approx(6)
    assert np.array_equal(colours.transform(picture[:, :, ::-1, ::-1]), colours.transform(picture))
    some = Colours(every=3, names=("red", "green", "blue")).fit(picture).transform(picture)
    assert np.array_equal(some, Colours().fit(picture[:, :, ::3, ::3]).transform(picture[:, :, ::3, ::3]))
    grey = Colours(step=32, names=("grey",)).fit(picture[:, :1])
    assert grey.transform(picture[:, :1]).shape == (1, 9)


def test_pictures_in_folders_by_label_are_no_rows_in_order(tmp_path: Path) -> None:
    problem, config = fruits(write_fruits(tmp_path / "fruits"))
    assert problem.by == "row"
    plain, features, windows = (config_of(config, problem, columns) for columns in (PLAIN, FEATURES, WINDOWS))
    assert plain.stages == features.stages
    # Of 40 x 48 pixels, every second one in every second row.
    assert plain.stages == ({"kind": "colours", "every": 2},)
    assert windows.stages == ()
    # One copy of the pixels serves all folds.
    heats = Heats(StageOutputs(problem), 0)
    assert all(np.shares_memory(heats.part(fold, windows).X, problem.samples.X) for fold in heats.every)
    recurrent = candidates(("recurrent_network",))["recurrent_network"]
    assert recurrent.unsupported_reason(problem) == "it needs windows; the samples are pictures"


@pytest.mark.slow
def test_a_colour_is_enough_where_colours_differ(tmp_path: Path) -> None:
    problem, config = fruits(write_fruits(tmp_path / "fruits"))
    names = ("majority", "threshold", "small_convolutions")
    race = Race(problem, [one for one in entrants_of(problem, config) if one.name in names], "cortex-m7")
    record = explain(race, race.run())
    by_name = {rung.name: rung for rung in ladder_of(record)}
    assert tuple(by_name) == names
    assert record.chosen != "majority"
    assert by_name["threshold"].score is not None and by_name["threshold"].score.value > 0.9
    assert ">=" in by_name["threshold"].says
    assert "3 channels of 40 x 48 pixels, by conv2d" in by_name["small_convolutions"].says
    for rung in by_name.values():
        assert rung.footprint is not None and rung.footprint.flash.value > 0, rung.name


@pytest.mark.slow
def test_advice_on_a_zip_with_a_folder_for_each_label_measures_models(tmp_path: Path) -> None:
    data = shutil.make_archive(str(tmp_path / "pictures"), "zip", write_fruits(tmp_path / "fruits"))
    advice, _ = advise(AdviceRequest(data=OwnDataRequest(path=data, device="cortex-m7")), silent)
    assert advice.race is not None and advice.race.ladder
    assert any("fold" in why for why in advice.frame.why)
    assert any("--pictures new" in command for command in advice.commands)
