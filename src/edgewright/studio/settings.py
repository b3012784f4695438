"""The settings of a pipeline as fields, each with the control that its type in the schema asks for."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Literal

import msgspec

from edgewright.core import catalogue
from edgewright.core.toml_tables import value_text
from edgewright.data.load import SOURCES
from edgewright.data.set_files import registered_sources
from edgewright.pipeline.plan import ROOMS
from edgewright.profiles.catalogue import listing as profiles

Table = dict[str, Any]
Kind = Literal["text", "choice", "flag", "number", "range", "set", "words", "tables"]
# Where a key names a file, and where the kinds of a list of tables are files: rooms, and what their files offer.
_FILES = {"model.kind": ("edgewright.models", "MODEL"), "training.optimiser": ("edgewright.training.optimisers", "")}
_ROOMS = {
    "stages": (ROOMS, "STAGE"),
    "parts": (("edgewright.features",), "STAGE"),
    "layers": (("edgewright.models.nn",), "LAYER"),
    "augment": (("edgewright.training.augmentations",), "AUGMENTATION"),
}
# A slider of more values than this cannot be set to one of them.
_MOST_VALUES, _NEAR = 10_000, 1e-9
_BOUNDS = (("ge", 0), ("gt", 1), ("le", 0), ("lt", -1))


@dataclass(frozen=True)
class Field:
    """One setting.

    Attributes:
        key: where its value stands in the table, 'stages.1.k'.
        label: its last word.
        kind: of its control; 'words' are separated by commas, 'set' is a checkbox for each choice.
        meaning: from the schema's docstring.
        value: text of the control; for a flag 'true' or empty.
        choices: what a choice or a set offers, and a text suggests.
        low, high, step: of a number; None for no limit, 'any' for any number between, and 'text' for no number.
        error: what is wrong with the value, empty where nothing is.
        entries: tables of a list, in order.
        basic: shown at once, not among further settings.
    """

    key: str
    label: str
    kind: Kind
    meaning: str
    value: str = ""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    step: str = "any"
    error: str = ""
    entries: tuple[Entry, ...] = ()
    basic: bool = False

    @property
    def name(self) -> str:
        """Of the control: an id without dots is easier to name in styles."""
        return self.key.replace(".", "-")

    @property
    def chosen(self) -> tuple[str, ...]:
        """What is checked of a set."""
        return tuple(filter(None, self.value.split(", ")))

    def typed(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 - TOML values of any type
        """Return what a browser sent for this field as a value of TOML; None leaves the key out."""
        text = ", ".join(texts).replace("\r\n", "\n").strip()
        if self.kind == "flag":
            return bool(text)
        if not text:
            return None
        if self.kind in ("set", "words"):
            return [word for word in (part.strip() for part in text.split(",")) if word]
        if self.step == "text":
            return text
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            return text


@dataclass(frozen=True)
class Entry:
    """A table of a list: its kind, what it says in short, and its fields."""

    kind: str
    summary: str
    fields: tuple[Field, ...]
    error: str = ""


@dataclass(frozen=True)
class Group:
    """A table of the pipeline under a title, unfolded or not."""

    title: str
    fields: tuple[Field, ...]
    opened: bool = True

    @property
    def wrong(self) -> bool:
        """Whether one of its fields has a problem."""
        entries = (entry for field in self.fields for entry in field.entries)
        return any(f.error for f in self.fields) or any(e.error or Group("", e.fields).wrong for e in entries)

    def shown(self, basic: bool) -> list[Field]:
        """Return the fields that are shown at once, or the others; those with a problem are shown at once."""
        return [field for field in self.fields if (field.basic or bool(field.error)) == basic]


def kinds_of(list_name: str) -> tuple[str, ...]:
    """Return the kinds of tables that a list holds, by the list's name: 'stages', 'parts', 'layers', 'augment'."""
    packages, attribute = _ROOMS[list_name]
    return tuple(name for package in packages for name in catalogue.listing(package, attribute))


def config_of(list_name: str, kind: object) -> type | None:
    """Return the struct of a kind of table in a list; None for a kind that is not known."""
    packages, attribute = _ROOMS[list_name]
    for package in packages:
        if isinstance(kind, str) and kind in catalogue.listing(package, attribute):
            config: type = catalogue.find(package, kind, attribute, list_name).config
            return config
    return None


def first_table(list_name: str, kind: str) -> Table:
    """Return the table of a new entry of a list: its kind, and what must be said in any case where it is a number."""
    table: Table = {"kind": kind}
    for info, _ in described(config_of(list_name, kind) or object):
        number = next(filter(_is_number, _alternatives(info.type)), None)
        if info.required and number is not None:
            low, high, _ = _limits(number)
            table[info.encode_name] = int(max(low or 1, min(high or 8, 8)))
    return {"kind": "union", "parts": [{"kind": "statistics"}]} if kind == "union" else table


def data_kinds() -> tuple[str, ...]:
    """Return what [data] may name as its kind."""
    return tuple(sorted({*catalogue.names(SOURCES), *registered_sources()}))


def fields_of(
    struct: type, prefix: str, table: Table, basic: Iterable[str] = (), ends: Mapping[str, int] | None = None
) -> tuple[Field, ...]:
    """Return the fields of a table's struct.

    Args:
        struct: that the table is checked against.
        prefix: the table's name with a dot.
        table: as it stands; what it lacks shows its default.
        basic: keys that are shown at once, beside those that the table has.
        ends: largest numbers that make sense here, by key.
    """
    shown = set(basic)
    fields = []
    for info, meaning in described(struct):
        field = _field(info, meaning, prefix, table)
        if field is not None:
            if info.encode_name == "features" and field.kind == "words":
                # Their names are the keys of a table of formulas; those of the file come first, in its order.
                measures = getattr(import_module(struct.__module__), "MEASURES", ())
                names = dict.fromkeys([*field.chosen, *info.default, *measures])
                field = replace(field, kind="set", choices=tuple(names)) if measures else field
            high = (ends or {}).get(info.encode_name)
            if high is not None and field.kind == "number" and high > (field.low or 0):
                field = replace(field, kind="range", high=high)
            fields.append(replace(field, basic=info.required or info.encode_name in (*shown, *table)))
    return tuple(fields)


def _field(info: msgspec.inspect.Field, meaning: str, prefix: str, table: Table) -> Field | None:
    """Return the field of one key; None for a table of its own."""
    default = info.default if info.default is not msgspec.NODEFAULT else None
    if info.default_factory is not msgspec.NODEFAULT:
        default = info.default_factory()
    value = table.get(info.encode_name, None if default is msgspec.UNSET else default)
    key, kinds = f"{prefix}{info.encode_name}", _alternatives(info.type)
    field = Field(key, label_of(info.encode_name), "text", meaning)
    if struct_of(info.type) is not None:
        return None
    if info.encode_name in _ROOMS and any(_is_tables(kind) for kind in kinds):
        return replace(field, kind="tables", entries=entries_of(key, value or ()), choices=kinds_of(info.encode_name))
    if len(kinds) == 1:
        return _plain(field, kinds[0], value)
    words = tuple(str(v) for kind in kinds if isinstance(kind, msgspec.inspect.LiteralType) for v in kind.values)
    return replace(field, value=_text(value), choices=words)


def label_of(key: str) -> str:
    """Return a key as a label: 'learning_rate' as 'Learning rate'."""
    return f"{key[:1].upper()}{key[1:]}".replace("_", " ")


def _plain(field: Field, kind: msgspec.inspect.Type, value: Any) -> Field:  # noqa: ANN401 - TOML values of any type
    """Return the control of a key of one type; a value of another type is shown as text."""
    if isinstance(kind, msgspec.inspect.BoolType):
        return replace(field, kind="flag", value="true" if value else "")
    if isinstance(kind, msgspec.inspect.LiteralType):
        step = "text" if all(isinstance(word, str) for word in kind.values) else "any"
        return replace(field, kind="choice", value=str(value), choices=tuple(map(str, kind.values)), step=step)
    if isinstance(kind, msgspec.inspect.StrType):
        offered = _offered(field.key)
        return replace(field, kind="choice" if offered else "text", value=str(value or ""), choices=offered,
                       step="text")  # fmt: skip
    if _is_number(kind) and (value is None or (isinstance(value, int | float) and not isinstance(value, bool))):
        low, high, step = _limits(kind)
        number = replace(field, kind="number", value=_text(value), low=low, high=high)
        if value is None or step == "any":
            return number
        steps = [(end - (low or 0)) / float(step) for end in (value, high or 0)]
        # A slider would move a value that lies between two steps.
        even = abs(steps[0] - round(steps[0])) < _NEAR
        fits = low is not None and high is not None and low <= value <= high and steps[1] <= _MOST_VALUES
        return replace(number, kind="range" if fits else "number", step=step if even else "any")
    if isinstance(kind, msgspec.inspect.VarTupleType | msgspec.inspect.TupleType | msgspec.inspect.ListType):
        inner = kind.item_types if isinstance(kind, msgspec.inspect.TupleType) else (kind.item_type,)
        texts = isinstance(value, list | tuple) and all(isinstance(v, str) and "," not in v for v in value)
        if isinstance(inner[0], msgspec.inspect.StrType) and (texts or not value):
            return replace(field, kind="words", value=", ".join(value or ()))
    return replace(field, value=_text(value))


def entries_of(key: str, tables: Any) -> tuple[Entry, ...]:  # noqa: ANN401 - TOML values of any type
    """Return the tables of a list with their fields; `key` ends with the list's name or that of an architecture."""
    if not isinstance(tables, list | tuple):
        return ()
    name = key.rpartition(".")[2]
    name = name if name in _ROOMS else "layers"
    entries = []
    for index, table in enumerate(table if isinstance(table, dict) else {} for table in tables):
        struct = config_of(name, table.get("kind"))
        rest = {k: v for k, v in table.items() if k != "kind"}
        fields = fields_of(struct, f"{key}.{index}.", rest) if struct else ()
        summary = ", ".join(_text(v) if isinstance(v, str | float) else f"{k} {_text(v)}"
                         for k, v in rest.items() if isinstance(v, str | int | float))  # fmt: skip
        entries.append(Entry(str(table.get("kind", "")), summary, fields))
    return tuple(entries)


def _text(value: Any) -> str:  # noqa: ANN401 - TOML values of any type
    """Return a value as a control shows it; text without quotes."""
    if value in (None, (), [], {}):
        return ""
    return value if isinstance(value, str) else value_text(value)


def _offered(key: str) -> tuple[str, ...]:
    """Return names of the files that a key's value may name."""
    if key == "device.profile":
        return profiles()
    package, attribute = _FILES.get(key, ("", ""))
    return catalogue.listing(package, attribute) if attribute else catalogue.names(package) if package else ()


def _alternatives(kind: msgspec.inspect.Type) -> tuple[msgspec.inspect.Type, ...]:
    """Return the types that a value may have; one that may be left out has the others."""
    if isinstance(kind, msgspec.inspect.Metadata):
        return _alternatives(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return tuple(t for alternative in kind.types for t in _alternatives(alternative))
    return () if type(kind).__name__ in ("NoneType", "UnsetType") else (kind,)


def _is_number(kind: msgspec.inspect.Type) -> bool:
    return isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType)


def _is_tables(kind: msgspec.inspect.Type) -> bool:
    return isinstance(kind, msgspec.inspect.VarTupleType) and isinstance(kind.item_type, msgspec.inspect.DictType)


def _limits(kind: Any) -> tuple[float | None, float | None, str]:  # noqa: ANN401 - of whole or any numbers
    """Return the smallest and largest value of a number, and the step between two values of its slider."""
    whole = isinstance(kind, msgspec.inspect.IntType)
    span = (kind.le or kind.lt or 0) - (kind.ge or kind.gt or 0)
    step = 1.0 if whole else 0.01 if span <= 2 else 0.1 if span <= 20 else 1.0
    ends = [None if (bound := getattr(kind, name)) is None else bound + sign * step for name, sign in _BOUNDS]
    low, high = (next((end for end in ends[i : i + 2] if end is not None), None) for i in (0, 2))
    if high is None and not whole:
        return kind.ge if low is not None else None, None, "any"
    return low, high, f"{step:g}"


def struct_of(kind: msgspec.inspect.Type) -> type | None:
    """Return the struct that a key of this type holds; None for a plain value."""
    structs = (alt.cls for alt in _alternatives(kind) if isinstance(alt, msgspec.inspect.StructType))
    return next(structs, None)


def described(struct: type) -> Iterator[tuple[msgspec.inspect.Field, str]]:
    """Yield fields of a struct with what its docstring, or that of a struct it extends, says of them."""
    info = msgspec.inspect.type_info(struct)
    if not isinstance(info, msgspec.inspect.StructType):
        return
    meanings: dict[str, str] = {}
    for of in reversed(struct.__mro__):
        block = inspect.cleandoc(of.__dict__.get("__doc__") or "").partition("\nAttributes:\n")[2].split("\n\n")[0]
        for entry in re.split(r"\n(?=    \S)", "\n" + block):
            names, _, text = " ".join(entry.split()).partition(": ")
            meanings.update(dict.fromkeys(names.split(", "), text))
    for info_of in info.fields:
        yield info_of, meanings.get(info_of.name, "").replace("`", "'")
