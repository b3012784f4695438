"""A real browser for the tests of this folder, started once a worker; each test opens its own pages in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from benchmarks.chromium import chromium, executable
from playwright.sync_api import Browser

from support import left_out


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium; tests that need it are left out where there is none."""
    if executable() is None:
        left_out("no chromium (EDGEWRIGHT_CHROMIUM names one)")
    with chromium() as running:
        yield running
