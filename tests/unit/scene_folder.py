"""Folders of pictures with discs and squares in them, and a COCO file of their boxes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from picture_folder import SHAPES

SIDE = 48


def write_scenes(folder: Path, count: int = 120, seed: int = 0) -> Path:
    """Write PNG files of up to three shapes each and `boxes.json`, and return the folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    images: list[dict[str, object]] = []
    boxes: list[dict[str, object]] = []
    for number in range(count):
        picture = rng.integers(0, 60, (SIDE, SIDE, 3))
        images.append({"id": number, "file_name": f"{number:03d}.png", "width": SIDE, "height": SIDE})
        for corner in rng.permutation(4)[: rng.integers(0, 4)].tolist():
            # A quarter each, so that shapes do not cover one another.
            down, right = np.array([24 * (corner // 2), 24 * (corner % 2)]) + rng.uniform(7, 17, 2)
            size, shape = float(rng.uniform(4, 6)), int(rng.integers(0, 2))
            distances = np.stack([np.abs(np.mgrid[:SIDE, :SIDE][0] - down), np.abs(np.mgrid[:SIDE, :SIDE][1] - right)])
            inside = np.hypot(*distances) < size if SHAPES[shape] == "disc" else distances.max(axis=0) < size
            picture[inside] += rng.integers(90, 190, 3)
            box = [right - size, down - size, 2 * size, 2 * size]
            boxes.append({"id": len(boxes), "image_id": number, "category_id": shape, "bbox": box})
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{number:03d}.png")
    categories = [{"id": number, "name": name} for number, name in enumerate(SHAPES)]
    coco = {"images": images, "categories": categories, "annotations": boxes}
    (folder / "boxes.json").write_text(json.dumps(coco))
    return folder
