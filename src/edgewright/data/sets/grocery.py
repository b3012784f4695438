"""Grocery store images: photographs of goods taken by phone, 81 fine classes in 42 coarse ones, with descriptions.

Plain copy: `train.csv`, `val.csv` (file, fine, coarse, original), `classes.csv`, `train.zip`, `val.zip`,
`descriptions.zip`. Original: `dataset/train.txt`, `val.txt`, `test.txt` (path, fine, coarse) and `classes.csv`. A row
is a picture with its class; the pictures are JPEG files, which are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgewright.data.contract import Documented, PublicText
from edgewright.data.sets import _files as files
from edgewright.schema.data import TextSet
from edgewright.schema.errors import InputError


def _pictures(path: Path) -> Iterator[tuple[str, str, str]]:
    """File, fine class and coarse class of each line."""
    for number, cells in enumerate(files.read_rows(path), 1):
        cells = [c.strip() for c in cells]
        if not cells or cells[0] == "file":
            continue
        if len(cells) < 3 or not cells[1].isdigit() or not cells[2].isdigit():
            raise InputError("a file and two classes", repr(",".join(cells)), f"{path} line {number}")
        yield cells[0], cells[1], cells[2]


def _classes(folder: Path) -> dict[str, tuple[str, str]]:
    """Fine and coarse name by fine class."""
    path = files.need_files(folder, "classes.csv")[0]
    rows = files.read_rows(path)[1:]
    if any(len(row) < 3 for row in rows):
        raise InputError("a name, a class and a coarse name a line", "fewer", str(path))
    return {row[1]: (row[0], row[2]) for row in rows}


def _load(folder: Path) -> TextSet:
    names = _classes(folder)
    lists = files.need_files(folder, "train.csv", "val.csv", "train.txt", "val.txt", "test.txt")
    rows = []
    for path in lists:
        for file, fine, coarse in _pictures(path):
            if fine not in names:
                raise InputError("a class that classes.csv names", fine, str(path))
            rows.append((files.stem(path), file, fine, coarse, *names[fine]))
    return TextSet(
        name="grocery",
        columns=("part", "file", "fine", "coarse", "fine_name", "coarse_name"),
        rows=tuple(rows),
    )


TEXT = PublicText(
    title="Grocery store images: the list of pictures with their classes",
    homepage="https://github.com/marcusklasson/GroceryStoreDataset",
    url="https://github.com/marcusklasson/GroceryStoreDataset/archive/HEAD.zip",
    check="every picture has a class that classes.csv names",
    licence="MIT",
    citation="Klasson, Zhang, Kjellström: A Hierarchical Grocery Store Image Dataset with Visual and Semantic Labels. "
    "WACV 2019.",
    task="pictures of goods: 81 classes in 42 coarse ones",
    loader=_load,
    folder="grocery",
    documented=(Documented("plain copy, train and val", rows=2_936),),
)
