"""The form of a pipeline's settings, made from the schema that its TOML is checked against."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edgewright.pipeline.config import checked
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import InputError
from edgewright.studio.fields import Field, Group, Table, data_fields, described, field_of, fields_of, struct_of
from edgewright.studio.frame import told

_HIDDEN = ("cards", "search")


@dataclass
class Settings:
    """A filled form: its groups, the table it stands for, and the config where nothing is wrong."""

    groups: tuple[Group, ...]
    table: Table
    config: PipelineConfig | None = None
    errors: dict[str, str] = field(default_factory=dict)


def form(table: Table, errors: Mapping[str, str] | None = None, raw: Mapping[str, str] | None = None) -> list[Group]:
    """Return the groups of fields for a table.

    Args:
        table: as read from TOML.
        errors: by key.
        raw: what was typed, by key, where it is shown instead of the table's value.
    """
    errors, raw = errors or {}, raw or {}
    groups = []
    top: list[Field] = []
    for info, meaning in described(PipelineConfig):
        struct = struct_of(info.type)
        if info.name in _HIDDEN:
            continue
        if info.name == "data":
            groups.append(Group("data", "Data", meaning, tuple(data_fields(table.get("data", {}))), opened=True))
        elif struct is not None:
            inner = table.get(info.name)
            fields = tuple(fields_of(struct, f"{info.name}.", inner if isinstance(inner, dict) else {}))
            opened = info.name in ("training", "model", "device") or (info.name == "window" and bool(inner))
            groups.append(Group(info.name, info.name.capitalize(), meaning, fields, opened))
        else:
            top.append(field_of(info, meaning, "", table))
    top.sort(key=lambda one: one.kind == "toml")
    groups.insert(0, Group("", "Pipeline", "", tuple(top), opened=True))
    return [_filled(group, errors, raw) for group in groups]


def _filled(group: Group, errors: Mapping[str, str], raw: Mapping[str, str]) -> Group:
    fields = tuple(replace(f, value=raw.get(f.key, f.value), error=errors.get(f.key, "")) for f in group.fields)
    return replace(group, fields=fields, opened=group.opened or any(f.error for f in fields))


def read(table: Table, ask: Callable[[str], str | None], where: str) -> Settings:
    """Return what a form says, checked: every field by itself, so that all mistakes are told at once.

    Args:
        table: that the form was made from; keys that have no field stay as they are.
        ask: text of a control by its name; None where it is absent.
        where: name of the pipeline in messages.
    """
    raw: dict[str, str] = {}
    errors: dict[str, str] = {}
    made = _copy(table)
    for one in (f for group in form(table) for f in group.fields):
        text = ask(one.name)
        if one.kind == "flag":
            raw[one.key] = "true" if text else ""
        elif text is None:
            continue
        else:
            raw[one.key] = text.replace("\r\n", "\n").strip()
        if raw[one.key] == one.value:
            continue
        try:
            _set(made, one.key, _typed(one, raw[one.key], where))
        except InputError as error:
            errors[one.key] = told(error)
    _without_empty(made)
    config = _checked(made, table, where, raw, errors)
    return Settings(tuple(form(table, errors, raw)), made, config, errors)


def _checked(
    made: Table, base: Table, where: str, raw: Mapping[str, str], errors: dict[str, str]
) -> PipelineConfig | None:
    """Return the configuration, or None where `errors` has an entry. A wrong key is reset to find the next error."""
    tried = _copy(made)
    for _ in range(len(raw) + 1):
        try:
            config = checked(tried, where)
        except InputError as error:
            key = _blamed(error, where, raw)
            if key in errors or not key:
                errors.setdefault(key, told(error))
                return None
            errors[key] = told(error)
            _set(tried, key, _value(base, key))
            _without_empty(tried)
        else:
            return None if errors else config
    return None


def _value(table: Table, key: str) -> Any:  # noqa: ANN401 - TOML values of any type
    """Return the value at a key; None where there is none."""
    location: Any = table
    for name in key.split("."):
        location = location.get(name) if isinstance(location, dict) else None
    return location


def _blamed(error: InputError, where: str, raw: Mapping[str, str]) -> str:
    """Return the field that a message is about: the longest key that its place begins with; empty for none."""
    location = error.where.removeprefix(where).strip()
    missing = re.match(r"the key `(\w+)`", error.expected)
    if missing:
        location = f"{location}.{missing[1]}".strip(".")
    fitting = [key for key in raw if re.match(rf"{re.escape(key)}(?![\w])", location)]
    return max(fitting, key=len, default="")


def _typed(one: Field, text: str, where: str) -> Any:  # noqa: ANN401 - TOML values of any type
    """Return a control's text as the value that `--set` would make of it; None leaves the key out.

    Raises:
        InputError: a list or a table that is no TOML.
    """
    if one.kind == "flag":
        return text == "true"
    if not text:
        return None
    if one.kind == "choice" or one.hint.startswith("text"):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError) as error:
        if one.kind != "toml":
            return text
        raise InputError("valid TOML", " ".join(str(error).split()), f"{where} {one.key}") from None


def _set(table: Table, key: str, value: Any) -> None:  # noqa: ANN401 - TOML values of any type
    """Set or (None) removes a key; `data.more` stands for all keys of [data] that have no field."""
    if key == "data.more":
        data = table.setdefault("data", {})
        for old in [k for k in data if k not in ("kind", "path")]:
            del data[old]
        if isinstance(value, dict):
            data.update(value)
        return
    *parents, last = key.split(".")
    for name in parents:
        table = table.setdefault(name, {})
    if value is None:
        table.pop(last, None)
    else:
        table[last] = value


def _without_empty(table: Table) -> None:
    """Remove a table without entries, such as [window] of a table of rows."""
    for key in ("window", "scaling"):
        if table.get(key) == {}:
            del table[key]


def _copy(table: Table) -> Table:
    return {key: _copy(value) if isinstance(value, dict) else value for key, value in table.items()}
