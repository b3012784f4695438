"""The one gate through which everything passes that leaves a device: what is not named stays."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from edgewright.schema.device import Event

_LONGEST_TEXT, _LONGEST_LIST = 256, 512
_OWN_FIELDS = ("kind", "stream", "time", "wall", "doubt", "label", "score")


class AllowList:
    """Lets named keys and columns through.

    Args:
        detail: keys of events and items that may leave.
        columns: raw columns that may leave.
    """

    def __init__(self, detail: Collection[str], columns: Collection[str]) -> None:
        self._detail, self._columns = frozenset(detail), frozenset(columns)
        self.withheld = 0
        """So many keys were kept back."""

    def event(self, event: Event) -> dict[str, Any]:
        """Return an event as it may leave: its own fields, and of its detail what is named."""
        record: dict[str, Any] = {name: _plain(getattr(event, name)) for name in _OWN_FIELDS}
        detail = self.body(event.detail)
        return {**record, "detail": detail} if detail else record

    def body(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Named keys with values that are numbers, short texts, lists of them, or tables of the same kind."""
        kept = {}
        for name, value in body.items():
            allowed = name in self._detail and _small(value)
            if isinstance(value, Mapping) and name in self._detail:
                # Counts by label: their keys are labels, their values must be single numbers.
                allowed = len(value) <= _LONGEST_LIST and all(_number(v) for v in value.values())
            if allowed:
                kept[name] = _plain(value)
            else:
                self.withheld += 1
        return kept

    def columns(self, names: Sequence[str]) -> list[int]:
        """Return places of the raw columns that may leave."""
        return [place for place, name in enumerate(names) if name in self._columns]


def _number(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float)


def _small(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT
    if isinstance(value, list | tuple):
        return len(value) <= _LONGEST_LIST and all(
            _number(v) or (isinstance(v, str) and len(v) <= _LONGEST_TEXT) for v in value
        )
    return _number(value)


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """JSON knows no NaN and no infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return value
