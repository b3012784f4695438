"""What students are judged on, what is known of each, and what a kind of project offers to train them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from edgewright.schema.labelling import LabelAudit
from edgewright.schema.trace import Interval

Say = Callable[[str], None]


class Judges(msgspec.Struct, frozen=True):
    """Things whose true label people know, and that no student was fitted on.

    Attributes:
        source: where they are from, for people.
        things: sentences, or paths of files below `root`.
        truth: label of each; empty for none of the classes.
        root: folder of the files; None for sentences.
    """

    source: str
    things: tuple[str, ...]
    truth: tuple[str, ...]
    root: Path | None = None


class StudentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A student of one size.

    Attributes:
        name: of its size.
        bytes: of its weights and tables.
        own: right answers to labels that were held out of its fit, by whoever gave them; they choose what ships.
        accuracy: right answers to the judges, with their interval (Wilson, 95 %).
        file: model file or run folder, below the folder of students.
    """

    name: str
    bytes: int
    own: Interval
    accuracy: Interval
    file: str


class BroughtRow(msgspec.Struct, frozen=True, kw_only=True):
    """The model that gave the labels, on the same judges.

    Attributes:
        name: of the model, and how it gave the labels.
        bytes: of its weights.
        accuracy: as of a student.
    """

    name: str
    bytes: int
    accuracy: Interval


class Distilled(msgspec.Struct, frozen=True, kw_only=True):
    """What was trained from a label project.

    Attributes:
        project: its file.
        folder: of everything that was written.
        labels: labels by source, such as {'machine/descriptions': 900, 'human/ann': 100}.
        audit: of the machine's labels; those that it found wrong are trained on as people gave them.
        judged_by: what the accuracies were counted on; judges: how many things.
        brought: the model that gave the labels; None where people gave all, or words alone.
        students: the smallest first.
        ships: name of the student that ships.
        model, code: file or run folder of it, and the folder of its C.
        forms: of it that were proven to answer alike.
    """

    project: str
    folder: str
    labels: dict[str, int]
    audit: LabelAudit
    judged_by: str
    judges: int
    brought: BroughtRow | None
    students: tuple[StudentRow, ...]
    ships: str
    model: str
    code: str
    forms: tuple[str, ...]


class Fitted(msgspec.Struct, frozen=True):
    """A student: its file or run folder, bytes of its weights, and right answers to its own held-out labels."""

    path: Path
    bytes: int
    own: Interval


class Students(Protocol):
    """How a kind of project trains students."""

    sizes: tuple[str, ...]

    def fit(self, size: str, labels: Path, folder: Path, *, whole: bool) -> Fitted:
        """Fit a student on a file of labels; `whole` fits again on the labels that were held out to judge it."""
        ...

    def accuracy(self, path: Path, judges: Judges) -> Interval:
        """Return the share of the judges that a student answers right, in the form that a device gets."""
        ...

    def code(self, path: Path, name: str) -> dict[str, bytes]:
        """Return the C of a student, bytes by name of file."""
        ...

    def judges(self, path: Path) -> Judges:
        """Read things with their true labels."""
        ...
