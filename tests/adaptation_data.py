"""A pipeline whose people differ: what one class gives of the others' sensors is another class of theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

LABELS, COLUMNS = ("idle", "run", "walk"), 4
ODD = "p7"
_TOML = """\
name = "worn"
seed = 3
refit = false

[data]
kind = "csv"
path = "{path}"
target = "label"
group = "person"
ranges = {{ c0 = [-100, 100] }}

[split]
by = "group"
test_groups = ["p6", "p7"]

[[stages]]
kind = "scale"
method = "standard"

[[model.layers]]
kind = "dense"
units = 12

[training]
epochs = 20
batch = 16
learning_rate = 0.02

[adapt]
layer = "{layer}"
"""


def write_worn(folder: Path, layer: str) -> Path:
    """Write rows of eight people and the pipeline; the last wears the sensor so that walking looks like running."""
    rng = np.random.default_rng(4)
    middle = np.array([[0, 0, 0, 0], [4, 4, 0, -2], [0, 4, 4, 2]], float)
    lines = ["person,label,c0,c1,c2,c3"]
    for person in range(8):
        for number, label in enumerate(LABELS):
            center = middle[number] + rng.normal(0, 0.2, COLUMNS)
            if f"p{person}" == ODD and label == "walk":
                center = middle[1] + [1.0, -2.5, 2.5, 2.5]
            rows = center + rng.normal(0, 0.5, (40, COLUMNS))
            lines += [f"p{person},{label}," + ",".join(f"{value:.3f}" for value in row) for row in rows]
    file = folder / "worn.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    toml = folder / "worn.toml"
    toml.write_text(_TOML.format(path=file, layer=layer), encoding="utf-8")
    return toml
