"""A proposal as text: `data.md` says what was found and why each choice was made, `pipeline.toml` makes the choices."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgewright.core.categories import column_name, made_columns
from edgewright.core.clocks.rates import pace
from edgewright.core.formatting import number, plural, some_of
from edgewright.data.checks_columns import column_of
from edgewright.data.findings import by_column
from edgewright.data.resampling import resampled_text
from edgewright.data.roles import UNNAMED
from edgewright.pipeline.toml_text import key_text, value_text
from edgewright.trace.blocks_markdown import table_lines
from edgewright.trace.race_view import race_lines
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
    if told := found.preview.told(found.roles.numbers):
        lines.insert(0, f"Read as: {told}")
    if "pattern" in data:
        lines.insert(0, f"File names: {data['pattern']}")
    lines += [f"Column {name} is read as {_code(name, texts)}" for name, texts in found.roles.categories.items()]
    lines += [f"Column {name} is left out: {why}" for name, why in found.roles.ignored.items()]
    if found.assumed_rate:
        lines.append(f"Rate: {ASSUMED_HZ:g} rows a second ASSUMED, because no column says when a row was measured")
    if found.resample is not None:
        lines.append(f"Rate: {pace(found.resample)}, because {resampled_text(found.resample)}")
    wrong = [one for one in found.quality.findings if one.kind in ("unit", "mixed-units") and one.severity != "note"]
    lines += [f"Unit: {one.sentence}" for one in wrong]
    warned = {one.column for one in wrong}
    lines += [f"Unit: {one.sentence}" for one in guess_units(found.dataset) if not warned & set(one.columns)]
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
    columns = {column.name: index for index, column in enumerate(found.dataset.columns)}
    families = {} if roles.series is None else roles.series.channels
    channels = [tuple(name for name in family if name in columns) for family in families.values()]
    drawn = {name for channel in channels for name in channel}
    alone = [(name,) for name in columns if name not in {*drawn, *made_columns(roles.categories)}]
    for names in (*alone, *filter(None, channels)):
        values = np.concatenate([column_of(found.dataset, columns[name]) for name in names])
        low, high = (number(float(edge(values))) for edge in (np.nanmin, np.nanmax))
        unit = found.dataset.columns[columns[names[0]]].unit or guessed.get(names[0], "")
        title, meaning = names[0], "reading"
        if roles.series is not None and names[0] in drawn:
            title, meaning = f"{names[0]} to {names[-1]}", f"{roles.series.kind} of {len(names):,} values"
        rows.append((title, meaning, unit, low, high))
    parts = {"target": roles.target, "person or machine": roles.group, "recording": roles.session, "time": roles.time}
    others = [(name, part) for part, name in parts.items() if name]
    others += [(name, f"text of {len(texts)} kinds: {', '.join(texts)}") for name, texts in roles.categories.items()]
    others += [(name, f"left out: {why}") for name, why in roles.ignored.items()]
    rows += [(name, text, "", "", "") for name, text in others]
    return table_lines(("column", "what it is", "unit", "smallest", "largest"), rows, (3, 4))


def _findings(found: OwnData) -> list[str]:
    return [f"- {one.severity}: {one.sentence}" for one in by_column(found.quality.findings)]


# Widest line, and lines that a file stays below.
_WIDE, _LONG = 118, 40
_ROLES = {"target": "to be predicted", "group": "person or machine", "session": "recording", "time": "time of a row"}


def pipeline_text(proposal: Proposal, command: str, file: str) -> str:
    """Return the text of `pipeline.toml`.

    Args:
        proposal: the pipeline and its reasons.
        command: that made it.
        file: where it is written, for the next command.
    """
    text = _text(proposal, command, file, apart=True)
    return text if text.count("\n") < _LONG else _text(proposal, command, file, apart=False)


def _text(proposal: Proposal, command: str, file: str, *, apart: bool) -> str:
    """Return the text; `apart` gives each part of a union a line."""
    table, why = proposal.table, proposal.why
    lines = [f"# Made by `{command}`; it is yours to change."]
    lines += [f"# Next: edgewright run {file}   Every key: docs/pipeline.md. What was found in the data: data.md."]
    lines += [f"name = {value_text(table['name'])}"]
    lines += [f"need = {value_text(table['need'])}   # right answers, as you asked"] if "need" in table else []
    lines += _data(table["data"], why)
    if "window" in table:
        lines += ["", *_comment("A decision", why["window"]), *_keys("window", table["window"])]
    lines += ["", *_comment("Split", why["split"]), *_keys("split", table["split"])]
    lines += ["", "# In order; each stage is fitted on training samples only."]
    lines += ["stages = [", *(line for stage in table["stages"] for line in _stage(stage, apart)), "]"]
    lines += ["", *_comment("Model", why["model"]), *_keys("model", table["model"])]
    lines += [f"training = {value_text(table['training'])}"] if "training" in table else []
    lines += ["", *_keys("device", table["device"], "another: edgewright profiles")]
    return "\n".join(lines) + "\n"


def _stage(stage: Mapping[str, Any], apart: bool) -> list[str]:
    """Return a stage on a line; one of parts may have a line each."""
    if not apart or "parts" not in stage or isinstance(stage["parts"], int):
        return [f"  {value_text(stage)},"]
    head = f"  {{ kind = {value_text(stage['kind'])}, parts = ["
    return [head, *(f"    {value_text(part)}," for part in stage["parts"]), "  ] },"]


def _data(data: Mapping[str, Any], why: Mapping[str, str]) -> list[str]:
    lines = []
    for key, value in data.items():
        if key == "categories":
            for name, texts in value.items():
                lines += _key(
                    "data.categories", name, texts, "text: a column of 0 and 1 for each; another one is an error"
                )
            continue
        note = why.get(key, "") if key in _ROLES else _NOTES.get(key, "")
        note = f"{_ROLES[key]}: {note}" if key in _ROLES else note
        lines += _key("data", key, value, note)
    return lines


_NOTES = {
    "ignore": "data.md says why",
    "height": "pictures are not scaled up",
    "pattern": "what the parts of file names mean",
    "resample": "recordings of more rows a second are averaged to so many",
    "rate": f"ASSUMED {ASSUMED_HZ:g} rows a second, no column says the time; correct it if you know it",
}


def _comment(name: str, reason: str) -> list[str]:
    return [f"# {line}" for line in _wrapped(f"{name}: {reason}.")]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), _WIDE - 2, break_long_words=False)


def _keys(name: str, table: Mapping[str, Any], note: str = "") -> list[str]:
    return [line for key, value in table.items() for line in _key(name, key, value, note)]


def _key(name: str, key: str, value: object, note: str) -> list[str]:
    """Return a key with its note behind it, or above it where the line would be too long."""
    line = f"{name}.{key_text(key)} = {value_text(value)}"
    if len(line) > _WIDE and isinstance(value, Sequence) and isinstance(value[0], Mapping):
        line = f"{name}.{key_text(key)} = {value_text(value, lines=True)}"
    note = " ".join(note.split())
    if not note:
        return [line]
    return [f"{line}   # {note}"] if len(line) + len(note) < _WIDE - 4 else [f"# {note}", line]
