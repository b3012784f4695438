"""Goods on photographs of phones: trained on the official training part, judged once on validation photographs.

The validation photographs were taken in other shops. Everything was chosen on clusters of like training pictures.

    python -m benchmarks.grocery all|new [FOLDER]
"""

from __future__ import annotations

import math
import os
import resource
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.table import ROOT, markdown
from edgewright.core.neighbours.index_file import begin
from edgewright.core.package import read_package
from edgewright.core.predictor import Predictor
from edgewright.data.sets.media import SETS, GroceryConfig
from edgewright.pipeline.config import checked
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.training.metrics import wilson

DATA = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data" / "grocery"
SIDE, NEW, DRAWS = 96, 20, 400
_CONVOLUTIONS = ((24, 5, 2), (32, 3, 2), (48, 3, 1), (64, 3, 2), (64, 3, 1), (96, 3, 2), (128, 3, 1))
LAYERS = [
    *({"kind": "conv2d", "filters": f, "kernel": k, "stride": s} for f, k, s in _CONVOLUTIONS),
    {"kind": "global_average_pool"},
    {"kind": "dropout", "rate": 0.2},
]


def fitted(data: Mapping[str, object], out: Path, test: str, validation: str, epochs: int) -> RunResult:
    """Train on photographs and evaluate on those of one group.

    Args:
        data: table of the source.
        out: folder of runs.
        test: group that evaluates.
        validation: group that calibrates.
        epochs: passes over the training pictures.
    """
    table = {
        "name": "grocery",
        "title": "Goods on photographs",
        "refit": False,
        "data": {**data, "height": SIDE, "width": SIDE},
        "split": {"by": "group", "test_groups": [test], "validation_groups": [validation]},
        "model": {"layers": LAYERS},
        "training": {
            "epochs": epochs, "batch": 32, "optimiser": "adamw", "learning_rate": 0.003, "weight_decay": 0.05,
            "schedule": "one_cycle", "label_smoothing": 0.1, "mixup": 0.2,
            "augment": [{"kind": "crop"}, {"kind": "flip"}, {"kind": "colour"}],
        },
        "compression": {"max_drop": 0.05},
        "device": {"profile": "gateway-arm64"},
    }  # fmt: skip
    return run_pipeline(checked(table, "grocery"), out=out, force=True)


@dataclass(frozen=True)
class Photographs:
    """Photographs with their goods and groups: ten runs of training photographs, and 'val'."""

    pictures: NDArray[np.float32]
    fine: NDArray[np.str_]
    coarse: NDArray[np.str_]
    groups: NDArray[np.str_]


def photographs() -> Photographs:
    """Return all photographs."""
    (fine,), (coarse,) = (
        SETS["grocery"].load(DATA, GroceryConfig(target=target)).recordings for target in ("fine", "coarse")
    )
    return Photographs(
        np.asarray(fine.values, np.float32), np.asarray(fine.target, str), np.asarray(coarse.target, str),
        np.asarray(fine.groups, str),
    )  # fmt: skip


def evaluation_rows(folder: Path) -> list[list[str]]:
    """Train on all goods; return accuracy by form, of fine and of coarse classes, on photographs from other shops.

    A coarse class has the sum of the probabilities of its fine classes.
    """
    known = photographs()
    result = fitted({"kind": "grocery", "path": str(DATA)}, folder, "val", "train-9", 100)
    if result.package is None:
        raise SystemExit(f"nothing to report: {result.refused}")
    package = read_package(result.package)
    fine, kinds = list(package.manifest.labels), sorted(set(known.coarse))
    kind_of = dict(zip(known.fine, known.coarse, strict=True))
    member = np.array([[kind_of[label] == kind for kind in kinds] for label in fine], np.float64)
    mine = known.groups == "val"
    rows = []
    for form in ("float", "int8"):
        chances = Predictor(package, form=form).predict(known.pictures[mine]).probabilities
        right = np.array(fine)[chances.argmax(axis=1)] == known.fine[mine]
        coarse = np.array(kinds)[(chances @ member).argmax(axis=1)] == known.coarse[mine]
        size = len(package.model(form))
        rows.append([form, f"{size:,}", span(right), span(coarse)])
    return rows


def new_goods(folder: Path) -> list[list[str]]:
    """Train without 20 goods; return how often three pictures of each of five of them are enough to tell them apart."""
    known = photographs()
    val = known.groups == "val"
    counts = {label: int((known.fine[val] == label).sum()) for label in sorted(set(known.fine))}
    often = [label for label, count in counts.items() if count >= 3]
    rng = np.random.default_rng(7)
    new = sorted(rng.choice(often, NEW, replace=False).tolist())
    source = folder / "pictures"
    for number in np.flatnonzero(~val & ~np.isin(known.fine, new)):
        path = source / f"{known.groups[number]}_{known.fine[number]}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(known.pictures[number].astype(np.uint8).transpose(1, 2, 0)).save(path)
    data = {"kind": "pictures", "path": str(source), "pattern": "{group}_{label}_{index}"}
    result = fitted(data, folder, "train-8", "train-9", 40)
    if result.package is None:
        raise SystemExit(f"nothing to report: {result.refused}")
    whole = begin(result.package.read_bytes(), str(result.package), "network")
    vectors = whole.space().vectors(known.pictures)
    right: dict[str, list[bool]] = {label: [] for label in new}
    for _ in range(DRAWS):
        few_shot = whole
        five = rng.choice(new, 5, replace=False)
        for label in five:
            support = rng.choice(np.flatnonzero(~val & (known.fine == label)), 3, replace=False)
            few_shot = few_shot.added(str(label), vectors[support])
        queries = np.flatnonzero(val & np.isin(known.fine, five))
        for number, one in zip(queries, few_shot.answers(vectors[queries], [""] * len(queries)), strict=True):
            right[str(known.fine[number])].append(one.nearest == known.fine[number])
    shares = np.array([np.mean(right[label]) for label in new])
    half_width = 1.96 * shares.std(ddof=1) / math.sqrt(NEW)
    mean = shares.mean()
    return [["five new goods, three pictures each", f"{mean:.3f} ({mean - half_width:.3f} to {mean + half_width:.3f})"]]


def span(right: NDArray[np.bool_]) -> str:
    """Return a share with its 95 % interval (Wilson)."""
    one = wilson(int(right.sum()), len(right))
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def main() -> None:
    """Print the table of one task."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[2] if len(sys.argv) > 2 else scratch)
        if sys.argv[1:2] == ["new"]:
            print(markdown(("task", "accuracy (95 % CI over goods)"), new_goods(folder)))
        else:
            heads = ("form", "bytes", "fine (95 % CI)", "coarse (95 % CI)")
            print(markdown(heads, evaluation_rows(folder)))
        print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_utime:,.0f} CPU-s")


if __name__ == "__main__":
    main()
