"""The ladder on pictures: rungs on histograms of colours, then convolutions over pixels."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from cli_runner import Cli
from edgewright.features.colours import Colours
from edgewright.race.contract import FEATURES, PLAIN, WINDOWS
from edgewright.race.stages import config_of
from edgewright.schema.config import TrainingConfig
from edgewright.search.advise.contract import AdviceRequest
from edgewright.search.advise.workflow import advise
from edgewright.search.ladder.measurement import Ladder
from edgewright.search.ladder.setup import problem_and_config
from ladder_problems import ladder as ladder_of_rows
from ladder_problems import silent, table
from picture_folder import write_pictures

TABLE = {"kind": "pictures", "height": 40, "width": 48}


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


def ladder(folder: Path, *rungs: str) -> Ladder:
    problem, config, left = problem_and_config(str(folder), TABLE, profile="cortex-m7")
    assert left == ()
    quick = msgspec.structs.replace(config, training=TrainingConfig(epochs=3, batch=16, learning_rate=0.01))
    return Ladder(problem, quick, silent, rungs=rungs, patience=0)


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
    started = ladder(write_fruits(tmp_path / "fruits"), "majority", "small_convolutions", "recurrent_network")
    assert started.problem.by == "row"
    plain, features, windows = (
        config_of(started.config, started.problem, columns) for columns in (PLAIN, FEATURES, WINDOWS)
    )
    assert plain.stages == features.stages
    # Of 40 x 48 pixels, every second one in every second row.
    assert plain.stages == ({"kind": "colours", "every": 2},)
    assert windows.stages == ()
    # One copy of the pixels serves all folds.
    assert all(
        np.shares_memory(started.heats.part(fold, windows).X, started.problem.samples.X) for fold in started.heats.every
    )
    assert (
        started.rungs["recurrent_network"].unsupported_reason(started.problem)
        == "it needs windows; the samples are pictures"
    )
    rows = ladder_of_rows(table(tmp_path / "rows.csv"), ("majority", "small_convolutions"))
    assert rows.climb().rungs[-1].left_out == "it needs pictures"


@pytest.mark.slow
def test_a_colour_is_enough_where_colours_differ(tmp_path: Path) -> None:
    started = ladder(write_fruits(tmp_path / "fruits"), "majority", "threshold", "small_convolutions")
    record = started.climb()
    by_name = {rung.name: rung for rung in record.rungs}
    assert record.chosen == "threshold"
    assert by_name["threshold"].score is not None and by_name["threshold"].score.value > 0.9
    assert ">=" in by_name["threshold"].says
    assert "3 channels of 40 x 48 pixels, by conv2d" in by_name["small_convolutions"].says
    for rung in record.rungs:
        assert rung.footprint is not None and rung.footprint.flash.value > 0, rung.name


@pytest.mark.slow
@pytest.mark.parametrize("rung", ["linear", "small_convolutions"])
def test_a_rung_becomes_a_proven_package(rung: str, tmp_path: Path, cli: Cli) -> None:
    data = write_fruits(tmp_path / "fruits")
    options = ["--kind", "pictures", "--out", tmp_path / "runs", "--run", rung]
    cli("ladder", data, *options)
    folder = next((tmp_path / "runs").iterdir())
    assert "PROVEN" in cli("prove", folder)


@pytest.mark.slow
def test_a_curve_is_drawn_over_pictures(tmp_path: Path, cli: Cli) -> None:
    data = write_pictures(tmp_path / "shapes", each=60)
    printed = cli("curve", data, "--kind", "pictures", "--rung", "linear")
    assert "samples" in printed


@pytest.mark.slow
def test_advice_on_a_zip_with_a_folder_for_each_label_measures_models(tmp_path: Path) -> None:
    data = shutil.make_archive(str(tmp_path / "pictures"), "zip", write_fruits(tmp_path / "fruits"))
    advice = advise(AdviceRequest(data=data, device="cortex-m7", curve=False), silent)
    assert advice.ladder is not None and advice.choice == "threshold"
    assert any("pictures belong to no group" in why for why in advice.frame.why)
    assert any("--pictures new" in command for command in advice.commands)
