"""Boards behind a device, as they lie in one column of its row: they are only ever read and written with it."""

from __future__ import annotations

import msgspec

from edgewright.schema.boards import BoardSeen


def boards_of(text: str) -> tuple[BoardSeen, ...]:
    """From the column; none where it is empty."""
    return msgspec.json.decode(text, type=tuple[BoardSeen, ...]) if text else ()


def written(boards: tuple[BoardSeen, ...]) -> str:
    """For the column; without characters that PostgreSQL keeps in no text."""
    return msgspec.json.encode(boards).decode() if boards else ""
