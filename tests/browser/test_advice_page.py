"""The page of a decision record in a real browser: no request, no axe violation, no sideways scrolling."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser

import advice_example
from edgewright.schema.advice import Advice
from edgewright.search.advise.document import advice_page
from edgewright.search.advise.figures import parse_needs
from looking import check_file

pytestmark = pytest.mark.slow
_HOSTILE = "<script>alert(1)</script> & \"'"


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Advice:
    advice = advice_example.small(
        tmp_path_factory.mktemp("advice"), curve=False, needs=parse_needs("offline,latency=0.1us,privacy")
    )
    return msgspec.structs.replace(advice, name=_HOSTILE, notes=(_HOSTILE, *advice.notes))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_and_asks_nothing(scheme: str, record: Advice, browser: Browser, tmp_path: Path) -> None:
    page = check_file(browser, advice_page(record), tmp_path / "advice.html", scheme)
    assert page.locator("svg[role=img]").count() == 2
    assert "Not met" in page.inner_text("main")
    page.close()
