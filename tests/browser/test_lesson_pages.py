"""Pages beside the page of a run, in a real browser: no request, no axe violation, no sideways scrolling."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

import lesson_example
from edgewright.schema.trace import Explained
from edgewright.trace.compare import Entry, compare
from edgewright.trace.html import comparison_page, explained_page, lesson_page, notebook_html
from edgewright.trace.modes import mode

pytestmark = pytest.mark.slow


def predictions() -> str:
    trace = lesson_example.hostile()
    record = Explained(
        run=trace.name, place="<b>new.csv</b> line 2", prediction=trace.predictions[0], outside=("x: 9 is outside",)
    )
    other = msgspec.structs.replace(record, place="new.csv line 3")
    return explained_page([record, other], f"Predictions of {trace.name}")


def comparison() -> str:
    one, other = lesson_example.hostile(), lesson_example.uncompressed()
    changed = msgspec.structs.replace(other, config={**other.config, "seed": 8})
    pair = [Entry(label=name, folder="runs", trace=t, config=t.config) for name, t in (("one", one), ("two", changed))]
    return comparison_page(compare(pair))


def lesson(name: str) -> Callable[[], str]:
    return lambda: lesson_page(lesson_example.HOSTILE[0], mode(name).tell(lesson_example.hostile()))


def cell() -> str:
    body = notebook_html(mode("summary").tell(lesson_example.hostile()), link=("trace.html", "the page of this run"))
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
    file = tmp_path / "page.html"
    file.write_text(PAGES[name](), encoding="utf-8")
    page = browser.new_page(color_scheme=scheme, viewport={"width": 320, "height": 700})  # type: ignore[arg-type]
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.goto(file.as_uri())
    assert asked == [file.as_uri()]
    assert wrong == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.close()
