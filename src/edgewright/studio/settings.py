"""The form of a pipeline's settings, made from the schema that its TOML is checked against."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

from edgewright.core import catalogue
from edgewright.pipeline.config import checked
from edgewright.pipeline.toml_text import value_text
from edgewright.profiles.catalogue import listing as profiles
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import InputError
from edgewright.studio.frame import told

Table = dict[str, Any]
Kind = Literal["text", "choice", "flag", "toml"]
# Where the kinds of a key are files, their names are offered.
_FOLDERS = {
    "data.kind": ("edgewright.data.sources", "edgewright.data.sets"),
    "model.kind": ("edgewright.models",),
    "training.optimiser": ("edgewright.training.optimisers",),
}


@dataclass(frozen=True)
class Field:
    """One setting.

    Attributes:
        key: as `--set` takes it, 'training.epochs'.
        label: its last word.
        kind: 'toml' is a value of any type in TOML's own writing.
        meaning: from the schema's docstring.
        hint: type and limits, with the default.
        value: text of the control; for a flag 'true' or empty.
        choices: of a 'choice'; of a 'text' the names that are offered.
        error: what is wrong with the value, empty where nothing is.
    """

    key: str
    label: str
    kind: Kind
    meaning: str
    hint: str
    value: str = ""
    choices: tuple[str, ...] = ()
    error: str = ""

    @property
    def name(self) -> str:
        """Of the control: dots would do, but an id without them is easier to name in styles."""
        return self.key.replace(".", "-")

    @property
    def rows(self) -> int:
        """Height of a text box."""
        return max(2, min(12, self.value.count("\n") + 1))


@dataclass(frozen=True)
class Group:
    """A table of the pipeline: its fields, and whether it is shown opened."""

    key: str
    title: str
    meaning: str
    fields: tuple[Field, ...]
    opened: bool = False


def data_fields(data: Table) -> Iterator[Field]:
    """Yield the fields of [data]: what every kind has, and one for the rest of its keys."""
    kinds = tuple(sorted(name for folder in _FOLDERS["data.kind"] for name in catalogue.names(folder)))
    yield Field("data.kind", "kind", "choice", "source of the rows", "text", str(data.get("kind", "")), kinds)
    path = str(data.get("path", "") or "")
    yield Field("data.path", "path", "text", "file or folder, if the kind reads one", "text", path)
    rest = {key: value for key, value in data.items() if key not in ("kind", "path")}
    shown = value_text(rest) if rest else ""
    yield Field("data.more", "further keys", "toml", "of this kind, as a TOML table", "table", shown)


def fields_of(struct: type, prefix: str, table: Table) -> Iterator[Field]:
    """Yield the fields of a table's struct; `prefix` is the table's name with a dot."""
    for info, meaning in described(struct):
        yield field_of(info, meaning, prefix, table)


def field_of(info: msgspec.inspect.Field, meaning: str, prefix: str, table: Table) -> Field:
    """Return the field of one key; what the table lacks shows its default."""
    default = info.default if info.default is not msgspec.NODEFAULT else None
    if info.default_factory is not msgspec.NODEFAULT:
        default = info.default_factory()
    value = table.get(info.encode_name, default)
    key, kinds = f"{prefix}{info.encode_name}", _alternatives(info.type)
    hint = " or ".join(word for word in map(_word, kinds) if word)
    if default not in (None, "", (), {}) and not isinstance(default, tuple | dict | list | msgspec.Struct):
        hint += f"; default {value_text(default)}"
    made = Field(key, info.encode_name.replace("_", " "), "text", meaning, hint)
    if any(isinstance(kind, msgspec.inspect.BoolType) for kind in kinds):
        return replace(made, kind="flag", value="true" if value else "")
    literal = next((kind for kind in kinds if isinstance(kind, msgspec.inspect.LiteralType)), None)
    if literal is not None:
        return replace(made, kind="choice", value=str(value), hint="text", choices=tuple(map(str, literal.values)))
    if all(isinstance(kind, msgspec.inspect.StrType | msgspec.inspect.NoneType) for kind in kinds):
        return replace(made, value=str(value or ""), choices=_offered(key), hint=f"text{hint.removeprefix('text')}")
    if isinstance(value, list | tuple | dict):
        return replace(made, kind="toml", value=value_text(value, lines=True) if value else "")
    if any(isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType) for kind in kinds):
        return replace(made, value="" if value is None else value_text(value))
    return replace(made, kind="toml", value="" if value is None else value_text(value))


def _offered(key: str) -> tuple[str, ...]:
    """Return names of the files that a key's value may name."""
    if key == "device.profile":
        return profiles()
    return tuple(name for folder in _FOLDERS.get(key, ()) for name in catalogue.names(folder))


def _alternatives(kind: msgspec.inspect.Type) -> tuple[msgspec.inspect.Type, ...]:
    if isinstance(kind, msgspec.inspect.Metadata):
        return _alternatives(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return tuple(t for one in kind.types for t in _alternatives(one))
    return (kind,)


def _word(kind: msgspec.inspect.Type) -> str:
    """Return a type in the words of a reader, with its limits."""
    if isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        word = "whole number" if isinstance(kind, msgspec.inspect.IntType) else "number"
        limits = (("above", kind.gt), ("at least", kind.ge), ("below", kind.lt), ("at most", kind.le))
        return word + "".join(f", {said} {value:g}" for said, value in limits if value is not None)
    if isinstance(kind, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
        return "TOML list"
    names = {msgspec.inspect.StrType: "text", msgspec.inspect.DictType: "TOML table"}
    return next((word for one, word in names.items() if isinstance(kind, one)), "")


def struct_of(kind: msgspec.inspect.Type) -> type | None:
    """Return the struct that a key of this type holds; None for a plain value."""
    return next((one.cls for one in _alternatives(kind) if isinstance(one, msgspec.inspect.StructType)), None)


def described(struct: type) -> Iterator[tuple[msgspec.inspect.Field, str]]:
    """Yield fields of a struct with what its docstring says of them."""
    info = msgspec.inspect.type_info(struct)
    if not isinstance(info, msgspec.inspect.StructType):
        return
    record: dict[str, str] = {}
    block = inspect.cleandoc(struct.__doc__ or "").partition("\nAttributes:\n")[2].split("\n\n")[0]
    for entry in re.split(r"\n(?=    \S)", "\n" + block):
        name, _, text = " ".join(entry.split()).partition(": ")
        record[name] = text
    for one in info.fields:
        yield one, record.get(one.name, "").replace("`", "'")


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
