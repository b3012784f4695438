"""A pipeline's TOML as it is edited: tables are set, added, moved and removed, and comments stay where they stood."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from edgewright.pipeline.toml_text import toml_text
from edgewright.schema.config import ModelConfig
from edgewright.schema.errors import InputError
from edgewright.studio.settings import Table, config_of, first_table

# Lines that tables moved away leave empty, and the header of a table that came to stand right below another.
_EMPTY, _HEADER = re.compile(r"\n{3,}"), re.compile(r"(^|\n)([^#\n][^\n]*\n)(\[\[?[\w.\"-]+\]\]?\n)")


def table_of(text: str, where: str) -> Table:
    """Return a text as a table.

    Raises:
        InputError: no TOML, with the line.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("valid TOML", " ".join(str(error).split()), where) from None


def value_at(table: Any, key: str) -> Any:  # noqa: ANN401 - TOML values of any type
    """Return the value at a key such as 'stages.1.k'; None where there is none."""
    for name in key.split("."):
        if isinstance(table, list):
            table = table[int(name)] if name.isdecimal() and int(name) < len(table) else None
        else:
            table = table.get(name) if isinstance(table, dict) else None
    return table


def set_value(table: Table, key: str, value: Any) -> None:  # noqa: ANN401 - TOML values of any type
    """Set the value at a key, or remove it for None; a table that has nothing left goes too."""
    *parents, last = key.split(".")
    _with_layers(table, key)
    location: Any = table
    for name in parents:
        if isinstance(location, list):
            location = location[int(name)]
        elif name in location or value is not None:
            location = location.setdefault(name, {})
        else:
            return
    if value is not None:
        location[last] = value
        return
    location.pop(last, None)
    if not location and parents in (["window"], ["scaling"]):
        del table[parents[0]]


def list_at(table: Table, key: str) -> list[Any]:
    """Return the list of tables at a key, made where there is none.

    Raises:
        InputError: something else stands there.
    """
    _with_layers(table, key)
    *parents, last = key.split(".")
    location: Any = table
    for name in parents:
        location = location[int(name)] if isinstance(location, list) else location.setdefault(name, {})
    tables = location.setdefault(last, [])
    if not isinstance(tables, list):
        raise InputError("a list of tables", type(tables).__name__, key)
    return tables


def _with_layers(table: Table, key: str) -> None:
    """Write out the layers that a network has without any, where a key is about them."""
    if key.startswith("model.layers") and value_at(table, "model.layers") is None:
        table.setdefault("model", {})["layers"] = [dict(layer) for layer in ModelConfig().layers]


def arranged(table: Table, action: str) -> str:
    """Insert, move or remove an entry of a list.

    Args:
        table: that is changed.
        action: 'insert:KEY:INDEX:KIND', 'move:KEY:FROM:TO' or 'remove:KEY:INDEX'.

    Returns:
        The index of the entry afterwards; of a removed one that before it.

    Raises:
        InputError: an entry that is not there, or a kind that is not known.
    """
    verb, key, *rest = action.split(":")
    tables, name = list_at(table, key), key.rpartition(".")[2]
    name = name if name in ("stages", "parts", "augment") else "layers"
    places = [int(text) for text in rest if text.isdecimal()]
    last = len(tables) - (verb != "insert")
    expected = {"insert": (1, 2), "move": (2, 2), "remove": (1, 1)}.get(verb)
    if (len(places), len(rest)) != expected or any(index > last for index in places):
        raise InputError(f"an entry of {key}", action[:80], "the pipeline")
    if verb == "insert":
        if config_of(name, rest[1]) is None:
            raise InputError("a known kind", repr(rest[1]), key)
        tables.insert(places[0], first_table(name, rest[1]))
    elif verb == "move":
        tables.insert(places[1], tables.pop(places[0]))
        return str(places[1])
    else:
        del tables[places[0]]
        return str(max(0, places[0] - 1))
    return str(places[0])


def changed_text(text: str, table: Table) -> str:
    """Return the text of a changed table: as it was written, with its comments, where nothing changed."""
    try:
        if tomllib.loads(text) == table:
            return text
        document = tomlkit.parse(text)
        _merge(document, table)
        written = document.as_string()
        for candidate in (_HEADER.sub(r"\1\2\n\3", _EMPTY.sub("\n\n", written)), written):
            if tomllib.loads(candidate) == table:
                return candidate
    except (TOMLKitError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        pass
    return toml_text(table)


def _merge(document: Any, table: Mapping[str, Any]) -> None:  # noqa: ANN401 - tables of tomlkit in any form
    for key in [key for key in document if key not in table]:
        del document[key]
    for key, value in table.items():
        before = document.get(key)
        plain = before.unwrap() if hasattr(before, "unwrap") else before
        if key in document and plain == value and type(plain) is type(value):
            continue
        if isinstance(value, Mapping) and isinstance(plain, Mapping):
            _merge(before, value)
        elif _is_tables(value) and _is_tables(plain):
            _arrange(document, key, plain, value)
        else:
            document[key] = value


def _arrange(document: Any, key: str, before: list[Any], after: list[Any]) -> None:  # noqa: ANN401
    """Give a list of tables its new order: those that stay keep their comments, at most one differs."""
    tables = document[key]
    if len(before) == len(after) and sorted(map(repr, before)) != sorted(map(repr, after)):
        for entry, value in zip(tables, after, strict=True):
            _merge(entry, value)
        return
    kept, rest = list(zip(before, tables, strict=True)), []
    for value in after:
        index = next((i for i, (plain, _) in enumerate(kept) if plain == value), None)
        rest.append(tomlkit.item(value) if index is None else kept.pop(index)[1])
    if isinstance(tables, tomlkit.items.AoT):
        document[key] = tomlkit.items.AoT(rest)
    else:
        array = tomlkit.array()
        array.extend([value.unwrap() if hasattr(value, "unwrap") else value for value in rest])
        document[key] = array.multiline(len(rest) > 1)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, dict) for entry in value)
