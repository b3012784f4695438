"""A review: which item comes next, what it looks like in characters, and what a typed line means."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from edgewright.language.labelling.agreement import decided
from edgewright.language.labelling.audit import disputed, unanswered
from edgewright.language.labelling.project import Item, Project
from edgewright.schema.errors import InputError

NONE = "/none"


class Shown(msgspec.Struct, frozen=True):
    """An item as it is shown; the suggestion is empty in an audit, and where the machine was not sure."""

    item: Item
    suggested: str
    confidence: float


def todo(project: Project, reviewer: str, *, audit: bool = False, second: bool = False) -> list[int]:
    """Return items that a reviewer is to label, in order.

    Args:
        project: of items.
        reviewer: whose own labels are not asked for again.
        audit: the audit's sample, in its random order, and items of it on which reviewers differ.
        second: items that others labelled, for agreement of two people, and those on which they differ.
    """
    review = project.reviews()
    mine = {answer.item for answer in review if answer.reviewer == reviewer}
    if audit:
        return [*unanswered(project), *disputed(project)]
    humans = decided(review)
    if second:
        return [item for item, answer in humans.items() if answer.disputed or item not in mine]
    queue = [row[0] for row in project.execute("SELECT item FROM queue ORDER BY rank")]
    rest = project.execute(
        "SELECT items.id FROM items LEFT JOIN suggestions ON item = items.id ORDER BY coalesce(confidence, 0), items.id"
    )
    sample = set(unanswered(project))
    return [i for i in dict.fromkeys([*queue, *(row[0] for row in rest)]) if i not in humans and i not in sample]


def shown(project: Project, number: int, *, audit: bool) -> Shown:
    """Return an item; an audit is blind.

    Raises:
        InputError: there is no such item.
    """
    item = project.item(number)
    if item is None:
        raise InputError("an item of this project", str(number), str(project.path))
    suggestion = None if audit else project.suggestion(number)
    return Shown(item, suggestion.label if suggestion else "", suggestion.confidence if suggestion else 0.0)


def how_of(project: Project, number: int, label: str, *, audit: bool) -> str:
    """Return what kind of label this is: 'blind', 'settled' between people who differ, 'accepted', or 'typed'."""
    humans = decided(project.reviews(number))
    if number in humans and humans[number].disputed:
        return "settled"
    if audit:
        return "blind"
    suggestion = project.suggestion(number)
    return "accepted" if suggestion and suggestion.label == label and label else "typed"


def meant(line: str, classes: list[str], suggested: str) -> str:
    """Return the label that a typed line means; '' is none of the classes.

    Args:
        line: a name, its unique beginning, its number in the list, or nothing, which accepts the suggestion.
        classes: in order.
        suggested: empty for none.

    Raises:
        InputError: nothing that could be meant, or several.
    """
    typed = line.strip()
    if not typed:
        if suggested:
            return suggested
        raise InputError("a class", "an empty line without a suggestion", do="Type a class, /none or /skip")
    if typed == NONE:
        return ""
    if typed in classes:
        return typed
    if typed.isdecimal() and 1 <= int(typed[:9]) <= len(classes):
        return classes[int(typed[:9]) - 1]
    begun = [name for name in classes if name.casefold().startswith(typed.casefold())]
    if len(begun) == 1:
        return begun[0]
    near = difflib.get_close_matches(typed, classes, n=1)
    text = f"Did you mean {near[0]!r}? " if near else ""
    got = f"{typed[:60]!r}, which {len(begun)} begin with" if begun else repr(typed[:60])
    raise InputError("a class", got, do=f"{text}Add a class with +NAME; list classes with /classes")


_BARS = " ▁▂▃▄▅▆▇█"
_WIDTH = 64


def bars(data: bytes, columns: Sequence[str]) -> Iterator[str]:
    """Yield a line a channel of a window: name, least and largest value, and means of at most 64 parts as bars.

    Args:
        data: float32, channels first.
        columns: names of the channels.
    """
    values = np.frombuffer(data, np.float32).reshape(len(columns), -1)
    widest = max(len(name) for name in columns)
    for name, row in zip(columns, values, strict=True):
        known = row[np.isfinite(row)]
        if not len(known):
            yield f"  {name:<{widest}} all missing"
            continue
        low, high = float(known.min()), float(known.max())
        if len(row) == 1:
            yield f"  {name:<{widest}} {low:.6g}"
            continue
        means = [part[np.isfinite(part)] for part in np.array_split(row, min(_WIDTH, len(row)))]
        span = (high - low) or 1.0
        line = "".join(
            "?" if not len(part) else _BARS[1 + round(7 * (float(part.mean()) - low) / span)] for part in means
        )
        yield f"  {name:<{widest}} {low:>9.4g} {line} {high:.4g}"
