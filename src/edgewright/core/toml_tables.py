"""From a TOML file to configuration structs, with errors that name the key; and from tables to TOML."""

from __future__ import annotations

import json
import math
import re
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from edgewright.core.errors import (
    ConfigError,
    ConfigKeyMissingError,
    FileTooLargeError,
    InputError,
    TomlSyntaxError,
    UnknownNameError,
    UnreadableFileError,
)

T = TypeVar("T")

_LARGEST = 1 << 20
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_MESSAGE = re.compile(r"^(?P<what>.*?) - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"^Object contains unknown field `(.*)`$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(.*)`$", re.DOTALL)
_EXPECTED = re.compile(r"^Expected (?P<expected>.*?)(?:, got (?P<got>.*))?$", re.DOTALL)
# msgspec's names of types, which are Python's and JSON's, as the writer of a TOML file knows them.
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
_TYPE = re.compile(r"^`(?P<types>[a-z]+(?: \| [a-z]+)*)`(?P<more>.*)$", re.DOTALL)
_BOUNDS = {">=": "of at least", "<=": "of at most", ">": "above", "<": "below"}
_BOUND = re.compile(r"^ (?P<sign>[<>]=?) (?P<bound>.*)$")
_LENGTH = re.compile(r"^ of length (?:(?P<sign>[<>]=?) )?(?P<length>\d+)$")
_ENUM = re.compile(r"^Invalid enum value ")


def read_toml(path: Path, title: str) -> dict[str, Any]:
    """Read a TOML file of at most 1 MB.

    Args:
        path: path of the file.
        title: it should be, for messages.

    Raises:
        InputError: it cannot be read, is larger, or is no TOML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise FileTooLargeError(f"{title} of at most {_LARGEST >> 20} MB", "more", str(path))
    except OSError as error:
        raise UnreadableFileError(title, error.strerror or str(error), str(path)) from None
    return parse_toml(content, str(path))


def parse_toml(content: bytes, where: str) -> dict[str, Any]:
    """Read TOML from bytes; `where` names them in messages.

    Raises:
        InputError: it is no TOML.
    """
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise TomlSyntaxError("TOML", str(error), where) from None


def convert_table(table: Mapping[str, object], config_type: type[T], where: str) -> T:
    """Convert a table into a configuration struct.

    Args:
        table: as read from TOML.
        config_type: a msgspec struct that forbids unknown fields.
        where: the file and the table, such as ``pipeline.toml [data]``; the key is appended to it in a message.

    Raises:
        UnknownNameError: for a key or a value that is not among the known ones, with the known ones.
        InputError: for a missing key, a wrong type or a value out of range.
    """
    try:
        return msgspec.convert(dict(table), config_type)
    except msgspec.ValidationError as error:
        raise explain(error, dict(table), config_type, where) from error


def explain(error: msgspec.ValidationError, table: object, config_type: Any, where: str) -> InputError:  # noqa: ANN401 - a type form
    """Return the error in the words of this project: expected, got, where, and the known names.

    Args:
        error: as raised by `msgspec.convert(table, config_type)`.
        table: what was converted.
        config_type: the struct, or any type form, it was converted to.
        where: the file and the table.
    """
    message = str(error)
    parts = _MESSAGE.match(message)
    problem, path = (parts["what"], parts["path"]) if parts else (message, "")
    steps = [name or index for name, index in _STEP.findall(path)]
    location = _path_text(where, steps)
    value, kind = _walk(table, config_type, steps)
    if unknown := _UNKNOWN.match(problem):
        return UnknownNameError("key", unknown[1], known_keys(kind), location)
    if missing := _MISSING.match(problem):
        return ConfigKeyMissingError(f"the key `{missing[1]}`", "none", location, f"Add {missing[1]} = ... there")
    if _ENUM.match(problem) and (known := _literals(kind)):
        return UnknownNameError(f"value of `{steps[-1] if steps else 'it'}`", str(value), known, location)
    if expected := _EXPECTED.match(problem):
        # A key that is no text stands for all keys of its table; of a value that was not found its kind is known.
        seen = value is not None and parts is not None and not parts["key"]
        got = _shown(value) if seen else _in_words(expected["got"] or "")
        return ConfigError(_in_words(expected["expected"]), got, location)
    return ConfigError("a valid table", problem, location)


def known_keys(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - a type form
    """Return names of the fields of a struct; none for another type."""
    for option in _options(kind):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return tuple(field.encode_name for field in msgspec.structs.fields(option))
    return ()


def _path_text(where: str, steps: list[str]) -> str:
    """`pipeline.toml [data]` and the steps `rows`, `1` give `pipeline.toml [data] rows[1]`."""
    key = ""
    for step in steps:
        key += f"[{step}]" if step.isdigit() or step == "..." else f".{step}"
    return f"{where} {key.removeprefix('.')}".strip()


def _options(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type form
    """Return the members of a union without Annotated; a type that is no union is its only member."""
    if get_origin(kind) is Annotated:
        return _options(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(option for member in get_args(kind) for option in _options(member))
    return (kind,)


def _walk(value: Any, kind: Any, steps: list[str]) -> tuple[Any, Any]:  # noqa: ANN401 - values and types of any table
    """Return the value and its declared type at a path; None where the path leaves what is known."""
    for step in steps:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list | tuple) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            value = None
        kind = _inner(kind, step)
    return value, kind


def _inner(kind: Any, step: str) -> Any:  # noqa: ANN401 - a type form
    for option in _options(kind):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            for field in msgspec.structs.fields(option):
                if field.encode_name == step:
                    return field.type
        arguments = [argument for argument in get_args(option) if argument is not Ellipsis]
        if get_origin(option) in (tuple, list, dict, Mapping) and arguments:
            if get_origin(option) is tuple and Ellipsis not in get_args(option) and step.isdigit():
                return arguments[min(int(step), len(arguments) - 1)]
            return arguments[-1]
    return None


def _literals(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - a type form
    return tuple(str(value) for option in _options(kind) if get_origin(option) is Literal for value in get_args(option))


def _in_words(text: str) -> str:
    """Return what msgspec says, "`int` >= 1", as "a whole number of at least 1"; what is not known stays as it is."""
    parts = _TYPE.match(text)
    if parts is None:
        return text
    names = parts["types"].split(" | ")
    # A key that may be left out has no value that could be written.
    known = [_TYPES.get(name, name) for name in names if name != "null" or len(names) == 1]
    words = " or ".join(word for word in known if word != "a whole number" or "a number" not in known)
    more = parts["more"]
    if bound := _BOUND.match(more):
        return f"{words} {_BOUNDS[bound['sign']]} {bound['bound'].removesuffix('.0')}"
    if length := _LENGTH.match(more):
        sign = _BOUNDS[length["sign"]].removeprefix("of ") + " " if length["sign"] else ""
        unit = "character" if names[0] == "str" else "value"
        return f"{words} of {sign}{length['length']} {unit}{'s' * (length['length'] != '1')}"
    return words + more


def _shown(value: object, longest: int = 40) -> str:
    """Return the value as a reader would write it, cut when long."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= longest else text[: longest - 3] + "..."


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
