"""A folder of recordings with a labels file, in a folder of the studio: two channels, two activities, two people."""

from __future__ import annotations

from pathlib import Path

import numpy as np

HOSTILE = "<img src=x onerror=window.harmed=1>\"'&{{7*7}}"
RATE, ROWS = 50, 600
NAMES = ("one.csv", "two.csv", "three.csv", "four.csv")
TOML = """\
name = "moved"
refit = false
seed = 2

[data]
kind = "folder"
path = "{path}"
rate = {rate}

[window]
samples = 50
step = 25

[split]
by = "group"

[[stages]]
kind = "statistics"

[[stages]]
kind = "scale"
method = "standard"

[[model.layers]]
kind = "dense"
units = 4

[training]
epochs = 2
"""


def write_recordings(folder: Path, columns: tuple[str, str] = ("x", "y")) -> Path:
    """Four recordings of twelve seconds: six of shaking, six of rest."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(5)
    time = np.arange(ROWS) / RATE
    for name in NAMES:
        loud = np.where(time < 6, 1.0, 0.1)
        values = np.stack([loud * np.sin(12 * time), loud * generator.normal(size=ROWS)], 1)
        head = ",".join('"' + column.replace('"', '""') + '"' for column in columns)
        lines = [head, *(f"{a:.4f},{b:.4f}" for a, b in values)]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_labels(folder: Path) -> Path:
    """Return events in seconds, with the person and a column that nobody knows."""
    lines = ["file,start,end,label,person,note"]
    for i, name in enumerate(NAMES):
        lines += [f'{name},0,6,shake,p{i},"a, b"', f"{name},6,12,rest,p{i},"]
    path = folder / "labels.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_toml(path: Path, folder: Path) -> Path:
    """Return a pipeline over the folder."""
    path.write_text(TOML.format(path=folder, rate=RATE), encoding="utf-8")
    return path
