"""A label project in review, while suggestions change and a sample is drawn: no label that was taken is lost."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from benchmarks.faults.recorder import Recorder
from benchmarks.faults.workload import Workload
from edgewright.language.labelling.audit import audited, decided, draw, unanswered
from edgewright.language.labelling.project import Project

_ITEMS, _ANSWERED = 120, 90


class Promise(NamedTuple):
    """What people said: (item, label) of all that was taken; `looks` samples that were drawn."""

    labels: frozenset[tuple[int, str]]
    looks: int


def _answers(project: Project) -> Promise:
    humans = {(item, one.label) for item, one in decided(project.reviews()).items()}
    return Promise(frozenset(humans), audited(project).looks)


def prepare(folder: Path) -> None:
    """Create a project of items with suggestions."""
    with Project.create(folder / "calls.labelling", {"kind": "text", "name": "calls"}) as project, project.changing():
        for name in ("off", "on"):
            project.add_class(name)
        for number in range(1, _ITEMS + 1):
            project.execute("INSERT INTO items (id, content, place) VALUES (?, ?, '')", (number, f"text {number}"))
            project.execute("INSERT INTO suggestions VALUES (?, 'on', 0.9, 'machine/test', '')", (number,))


def use(folder: Path, recorder: Recorder) -> None:
    """Label, one taken back, new suggestions, an audit and its answers."""
    with Project(folder / "calls.labelling", recorder.connect) as project:
        recorder.promise(_answers(project))
        for number in range(1, _ANSWERED + 1):
            project.say(number, "on" if number % 2 else "off", "ann", "typed")
            recorder.promise(_answers(project))
        project.undo("ann")
        recorder.promise(_answers(project))
        with project.changing():
            project.execute("UPDATE suggestions SET label = 'off' WHERE item > 110")
        recorder.promise(_answers(project))
        draw(project, 3, seed=1)
        recorder.promise(_answers(project))
        for number in unanswered(project):
            project.say(number, "on", "ann", "blind")
            recorder.promise(_answers(project))


def recover(folder: Path, recorder: Recorder) -> None:
    """Review the next items."""
    with Project(folder / "calls.labelling", recorder.connect) as project:
        project.say(_ITEMS, "off", "bob", "typed")


def check(folder: Path, before: Promise | None, after: Promise | None) -> str:
    """Return what is wrong with the project after a cut; empty for nothing."""
    with Project(folder / "calls.labelling") as project:
        answers = _answers(project)
        classes, items = len(project.classes()), len(project.items())
    if (classes, items) != (2, _ITEMS):
        return f"{classes} classes and {items} items"
    labels = answers.labels - {(_ITEMS, "off")}
    known = [one for one in (before, after) if one is not None]
    if known and not any(labels == one.labels and answers.looks == one.looks for one in known):
        return f"labels {sorted(labels)} and {answers.looks} looks, promised {known[0]}"
    return ""


WORKLOAD = Workload(
    what="a label project in review: labels, undo, suggestions, an audit", use=use, recover=recover, check=check,
    prepare=prepare,
)  # fmt: skip
