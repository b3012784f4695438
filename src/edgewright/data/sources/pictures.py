"""Pictures: a folder or ZIP of JPEG, PNG and other files; each is a row with a label, or with objects in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import FileTooLargeError, LabelsError, OptionsConflictError
from edgewright.core.input.pictures import ENDINGS, Fit, measured_pixels
from edgewright.core.records.data import Column, DataSet, Floats, Recording
from edgewright.data.contract import LABELS_FILE, Source, SourceConfig, need_path, stored_files
from edgewright.data.labels import Marks, Meaning, read_marks, read_name
from edgewright.data.near_duplicates import find_bursts
from edgewright.data.picture_samples import TARGET as OBJECTS
from edgewright.data.picture_samples import Placing, centres_text, read_boxes
from edgewright.data.table_reader import readable

SMALLEST_SIDE = 8
Side = Annotated[int, msgspec.Meta(ge=SMALLEST_SIDE, le=1024)]
_BYTES = 8 * 2**30
COLOURS = ("red", "green", "blue")


class PicturesConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of pictures.

    Attributes:
        height, width: pixels that every picture is resized to.
        colour: red, green and blue; otherwise grey.
        fit: 'crop' takes the middle of the same shape, 'stretch' all of it, 'pad' all of it between black edges.
        pattern: what the parts of a file's name mean, such as {label}_{group}_{index}; left out, the folder a file lies
            in is its label.
        labels: path of a CSV with file,label (and group); pictures that it does not name have no label. A file
            labels.csv in the folder is used if labels, boxes and pattern are left out.
        boxes: path of boxes around objects, for task = 'detection': a COCO file, or a CSV with
            file,label,x,y,width,height in pixels. Pictures that it does not list have no label.
        bursts: near-duplicate pictures of one label are one session, which `split.by = "session"` keeps on one side.
        skip_bad_rows: leave out pictures that cannot be read; more than 5 % are an error.
    """

    height: Side = 96
    width: Side = 96
    colour: bool = True
    fit: Fit = "crop"
    pattern: str = ""
    labels: str = ""
    boxes: str = ""
    bursts: bool = False
    skip_bad_rows: bool = False


def picture_columns(colour: bool) -> tuple[Column, ...]:
    """Return the channels of a picture: values from 0 to 255."""
    return tuple(Column(name=name, minimum=0.0, maximum=255.0) for name in (COLOURS if colour else ("grey",)))


def _by_file(marks: Marks) -> dict[str, Meaning]:
    meanings: dict[str, Meaning] = {}
    for mark in marks.marks:
        if not mark.file or mark.start:
            raise LabelsError("a file and its label in each line", "a line without file, or with a start", mark.where)
        before = meanings.get(mark.file)
        if before is not None and before.label != mark.label:
            raise LabelsError(f"one label of {mark.file}", f"{before.label!r} and {mark.label!r}", mark.where)
        meanings[mark.file] = Meaning(label=mark.label, group=mark.group, session=mark.session)
    return meanings


def _floats(pictures: list[NDArray[np.uint8]]) -> Floats:
    """Return pictures as one array; the list is emptied meanwhile, so that none is held twice."""
    array = np.empty((len(pictures), *pictures[0].shape), np.float32)
    while pictures:
        last = pictures.pop()
        array[len(pictures)] = last
    return array


def load(config: PicturesConfig, seed: int) -> DataSet:
    """Read the pictures; the seed is not used."""
    path = need_path(config.path, "a folder of pictures, or a ZIP of them")
    if config.labels and config.boxes:
        raise OptionsConflictError("labels or boxes", "both", "[data]", "Boxes carry the labels of what is in them")
    labels_file = Path(config.labels) if config.labels else path / LABELS_FILE
    is_labelled = bool(config.labels) or (labels_file.is_file() and not config.boxes and not config.pattern)
    marks = _by_file(read_marks(labels_file)) if is_labelled else None
    placing = None
    if config.boxes:
        placing = Placing(read_boxes(Path(config.boxes)), config.fit, (config.height, config.width))
    names: list[str] = []
    values, meanings, listed = [], [], []
    size = (config.height, config.width)
    each = 4 * config.height * config.width * (3 if config.colour else 1)

    def read(name: str, content: bytes) -> tuple[str, NDArray[np.uint8], tuple[int, int]]:
        return name, *measured_pixels(content, name, size, colour=config.colour, fit=config.fit)

    stored = stored_files(path, ENDINGS, "picture")
    for name, array, before in readable(stored, read, config.path, "picture", skip=config.skip_bad_rows):
        meaning = read_name(name, config.pattern)
        if marks is not None:
            meaning = marks.get(name) or marks.get(Path(name).name) or Meaning()
        if placing is not None:
            known = placing.name_of(name)
            listed += [known] if known else []
            label = centres_text(placing.centres(known, before)) if known else ""
            meaning = msgspec.structs.replace(meaning, label=label)
        names.append(name)
        meanings.append(meaning)
        values.append(array)
        if each * len(values) > _BYTES:
            raise FileTooLargeError(
                f"at most {_BYTES // each:,} pictures of this size, {_BYTES >> 30} GiB in memory", "more", config.path,
                "Use smaller pictures (height, width), grey ones, or fewer",
            )  # fmt: skip
    if placing is not None:
        placing.finish(listed)
    labels = [meaning.label for meaning in meanings]
    if not any(labels):
        do = f"Its files must be those below {config.path}"
        if not config.labels and not config.boxes:
            do = "Name a CSV with file,label: labels"
        raise LabelsError("a folder for each label, or labels", "no label", config.labels or config.path, do)
    grouped = all(meaning.group for meaning in meanings)
    pictures, sessions = _floats(values), np.array(names)
    if config.bursts:
        sessions = sessions[find_bursts(pictures, np.array(labels))]
    recording = Recording(
        name=path.name,
        values=pictures,
        target=np.array(labels),
        groups=np.array([meaning.group for meaning in meanings]) if grouped else None,
        sessions=sessions,
    )
    return DataSet(
        name=path.stem,
        columns=picture_columns(config.colour),
        recordings=(recording,),
        target_name=OBJECTS if config.boxes else "label",
        group_name="group" if grouped else "",
        origin=config.path,
    )


SOURCE = Source(config=PicturesConfig, load=load, whole=True)
