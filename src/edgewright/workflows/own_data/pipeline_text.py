"""A proposed pipeline as commented TOML: every choice stands beside its reason."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from edgewright.pipeline.toml_text import key_text, value_text
from edgewright.workflows.own_data.proposal import ASSUMED_HZ, Proposal

_WIDE = 118
_ROLES = {"target": "to be predicted", "group": "person or machine", "session": "recording", "time": "time of a row"}


def pipeline_text(proposal: Proposal, command: str, file: str) -> str:
    """Return the text of `pipeline.toml`.

    Args:
        proposal: the pipeline and its reasons.
        command: that made it.
        file: where it is written, for the next command.
    """
    table, why = proposal.table, proposal.why
    lines = [f"# Made by `{command}`; it is yours to change."]
    lines += [f"# Next: edgewright run {file}   Every key: docs/pipeline.md. What was found in the data: data.md."]
    lines += [f"name = {value_text(table['name'])}", ""]
    lines += _data(table["data"], why)
    if "window" in table:
        lines += ["", *_comment("A decision", why["window"]), *_keys("window", table["window"])]
    lines += ["", *_comment("Split", why["split"]), *_keys("split", table["split"])]
    lines += ["", "# In order; each stage is fitted on training samples only."]
    lines += [f"stages = {value_text(table['stages'], lines=True)}"]
    lines += ["", *_comment("Model", why["model"]), *_keys("model", table["model"])]
    lines += [f"training = {value_text(table['training'])}"] if "training" in table else []
    lines += ["", *_keys("device", table["device"], "another: edgewright profiles")]
    return "\n".join(lines) + "\n"


def _data(data: Mapping[str, Any], why: Mapping[str, str]) -> list[str]:
    lines = []
    for key, value in data.items():
        note = why.get(key, "") if key in _ROLES else _NOTES.get(key, "")
        note = f"{_ROLES[key]}: {note}" if key in _ROLES else note
        lines += _key("data", key, value, note)
    return lines


_NOTES = {
    "ignore": "data.md says why",
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
    many = isinstance(value, Sequence) and not isinstance(value, str) and any(isinstance(one, Mapping) for one in value)
    line = f"{name}.{key_text(key)} = {value_text(value, lines=many)}"
    note = " ".join(note.split())
    if not note:
        return [line]
    return [f"{line}   # {note}"] if len(line) + len(note) < _WIDE - 4 else [f"# {note}", line]
