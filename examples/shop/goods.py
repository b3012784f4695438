"""Photographs of goods."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.input.pictures import pixels
from edgewright.core.records.data import DataSet, Recording
from edgewright.data import set_files as files
from edgewright.data.contract import Source, SourceConfig
from edgewright.data.sources.pictures import Side, picture_columns

_PARTS = ("train", "val", "test")
# Of each class, so many runs of neighbouring photographs: a shelf is often photographed several times.
_RUNS = 10


class GroceryConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Grocery store images.

    Attributes:
        target: 'fine' (81 goods) or 'coarse' (42 kinds of goods).
        part: 'train', 'val', 'test' or 'all', the official parts.
        height, width: pixels that every picture is resized to.
    """

    target: Literal["fine", "coarse"] = "fine"
    part: Literal["train", "val", "test", "all"] = "all"
    height: Side = 96
    width: Side = 96


def _cells(path: Path) -> list[list[str]]:
    """Read the cells of each line of a CSV file."""
    return list(csv.reader(io.StringIO(files.read_text(path), newline="")))


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """File and fine class of each line."""
    for number, cells in enumerate(_cells(path), 1):
        cells = [c.strip() for c in cells]
        if not cells or cells[0] == "file":
            continue
        if len(cells) < 3 or not cells[1].isdigit() or not cells[2].isdigit():
            raise InputError("a file and two classes", repr(",".join(cells)), f"{path} line {number}")
        yield cells[0], cells[1]


def _classes(folder: Path) -> dict[str, tuple[str, str]]:
    """Fine and coarse name by fine class."""
    path = files.need_files(folder, "classes.csv")[0]
    rows = _cells(path)[1:]
    if any(len(row) < 3 for row in rows):
        raise InputError("a name, a class and a coarse name a line", "fewer", str(path))
    return {row[1]: (row[0], row[2]) for row in rows}


def _contents(part: str, list_path: Path, wanted: list[str]) -> Iterator[bytes]:
    archive = list_path.with_name(f"{part}.zip")
    if archive.is_file():
        with zipfile.ZipFile(archive) as packed:
            places = {Path(name).name: name for name in packed.namelist()}
            for name in wanted:
                if name not in places:
                    raise InputError(f"the picture {name}", "none of that name", str(archive), "Fetch the set again")
                yield packed.read(places[name])
    else:
        for name in wanted:
            yield files.read_bytes(list_path.parent / name)


def _load_grocery(config: GroceryConfig, folder: Path) -> DataSet:
    """Grocery store images: photographs of goods taken by phone, 81 fine classes in 42 coarse ones.

    Plain copy: `train.csv`, `val.csv` (file, fine, coarse, original), `classes.csv`, `train.zip`, `val.zip`. Original:
    `dataset/train.txt`, `val.txt`, `test.txt` (path, fine, coarse), `classes.csv` and the pictures at those paths.
    """
    names = _classes(folder)
    lists = files.need_files(folder, *(f"{part}.{ending}" for part in _PARTS for ending in ("csv", "txt")))
    values, target, groups, sessions = [], [], [], []
    for path in sorted(lists, key=lambda path_of_list: _PARTS.index(files.stem(path_of_list))):
        part = files.stem(path)
        if config.part not in ("all", part):
            continue
        lines = list(_lines(path))
        unknown = next((fine for _, fine in lines if fine not in names), None)
        if unknown is not None:
            raise InputError("a class that classes.csv names", unknown, str(path))
        for (name, _), content in zip(lines, _contents(part, path, [name for name, _ in lines]), strict=True):
            values.append(pixels(content, name, (config.height, config.width), colour=True))
        target += [names[fine][config.target == "coarse"] for _, fine in lines]
        groups += _runs(part, [fine for _, fine in lines])
        sessions += [f"{part}/{name}" for name, _ in lines]
    if not values:
        raise InputError(f"the part {config.part!r}", "no list of its pictures", str(folder))
    recording = Recording(
        name="pictures",
        values=np.stack(values).astype(np.float32),
        target=np.array(target),
        groups=np.array(groups),
        sessions=np.array(sessions),
    )
    return DataSet(
        name="grocery",
        columns=picture_columns(True),
        recordings=(recording,),
        target_name=config.target,
        group_name="part",
    )


def _runs(part: str, fine: list[str]) -> list[str]:
    """Return the group of each picture: the part, of training with a tenth of each class in the order of the list."""
    if part != "train":
        return [part] * len(fine)
    total = {name: fine.count(name) for name in set(fine)}
    seen = dict.fromkeys(total, 0)
    groups = []
    for name in fine:
        groups.append(f"train-{seen[name] * _RUNS // total[name]}")
        seen[name] += 1
    return groups


SOURCES: dict[str, Source[Any]] = {
    "grocery": files.folder_source(
        _load_grocery,
        GroceryConfig,
        origin="https://github.com/marcusklasson/GroceryStoreDataset",
        licence="MIT",
        citation=(
            "Klasson, Zhang, Kjellström: A Hierarchical Grocery Store Image Dataset with Visual and Semantic "
            "Labels. WACV 2019."
        ),
        whole=True,
    ),
}
