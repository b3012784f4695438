"""Students of several sizes on the audited labels of a project; the smallest that is as good as the best ships.

Each finished student is written down with a hash of what it was trained and judged on, so that a stopped command goes
on with the next one.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec
import numpy as np

from edgewright.core.archive import decode_versioned
from edgewright.core.errors import CheckFailedError, InputError, LabelsError, OutputError
from edgewright.core.files import os_errors, write_atomic
from edgewright.core.records.data import MACHINE
from edgewright.data.audited_labels import refuse_unaudited
from edgewright.data.contract import read_whole
from edgewright.export.write import write_files
from edgewright.language.distillation.students import (
    BroughtRow,
    Distilled,
    Judges,
    Say,
    StudentRow,
    Students,
    TextStudents,
)
from edgewright.language.embedding import Encoder
from edgewright.language.labelling.audit import answered_sample, audited
from edgewright.language.labelling.project import Project
from edgewright.language.labelling.review import export, labels_of
from edgewright.language.labelling.suggesters import suggester_of
from edgewright.language.labelling.suggestion_round import given_of
from edgewright.language.labelling.vectors import encoded, trainable, vectors_of
from edgewright.nlp.utterance.student import Encodes
from edgewright.nlp.utterance.values import normalised
from edgewright.training.metrics import Z95, wilson
from edgewright.workflows.proof.workflow import prove_place


def students_of(project: Project, encoder: Encodes | None, limit: float, seed: int, say: Say) -> Students:
    """Return the students of a project.

    Args:
        project: with its labels.
        encoder: that gave them; None for words alone.
        limit: error rate of the machine's labels that the audit must confirm.
        seed: of the fits.
        say: told what is done.

    Raises:
        InputError: a kind of project that has none.
    """
    role = trainable(project)
    if role == "text":
        known = labels_of(project).keys() | answered_sample(project).keys()  # none of the classes judges too
        unsure = [item.content for item in project.items() if item.id not in known]
        return TextStudents(cast("Encoder | None", encoder), unsure, seed, say)
    from edgewright.language.distillation.students import MediaStudents  # noqa: PLC0415 - trains networks

    return MediaStudents(role, project.source, limit, seed)


_STATE, _LABELS, _MEASURED = "students.json", "labels.csv", "labels-without-audit.csv"
_VERSION = 1
AUDIT = "the audited sample"


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """What is finished: the hash of labels and judges, the students by size, and the one that is fitted on all."""

    version: int = _VERSION
    key: str
    students: dict[str, StudentRow] = {}
    shipped: str = ""


def distil(
    project: Project, students: Students, folder: Path, *, judges: Path | None, encoder: Encodes | None, limit: float,
    seed: int, say: Say,
) -> Distilled:  # fmt: skip
    """Train, compare, ship and prove.

    Args:
        project: with a finished audit of its machine's labels.
        students: of the kind of the project.
        folder: of everything that is written; one that was begun is gone on with.
        judges: things with true labels; the audited sample when None.
        encoder: that gave the labels; None for words alone.
        limit: error rate of the machine's labels that the audit's upper bound must not exceed.
        seed: of the fits.
        say: told what is done.

    Raises:
        CheckFailedError: the audit is missing, unfinished, of other labels or above the limit; or the proof failed.
        InputError: nothing to judge by, or labels that cannot be trained on.
        OutputError: the folder cannot be written.
    """
    machine = sum(source.startswith(MACHINE) for _, source, _ in labels_of(project).values())
    report = audited(project)
    if machine:
        refuse_unaudited(report, machine, project.path, limit)
    sample = _sample(project) if judges is None else _unseen(students.judges(judges), project, say)
    _check(sample, project)
    with os_errors(OutputError, "to write a folder of students", folder):
        folder.mkdir(parents=True, exist_ok=True)
    exported = export(project, folder / _LABELS, force=True)
    labels = folder / _LABELS
    if judges is None:
        labels = folder / _MEASURED
        write_atomic(labels, _without((folder / _LABELS).read_bytes(), sample))
    state = _begun(folder, _key((folder / _LABELS).read_bytes(), sample, encoder, seed))
    state = _measured(students, labels, folder, sample, state, say)
    ships = _smallest(tuple(state.students.values()))
    if not state.shipped:
        say(f"{ships.name} ships")
        path = folder / ships.file
        if judges is None:
            say("fitting it on all labels, those of the audit too")
            path = students.fit(ships.name, folder / _LABELS, folder / "shipped", whole=True).path
        state = _kept(folder, msgspec.structs.replace(state, shipped=path.relative_to(folder).as_posix()))
    model, code = folder / state.shipped, folder / "c99"
    write_files(code, students.code(model, str(project.meta("name"))), "c99 student", force=True)
    say("proving it")
    proof = prove_place(str(model))
    if not proof.passed:
        raise CheckFailedError(f"the proof of {model} failed", do=f"See where: edgewright prove {model}")
    return Distilled(
        project=str(project.path), folder=str(folder), labels=exported.record.sources, audit=report,
        judged_by=sample.source, judges=len(sample.things), brought=_brought(project, sample, encoder, judges is None),
        students=tuple(state.students.values()), ships=ships.name, model=str(model), code=str(code),
        forms=tuple(form.name for form in proof.forms),
    )  # fmt: skip


def _sample(project: Project) -> Judges:
    """Return the audited sample as people labelled it."""
    contents = {item.id: item.content for item in project.items()}
    pairs = [(contents[item], truth) for item, (_, truth) in answered_sample(project).items()]
    things, truth = (tuple(part) for part in zip(*pairs, strict=True)) if pairs else ((), ())
    root = None if project.kind == "text" else project.source
    return Judges(AUDIT, things, truth, root)


def _unseen(sample: Judges, project: Project, say: Say) -> Judges:
    """Return judges that are no items of the project, which students are fitted on; files are told by their bytes."""
    same = _same(sample)
    own = {same(item.content) if sample.root is None else project.data(item.id) for item in project.items()}
    kept = [(thing, truth) for thing, truth in zip(sample.things, sample.truth, strict=True) if same(thing) not in own]
    if lost := len(sample.things) - len(kept):
        say(f"{lost:,} of {len(sample.things):,} of {sample.source} are left out: the project has them too")
    return msgspec.structs.replace(sample, things=tuple(t for t, _ in kept), truth=tuple(label for _, label in kept))


def _same(sample: Judges) -> Callable[[str], str | bytes]:
    """Return what two things share that are the same: the words of sentences, the hash of the bytes of files."""
    root = sample.root
    if root is None:
        return normalised
    return lambda name: hashlib.sha256(read_whole(root / name, f"{sample.source}, file {name}")).digest()


def _check(sample: Judges, project: Project) -> None:
    """Refuse judges that say nothing of the project's classes."""
    unknown = sorted({label for label in sample.truth if label} - project.classes().keys())
    if unknown:
        raise LabelsError(f"labels of the project ({', '.join(project.classes())[:200]})", repr(unknown[0]),
                         sample.source, "Correct them, or add the class to the project")  # fmt: skip
    if not any(sample.truth):
        do = "Pass some with --judge FILE, or audit the labels: edgewright label audit PROJECT --draw N"
        raise LabelsError("things with a true label", "none", sample.source, do)


def _without(content: bytes, sample: Judges) -> bytes:
    """Return exported labels without the judges, and without the columns that say who a label is from."""
    same = _same(sample)
    judging = {same(thing) for thing in sample.things}
    head, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head[:2])
    writer.writerows(row[:2] for row in rows if same(row[0]) not in judging)
    return text.getvalue().encode()


def _key(content: bytes, sample: Judges, encoder: Encodes | None, seed: int) -> str:
    used = [encoder.name, str(getattr(encoder, "sha256", ""))] if encoder else []
    read = [] if sample.root is None else list(map(_same(sample), sample.things))
    parts = (content, msgspec.json.encode([sample.source, sample.things, sample.truth, used, seed, read]))
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _begun(folder: Path, key: str) -> _State:
    """Return what an earlier command finished of the same labels and judges.

    Else the state begins anew in the file too: what overwrites the earlier students may be stopped before it is whole.
    """
    path, anew = folder / _STATE, _State(key=key)
    if not path.exists():
        return _kept(folder, anew)
    do = f"Remove {folder}, or choose another folder with --into"
    state = decode_versioned(read_whole(path, str(path)), _State, _VERSION, "list of students", "a list of students",
                             str(path), do)  # fmt: skip
    files = [row.file for row in state.students.values()] + [state.shipped]
    whole = state.key == key and all((folder / file).exists() for file in files)
    return state if whole else _kept(folder, anew)


def _kept(folder: Path, state: _State) -> _State:
    write_atomic(folder / _STATE, msgspec.json.format(msgspec.json.encode(state), indent=1) + b"\n")
    return state


def _measured(students: Students, labels: Path, folder: Path, sample: Judges, state: _State, say: Say) -> _State:
    """Fit and judge the sizes that are not finished."""
    refused: InputError | CheckFailedError | None = None
    for size in students.sizes:
        if size in state.students:
            continue
        say(f"fitting a student of {size}")
        try:
            fitted = students.fit(size, labels, folder / "sizes", whole=sample.source != AUDIT)
        except (InputError, CheckFailedError) as error:
            # Many classes do not fit into few bytes, nor wide layers into a device; where no size does, the last
            # reason is told.
            refused = error
            say(f"  left out: {error}")
            continue
        row = StudentRow(
            name=size, bytes=fitted.bytes, own=fitted.own,
            accuracy=students.accuracy(fitted.path, sample),
            file=fitted.path.relative_to(folder).as_posix(),
        )  # fmt: skip
        state = _kept(folder, msgspec.structs.replace(state, students={**state.students, size: row}, shipped=""))
    if not state.students and refused is not None:
        raise refused
    return state


def _smallest(rows: tuple[StudentRow, ...]) -> StudentRow:
    """Return the smallest student within a standard error of the best, by the labels that their fits did not see."""
    best = max(rows, key=lambda row: row.own.value)
    error = (best.own.high - best.own.low) / (2 * Z95)
    return min((row for row in rows if row.own.value >= best.own.value - error), key=lambda row: row.bytes)


def _brought(project: Project, sample: Judges, encoder: Encodes | None, on_audit: bool) -> BroughtRow | None:
    """Return how the model that gave the labels answers the judges; None without one."""
    sources = {suggestion.source.removeprefix(MACHINE) for suggestion in project.suggestions().values()}
    if encoder is None or len(sources) != 1:
        return None
    way = sources.pop()
    if suggester_of(way).needs == "language model":
        return None  # it is not the encoder's answer
    if on_audit:
        right = sum(machine == truth for machine, truth in answered_sample(project).values())
    else:
        things = encoded(sample.things, sample.root, encoder)
        own = vectors_of(project, encoder)
        given = given_of(project, np.concatenate([own, things]), encoder)
        numbers = suggester_of(way).scores(given)[len(own) :].argmax(axis=1)
        right = sum(given.classes[k] == truth for k, truth in zip(numbers.tolist(), sample.truth, strict=True))
    size = int(getattr(encoder, "bytes", 0))
    return BroughtRow(name=f"{encoder.name}, {way}", bytes=size, accuracy=wilson(right, len(sample.truth)))
