"""The files that a stranger holds: a CSV of rows, of windows' rows or of recordings, a folder of sounds or pictures."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from benchmarks.default.content import Items, Mask, Table

# Column of the label or amount, and of the person, in the files of items.
TARGET, GROUP = "label", "person"


def write(kind: str, content: Table | Items, folder: Path) -> tuple[Path, Path]:
    """Write the samples that do not test, and those that test.

    Args:
        kind: of the set.
        content: of the set.
        folder: that is there.

    Returns:
        Paths of both.
    """
    if isinstance(content, Table):
        paths = folder / "train.csv", folder / "test.csv"
        for path, rows in zip(paths, (~content.test, content.test), strict=True):
            content.frame.filter(pl.Series(rows)).write_csv(path)
        return paths
    if kind in ("sounds", "pictures"):
        places = folder / "train", folder / "test"
        for part_folder, rows in zip(places, (~content.test, content.test), strict=True):
            _write_items(kind, content, rows, part_folder)
        return places
    paths = folder / "train.csv", folder / "test.csv"
    for path, rows in zip(paths, (~content.test, content.test), strict=True):
        _recordings(content, rows).write_csv(path)
    return paths


def is_wide(items: Items) -> bool:
    """Return whether a recording is a row of the file: one channel, all of one length."""
    return len({x.shape for x in items.X}) == 1 and len(items.X[0]) == 1


def _recordings(items: Items, rows: Mask) -> pl.DataFrame:
    """Return recordings as a row each, or as rows one after the other with the number of their recording."""
    chosen: list[int] = np.flatnonzero(rows).tolist()
    if is_wide(items):
        length = items.X[0].shape[1]
        values = np.concatenate([items.X[row] for row in chosen])
        frame = pl.DataFrame(values, schema=[f"t{n}" for n in range(length)])
        groups = [] if items.groups is None else [pl.Series(GROUP, items.groups[chosen])]
        return frame.with_columns(*groups, pl.Series(TARGET, items.y[chosen]))
    parts = []
    for row in chosen:
        part = pl.DataFrame(items.X[row].T, schema=[f"channel{n}" for n in range(len(items.X[row]))])
        label = items.y[row] if isinstance(items.y[row], float) else str(items.y[row])
        parts.append(part.select(pl.lit(row).alias("recording"), pl.all(), pl.lit(label).alias(TARGET)))
    return pl.concat(parts)


def _write_items(kind: str, items: Items, rows: Mask, folder: Path) -> None:
    """Write each item below a folder of its label; with persons, all in one folder with both in their names."""
    for row in np.flatnonzero(rows).tolist():
        name = f"{row:05d}" if items.groups is None else f"{items.y[row]}_{items.groups[row]}_{row:05d}"
        label_folder = folder / str(items.y[row]) if items.groups is None else folder
        label_folder.mkdir(parents=True, exist_ok=True)
        if kind == "pictures":
            Image.fromarray(items.X[row]).save(label_folder / f"{name}.png")
            continue
        with wave.open(str(label_folder / f"{name}.wav"), "wb") as sound:
            sound.setparams((1, 2, items.rate_hz, 0, "NONE", ""))
            sound.writeframes(np.clip(np.round(items.X[row] * 32768), -32768, 32767).astype("<i2").tobytes())
