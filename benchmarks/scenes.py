"""Objects found in composed scenes: middles of grocery photographs, pasted on photographs of other goods.

No scene was photographed: the figures say what the detector does with composed pictures, not with shelves. Scenes for
training take goods and backgrounds from training photographs alone, one run of neighbouring photographs a group; test
scenes from the official validation photographs alone, which were taken in other shops.

    python -m benchmarks.scenes [FOLDER]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec import UnsetType
from numpy.typing import NDArray
from PIL import Image

from benchmarks.table import ROOT, markdown
from edgewright.data.sets.media import SETS, GroceryConfig
from edgewright.pipeline.config import checked
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.profiles.catalogue import load_profile
from edgewright.schema.trace_flow import Interval
from edgewright.workflows.estimation.workflow import estimate_place

DATA = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data" / "grocery"
LABELS = ("Apple", "Juice", "Melon", "Pepper")
SIDE, MAX_OBJECTS = 96, 4
# Scenes of each run of training photographs, and of the validation photographs; runs that validate.
TRAIN, TEST, HELD_OUT = 540, 300, ("train-8", "train-9")
# Sides of a pasted piece in pixels, and the share of a photograph's side that it shows: the middle, but anywhere in
# photographs that train.
_SIDES, _SHARE, _SHARES = (20, 36), 0.7, (0.5, 0.9)
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Photographs:
    """Photographs of one group: `goods` by label, and those of other goods; `train`: pieces of all places."""

    goods: dict[str, list[Bytes]]
    backgrounds: list[Bytes]
    train: bool = False


def photographs() -> dict[str, Photographs]:
    """Return the photographs of each group: ten runs of training photographs, and 'val'."""
    dataset = SETS["grocery"].load(DATA, GroceryConfig(target="coarse"))
    (recording,) = dataset.recordings
    photographs: dict[str, Photographs] = {}
    groups = () if recording.groups is None else recording.groups
    for values, label, group in zip(recording.values, recording.target, groups, strict=True):
        train = str(group) not in ("val", *HELD_OUT)
        one = photographs.setdefault(str(group), Photographs({name: [] for name in LABELS}, [], train))
        picture = values.astype(np.uint8).transpose(1, 2, 0)
        (one.goods[str(label)] if label in LABELS else one.backgrounds).append(picture)
    return photographs


def scene(known: Photographs, rng: np.random.Generator) -> tuple[Bytes, list[tuple[int, list[float]]]]:
    """Return a scene of up to four goods that do not overlap, and number of label and box of each."""
    canvas = known.backgrounds[rng.integers(len(known.backgrounds))].astype(np.float32)
    boxes: list[tuple[int, list[float]]] = []
    for _ in range(int(rng.integers(0, MAX_OBJECTS + 1))):
        side = int(rng.integers(*_SIDES))
        left, top = (int(n) for n in rng.integers(0, SIDE - side, 2))
        if any(_overlap(box, left, top, side) for _, box in boxes):
            continue
        number = int(rng.integers(len(LABELS)))
        goods = known.goods[LABELS[number]]
        piece = _piece(goods[rng.integers(len(goods))], side, rng, anywhere=known.train)
        spot = canvas[top : top + side, left : left + side]
        spot += _mask(side) * (piece - spot)
        boxes.append((number, [float(left), float(top), float(side), float(side)]))
    return canvas.clip(0, 255).astype(np.uint8), boxes


def _overlap(box: list[float], left: int, top: int, side: int) -> bool:
    return left < box[0] + box[2] and box[0] < left + side and top < box[1] + box[3] and box[1] < top + side


def _piece(picture: Bytes, side: int, rng: np.random.Generator, *, anywhere: bool) -> NDArray[np.float32]:
    shown = round(SIDE * (rng.uniform(*_SHARES) if anywhere else _SHARE))
    top, left = rng.integers(0, SIDE - shown + 1, 2) if anywhere else [(SIDE - shown) // 2] * 2
    part = picture[top : top + shown, left : left + shown]
    piece = Image.fromarray(part).resize((side, side), Image.Resampling.BILINEAR)
    patch = np.asarray(piece, np.float32)
    return patch[:, ::-1] if rng.random() < 0.5 else patch


def _mask(side: int) -> NDArray[np.float32]:
    """Return a disc with soft edges, shape (side, side, 1)."""
    offsets = (np.arange(side) + 0.5) / side * 2 - 1
    return np.asarray(np.clip((1 - np.hypot(offsets[:, None], offsets[None])) * 6, 0, 1)[:, :, None], np.float32)


def compose(folder: Path) -> Path:
    """Write the scenes as PNG files GROUP_NUMBER.png and `boxes.json`, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for group, known in photographs().items():
        rng = np.random.default_rng([0, *group.encode()])
        for number in range(TEST if group == "val" else TRAIN):
            picture, boxes = scene(known, rng)
            name = f"{group}_{number:04d}.png"
            Image.fromarray(picture).save(folder / name)
            for label, box in boxes:
                annotations.append({"image_id": len(images), "category_id": label, "bbox": box})
            images.append({"id": len(images), "file_name": name, "width": SIDE, "height": SIDE})
    categories = [{"id": number, "name": label} for number, label in enumerate(LABELS)]
    coco = {"images": images, "categories": categories, "annotations": annotations}
    (folder / "boxes.json").write_text(json.dumps(coco))
    return folder


def fitted(scenes: Path, out: Path, *changes: tuple[str, object]) -> RunResult:
    """Train on the scenes and judge on those of the validation photographs.

    Args:
        scenes: folder of `compose`.
        out: folder of runs.
        *changes: keys of the training table with other values.
    """
    layers = [
        {"kind": "conv2d", "filters": 16, "kernel": 3, "stride": 2},
        {"kind": "conv2d", "filters": 24, "kernel": 3, "stride": 2},
        {"kind": "conv2d", "filters": 32, "kernel": 3, "stride": 2},
        {"kind": "conv2d", "filters": 48, "kernel": 3},
        {"kind": "conv2d", "filters": 48, "kernel": 3},
    ]
    table = {
        "name": "composed-scenes",
        "title": "Goods in composed scenes",
        "task": "detection",
        "refit": False,
        "data": {
            "kind": "pictures", "path": str(scenes), "boxes": str(scenes / "boxes.json"), "pattern": "{group}_{index}",
            "height": SIDE, "width": SIDE,
        },
        "split": {"by": "group", "test_groups": ["val"], "validation_groups": list(HELD_OUT)},
        "model": {"layers": layers},
        "training": {
            "epochs": 25, "batch": 32, "optimiser": "adamw", "weight_decay": 0.05, "learning_rate": 0.005,
            "schedule": "one_cycle", "class_weights": "balanced",
            "augment": [{"kind": "colour"}], **dict(changes),
        },
        "compression": {"max_drop": 0.05},
        "device": {"profile": "cortex-m7"},
    }  # fmt: skip
    return run_pipeline(checked(table, "composed-scenes"), out=out, force=True)


def main() -> None:
    """Compose, train, and print the tables: by class of the float form, whole of each form, and the whole program."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else scratch)
        result = fitted(compose(folder / "scenes"), folder / "runs")
        evaluation, forms = result.trace.evaluation, result.trace.compression
        if evaluation is None or forms is None or isinstance(evaluation.objects, UnsetType) or result.package is None:
            raise SystemExit(f"nothing to report: {result.refused}")
        rows = [
            [one.label, f"{one.true}", f"{one.precision:.2f}", f"{one.recall:.2f}", _span(one.f1)]
            for one in evaluation.objects.classes
        ]
        heads = ("goods in composed scenes, float", "true", "precision", "recall", "F1 of centres (95 % CI by picture)")
        print(markdown(heads, rows))
        whole = [[form.name, _span(form.f1)] for form in forms.variants if not isinstance(form.f1, UnsetType)]
        print(markdown(("form", heads[-1]), whole))
        estimate, _ = estimate_place(result.package, load_profile("cortex-m7"))
        program = estimate.footprint
        print(f"flash {program.flash.value:,.0f} B, RAM {program.ram.value:,.0f} B", end="")
        print("" if program.instructions is None else f", {program.instructions.value:,.0f} instructions")


def _span(one: Interval) -> str:
    return f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"


if __name__ == "__main__":
    main()
