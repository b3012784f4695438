"""Pages beside the page of a run, in a real browser: no request, no axe violation, no sideways scrolling."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser

import lesson_example
from edgewright.schema.lesson import Grid
from edgewright.schema.trace import Explained
from edgewright.trace.compare import Entry, compare
from edgewright.trace.html import comparison_page, explained_page, lesson_page, notebook_html
from edgewright.trace.modes import mode
from edgewright.training.metrics import paired_gain
from edgewright.training.sample_tests import sample_gain
from looking import check_file

pytestmark = pytest.mark.slow


def predictions() -> str:
    trace = lesson_example.hostile()
    record = Explained(
        run=trace.name, origin="<b>new.csv</b> line 2", prediction=trace.predictions[0], outside=("x: 9 is outside",)
    )
    other = msgspec.structs.replace(record, origin="new.csv line 3")
    return explained_page([record, other], f"Predictions of {trace.name}")


def comparison() -> str:
    one, other = lesson_example.hostile(), lesson_example.uncompressed()
    changed = msgspec.structs.replace(other, config={**other.config, "seed": 8})
    pair = [Entry(label=name, folder="runs", trace=t, config=t.config) for name, t in (("one", one), ("two", changed))]
    return comparison_page(compare(pair, paired_gain, sample_gain))


def lesson(name: str) -> Callable[[], str]:
    return lambda: lesson_page(lesson_example.HOSTILE[0], mode(name).blocks(lesson_example.hostile()))


def cell() -> str:
    body = notebook_html(mode("summary").blocks(lesson_example.hostile()), link=("trace.html", "the page of this run"))
    return (
        f"<!doctype html><html lang='en'><title>a notebook</title><body><main><h1>cell</h1>{body}</main></body></html>"
    )


PAGES: dict[str, Callable[[], str]] = {
    "predictions": predictions,
    "comparison": comparison,
    "formulas": lesson("formulas"),
    "code": lesson("code"),
    "quiz": lesson("quiz"),
    "cell": cell,
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_accessible_and_asks_nothing(name: str, scheme: str, browser: Browser, tmp_path: Path) -> None:
    check_file(browser, PAGES[name](), tmp_path / "page.html", scheme).close()


def test_a_long_text_at_the_end_of_a_row_wraps(browser: Browser, tmp_path: Path) -> None:
    grid = Grid(headers=("trial", "choice"), rows=(("1", "dense layers of 32 units, " * 20),))
    page = check_file(browser, lesson_page("Points", [grid]), tmp_path / "grid.html", "light")
    box = page.locator(".lesson-grid td").last.bounding_box()
    assert box is not None and box["width"] < 320
    page.close()
