"""The first screen of a run's page, and its modes as tabs: with and without script, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from playwright.sync_api import Browser, Page

import trace_example as example
from edgewright.trace.blocks.flow_picture import tiles
from edgewright.trace.html import page_html
from edgewright.trace.modes import modes
from looking import PHONE, SCREENS, too_wide, violations

if TYPE_CHECKING:
    from conftest import Lesson

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
# Words in the viewport, a text of an SVG among them.
WORDS = """() => {
    const range = document.createRange(), texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let count = 0;
    while (texts.nextNode()) {
        range.selectNodeContents(texts.currentNode);
        const box = range.getBoundingClientRect();
        if (box.width && box.bottom > 0 && box.top < innerHeight)
            count += (texts.currentNode.textContent.match(/\\S*[\\p{L}\\d]\\S*/gu) || []).length;
    }
    return count;
}"""


@pytest.fixture
def opener(browser: Browser) -> Iterator[Opener]:
    """Open a file in a context of its own; fails at what the browser complains of."""
    pages: list[Page] = []
    troubles: list[str] = []

    def opened(path: Path, address: str = "", **settings: object) -> Page:
        page = browser.new_context(reduced_motion="reduce", **settings).new_page()  # type: ignore[arg-type]
        pages.append(page)
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(path.as_uri() + address)
        return page

    yield opened
    for page in pages:
        page.context.close()
    assert troubles == []


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "trace.html"
    path.write_text(page_html(example.trace(3)), encoding="utf-8")
    return path


@pytest.mark.parametrize("viewport", SCREENS, ids=["desk", "phone"])
@pytest.mark.parametrize("name", ["activity", "latency", "scalability"])
def test_the_first_screen_is_a_verdict_and_the_data_flow(
    name: str, viewport: dict[str, int], lesson: Callable[[str], Lesson], opener: Opener
) -> None:
    planned = lesson(name)
    page = opener(planned.folder / "trace.html", viewport=viewport)
    known = tiles(planned.trace)
    assert page.locator(".flow b").all_inner_texts() == [tile.title for tile in known]
    assert page.locator(".flow .mini").count() == len(known) == 7
    boxes = [tile.bounding_box() for tile in page.locator(".flow li").all()]
    ends = [box["y"] + box["height"] for box in boxes if box is not None]
    assert len(ends) == 7 and max(ends) <= viewport["height"]
    order = [(box["x"], box["y"]) for box in boxes if box is not None]
    assert order == sorted(order)
    assert page.locator(".verdict").inner_text() == planned.trace.verdict
    assert page.evaluate(WORDS) <= 150


@pytest.mark.parametrize("viewport", SCREENS, ids=["desk", "phone"])
@pytest.mark.parametrize("name", ["activity", "latency", "scalability"])
def test_a_tab_is_at_most_three_screens_before_it_is_unfolded(
    name: str, viewport: dict[str, int], lesson: Callable[[str], Lesson], opener: Opener
) -> None:
    page = opener(lesson(name).folder / "trace.html", viewport=viewport)
    assert len(modes()) == 9
    for mode in modes():
        page.evaluate(f"location.hash = '{mode}'")
        panel = page.locator(f"#{mode}")
        panel.wait_for(state="visible")
        assert page.locator(".panel:visible").count() == 1
        box = panel.bounding_box()
        assert box is not None and box["height"] <= 3 * viewport["height"], mode
        assert too_wide(page) == []


def test_every_mode_has_a_tab_with_an_address(written: Path, opener: Opener) -> None:
    page = opener(written)
    assert page.locator(".tabs a").all_inner_texts() == [mode.title for mode in modes().values()]
    assert page.locator(".tabs [aria-current]").inner_text() == "Pipeline trace"
    page.click(".tabs a[href='#glossary']")
    assert page.locator(".tabs [aria-current]").inner_text() == "Glossary"
    assert "The probability the model gives to its answer." in page.locator("#glossary").inner_text()
    page.go_back()
    assert page.locator("#trace").is_visible()
    # An address inside of a tab opens the tab and what is folded around it.
    page.evaluate("location.hash = 'quiz'")
    page.locator("#quiz").wait_for(state="visible")
    page.evaluate("location.hash = 'compression-int8'")
    page.locator("#compression-int8").wait_for(state="visible")
    assert not page.locator("#quiz").is_visible()
    page = opener(written, "#steps")
    assert page.locator("#steps").is_visible() and not page.locator("#trace").is_visible()


def test_a_sample_travels_from_the_input_to_the_answer(written: Path, opener: Opener) -> None:
    page = opener(written, "#steps")
    steps = page.locator("#steps .layers > li")
    count = len(example.trace(3).predictions[0].layers) + 3
    assert steps.count() == count
    page.clock.install()
    page.reload()
    page.click("text=Play")
    for number in range(count):
        assert page.locator("#steps .later").count() == count - number - 1
        assert steps.nth(number).get_attribute("class") == "now"
        if number == 1:
            page.click("text=Pause")
            page.clock.run_for(5000)
            assert page.locator("#steps .later").count() == count - number - 1
            page.click("text=Go on")
            continue
        page.clock.run_for(1100)
    assert page.locator("#steps .play").inner_text() == "Play"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_works_without_script_and_axe_finds_nothing(scheme: str, written: Path, opener: Opener) -> None:
    plain = opener(written, java_script_enabled=False)
    assert all(panel.is_visible() for panel in plain.locator(".panel").all())
    plain.locator("#glossary-more summary").click()
    assert plain.locator("#glossary-more dl").is_visible()
    assert plain.locator(".play").count() == 0
    for viewport in (*SCREENS, PHONE):
        page = opener(written, color_scheme=scheme, viewport=viewport)
        for mode in modes():
            page.evaluate(f"location.hash = '{mode}'")
            page.locator(f"#{mode}").wait_for(state="visible")
            assert violations(page) == []
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert too_wide(page) == []


def test_what_does_not_fit_the_page_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = example.trace(3)
    monkeypatch.setattr("edgewright.trace.html.PAGE_LIMIT", len(page_html(trace)) - 20_000)
    html = page_html(trace)
    assert f"edgewright learn runs/{trace.name} --mode code" in html
    assert html.count('class="panel"') == len(modes())


def test_a_run_that_has_not_finished_has_no_tabs() -> None:
    html = page_html(msgspec.structs.replace(example.trace(3), state="cancelled"))
    assert 'class="tabs"' not in html
    assert 'class="panel"' not in html
    assert html.count("<section id=") > 5
