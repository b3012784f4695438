"""Pages of a list by the last row of the page before: as quick at the end of a large fleet as at its beginning.

An offset reads everything before it, and shifts when devices come in between; a place does neither. Rows are in the
order of one column and then of their id, both the same way; those without a value come last going down, first going up.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.schema.errors import InputError


class _Place(msgspec.Struct, frozen=True, array_like=True):
    order: str
    value: str | int | float | None
    id: str


def cursor(order: str, value: str | float | None, name: str) -> str:
    """A place behind a row, as text that may stand in an address."""
    return base64.urlsafe_b64encode(msgspec.json.encode(_Place(order, value, name))).decode().rstrip("=")


def read(text: str, order: str) -> tuple[Any, str]:
    """Value and id of a place.

    Raises:
        InputError: it is none, or of a list in another order.
    """
    expected = f"a cursor of a list in the order {order!r}"
    try:
        place = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Place)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise InputError(expected, repr(text[:80]), "past") from None
    if place.order != order:
        raise InputError(expected, f"one in the order {place.order!r}", "past")
    return place.value, place.id


def ordered(column: sa.ColumnElement[Any], name: sa.ColumnElement[str], *, down: bool) -> tuple[Any, ...]:
    """What to order by."""
    if down:
        return (column.desc().nulls_last(), name.desc())
    return (column.asc().nulls_first(), name.asc())


def behind(
    column: sa.ColumnElement[Any], name: sa.ColumnElement[str], place: tuple[Any, str], *, down: bool
) -> sa.ColumnElement[bool]:
    """Which rows come after a place."""
    value, last = place
    if value is None:
        rest = name < last if down else name > last
        without = sa.and_(column.is_(None), rest)
        return without if down else sa.or_(without, column.is_not(None))
    both, seen = sa.tuple_(column, name), sa.tuple_(sa.literal(value), sa.literal(last))
    return sa.or_(both < seen, column.is_(None)) if down else both > seen
