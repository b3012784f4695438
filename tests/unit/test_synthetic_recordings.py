"""Recordings that nobody made train beside the data, and evaluate nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgewright.core.errors import InputError, SyntheticDataMisplacedError
from edgewright.core.input.riff import wav_bytes
from edgewright.core.records.config import PipelineConfig
from edgewright.pipeline.config import config_hash, parse, read_config
from edgewright.pipeline.material import prepare, with_sides
from edgewright.pipeline.plan import data_plan
from edgewright.pipeline.run import run_pipeline

TOML = """
name = "words"
task = "classification"
[data]
kind = "speech"
speakers = 3
[window]
samples = 4000
step = 4000
within = "recording"
pad = true
[split]
by = "group"
validation = 0.0
[training]
synthetic = "{folder}"
"""


def recordings(
    folder: Path,
    words: tuple[str, ...] = ("go", "no"),
    rate: int = 8000,
    group: str = "voice",
    mark: str = "synthetic/",
) -> Path:
    """Write one recording of noise a word."""
    folder.mkdir()
    rng, lines = np.random.default_rng(0), ["file,label,group,session"]
    for word in words:
        (folder / f"{word}.wav").write_bytes(wav_bytes(0.1 * rng.standard_normal((2000, 1)), rate))
        lines.append(f"{word}.wav,{word},{group},{mark}speech/1/{word}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def configured(folder: object) -> PipelineConfig:
    return parse(TOML.format(folder=folder), "words.toml")


def test_they_train_and_stand_on_no_side(tmp_path: Path) -> None:
    plain = prepare(data_plan(configured("")), None)
    config = configured(recordings(tmp_path / "made"))
    material = prepare(data_plan(config), None)
    assert plain.extra is None
    assert material.extra is not None
    assert material.extra.shape == (2, 1, 4000)
    assert not material.extra[:, :, 2000:].any()
    assert material.extra_y.tolist() == ["go", "no"]
    assert material.sha256 == plain.sha256
    assert np.array_equal(material.sides.test, plain.sides.test)
    # Another split of the same samples, as a fit on all of them takes it, has them too; copies of windows come before.
    augment = ({"kind": "gain"},)
    again = with_sides(replace(material, plan=replace(material.plan, augment=augment)), material.sides)
    assert again.extra is not None
    assert len(again.extra) == len(material.sides.train) + 2
    assert np.array_equal(again.extra[-2:], material.extra)
    assert again.extra_y[-2:].tolist() == ["go", "no"]


def test_recordings_that_would_mislead_are_refused(tmp_path: Path) -> None:
    for number, (change, text) in enumerate((
        ({"mark": ""}, "synthetic recordings alone"), ({"group": "speaker01"}, "nobody in the data"),
        ({"rate": 16000}, "1 channels at 8000 Hz, got 1 channels at 16000 Hz"),
        ({"words": ("go", "left")}, "labels of the data, got 'left'"),
    )):  # fmt: skip
        folder = recordings(tmp_path / str(number), **change)  # type: ignore[arg-type]
        with pytest.raises(InputError, match=text):
            prepare(data_plan(configured(folder)), None)
    with pytest.raises(SyntheticDataMisplacedError):
        prepare(data_plan(configured(tmp_path / "absent")), None)


def test_the_folder_is_sought_beside_the_file_and_its_place_changes_no_hash(tmp_path: Path) -> None:
    recordings(tmp_path / "made")
    file = tmp_path / "words.toml"
    file.write_text(TOML.format(folder="made"), encoding="utf-8")
    config = read_config(str(file))
    assert config.training.synthetic == str(tmp_path / "made")
    assert config_hash(config) == config_hash(configured("made"))
    assert config_hash(config) != config_hash(configured(""))
    assert read_config(str(file), ('training.synthetic="made"',)).training.synthetic == "made"


@pytest.mark.slow
def test_a_network_learns_from_them(tmp_path: Path) -> None:
    config = configured(recordings(tmp_path / "made"))
    layers = ({"kind": "conv1d", "filters": 2, "kernel": 9, "stride": 9}, {"kind": "global_max_pool"})
    training = msgspec.structs.replace(config.training, epochs=1)
    small = msgspec.structs.replace(config, refit=False, training=training)
    small = msgspec.structs.replace(small, model=msgspec.structs.replace(config.model, layers=layers))
    trace = run_pipeline(small, out=tmp_path / "runs").trace
    assert any("2 synthetic samples were added" in note for stage in trace.stages for note in stage.notes)
