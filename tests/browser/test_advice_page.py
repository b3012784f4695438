"""The page of a decision record in a real browser: no request, no axe violation, no sideways scrolling."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

import advice_example
from edgewright.schema.advice import Advice
from edgewright.search.advise.figures import parse_needs
from edgewright.search.advise.page import advice_page

pytestmark = pytest.mark.slow
_HOSTILE = "<script>alert(1)</script> & \"'"


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Advice:
    made = advice_example.small(
        tmp_path_factory.mktemp("advice"), curve=False, needs=parse_needs("offline,latency=0.1us,privacy")
    )
    return msgspec.structs.replace(made, name=_HOSTILE, notes=(_HOSTILE, *made.notes))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_and_asks_nothing(scheme: str, record: Advice, browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "advice.html"
    file.write_text(advice_page(record), encoding="utf-8")
    page = browser.new_page(color_scheme=scheme, viewport={"width": 320, "height": 700})  # type: ignore[arg-type]
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.goto(file.as_uri())
    assert asked == [file.as_uri()]
    assert wrong == []
    assert page.locator("svg[role=img]").count() == 2
    assert "Not met" in page.inner_text("main")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.close()
