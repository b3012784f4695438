"""Pages beside the page of a run, in a real browser: no request, no axe violation, no sideways scrolling."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

import lesson_example
from edgewright.trace.blocks.records import Grid
from edgewright.trace.html import blocks_html, notebook_html, sections_page
from edgewright.trace.modes import mode
from looking import check_file

pytestmark = pytest.mark.slow


def cell() -> str:
    body = notebook_html(mode("summary").blocks(lesson_example.hostile()), link=("trace.html", "the page of this run"))
    return (
        f"<!doctype html><html lang='en'><title>a notebook</title><body><main><h1>cell</h1>{body}</main></body></html>"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_cell_is_accessible_and_asks_nothing(scheme: str, browser: Browser, tmp_path: Path) -> None:
    check_file(browser, cell(), tmp_path / "page.html", scheme).close()


def test_a_long_text_at_the_end_of_a_row_wraps(browser: Browser, tmp_path: Path) -> None:
    grid = Grid(headers=("trial", "choice"), rows=(("1", "dense layers of 32 units, " * 20),))
    page = check_file(
        browser,
        sections_page("Points", "", [("points", "Points", blocks_html([grid], level=3))]),
        tmp_path / "grid.html",
        "light",
    )
    box = page.locator(".lesson-grid td").last.bounding_box()
    assert box is not None and box["width"] < 320
    page.close()
