"""Folders of small pictures: discs and squares in any colour and place, on noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgewright.pipeline.config import checked
from edgewright.pipeline.run import run_pipeline

SIDE = 24
SHAPES = ("disc", "square")


def shape_picture(shape: str, rng: np.random.Generator, side: int = 24) -> NDArray[np.uint8]:
    """Return a picture of shape (side, side, 3)."""
    y, x = np.mgrid[:side, :side]
    down, right = rng.uniform(8, side - 8, 2).tolist()
    size = rng.uniform(4, 7)
    distances = np.stack([np.abs(y - down), np.abs(x - right)])
    inside = np.hypot(*distances) < size if shape == "disc" else distances.max(axis=0) < size
    picture = rng.integers(0, 60, (side, side, 3))
    picture[inside] += rng.integers(90, 190, 3)
    return picture.astype(np.uint8)


def write_pictures(folder: Path, each: int = 40, seed: int = 0) -> Path:
    """Write PNG files into a folder for each shape, and return the folder."""
    rng = np.random.default_rng(seed)
    for shape in SHAPES:
        (folder / shape).mkdir(parents=True)
        for number in range(each):
            Image.fromarray(shape_picture(shape, rng)).save(folder / shape / f"{number:03d}.png")
    return folder


def trained(folder: Path, *stages: dict[str, object], epochs: int) -> Path:
    """Return the run folder of a small network behind some stages."""
    layers = [
        {"kind": "conv2d", "filters": 8, "kernel": 3, "stride": 2},
        {"kind": "inverted_residual", "filters": 12, "stride": 2, "expand": 2},
        {"kind": "inverted_residual", "filters": 12, "expand": 2},
        {"kind": "global_average_pool"},
    ]
    table = {
        "name": "shapes",
        "data": {"kind": "pictures", "path": str(write_pictures(folder / "data")), "height": SIDE, "width": SIDE},
        "stages": stages,
        "model": {"layers": layers},
        "training": {
            "epochs": epochs, "batch": 16, "learning_rate": 0.01, "schedule": "one_cycle", "mixup": 0.1,
            "augment": [{"kind": "crop", "area": 0.8}, {"kind": "flip", "upright": False}, {"kind": "colour"}],
        },
        "compression": {"max_drop": 1.0 if epochs < 10 else 0.2},
    }  # fmt: skip
    return run_pipeline(checked(table, "shapes"), out=folder / "runs").folder
