"""What attacks on the control plane share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from postgres_database import fresh_database


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of an empty PostgreSQL database, or of none."""
    if request.param == "sqlite":
        yield ""
        return
    with fresh_database() as address:
        yield address
