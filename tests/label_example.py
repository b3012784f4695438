"""A small label project, for tests: two kinds of texts that are easy to tell apart, and what they really are."""

from __future__ import annotations

import csv
from pathlib import Path

from edgewright.language.labelling.items import make, read_items
from edgewright.language.labelling.project import Project

LAMPS = ("lamp", "light", "bulb", "lantern")
NUMBERS = ("one", "two", "three", "four", "five")
FOODS = ("bread", "apple", "soup", "cheese")
TRUTH = {
    **{f"turn the {word} {how} number {n}": "lamp" for word in LAMPS for how in ("on", "off") for n in NUMBERS},
    **{
        f"please cook {word} for {n} guests {how}": "food"
        for word in FOODS
        for how in ("now", "later")
        for n in NUMBERS
    },
}


def write_texts(path: Path, texts: list[str] | None = None) -> Path:
    """Return a CSV of texts without labels."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        writer.writerows([text] for text in (list(TRUTH) if texts is None else texts))
    return path


def write_project(folder: Path, name: str = "calls.labelling") -> Path:
    """Return a project over `TRUTH` with its two classes."""
    source = write_texts(folder / "calls.csv")
    make(folder / name, source, read_items(source), {"lamp": "light", "food": "something to eat"})
    return folder / name


def answer(project: Project, numbers: list[int], reviewer: str = "ann", how: str = "typed") -> None:
    """Answer as somebody who knows."""
    for number in numbers:
        item = project.item(number)
        assert item is not None
        project.say(number, TRUTH[item.content], reviewer, how)


def suggested(path: Path, wrong: int = 0) -> Project:
    """Return a project whose machine is right but for the first items."""
    project = Project(path)
    other = {"lamp": "food", "food": "lamp"}
    with project.changing():
        for k, item in enumerate(project.items()):
            label = TRUTH[item.content] if k >= wrong else other[TRUTH[item.content]]
            project.execute(
                "INSERT OR REPLACE INTO suggestions VALUES (?, ?, 0.9, 'machine/test', '')", (item.id, label)
            )
    return project
