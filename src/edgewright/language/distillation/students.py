"""Students of pictures and sounds: small convolutions of the race at several widths, in int8."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from edgewright.core.errors import CheckFailedError, InputError
from edgewright.core.files import write_atomic
from edgewright.core.package import read_package
from edgewright.core.records.config import PipelineConfig, WindowConfig
from edgewright.core.records.data import LabelAudit
from edgewright.core.records.trace import Interval
from edgewright.data.labels import read_marks, read_name
from edgewright.data.load import load_data
from edgewright.data.table_proposal import choose_framing
from edgewright.export.c99_language.student import write_language_c99
from edgewright.export.contract import find_target, read_subject
from edgewright.language.embedding import Encoder
from edgewright.language.embedding.directory import Remembering
from edgewright.language.intents.material import Teacher
from edgewright.language.intents.network import size_of
from edgewright.language.intents.train import How
from edgewright.language.training import train
from edgewright.language.utterances import read, read_judged
from edgewright.nlp.documents.media import Kind, files_of
from edgewright.nlp.records import OUT_OF_SCOPE
from edgewright.nlp.utterance.parse import Understanding, read_language, write_language
from edgewright.pipeline.config import checked
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan, resolve
from edgewright.pipeline.run import run_pipeline
from edgewright.pipeline.run_folder.store import goes_on
from edgewright.race.pipeline_end import entrant_of
from edgewright.race.problem import candidates, problem_of_training
from edgewright.training.metrics import wilson
from edgewright.workflows.own_data.proposal import DEVICE
from edgewright.workflows.own_data.recipes import changed, recipe_of
from edgewright.workflows.scoring.rows import ScoreRequest
from edgewright.workflows.scoring.workflow import score_package

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


# Widths of the layers, as shares of the candidate's own.
WIDTHS = {"narrow": 0.25, "medium": 0.5, "wide": 1.0}
# Source of the files, and the candidate whose network is fitted.
_SOURCES: dict[Kind, tuple[str, str]] = {
    "picture": ("pictures", "large_convolutions"),
    "sound": ("wav", "sound_convolutions"),
}
_FEWEST_FILTERS = 4


class MediaStudents:
    """Students of the files of a project.

    Args:
        kind: of the files.
        root: folder of them.
        limit: error rate of the machine's labels that an audit must confirm.
        seed: of the fits.
    """

    sizes: tuple[str, ...] = tuple(WIDTHS)

    def __init__(self, kind: Kind, root: Path, limit: float, seed: int) -> None:
        self._kind, self._root, self._limit, self._seed = kind, root, limit, seed

    def fit(self, size: str, labels: Path, folder: Path, *, whole: bool) -> Fitted:
        """Run the pipeline of a width; a fifth of the files tests it, and with `whole` the package is fitted on all.

        Raises:
            CheckFailedError: int8 loses too much, or the model does not fit a Cortex-M4.
            InputError: files or labels that cannot be trained on.
        """
        config = self._config(size, labels, whole)
        going_on = goes_on(folder, size, resolve(config).sha256)
        try:
            result = run_pipeline(config, out=folder, force=True, resume=going_on)
        except InputError:
            if not going_on:
                raise
            # What was stopped was trained on other labels: it begins anew.
            result = run_pipeline(config, out=folder, force=True)
        if result.package is None:
            raise CheckFailedError(f"the student {size} has no package: {result.refused}",
                                   do=f"See it: edgewright show {result.folder}")  # fmt: skip
        form = read_package(result.package).manifest.default
        compression, evaluation = result.trace.compression, result.trace.evaluation
        variant = compression.form(form) if compression is not None else None
        size_bytes = result.package.stat().st_size if variant is None else variant.weight_bytes
        accuracy = None if evaluation is None else evaluation.accuracy
        return Fitted(result.folder, size_bytes, accuracy or wilson(0, 0))

    def _config(self, size: str, labels: Path, whole: bool) -> PipelineConfig:
        source, candidate = _SOURCES[self._kind]
        data: dict[str, object] = {"kind": source, "path": str(self._root), "labels": str(labels)}
        dataset = load_data(data, seed=self._seed)
        window = choose_framing(dataset).window
        table: dict[str, Any] = {
            "name": size, "seed": self._seed, "refit": whole, "data": {**data, "label_errors": self._limit},
            "split": {"by": "row" if window is None else "session"}, "device": {"profile": DEVICE},
        }  # fmt: skip
        if window is not None:
            table["window"] = changed(window, WindowConfig(samples=0))
        base = msgspec.structs.replace(checked(table, size), stages=())
        problem = problem_of_training(prepare(data_plan(checked(table, size)), None, dataset))
        tables = recipe_of(entrant_of(size, candidates()[candidate], problem, base)).tables
        for layer in tables["model"]["layers"]:
            if "filters" in layer:
                layer["filters"] = max(_FEWEST_FILTERS, round(layer["filters"] * WIDTHS[size]))
        return checked({**table, **tables}, size)

    def accuracy(self, path: Path, judges: Judges) -> Interval:
        """Return the share of right answers; a file that is none of the classes is always answered wrong."""
        known = [(thing, truth) for thing, truth in zip(judges.things, judges.truth, strict=True) if truth]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([("file", "label"), *known])
        marks = path.parent / f".{path.name}.judges.csv"
        write_atomic(marks, text.getvalue().encode())
        try:
            settings = {"labels": str(marks)}
            source = _SOURCES[self._kind][0]
            score = score_package(path, ScoreRequest(str(judges.root), kind=source, settings=settings))
        finally:
            marks.unlink(missing_ok=True)
        share = score.figures["accuracy"].value
        return wilson(round(share * score.samples), score.samples + len(judges.things) - len(known))

    def code(self, path: Path, name: str) -> dict[str, bytes]:
        """Return the C of the package."""
        return find_target("c99").files(read_subject(path))

    def judges(self, path: Path) -> Judges:
        """Read a folder with a folder for each label, or a CSV with file,label beside the files."""
        if path.is_dir():
            names = [file.relative_to(path).as_posix() for file in files_of(path, self._kind)]
            return Judges(str(path), tuple(names), tuple(read_name(name, "").label for name in names), path)
        marks = read_marks(path).marks
        return Judges(str(path), tuple(mark.file for mark in marks), tuple(mark.label for mark in marks), path.parent)


SIZES = ("4kB", "8kB", "16kB", "32kB", "64kB")


class TextStudents:
    """Students of the sentences of a project.

    Args:
        encoder: that gave the labels and is the teacher; None where there is none.
        unsure: sentences without a label, which only a teacher can use.
        seed: of the fits.
        say: told what is done.
    """

    sizes: tuple[str, ...] = SIZES

    def __init__(self, encoder: Encoder | None, unsure: Sequence[str], seed: int, say: Say) -> None:
        # What one size asks of the encoder, the next one need not ask again.
        self._teacher = None if encoder is None else Teacher(Remembering(encoder))
        self._unsure, self._seed, self._say = unsure if encoder else (), seed, say

    def fit(self, size: str, labels: Path, folder: Path, *, whole: bool) -> Fitted:
        """Write `SIZE.language`; it is always fitted on all labels, and judged by fits without a fifth of them.

        Raises:
            InputError: an intent with too few sentences, or a size without room.
        """
        how = How(size=size_of(size), seed=self._seed)
        understood = train(read(labels), how, name=size, teacher=self._teacher, unlabelled=self._unsure)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{size}.language"
        write_language(path, understood.spec, understood.arrays)
        share = understood.spec.trained["as_answered"]
        own = wilson(round(share["value"] * understood.spec.trained["judged"]), understood.spec.trained["judged"])
        return Fitted(path, understood.trained.bytes, own)

    def accuracy(self, path: Path, judges: Judges) -> Interval:
        """Return the share of right answers; a refusal is right where the sentence is none of the classes only."""
        understanding = Understanding.load(path)
        answers = (understanding.parse(text).intent for text in judges.things)
        right = sum((answer if answer != OUT_OF_SCOPE else "") == truth
                    for answer, truth in zip(answers, judges.truth, strict=True))  # fmt: skip
        return wilson(right, len(judges.things))

    def code(self, path: Path, name: str) -> dict[str, bytes]:
        """Return NAME.h and NAME.c: the whole model."""
        spec, arrays = read_language(path)
        word = re.sub(r"\W", "_", name, flags=re.ASCII)[:40]
        word = word if word[:1].isalpha() else f"m_{word}"[:40]
        return {file: text.encode() for file, text in write_language_c99(spec, arrays, name=word).items()}

    def judges(self, path: Path) -> Judges:
        """Read a file of utterances, in each form that `language train` reads."""
        utterances, _ = read_judged(path)
        truth = ("" if utterance.intent == OUT_OF_SCOPE else utterance.intent for utterance in utterances)
        return Judges(str(path), tuple(utterance.text for utterance in utterances), tuple(truth))
