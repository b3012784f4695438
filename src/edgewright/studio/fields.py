"""Fields of a form made from the schema of a pipeline's settings: kind of control, meaning, hint, value."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from edgewright.core import catalogue
from edgewright.pipeline.toml_text import value_text
from edgewright.profiles.catalogue import listing as profiles

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
