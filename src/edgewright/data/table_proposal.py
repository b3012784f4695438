"""The table [data] that reads a person's files: what a person names, and the rest by names and values of columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from edgewright.core.clocks.reader import unclear_order
from edgewright.core.clocks.texts import ORDERS, needs_order
from edgewright.data.bad_rows import KEY as SKIP_BAD_ROWS
from edgewright.data.categories import is_text, values_of
from edgewright.data.load import guess, table_of
from edgewright.data.preview import Preview, preview_of_set, read_preview
from edgewright.data.public import loaders
from edgewright.data.remote import located
from edgewright.data.roles import NAMED, NAMED_IGNORED, NONE, UNNAMED, Roles, assign_roles
from edgewright.data.roles import find_target as named_target
from edgewright.schema.data import Labels
from edgewright.schema.errors import InputError

PARTS = ("target", "group", "session", "time")
"""Keys of columns that are no inputs."""
TargetSearch = Literal["none", "named", "any"]
"""Targets that a command takes where none is named."""
TABLES = ("csv", "parquet", "folder")
"""Sources whose columns are named."""


def data_table(preview: Preview, roles: Roles) -> dict[str, object]:
    """Return the table `[data]`.

    Raises:
        InputError: the time has several meanings.
    """
    if (choice := roles.unclear) is not None and choice.unit in ORDERS:
        cell = next(filter(needs_order, preview.columns[roles.time].tolist()))
        raise unclear_order(roles.time, cell, str(preview.table["path"]))
    if choice is not None:
        raise InputError(
            "a time whose unit is clear",
            f"{roles.time!r}, which rises by {choice.step:g}: {' or '.join(map(choice.pace, choice.units))}",
            str(preview.table["path"]),
            f"Say which with --time-unit {choice.unit} (time_unit in [data]), or call the column "
            f"{roles.time}_{choice.unit}",
        )
    table = {**preview.table, **roles.table()}
    if units := {name: unit for name, unit in preview.units.items() if name in roles.readings}:
        table["units"] = units
    if table["kind"] == "csv" and not roles.target and Path(str(table["path"])).is_dir():
        table["kind"] = "folder"  # labels come from names or a labels file
    columns = {"label": roles.target, "group": roles.group}
    if not any(part in preview.pattern_values and not column for part, column in columns.items()):
        table.pop("pattern", None)  # a further file may have a name of another form
    return table


@dataclass(frozen=True)
class ProposedTable:
    """How data are read.

    Attributes:
        table: [data].
        preview: cells by column; None for what has no columns of its own, such as sound.
        roles: what each column is.
    """

    table: dict[str, object]
    preview: Preview | None = None
    roles: Roles = field(default_factory=Roles)

    def with_numbers(self) -> ProposedTable:
        """Return the table that reads every column of numbers but those that a person left out, to look at them."""
        if self.preview is None or not self.preview.columns:
            return self
        columns, ignored = self.preview.columns, self.roles.ignored
        left = {n: why for n, why in ignored.items() if why == NAMED_IGNORED or not _is_number(columns[n])}
        return replace(self, table={**self.table, "ignore": list(left)}, roles=replace(self.roles, ignored=left))

    @property
    def sentence(self) -> str:
        """What columns were taken for without being named, in a line; empty where there are none."""
        return ". ".join(self.sentences)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the file was read as, what its rows are, and what columns were taken for; warnings are not repeated."""
        parts = [f"{key} = {getattr(self.roles, key)}" for key in PARTS if self.roles.why.get(key, NAMED) != NAMED]
        parts += [f"{name} left out ({why})" for name, why in self.roles.ignored.items() if why != NAMED_IGNORED]
        understood = self.preview.sentence(self.roles.numbers, loaded=True) if self.preview is not None else ""
        parts_of_file = [f"read as {understood}"] if understood else []
        parts_of_file += [f"each row is {self.roles.series.description}"] if self.roles.series is not None else []
        return (*parts_of_file, *([f"columns: {'; '.join(parts)}"] if parts else []))


def propose_table(
    path: str,
    named: Mapping[str, object],
    kind: str = "",
    *,
    texts: bool = True,
    kept: Collection[str] = (),
    constants: bool = False,
    find_target: TargetSearch = "none",
) -> ProposedTable:
    """Return the table that commands without a pipeline read data with: columns are what they are for `init`.

    Args:
        path: file or folder.
        named: keys of [data] as a person gave them; empty ones count as left out.
        kind: source or public set; judged by the path when empty. A public set knows its own columns.
        texts: whether columns of text are inputs; else they are left out, and so is a column that its name says is to
            be predicted.
        kept: columns that are inputs because a person says so.
        constants: whether columns of one number are inputs: a detector raises an alarm where they leave it.
        find_target: which target counts where the person names none: 'any' that `init` takes, 'named' those that a
            column's name says, or 'none'.

    Raises:
        InputError: the path cannot be read.
        UnknownNameError: a named column is not there.
    """
    given = {key: list(value) if isinstance(value, tuple) else value for key, value in named.items() if value}
    table: dict[str, object] = {"kind": kind, "path": path}
    if not kind:
        table = guess(path) if given else table_of(path)
    if not kind and str(table["kind"]) in loaders():
        return ProposedTable(table, preview_of_set(table))
    if table["kind"] not in TABLES or not Path(located(path)).exists():
        return ProposedTable({**table, **given})
    preview = read_preview(path, skip_bad_rows=bool(given.get(SKIP_BAD_ROWS)))
    parts = {key: str(given.get(key, "")) for key in (*PARTS, "time_unit")}
    ignored = given.pop("ignore", [])
    roles = _roles(preview, parts, [str(name) for name in ignored], texts, find_target)  # type: ignore[attr-defined]
    if not roles.readings and not roles.categories:  # a column that counts is better than none
        kept = [name for name in roles.ignored if _is_number(preview.columns[name])]
    elif constants:
        still = {name: why for name, why in roles.ignored.items() if why != NAMED_IGNORED}
        kept = [*kept, *(name for name in still if _is_constant_number(preview.columns[name]))]
    left = {name: why for name, why in roles.ignored.items() if name not in kept or name in ignored}  # type: ignore[operator]
    roles = replace(roles, ignored=left)
    table = {**data_table(preview, roles), **({"kind": kind} if kind else {})}
    if "pattern" in given:
        table["kind"] = kind or "folder"
    elif table["kind"] != "folder":
        table.pop("pattern", None)
    if "columns" in given:  # every other column is left out
        table.pop("ignore", None)
        table.pop("categories", None)
    given = {key: value for key, value in given.items() if key not in PARTS}
    return ProposedTable({**table, **given}, preview, roles)


def _is_number(cells: Labels) -> bool:
    """Return whether cells can be read as numbers, at least one of them."""
    return bool(values_of(cells)) and not is_text(cells)


def proposed_target(preview: Preview, parts: Mapping[str, str], ignored: Sequence[str]) -> str:
    """Return the target that `init` takes because a column's name says so; empty where it would guess by position.

    Empty, too, where no input is left beside it.

    Args:
        preview: of the data.
        parts: `group`, `session` and `time` as a person named them.
        ignored: columns that a person leaves out.
    """
    roles = assign_roles(
        preview.columns, {**parts, "target": ""}, ignored, preview.texts, few=preview.is_folder, units=preview.units
    )
    has_inputs = bool(roles.readings or roles.categories)
    return roles.target if has_inputs and not roles.why.get("target", UNNAMED).startswith(UNNAMED) else ""


def _is_constant_number(cells: Labels) -> bool:
    return _is_number(cells) and len(values_of(cells)) == 1


def _roles(preview: Preview, parts: dict[str, str], ignored: list[str], texts: bool, find: TargetSearch) -> Roles:
    few = preview.is_folder
    if not parts["target"] and find == "named" and not proposed_target(preview, parts, ignored):
        find = "none"
    if not parts["target"] and find == "none":
        parts = {**parts, "target": NONE}
        if not texts and (name := named_target(preview.columns)):
            ignored = [*ignored, name]
    roles = assign_roles(preview.columns, parts, ignored, preview.texts, few=few, units=preview.units)
    if texts or not roles.categories:
        return roles
    why = dict.fromkeys(roles.categories, "text")
    return replace(roles, categories={}, ignored={**roles.ignored, **why})
