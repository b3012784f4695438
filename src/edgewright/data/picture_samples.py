"""Picture files as samples of a package."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import numpy as np

from edgewright.core.errors import LabelsError, MissingFileError, PictureError, UnknownNameError
from edgewright.core.input.pictures import ENDINGS, Fit, fit_of, pixels, takes_pictures
from edgewright.core.input.recordings import parts
from edgewright.core.prediction_input import Answer, answered
from edgewright.core.predictor import Predictor
from edgewright.core.records.data import Floats
from edgewright.core.records.package import Centre, Manifest
from edgewright.data.contract import read_text, read_whole, stored_files


def answer_pictures(predictor: Predictor, path: Path) -> Iterator[Answer]:
    """Answer a picture, or all pictures of a folder or ZIP; `place` names the file.

    Args:
        predictor: that answers, of a package for pictures.
        path: path of the file, folder or ZIP.

    Raises:
        InputError: the package takes no pictures, or a file is none.
    """
    for samples, names in _pieces(path, predictor.manifest):
        yield from answered(predictor, samples, names)


def read_pictures(path: Path, manifest: Manifest) -> tuple[Floats, list[str]]:
    """Return pictures as samples, shape (n, *manifest.shape), and the name of each file.

    Args:
        path: path of the file, folder or ZIP.
        manifest: of a package for pictures.

    Raises:
        InputError: the package takes no pictures, or a file is none.
    """
    pieces = list(_pieces(path, manifest))
    return np.concatenate([samples for samples, _ in pieces]), [name for _, names in pieces for name in names]


def read_picture_examples(path: Path, manifest: Manifest) -> dict[str, Floats]:
    """Return pictures by label: the folder that a file lies in.

    Args:
        path: of a folder, or a ZIP of one, with a folder for each label.
        manifest: of a package for pictures.

    Raises:
        InputError: as `read_pictures`, or a picture outside of a folder with the name of a label.
    """
    samples, names = read_pictures(path, manifest)
    labels = np.array([PurePosixPath(name).parent.name for name in names])
    alone = next((name for name, label in zip(names, labels, strict=True) if not label), None)
    if alone is not None:
        raise LabelsError("a folder of pictures for each label", f"{alone} in none", str(path))
    return {str(label): samples[labels == label] for label in np.unique(labels)}


def _pieces(path: Path, manifest: Manifest) -> Iterator[tuple[Floats, list[str]]]:
    """Yield pictures a part at a time, and the names of their files."""
    if not takes_pictures(manifest):
        raise PictureError(
            "a package for pictures", f"samples of shape {manifest.shape}", manifest.name, "Pass a CSV file: --csv"
        )
    if not path.exists():
        raise MissingFileError("a picture, or a folder or ZIP of pictures", "no such file", str(path))
    colour, (height, width) = len(manifest.columns) == 3, manifest.shape[1:]
    at_once = next(parts((4096, *manifest.shape))).stop
    names: list[str] = []
    buffer = np.empty((at_once, *manifest.shape), np.float32)
    for name, content in stored_files(path, ENDINGS, "picture"):
        buffer[len(names)] = pixels(content, name, (height, width), colour=colour, fit=fit_of(manifest))
        names.append(name)
        if len(names) == at_once:
            yield buffer.copy(), names
            names = []
    if names:
        yield buffer[: len(names)].copy(), names


_FILE, _LABEL = ("file", "filename", "file_name", "image", "path"), ("label", "class", "category")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_SIZES = ("x", "y", "width", "height")


@dataclass(frozen=True)
class Box:
    """A box in pixels of the picture: its label, left, top, width and height, and where it is written."""

    label: str
    left: float
    top: float
    width: float
    height: float
    where: str


@dataclass(frozen=True)
class Boxes:
    """What a file of boxes says.

    Attributes:
        of: boxes by the name of their picture; none for a picture that is listed without one.
        where: name of the file.
        sizes: width and height of pictures, where the file has them.
    """

    of: Mapping[str, Sequence[Box]]
    where: str
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class _Image(msgspec.Struct):
    id: int
    file_name: str
    width: int = 0
    height: int = 0


class _Category(msgspec.Struct):
    id: int
    name: str


class _Annotation(msgspec.Struct):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]


class _Coco(msgspec.Struct):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation] = []


def read_boxes(path: Path) -> Boxes:
    """Read a COCO file (`.json`) or a CSV with file, label and x, y, width, height (or xmin, ymin, xmax, ymax).

    Raises:
        InputError: another form, a box without size, or of a picture or class that the file does not list.
    """
    return _coco(path) if path.suffix.lower() == ".json" else _table(path)


def _coco(path: Path) -> Boxes:
    try:
        read = msgspec.json.decode(read_whole(path, str(path)), type=_Coco)
    except msgspec.DecodeError as error:
        raise PictureError("a COCO file: images, categories, annotations", str(error), str(path)) from None
    names = {image.id: image.file_name for image in read.images}
    labels = {category.id: category.name for category in read.categories}
    boxes: dict[str, list[Box]] = {name: [] for name in names.values()}
    if len(boxes) < len(read.images):
        raise LabelsError("each picture once", f"{len(read.images) - len(boxes)} ids or names twice", str(path))
    for number, annotation in enumerate(read.annotations):
        where = f"{path.name} annotations[{number}]"
        if annotation.image_id not in names:
            raise PictureError("the id of a listed picture", str(annotation.image_id), where)
        if annotation.category_id not in labels:
            raise PictureError("the id of a listed category", str(annotation.category_id), where)
        boxes[names[annotation.image_id]].append(_checked(Box(labels[annotation.category_id], *annotation.bbox, where)))
    sizes = {image.file_name: (image.width, image.height) for image in read.images if image.width and image.height}
    return Boxes(boxes, path.name, sizes)


def _table(path: Path) -> Boxes:
    columns, lines = read_text(path)
    lower = {name.lower().strip(): name for name in columns}
    file = next((lower[name] for name in _FILE if name in lower), "")
    label = next((lower[name] for name in _LABEL if name in lower), "")
    numbers = next((names for names in (_CORNERS, _SIZES) if all(name in lower for name in names)), ())
    for name, there in (("file", file), ("label", label), ("x, y, width, height", numbers)):
        if not there:
            raise UnknownNameError("column", name, list(columns), path.name)
    boxes: dict[str, list[Box]] = {}
    for row, line in enumerate(lines):
        where = f"{path.name} line {line}"
        cells = [str(columns[lower[name]][row]).strip() for name in numbers]
        mine = boxes.setdefault(str(columns[file][row]), [])
        # A line with a file alone lists a picture without objects.
        if str(columns[label][row]).strip() or any(cells):
            mine.append(_checked(_box(str(columns[label][row]).strip(), cells, numbers == _CORNERS, where)))
    return Boxes(boxes, path.name)


def _box(label: str, cells: Sequence[str], corners: bool, where: str) -> Box:
    try:
        left, top, width, height = (float(cell) for cell in cells)
    except ValueError:
        raise PictureError("four numbers of a box", ", ".join(map(repr, cells)), where) from None
    if corners:
        width, height = width - left, height - top
    return Box(label, left, top, width, height, where)


def _checked(box: Box) -> Box:
    numbers = (box.left, box.top, box.width, box.height)
    if not all(map(math.isfinite, numbers)) or box.width <= 0 or box.height <= 0:
        raise PictureError("a box with a width and a height", ", ".join(f"{n:g}" for n in numbers), box.where,
                         "Correct or remove it")  # fmt: skip
    if not box.label:
        raise LabelsError("the label of the box", "none", box.where)
    return box


class Placing:
    """Centres of boxes in resized pictures; boxes outside of their picture or listed twice are counted and refused.

    Args:
        boxes: of the pictures.
        fit: how pictures are resized.
        size: height and width that they are resized to.
    """

    def __init__(self, boxes: Boxes, fit: Fit, size: tuple[int, int]) -> None:
        self.boxes, self._fit, self._size = boxes, fit, size
        self._outside: list[str] = []
        self._cut: list[str] = []
        self._twice: list[str] = []
        self._count = 0

    def name_of(self, picture: str) -> str | None:
        """Return the name under which the file lists a picture; None where it does not."""
        return next((name for name in (picture, Path(picture).name) if name in self.boxes.of), None)

    def centres(self, name: str, picture: tuple[int, int]) -> tuple[Centre, ...]:
        """Return the objects of a picture.

        Args:
            name: as the file lists it.
            picture: its width and height before it is resized.

        Raises:
            InputError: the file says another size.
        """
        listed_size = self.boxes.sizes.get(name, picture)
        if listed_size != picture:
            raise LabelsError(
                f"a picture of {listed_size[0]} x {listed_size[1]} pixels, as {self.boxes.where} says",
                f"{picture[0]} x {picture[1]}", name, "Use the pictures that the boxes were drawn on",
            )  # fmt: skip
        objects, before = [], set()
        for box in self.boxes.of[name]:
            self._count += 1
            box_key = (box.label, box.left, box.top, box.width, box.height)
            if box_key in before:
                self._twice.append(box.where)
            before.add(box_key)
            x, y = box.left + box.width / 2, box.top + box.height / 2
            if not (0 <= x < picture[0] and 0 <= y < picture[1]):
                self._outside.append(box.where)
                continue
            across, down = placed((x, y), picture, self._size, self._fit)
            if not (0 <= across < 1 and 0 <= down < 1):
                self._cut.append(box.where)
                continue
            objects.append(Centre(label=box.label, x=across, y=down))
        return tuple(objects)

    def finish(self, seen: Sequence[str]) -> None:
        """Refuse what was not placed.

        Args:
            seen: names of the pictures that were read, as the file lists them.

        Raises:
            InputError: boxes outside of their picture or of what is kept of it, boxes that are listed twice, or listed
                pictures that are not there.
        """
        if not any(self.boxes.of.values()):
            raise PictureError("at least one box around an object", "none", self.boxes.where)
        for some, of, do in (
            (self._outside, "its picture", "Correct or remove them"),
            (self._cut, "the middle of the picture that fit = 'crop' keeps", "Set fit = 'pad' or 'stretch'"),
        ):
            if some:
                got = f"{len(some):,} of {self._count:,} outside, the first one"
                raise LabelsError(f"boxes with their centre within {of}", got, some[0], do)
        if self._twice:
            got = f"{len(self._twice):,} of {self._count:,} twice, the first one"
            raise PictureError("each box once", got, self._twice[0], "Remove them: one object would count twice")
        absent = sorted(set(self.boxes.of) - set(seen))
        if absent:
            raise LabelsError(
                "the pictures that the boxes are of", f"{len(absent):,} of {len(self.boxes.of):,} missing: {absent[0]}",
                self.boxes.where, "Add them, or remove them from the file",
            )  # fmt: skip


def placed(
    point: tuple[float, float], picture: tuple[int, int], size: tuple[int, int], fit: Fit
) -> tuple[float, float]:
    """Return a point of a picture as shares of the width and height of the resized one.

    Args:
        point: in pixels, from the left and from the top.
        picture: width and height.
        size: height and width that it is resized to.
        fit: as of `pixels`.
    """
    scale: Any = np.array([size[1] / picture[0], size[0] / picture[1]])
    if fit == "crop":
        scale[:] = scale.max()
    elif fit == "pad":
        scale[:] = scale.min()
    wide = np.array([size[1], size[0]], np.float64)
    x, y = ((np.array(point) - np.array(picture) / 2) * scale + wide / 2) / wide
    return float(x), float(y)


TARGET = "objects"
"""Name of such a target."""
_DIGITS = 4
_Centres = msgspec.json.Decoder(tuple[Centre, ...])


def centres_text(centres: Iterable[Centre]) -> str:
    """Return objects as text; '[]' for a picture without any."""
    rounded = [(centre.label, round(centre.x, _DIGITS), round(centre.y, _DIGITS)) for centre in centres]
    return msgspec.json.encode(rounded).decode()


def read_centres(texts: Iterable[object]) -> list[tuple[Centre, ...]]:
    """Return the objects of each picture.

    Raises:
        InputError: another kind of target.
    """
    try:
        return [_Centres.decode(str(text)) for text in texts]
    except msgspec.DecodeError:
        raise PictureError(
            "objects with their centres", "another target", "task = 'detection'",
            "Load pictures with boxes: [data] kind = 'pictures', boxes = 'FILE'",
        ) from None  # fmt: skip


def object_labels(centres: Sequence[Sequence[Centre]]) -> tuple[str, ...]:
    """Return the labels of all objects, sorted.

    Raises:
        InputError: there is no object.
    """
    labels = tuple(sorted({centre.label for some in centres for centre in some}))
    if not labels:
        raise PictureError("at least one object in the pictures", "none", "the target", "Check the file of boxes")
    return labels
