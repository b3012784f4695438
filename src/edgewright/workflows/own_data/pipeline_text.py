"""A proposed pipeline as commented TOML: every choice stands beside its reason."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from edgewright.pipeline.toml_text import key_text, value_text
from edgewright.workflows.own_data.proposal import ASSUMED_HZ, Proposal

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
