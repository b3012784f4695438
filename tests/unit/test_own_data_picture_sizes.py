"""The size that `init` chooses for pictures: the usual one, or that of smaller pictures, which are never scaled up."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from benchmarks.default.content import Items
from benchmarks.default.forms import write
from benchmarks.default.sets import SETS
from PIL import Image

from cli_runner import Cli
from edgewright.core.package import read_package
from edgewright.data.preview import read_preview


def sides(folder: Path, *sizes: tuple[int, int], turned: bool = False) -> dict[str, object]:
    """Return the sides that are chosen for pictures of such widths and heights."""
    for number, size in enumerate(sizes):
        label_folder = folder / "ab"[number % 2]
        label_folder.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        if turned:
            exif[274] = 6
        Image.new("RGB", size, (number % 256, 0, 0)).save(label_folder / f"{number:03}.jpg", exif=exif)
    table = read_preview(str(folder)).table
    return {side: table[side] for side in ("width", "height") if side in table}


def test_pictures_are_not_scaled_up(tmp_path: Path) -> None:
    assert sides(tmp_path / "large", *[(640, 480)] * 4) == {}
    assert sides(tmp_path / "small", *[(32, 32)] * 4) == {"width": 32, "height": 32}
    assert sides(tmp_path / "wide", *[(200, 50)] * 4) == {"height": 50}
    assert sides(tmp_path / "lying", *[(200, 50)] * 4, turned=True) == {"width": 50}
    assert sides(tmp_path / "tiny", *[(6, 6)] * 4) == {"width": 8, "height": 8}


def test_a_few_small_pictures_among_many_do_not_decide(tmp_path: Path) -> None:
    assert sides(tmp_path / "icon", *[(128, 128)] * 59, (16, 16)) == {}
    assert sides(tmp_path / "tenth", *[(128, 128)] * 54, *[(16, 16)] * 6) == {"width": 16, "height": 16}


@pytest.mark.slow
def test_small_pictures_run_at_their_own_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.chdir(tmp_path)
    content = SETS["digit-pictures"].read(tmp_path)
    assert isinstance(content, Items)
    few = Items(content.X[:300], content.y[:300], np.zeros(300, bool))
    train, _ = write("pictures", few, tmp_path)
    cli("init", train.name, "--yes")
    data = tomllib.loads(Path("pipeline.toml").read_text())["data"]
    assert (data["height"], data["width"]) == (32, 32)
    cli("run", "pipeline.toml")
    (package,) = Path("runs").glob("*/*.edge")
    assert read_package(package).manifest.shape == (3, 32, 32)
