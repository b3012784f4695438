"""Tables that a pipeline of sensors does not read: sentences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgewright.data.categories import is_text, values_of
from edgewright.data.roles import Roles
from edgewright.schema.data import Labels
from edgewright.schema.errors import InputError


def refuse_sentences(columns: Mapping[str, Labels], roles: Roles, path: str) -> None:
    """Name the command for a table that has sentences and nothing to measure.

    Raises:
        InputError: no column of numbers, and one whose values are mostly of two words or more.
    """
    free = {name: cells for name, cells in columns.items() if name not in (roles.target, *roles.categories)}
    name = next((name for name, cells in free.items() if _is_sentences(cells)), "")
    if roles.readings or not name:
        return
    command = f"edgewright language train {path} --out model.language"
    known = {column.strip().lower() for column in columns}
    do = f"Train on sentences: {command}"
    if not {"text", "intent"} <= known:
        do = f"Name the columns text and intent, then train on sentences: {command}"
    raise InputError("at least one column of numbers besides the target", f"sentences in column {name!r}", path, do)


def _is_sentences(cells: Labels) -> bool:
    values = values_of(cells)
    return bool(values) and is_text(cells) and float(np.mean([" " in value.strip() for value in values])) > 0.5
