"""A proposal as text: `data.md` says what was found and why each choice was made, `pipeline.toml` makes the choices."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.units import pace
from edgewright.core.csv.header import column_name, made_columns
from edgewright.core.formatting import number, plural, some_of
from edgewright.core.records.data import DataSet
from edgewright.core.toml_tables import key_text, value_text
from edgewright.data.checks_columns import column_of
from edgewright.data.clock import ACCELERATION_NAME, ROTATION_NAME, TEMPERATURE_NAME
from edgewright.data.contract import by_column
from edgewright.data.quality import axes, gravity_unit, magnitudes
from edgewright.data.resampling import resampled_text
from edgewright.data.roles import UNNAMED
from edgewright.trace.blocks.records import table_lines
from edgewright.trace.sections.race import race_lines
from edgewright.workflows.own_data.proposal import ASSUMED_HZ, OwnData, Proposal

_HUMIDITY = re.compile(r"humid(?!.*(ratio|abs|spec))|(^|_)rh($|_)", re.IGNORECASE)
# Ends of names, and what a single letter needs the rest of the name to say.
_ENDINGS = {
    "mg": "mg", "ms2": "m/s²", "mps2": "m/s²", "m_s2": "m/s²", "dps": "deg/s", "degs": "deg/s", "deg_s": "deg/s",
    "rads": "rad/s", "rad_s": "rad/s", "radps": "rad/s", "degc": "°C", "deg_c": "°C", "celsius": "°C", "degf": "°F",
    "deg_f": "°F", "fahrenheit": "°F", "kelvin": "K", "pct": "%", "perc": "%", "percent": "%", "hpa": "hPa",
    "kpa": "kPa", "rpm": "rpm", "ppm": "ppm", "lux": "lux",
}  # fmt: skip
_LETTERS = {
    "c": ("°C", TEMPERATURE_NAME),
    "f": ("°F", TEMPERATURE_NAME),
    "k": ("K", TEMPERATURE_NAME),
    "g": ("g", ACCELERATION_NAME),
}
# Usual gyroscopes measure up to 2,000 deg/s, which is 35 rad/s, as 16-bit counts up to 32,768.
_FULL_DEGREES, _FULL_RADIANS = 2000.0, 35.0
# An accelerometer whose magnitude spreads by so much of gravity is moved by a person or machine.
_MOVED = 0.1
# Usual values of °C; below about 45 °F nobody heats, above 45 °C the number may be °F.
_CELSIUS, _KELVIN = (-40.0, 45.0), (200.0, 400.0)


@dataclass(frozen=True)
class UnitGuess:
    """A unit that nobody declared.

    Attributes:
        columns: names.
        unit: as it is shown.
        why: what it was guessed from.
    """

    columns: tuple[str, ...]
    unit: str
    why: str

    @property
    def sentence(self) -> str:
        """The guess with its reason, in a line."""
        return f"{', '.join(self.columns)}: {self.unit}, a GUESS: {self.why}; no value was changed"


def guess_units(dataset: DataSet) -> tuple[UnitGuess, ...]:
    """Guess units of the columns without one, by name first and by values else; columns that say nothing have none."""
    free = {column.name: index for index, column in enumerate(dataset.columns) if not column.unit}
    groups: dict[tuple[str, str], list[str]] = {}
    for guesses in (_by_name(free), _acceleration(dataset), _by_values(dataset, free)):
        for name, unit, why in guesses:
            if free.pop(name, None) is not None:
                groups.setdefault((unit, why), []).append(name)
    return tuple(UnitGuess(tuple(names), unit, why) for (unit, why), names in groups.items())


def _by_name(free: dict[str, int]) -> list[tuple[str, str, str]]:
    columns = []
    for name in free:
        ending, unit = _ending(name)
        if unit:
            columns.append((name, unit, f"the name ends in {ending!r}"))
    return columns


def _ending(name: str) -> tuple[str, str]:
    """Return the end of a name that is a unit, as it is written, and the unit."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).rstrip("_ ")
    for ending, unit in _ENDINGS.items():
        if match := re.search(rf"[_ .\-]({ending})$", words, re.IGNORECASE):
            return match[1], unit
    match = re.search(r"[_ .\-]([cfkg])$", words, re.IGNORECASE)
    unit, kind = _LETTERS[match[1].lower()] if match else ("", TEMPERATURE_NAME)
    return (match[1], unit) if match and kind.search(name) else ("", "")


def _acceleration(dataset: DataSet) -> Iterator[tuple[str, str, str]]:
    for _, triple in axes(dataset):
        unit, usual = gravity_unit(dataset, triple)
        if not unit:
            continue
        why = f"the median magnitude of the three axes, {number(usual)}, is gravity"
        if unit == "mg" and _is_whole(dataset, triple[0]):
            why += "; raw counts of 1,024 to 1 g would look alike"
        yield from ((dataset.columns[index].name, unit, why) for index in triple)


def _by_values(dataset: DataSet, free: dict[str, int]) -> Iterator[tuple[str, str, str]]:
    rotations = [name for name in free if ROTATION_NAME.search(name)]
    if rotations:
        unit, why = _rotation(dataset, [free[name] for name in rotations])
        yield from ((name, unit, why) for name in rotations if unit)
    for name, index in list(free.items()):
        values = _known(dataset, index)
        if not len(values):
            continue
        if TEMPERATURE_NAME.search(name):
            unit, why = _temperature(float(np.median(values)))
        elif _HUMIDITY.search(name):
            unit, why = _humidity(float(values.min()), float(values.max()))
        else:
            continue
        if unit:
            yield name, unit, why


def _rotation(dataset: DataSet, indices: list[int]) -> tuple[str, str]:
    """Return deg/s, rad/s or raw counts for the axes of gyroscopes; empty where they turn too slowly to tell."""
    peak = max((float(np.abs(_known(dataset, index)).max(initial=0.0)) for index in indices), default=0.0)
    shown = f"the largest value is {number(peak)}"
    if peak > 1.25 * _FULL_DEGREES:
        whole = all(_is_whole(dataset, index) for index in indices)
        return (
            ("raw counts", f"{shown}, whole numbers beyond the 2,000 deg/s of usual gyroscopes") if whole else ("", "")
        )
    if peak > _FULL_RADIANS:
        return "deg/s", f"{shown}, beyond the 35 rad/s (2,000 deg/s) of usual gyroscopes"
    if any(_is_moved(dataset, triple) for _, triple in axes(dataset)):
        return "rad/s", f"{shown} while the accelerometer is moved; in deg/s that would be hardly any turn"
    return "", ""


def _is_moved(dataset: DataSet, triple: tuple[int, int, int]) -> bool:
    unit, usual = gravity_unit(dataset, triple)
    return bool(unit) and float(np.std(magnitudes(dataset, triple))) > _MOVED * usual


def _temperature(usual: float) -> tuple[str, str]:
    shown = f"the median is {number(usual)}"
    if _CELSIUS[0] <= usual <= _CELSIUS[1]:
        return "°C", f"{shown}, usual for a temperature in °C"
    if _KELVIN[0] <= usual <= _KELVIN[1]:
        return "K", f"{shown}, {number(usual - 273.15)} °C if it is Kelvin"
    return "", ""


def _humidity(low: float, high: float) -> tuple[str, str]:
    if low < 0.0 or high > 110.0:
        return "", ""
    shown = f"values are {number(low)} to {number(high)}"
    return ("%", f"{shown} of at most 100") if high > 1.5 else ("fraction of 1", f"{shown} of at most 1")


def _known(dataset: DataSet, index: int) -> NDArray[np.float64]:
    values = column_of(dataset, index).astype(np.float64)
    return values[np.isfinite(values)]


def _is_whole(dataset: DataSet, index: int) -> bool:
    values = _known(dataset, index)
    return bool(np.array_equal(values, np.round(values)))


# How a choice about one column begins.
ONE_COLUMN = "Column "
_CHOICES = (("target", "Target"), ("group", "Person or machine"), ("session", "Recording"), ("time", "Time"),
            ("window", "A decision"), ("split", "Split"), ("model", "Model"),
            ("decision", "Stream"))  # fmt: skip


def data_document(proposal: Proposal, path: str) -> str:
    """Return the document as Markdown.

    Args:
        proposal: made of the data.
        path: path of the data, as a person wrote it.
    """
    data = proposal.data
    lines = [f"# What is in {path}", "", *_counts(data), "", "## Choices", ""]
    lines += [f"- {line}" for line in choices(proposal)]
    lines += ["", "## Columns", "", *_columns(data)]
    lines += ["", "## Findings", "", *(_findings(data) or ["Nothing found."])]
    if proposal.race is not None:
        lines += ["", "## Race", "", *race_lines(proposal.race)]
    if proposal.scores:
        lines += ["", "## Compared by the folds of the race (the test samples were not used)", ""]
        lines += table_lines(("what", "score"), ((name, f"{value:.3f}") for name, value in proposal.scores), (1,))
    return "\n".join(lines) + "\n"


def choices(proposal: Proposal, *, loaded: bool = False) -> list[str]:
    """Return each choice with its reason, a line each.

    Args:
        proposal: of a person's data.
        loaded: whether they are shown beside the warnings of the reading, which are not repeated.
    """
    data, own = proposal.table["data"], proposal.data
    names = {key: str(data[key]) for key in ("target", "group", "session", "time") if key in data}
    lines = [f"{title}: {f'{names[key]}, ' if key in names else ''}{proposal.why[key]}"
             for key, title in _CHOICES if key in proposal.why]  # fmt: skip
    if proposal.why.get("target", "").startswith(UNNAMED):
        columns = some_of([*own.roles.readings, *own.roles.categories], 4)
        lines.insert(1, f"Another target: give --target COLUMN to the command, one of {columns}")
    if loaded_text := own.preview.sentence(own.roles.numbers, loaded=loaded):
        lines.insert(0, f"Read as: {loaded_text}")
    if "pattern" in data:
        lines.insert(0, f"File names: {data['pattern']}")
    lines += [f"{ONE_COLUMN}{name} is read as {_code(name, texts)}" for name, texts in own.roles.categories.items()]
    lines += [f"{ONE_COLUMN}{name} is left out: {why}" for name, why in own.roles.ignored.items()]
    lines += [f"{ONE_COLUMN}{sentinel.column} has missing values: {sentinel}" for sentinel in own.sentinels]
    if own.assumed_rate:
        lines.append(f"Rate: {ASSUMED_HZ:g} rows a second ASSUMED, because no column says when a row was measured")
    if own.resample is not None:
        lines.append(f"Rate: {pace(own.resample)}, because {resampled_text(own.resample)}")
    wrong = [
        finding
        for finding in own.quality.findings
        if finding.kind in ("unit", "mixed-units") and finding.severity != "note"
    ]
    lines += [f"Unit: {finding.sentence}" for finding in wrong]
    warned = {finding.column for finding in wrong}
    lines += [f"Unit: {finding.sentence}" for finding in guess_units(own.dataset) if not warned & set(finding.columns)]
    lines.append(f"Device: {proposal.table['device']['profile']}")
    return lines


def _code(name: str, texts: Sequence[str]) -> str:
    """Return what a model sees of a column of text, and why."""
    return (
        f"{plural(len(texts), 'column')} of 0 and 1, {some_of([column_name(name, text) for text in texts], 3)}: "
        "its few texts repeat, and a device reads numbers"
    )


def _counts(data: OwnData) -> list[str]:
    quality = data.quality
    counts = [plural(quality.rows, "row"), plural(quality.columns, "reading"), plural(quality.recordings, "file")]
    counts += [plural(quality.groups, "person or machine", "people or machines")] if quality.groups else []
    counts += [pace(quality.rate)] if quality.rate else []
    lines = [", ".join(counts) + "."]
    if quality.classes:
        lines += ["", "Classes: " + ", ".join(f"{name} {count:,}" for name, count in quality.classes.items()) + "."]
    return lines


def _columns(data: OwnData) -> list[str]:
    roles = data.roles
    guessed = {name: f"{guess.unit} (guess)" for guess in guess_units(data.dataset) for name in guess.columns}
    rows = []
    columns = {column.name: index for index, column in enumerate(data.dataset.columns)}
    families = {} if roles.series is None else roles.series.channels
    channels = [tuple(name for name in family if name in columns) for family in families.values()]
    framed = {name for channel in channels for name in channel}
    alone = [(name,) for name in columns if name not in {*framed, *made_columns(roles.categories)}]
    for names in (*alone, *filter(None, channels)):
        values = np.concatenate([column_of(data.dataset, columns[name]) for name in names])
        low, high = (number(float(edge(values))) for edge in (np.nanmin, np.nanmax))
        unit = data.dataset.columns[columns[names[0]]].unit or guessed.get(names[0], "")
        title, meaning = names[0], "reading"
        if roles.series is not None and names[0] in framed:
            title, meaning = f"{names[0]} to {names[-1]}", f"{roles.series.kind} of {len(names):,} values"
        rows.append((title, meaning, unit, low, high))
    parts = {"target": roles.target, "person or machine": roles.group, "recording": roles.session, "time": roles.time}
    others = [(name, part) for part, name in parts.items() if name]
    others += [(name, f"text of {len(texts)} kinds: {', '.join(texts)}") for name, texts in roles.categories.items()]
    others += [(name, f"left out: {why}") for name, why in roles.ignored.items()]
    rows += [(name, text, "", "", "") for name, text in others]
    return table_lines(("column", "what it is", "unit", "smallest", "largest"), rows, (3, 4))


def _findings(data: OwnData) -> list[str]:
    return [f"- {finding.severity}: {finding.sentence}" for finding in by_column(data.quality.findings)]


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
    text = _text(proposal, command, file, split=True)
    return text if text.count("\n") < _LONG else _text(proposal, command, file, split=False)


def _text(proposal: Proposal, command: str, file: str, *, split: bool) -> str:
    """Return the text; `split` gives each part of a union a line."""
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
    lines += ["stages = [", *(line for stage in table["stages"] for line in _stage(stage, split)), "]"]
    lines += ["", *_comment("Model", why["model"]), *_keys("model", table["model"])]
    lines += [f"training = {value_text(table['training'])}"] if "training" in table else []
    if "decision" in table:
        lines += ["", *_comment("Stream", why["decision"]), *_keys("decision", table["decision"])]
    lines += ["", *_keys("device", table["device"], "another: edgewright profiles")]
    return "\n".join(lines) + "\n"


def _stage(stage: Mapping[str, Any], split: bool) -> list[str]:
    """Return a stage on a line; one of parts may have a line each."""
    if not split or "parts" not in stage or isinstance(stage["parts"], int):
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
    "fill_labels": "an empty label is that of the last labelled row above it",
    "skip_bad_rows": "rows and files that cannot be read are left out",
    "missing_values": "numbers far from all others, read as missing; remove one that is a measurement",
    "ignore": "data.md says why",
    "files": "of the folder, drawn by chance, because memory is for no more; 0 for all",
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
