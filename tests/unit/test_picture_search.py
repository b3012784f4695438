"""Searches over pictures: changes of every epoch make no copies, and networks of layers for pictures are proposed."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.pipeline.config import parse, read_config
from edgewright.schema.config import PipelineConfig, SearchConfig
from edgewright.schema.errors import UnknownNameError
from edgewright.search.architecture.report import described
from edgewright.search.architecture.space import Space, space_of
from edgewright.training.augment import with_copies
from picture_folder import write_pictures

SHAPES = """
name = "shapes"
[data]
kind = "pictures"
path = "shapes"
height = 24
width = 24
[[model.layers]]
kind = "conv2d"
filters = 8
kernel = 3
stride = 2
[[model.layers]]
kind = "global_average_pool"
[training]
epochs = 2
batch = 16
learning_rate = 0.01
[[training.augment]]
kind = "crop"
area = 0.8
[[training.augment]]
kind = "flip"
[[training.augment]]
kind = "colour"
[device]
profile = "cortex-m4"
"""


def _space(**keys: object) -> Space:
    config: PipelineConfig = parse(SHAPES, "shapes.toml")
    return space_of(msgspec.structs.replace(config, search=SearchConfig(**keys)))  # type: ignore[arg-type]


def test_only_augmentations_that_make_copies_get_another_number_of_them() -> None:
    tables: tuple[dict[str, object], ...] = ({"kind": "flip"}, {"kind": "gain", "copies": 2}, {"kind": "colour"})
    assert with_copies(tables, 5) == ({"kind": "flip"}, {"kind": "gain", "copies": 5}, {"kind": "colour"})
    space = _space()
    assert "copies" not in space.own()
    assert space.pipeline(space.own()).training.augment == space.config.training.augment


def test_without_layers_a_search_varies_the_widths_of_the_pipeline_alone() -> None:
    space = _space(widths=(4, 16))
    pipeline = space.pipeline({**space.own(), "width.1": 12})
    assert [(layer["kind"], layer.get("filters")) for layer in pipeline.model.layers] == [
        ("conv2d", 12), ("global_average_pool", None),
    ]  # fmt: skip


def test_layers_for_pictures_make_networks_of_them() -> None:
    space = _space(layers=("conv2d", "inverted_residual"), widths=(4, 16), depth=(1, 3))
    point = {**space.own(), "layer": "inverted_residual", "depth": 2, "width.1": 8, "width.2": 12, "kernel": 3}
    halving = {"kernel": 3, "stride": 2, "padding": "same"}
    assert space.pipeline(point).model.layers == (
        {"kind": "conv2d", "filters": 8, **halving},
        {"kind": "inverted_residual", "filters": 12, **halving},
        {"kind": "global_average_pool"},
    )
    assert described(space, point).startswith("conv2d and inverted_residual 8-12")
    assert space.key(point) != space.key({**point, "layer": "conv2d"}) != space.key({**point, "kernel": 5})
    # A single layer is a plain convolution whatever blocks would follow it.
    assert space.key({**point, "depth": 1}) == space.key({**point, "depth": 1, "layer": "conv2d"})
    with pytest.raises(UnknownNameError, match=r"'gru'.*conv2d"):
        _space(layers=("conv2d", "gru"))


@pytest.mark.slow
def test_a_search_on_a_folder_of_pictures_gives_pipelines_that_run(tmp_path: Path, cli: Cli) -> None:
    write_pictures(tmp_path / "shapes")
    path, out = tmp_path / "shapes.toml", tmp_path / "study"
    path.write_text(SHAPES + '[search]\nlayers = ["conv2d", "inverted_residual"]\nwidths = [4, 12]\n', encoding="utf-8")
    assert run(["search", str(path), "--trials", "4", "--judge", "1", "--out", str(out)]) == 0
    front = json.loads((out / "front.json").read_bytes())["front"]
    best = out / "points" / f"{front[0]['number']}.toml"
    assert read_config(str(best)).model.layers[-1] == {"kind": "global_average_pool"}
    assert [table["kind"] for table in read_config(str(best)).training.augment] == ["crop", "flip", "colour"]
    cli("run", best, "--set", "compression.max_drop=1.0", "--out", tmp_path / "runs", code=0)
    message = cli("search", path, "--budget", "latency=0.01ms", "--out", tmp_path / "none", code=1)
    assert "conv2d" in message and "It fits --budget latency=" in message
