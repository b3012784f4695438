"""A package for pictures learns on the device: it is proven, rehearsed by place, and taught with picture files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import Cli
from edgewright.core.errors import InputError
from edgewright.pipeline.config import checked
from edgewright.pipeline.run import run_pipeline

LABELS = ("blue", "green", "red")
CONVOLUTIONS = (
    {"kind": "conv2d", "filters": 8, "kernel": 3, "stride": 2},
    {"kind": "conv2d", "filters": 12, "kernel": 3, "stride": 2},
    {"kind": "global_average_pool"},
)


def write_places(folder: Path) -> Path:
    """Write pictures of three colours from five places; the light of the last place turns red to green."""
    rng = np.random.default_rng(0)
    for position in range(5):
        for number, label in enumerate(LABELS):
            path = folder / f"place{position}" / label
            path.mkdir(parents=True)
            for index in range(12):
                picture = rng.integers(0, 80, (16, 16, 3))
                picture[4:12, 4:12, 2 - number] += rng.integers(70, 150)
                if position == 4:
                    picture = np.roll(picture, 1, axis=2)
                Image.fromarray(picture.astype(np.uint8)).save(path / f"{index:02d}.png")
    return folder


def table(folder: Path, layer: str, *layers: dict[str, object]) -> dict[str, object]:
    return {
        "name": "colours", "refit": False,
        "data": {"kind": "pictures", "path": str(folder), "pattern": "{group}/{label}/{index}", "height": 16,
                 "width": 16},
        "split": {"test_groups": ["place3", "place4"], "validation_groups": ["place2"]},
        "model": {"layers": (*CONVOLUTIONS, *layers)},
        "training": {"epochs": 20, "batch": 16, "learning_rate": 0.01},
        "compression": {"max_drop": 1.0},
        "adapt": {"layer": layer, "ram": 2048, "drop": 1.0},
    }  # fmt: skip


@pytest.fixture(scope="module", params=["output", "prototypes"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run folder whose package learns."""
    folder = tmp_path_factory.mktemp(request.param)
    pipeline = table(write_places(folder / "data"), request.param, {"kind": "dense", "units": 16})
    return run_pipeline(checked(pipeline, "colours"), out=folder / "runs").folder


@pytest.mark.slow
def test_it_is_proven_and_a_place_in_another_light_gains(run: Path, cli: Cli) -> None:
    assert "PROVEN" in cli("prove", run)
    report = cli.json("adapt", "simulate", run, "--examples", "6")
    usual, odd = sorted(report["people"], key=lambda one: str(one["name"]))
    assert (usual["name"], odd["name"]) == ("place3", "place4")
    assert usual["before"] > 0.9 and usual["after"] >= usual["before"]
    assert odd["used"] and odd["after"] > odd["before"] + 0.3
    assert report["state_bytes"] <= 2048


@pytest.mark.slow
def test_it_is_taught_with_picture_files(run: Path, tmp_path: Path, cli: Cli) -> None:
    data = run.parents[1] / "data"
    learned = cli.json("adapt", "learn", run, "--examples", data / "place4", "--state", tmp_path / "state")
    assert learned["labels"] == dict.fromkeys(LABELS, 12)
    assert learned["used"]
    cli("adapt", "learn", run, "--examples", data / "place4" / "red", "--state", tmp_path / "state", code=2)


@pytest.mark.slow
def test_values_that_may_be_negative_before_the_output_are_refused(tmp_path: Path) -> None:
    linear = {"kind": "conv2d", "filters": 8, "kernel": 1, "activation": "linear"}
    pipeline = table(write_places(tmp_path / "data"), "output")
    pipeline["model"] = {"layers": (CONVOLUTIONS[0], linear, CONVOLUTIONS[2])}
    with pytest.raises(InputError, match="a dense layer before the output"):
        run_pipeline(checked(pipeline, "colours"), out=tmp_path / "runs")
