"""One composition for all of its tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from composed_devices import update
from composed_fleet import Composed, composed


@pytest.fixture(scope="package")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """Provide the running fleet; each test leaves both servers alive."""
    with composed(tmp_path_factory.mktemp("composed")) as fleet:
        yield fleet


@pytest.fixture(scope="package")
def updated(fleet: Composed) -> Composed:
    """Provide the same after a device joined, was woken and took a release."""
    update(fleet)
    return fleet
