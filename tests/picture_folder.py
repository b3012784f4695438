"""Folders of small pictures: discs and squares in any colour and place, on noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHAPES = ("disc", "square")


def drawn(shape: str, rng: np.random.Generator, side: int = 24) -> NDArray[np.uint8]:
    """Return a picture of shape (side, side, 3)."""
    y, x = np.mgrid[:side, :side]
    down, right = rng.uniform(8, side - 8, 2).tolist()
    size = rng.uniform(4, 7)
    apart = np.stack([np.abs(y - down), np.abs(x - right)])
    inside = np.hypot(*apart) < size if shape == "disc" else apart.max(axis=0) < size
    made = rng.integers(0, 60, (side, side, 3))
    made[inside] += rng.integers(90, 190, 3)
    return made.astype(np.uint8)


def write_pictures(folder: Path, each: int = 40, seed: int = 0) -> Path:
    """Write PNG files into a folder for each shape, and return the folder."""
    rng = np.random.default_rng(seed)
    for shape in SHAPES:
        (folder / shape).mkdir(parents=True)
        for number in range(each):
            Image.fromarray(drawn(shape, rng)).save(folder / shape / f"{number:03d}.png")
    return folder
