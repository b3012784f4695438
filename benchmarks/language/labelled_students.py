"""Students of a machine's labels on CLINC150: `python -m benchmarks.language.labelled_students [DOMAIN ...]`.

A project holds the 15 intents of a domain, described by their names; people (the true labels) label `LABELLED`
sentences, twenty at a time, as `suggest` queues them. `--least` is chosen on the training sentences of half of the
domains: the lowest threshold at which at most `WRONG` of the labels are wrong. On the other half, the true labels
answer the audit, and the half of the validation part that chose no setting judges MiniLM and the students.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.language.clinc import read
from benchmarks.language.row import DATA, encoder_directory
from benchmarks.table import markdown
from edgewright.language.distillation.contract import BroughtRow, StudentRow
from edgewright.language.distillation.kinds import students_of
from edgewright.language.distillation.workflow import distil
from edgewright.language.embedding import Encoder, load
from edgewright.language.labelling.audit import audited, draw, extended, level_of, needed, unanswered
from edgewright.language.labelling.items import make, read_items
from edgewright.language.labelling.project import Project
from edgewright.language.labelling.suggestion_round import suggest
from edgewright.nlp.utterance.head import Encodes
from edgewright.schema.errors import EdgewrightError
from edgewright.training.metrics import wilson

GRID, WRONG, LIMIT = (0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99), 0.02, 0.05
LABELLED, CHUNK = 100, 20
Sentences = list[tuple[str, str]]


def domains() -> dict[str, tuple[Sentences, Sentences]]:
    """Return sentences with their intents of each domain, of train and of the half of val that chose nothing."""
    folder = DATA / "clinc150"
    parts = json.loads((folder / "data_full.json").read_bytes())
    intents = json.loads((folder / "domains.json").read_bytes())
    reported = set(read().val)
    return {
        name: (
            [(text, intent) for text, intent in parts["train"] if intent in intents[name]],
            [(text, intent) for text, intent in parts["val"] if intent in intents[name] and text in reported],
        )
        for name in sorted(intents)
    }


def project_of(folder: Path, name: str, sentences: Sentences) -> Path:
    """Return a new project of sentences without their labels."""
    data, path = folder / f"{name}.txt", folder / f"{name}.labelling"
    data.write_text("".join(f"{text}\n" for text, _ in sentences), encoding="utf-8")
    make(path, data, read_items(data), {intent: intent.replace("_", " ") for _, intent in sentences})
    return path


def suggested(
    project: Project, truth: Mapping[str, str], encoder: Encodes, minimum: float, labelled: int = LABELLED
) -> tuple[int, int]:
    """Label as people do, twenty at a time; return how many labels the machine gave then, of how many items."""
    content = {item.id: item.content for item in project.items()}
    for _ in range(labelled // CHUNK):
        suggest(project, encoder=encoder, minimum=minimum, count=CHUNK)
        for item in [item for (item,) in project.execute("SELECT item FROM queue ORDER BY rank")]:
            project.say(item, truth[content[item]], "truth", "typed")
    last = suggest(project, encoder=encoder, minimum=minimum)
    return last.suggested, last.items


def audited_labels(project: Project, truth: Mapping[str, str]) -> str:
    """Answer the sample that an audit needs, and longer ones while they can still pass; say how it ends."""
    content = {item.id: item.content for item in project.items()}
    report, count = audited(project), needed(LIMIT, LIMIT / 5, level_of(1))[0]
    while count:
        report = draw(project, count, seed=0)
        for item in unanswered(project):
            project.say(item, truth[content[item]], "truth", "blind")
        report = audited(project)
        if report.high <= LIMIT:
            break
        count = extended(report.errors, report.answered, LIMIT, level_of(report.looks + 1)) or 0
        count = count if count <= report.population else 0
    return f"{report.errors} of {report.answered} wrong, up to {100 * report.high:.1f} %"


def shipped(project: Project, encoder: Encodes, judges: Path, folder: Path, name: str) -> list[list[str]]:
    """Return a row for the brought model and each student; one that says why where nothing is trained."""
    try:
        students = students_of(project, encoder, LIMIT, 0, lambda _: None)
        distilled = distil(
            project, students, folder, judges=judges, encoder=encoder, limit=LIMIT, seed=0, say=lambda _: None
        )
    except EdgewrightError as error:
        print(f"{name}: nothing is trained: {error}", flush=True)
        return [[name, "nothing is trained", "", str(error)]]
    answers: list[BroughtRow | StudentRow] = [*([distilled.brought] if distilled.brought else []), *distilled.students]
    cells = []
    for row in answers:
        ships = ", ships" if row.name == distilled.ships else ""
        share = wilson(round(row.accuracy.value * distilled.judges), distilled.judges)
        cells.append([name, f"{row.name}{ships}", f"{row.bytes:,}",
                      f"{100 * share.value:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f})"])  # fmt: skip
        print("; ".join(cells[-1]), flush=True)
    return cells


def threshold(folder: Path, sets: dict[str, Sentences], encoder: Encoder) -> float:
    """Return the lowest threshold of the grid at which few labels of these sets are wrong."""
    rows: list[tuple[float, bool]] = []
    for name, sentences in sets.items():
        truth = dict(sentences)
        with Project(project_of(folder, name, sentences)) as project:
            suggested(project, truth, encoder, 0.0)
            content = {item.id: item.content for item in project.items()}
            rows += [
                (confidence, label == truth[content[item]])
                for item, label, confidence in project.execute("SELECT item, label, confidence FROM suggestions")
            ]
    confidence, right = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    for minimum in GRID:
        chosen = right[confidence >= minimum]
        print(f"{minimum}: {len(chosen)} of {len(right)} labelled, {100 * (1 - chosen.mean()):.1f} % wrong", flush=True)
        if (1 - chosen.mean()) <= WRONG:
            return minimum
    return GRID[-1]


def models_of(
    folder: Path, name: str, train: Sentences, val: Sentences, minimum: float, encoder: Encoder
) -> list[list[str]]:
    """Return a row for MiniLM and for each student of a domain; one that says why where the audit fails."""
    truth = dict(train)
    judges = folder / f"{name}.val.csv"
    with judges.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "intent"), *val])
    with Project(project_of(folder, name, train)) as project:
        labelled, items = suggested(project, truth, encoder, minimum)
        print(f"{name}: {labelled} of {items} labelled, {audited_labels(project, truth)}", flush=True)
        return shipped(project, encoder, judges, folder / f"{name}.students", name)


def main(names: list[str]) -> int:
    """Choose, then print a row for each model of each judged domain."""
    path = encoder_directory()
    if path is None:
        print("an encoder is absent")
        return 1
    encoder, sets, rows = load(path), domains(), []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        minimum = threshold(folder, {name: sets[name][0] for name in [*sets][::2]}, encoder)
        print(f"--least {minimum}")
        for name in [*sets][1::2]:
            if not names or name in names:
                rows += models_of(folder, name, *sets[name], minimum, encoder)
    print(markdown(["domain", "model", "bytes", "right"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
