"""A table as TOML text: what a form's settings become before a run reads them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def toml_text(table: Mapping[str, Any]) -> str:
    """Return the table with its tables below it; None is left out. A list of tables has a line for each.

    Raises:
        TypeError: a value that TOML does not know.
    """
    lines: list[str] = []
    _table(table, (), lines)
    return "\n".join(lines).strip() + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    plain = {key: value for key, value in table.items() if value is not None and not isinstance(value, Mapping)}
    if path and (plain or not table):
        lines += ["", f"[{'.'.join(map(key_text, path))}]"]
    lines += [f"{key_text(key)} = {value_text(value, lines=_is_tables(value))}" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            _table(value, (*path, key), lines)


def _is_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(entry, Mapping) for entry in value)


def key_text(key: str) -> str:
    """Return a key, in quotes where it must be."""
    return key if _BARE.match(key) else _quoted(key)


def value_text(value: Any, *, lines: bool = False) -> str:  # noqa: ANN401 - TOML values of any type
    """Return a value on one line; with `lines` a list of tables or lists has a line an entry."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key_text(k)} = {value_text(v)}" for k, v in value.items() if v is not None)
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        entries = [value_text(entry) for entry in value]
        if lines and entries:
            return "[\n" + "".join(f"  {entry},\n" for entry in entries) + "]"
        return f"[{', '.join(entries)}]"
    raise TypeError(f"TOML has no type {type(value).__name__}")


def _quoted(text: str) -> str:
    # A basic string of TOML has JSON's escapes; DEL, which JSON leaves as it is, is none of its characters.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
