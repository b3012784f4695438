"""Public data sets as plain files without hints, as a person would bring them."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

# From the folder of the public set and an empty folder to the name of the file that was written there.
Write = Callable[[Path, Path], str]


def _wisdm(data: Path, folder: Path) -> str:
    """All recordings of the watch as one CSV."""
    with (folder / "wisdm.csv").open("w") as out:
        for number, file in enumerate(sorted(data.glob("*.csv.gz"))):
            lines = gzip.decompress(file.read_bytes()).decode().splitlines(keepends=True)
            out.writelines(lines[1:] if number else lines)
    return "wisdm.csv"


def _strokes(data: Path, folder: Path, prefix: str = "") -> str:
    """Write all strokes to one CSV, each with its number behind `prefix` as its id."""
    with (folder / "strokes.csv").open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["stroke", "label", "x", "y"])
        number = 0
        for file in sorted(data.glob("*.json.gz")):
            for stroke in json.loads(gzip.decompress(file.read_bytes()))["strokes"]:
                number += bool(stroke["strokePoints"])
                rows = ((point["x"], point["y"]) for point in stroke["strokePoints"])
                table.writerows([f"{prefix}{number}", stroke["label"], *row] for row in rows)
    return "strokes.csv"


def _copy_of(file: str, as_name: str) -> Write:
    """Return what copies one file of a set."""

    def copied(data: Path, folder: Path) -> str:
        shutil.copyfile(data / file, folder / as_name)
        return as_name

    return copied


# The public set of each, and what writes its file.
FILES: dict[str, tuple[str, Write]] = {
    "wisdm": ("har-wisdm-watch", _wisdm),
    "strokes": ("magic-wand-digits", _strokes),
    "strokes-text-ids": ("magic-wand-digits", partial(_strokes, prefix="s")),
    "occupancy": ("occupancy", _copy_of("datatraining.txt", "occupancy.txt")),
    "ai4i2020": ("ai4i2020", _copy_of("ai4i2020.csv", "ai4i2020.csv")),
    "digits": ("fsdd", _copy_of("recordings.zip", "digits.zip")),
}
