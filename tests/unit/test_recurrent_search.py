"""Searches that propose networks with a state, on made-up pipelines and on recordings of movements."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.pipeline.config import read_config
from edgewright.schema.config import PipelineConfig, SearchConfig
from edgewright.schema.errors import InputError
from edgewright.search.architecture.report import described
from edgewright.search.architecture.space import Space, space_of
from support import shared_data

MOTIONS = """
name = "motions"
[data]
kind = "basic_motions"
part = "train"
[window]
samples = 50
step = 50
[[stages]]
kind = "scale"
method = "standard"
[[model.layers]]
kind = "dense"
units = 8
[training]
epochs = 6
batch = 16
learning_rate = 0.02
[device]
profile = "cortex-m4"
[search]
inputs = ["windows"]
layers = ["gru", "lstm"]
widths = [4, 8]
"""


def _space(config: PipelineConfig, **keys: object) -> Space:
    return space_of(msgspec.structs.replace(config, search=SearchConfig(**keys)))  # type: ignore[arg-type]


def test_a_point_of_layers_with_a_state_gives_the_last_one() -> None:
    space = _space(read_config("hapt"), inputs=("windows",), layers=("gru", "lstm"), widths=(8, 16), depth=(1, 3))
    names = [axis.name for axis in space.axes]
    assert "kernel" not in names
    assert "input" not in names
    assert not [name for name in names if name.startswith("part.")]
    point = {**space.own(), "layer": "lstm", "depth": 2, "width.1": 16, "width.2": 8}
    pipeline = space.pipeline(point)
    assert [stage["kind"] for stage in pipeline.stages] == ["fill", "gravity", "scale"]
    assert pipeline.model.layers == (
        {"kind": "lstm", "units": 16, "sequence": True}, {"kind": "lstm", "units": 8},
    )  # fmt: skip
    assert described(space, point).startswith("windows, lstm 16-8")


def test_a_kernel_counts_for_convolutions_alone() -> None:
    space = _space(read_config("hapt"), inputs=("features", "windows"), layers=("conv1d", "gru"))
    point = {**space.own(), "input": "windows", "layer": "gru"}
    assert space.key({**point, "kernel": 3}) == space.key({**point, "kernel": 9})
    point["layer"] = "conv1d"
    assert space.key({**point, "kernel": 3}) != space.key({**point, "kernel": 9})
    assert {corner["layer"] for corner in space.corners() if corner["input"] == "windows"} == {"conv1d", "gru"}


def test_layers_of_the_pipeline_itself_are_replaced_where_windows_alone_are_tried() -> None:
    config = read_config("hapt")
    model = msgspec.structs.replace(config.model, layers=({"kind": "gru", "units": 12},))
    config = msgspec.structs.replace(config, model=model)
    space = _space(config, inputs=("windows",), layers=("lstm", "gru"))
    assert space.pipeline({**space.own(), "layer": "lstm", "depth": 1}).model.layers[0]["kind"] == "lstm"
    kept = _space(config)
    assert kept.pipeline(kept.own()).model.layers == ({"kind": "gru", "units": 12},)


def test_windows_without_a_window_and_no_layers_are_refused() -> None:
    config = read_config("hapt")
    with pytest.raises(InputError, match=r"a \[window\], got none - at \[search\] inputs"):
        _space(msgspec.structs.replace(config, window=None), inputs=("windows",))
    with pytest.raises(InputError, match="at least one layer, got none"):
        _space(config, inputs=("windows",), layers=())
    with pytest.raises(InputError, match=r"'grus'.*gru"):
        _space(config, inputs=("windows",), layers=("grus",))


@pytest.mark.slow
def test_a_search_on_recordings_finds_networks_with_a_state_that_run(tmp_path: Path, cli: Cli) -> None:
    data = shared_data("basic-motions")
    path, out = tmp_path / "motions.toml", tmp_path / "study"
    path.write_text(MOTIONS, encoding="utf-8")
    assert run(["search", str(path), "--data", str(data), "--trials", "4", "--judge", "1", "--out", str(out)]) == 0
    front = json.loads((out / "front.json").read_bytes())["front"]
    best = read_config(str(out / "points" / f"{front[0]['number']}.toml"))
    assert {layer["kind"] for layer in best.model.layers} <= {"gru", "lstm"}
    # The estimate knows such layers: a limit of time is kept to.
    assert all(0 < one["latency_us"] < 1e5 for one in front)
    message = cli("search", path, "--data", data, "--budget", "latency=0.01ms", "--out", tmp_path / "none", code=1)
    assert "gru" in message
    assert "It fits --budget latency=" in message
