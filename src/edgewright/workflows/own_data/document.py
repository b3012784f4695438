"""`data.md`: what was found in the data, what each column is, and why each choice was made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.categories import column_name, made_columns
from edgewright.core.formatting import number, plural, some_of
from edgewright.data.checks_columns import column_of
from edgewright.data.clock import pace
from edgewright.trace.blocks_markdown import table_lines
from edgewright.trace.race_view import race_lines
from edgewright.workflows.own_data.columns import UNNAMED
from edgewright.workflows.own_data.proposal import ASSUMED_HZ, OwnData, Proposal
from edgewright.workflows.own_data.units import guess_units

_CHOICES = (("target", "Target"), ("group", "Person or machine"), ("session", "Recording"), ("time", "Time"),
            ("window", "A decision"), ("split", "Split"), ("model", "Model"))  # fmt: skip


def data_document(proposal: Proposal, path: str) -> str:
    """Return the document as Markdown.

    Args:
        proposal: made of the data.
        path: of the data, as a person wrote it.
    """
    found = proposal.found
    lines = [f"# What is in {path}", "", *_counts(found), "", "## Choices", ""]
    lines += [f"- {line}" for line in choices(proposal)]
    lines += ["", "## Columns", "", *_columns(found)]
    lines += ["", "## Findings", "", *(_findings(found) or ["Nothing found."])]
    if proposal.race is not None:
        lines += ["", "## Race", "", *race_lines(proposal.race)]
    if proposal.tried:
        lines += ["", "## Compared by the folds of the race (the test samples were not used)", ""]
        lines += table_lines(("what", "score"), ((name, f"{value:.3f}") for name, value in proposal.tried), (1,))
    return "\n".join(lines) + "\n"


def choices(proposal: Proposal) -> list[str]:
    """Return each choice with its reason, a line each."""
    data, found = proposal.table["data"], proposal.found
    names = {key: str(data[key]) for key in ("target", "group", "session", "time") if key in data}
    lines = [f"{title}: {f'{names[key]}, ' if key in names else ''}{proposal.why[key]}"
             for key, title in _CHOICES if key in proposal.why]  # fmt: skip
    if proposal.why.get("target", "").startswith(UNNAMED):
        columns = some_of([*found.roles.readings, *found.roles.categories], 4)
        lines.insert(1, f"Another target: give --target COLUMN to the command, one of {columns}")
    if "pattern" in data:
        lines.insert(0, f"File names: {data['pattern']}")
    lines += [f"Column {name} is read as {_code(name, texts)}" for name, texts in found.roles.categories.items()]
    lines += [f"Column {name} is left out: {why}" for name, why in found.roles.ignored.items()]
    if found.assumed_rate:
        lines.append(f"Rate: {ASSUMED_HZ:g} rows a second ASSUMED, because no column says when a row was measured")
    wrong = [one for one in found.quality.findings if one.kind in ("unit", "mixed-units") and one.severity != "note"]
    lines += [f"Unit: {one.sentence}" for one in wrong]
    lines += [f"Unit: {one.sentence}" for one in guess_units(found.dataset)]
    lines.append(f"Device: {proposal.table['device']['profile']}")
    return lines


def _code(name: str, texts: Sequence[str]) -> str:
    """Return what a model sees of a column of text, and why."""
    return (
        f"{plural(len(texts), 'column')} of 0 and 1, {some_of([column_name(name, text) for text in texts], 3)}: "
        "its few texts repeat, and a device reads numbers"
    )


def _counts(found: OwnData) -> list[str]:
    quality = found.quality
    counts = [plural(quality.rows, "row"), plural(quality.columns, "reading"), plural(quality.recordings, "file")]
    counts += [plural(quality.groups, "person or machine", "people or machines")] if quality.groups else []
    counts += [pace(quality.rate)] if quality.rate else []
    lines = [", ".join(counts) + "."]
    if quality.classes:
        lines += ["", "Classes: " + ", ".join(f"{name} {count:,}" for name, count in quality.classes.items()) + "."]
    return lines


def _columns(found: OwnData) -> list[str]:
    roles = found.roles
    guessed = {name: f"{one.unit} (guess)" for one in guess_units(found.dataset) for name in one.columns}
    rows = []
    made = made_columns(roles.categories)
    for index, column in enumerate(found.dataset.columns):
        if column.name in made:
            continue
        values = column_of(found.dataset, index)
        low, high = (number(float(edge(values))) for edge in (np.nanmin, np.nanmax))
        unit = column.unit or guessed.get(column.name, "")
        rows.append((column.name, "reading", unit, low, high))
    parts = {"target": roles.target, "person or machine": roles.group, "recording": roles.session, "time": roles.time}
    others = [(name, part) for part, name in parts.items() if name]
    others += [(name, f"text of {len(texts)} kinds: {', '.join(texts)}") for name, texts in roles.categories.items()]
    others += [(name, f"left out: {why}") for name, why in roles.ignored.items()]
    rows += [(name, text, "", "", "") for name, text in others]
    return table_lines(("column", "what it is", "unit", "smallest", "largest"), rows, (3, 4))


def _findings(found: OwnData) -> list[str]:
    return [f"- {one.severity}: {one.sentence}" for one in found.quality.findings]
