"""The page of a run in a real browser: numbers, quiz, accessibility, no request, print, small screens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page

from edgewright.core.formatting import bytes_text, percent, shape_text
from edgewright.trace.html import page_html
from edgewright.trace.questions import quiz
from edgewright.trace.sections import sections
from looking import PHONE, too_wide, violations

if TYPE_CHECKING:
    from conftest import Lesson

Ask = Callable[[str], "Lesson"]
Opener = Callable[..., Page]
LESSONS = ("activity", "latency", "scalability")


@pytest.fixture
def opener(browser: Browser) -> Iterator[Opener]:
    """Open a file and fails at what the page asks for, or complains of."""
    contexts = []
    troubles: list[str] = []

    def open_file(path: Path, scheme: str = "light", **settings: object) -> Page:
        context = browser.new_context(color_scheme=scheme, **settings)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: troubles.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_every_section_stands_with_the_numbers_of_the_record(name: str, lesson: Ask, opener: Opener) -> None:
    planned = lesson(name)
    trace = planned.trace
    page = opener(planned.folder / "trace.html")
    # No lesson finds objects or odd pictures, or races; quiz, what-if and training are tabs.
    absent = ["header", "objects", "anomalies", "race", "quiz", "what_if", "train"]
    absent += [name for name, part in (("scaling", trace.scaling), ("decisions", trace.debounce)) if part is None]
    expected = [anchor for anchor in sections() if anchor not in absent]
    assert page.eval_on_selector_all("#trace > .part", "all => all.map(e => e.id)") == expected
    # A page that is printed has all its tabs, unfolded.
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".insight > p").first.inner_text() == f"{trace.insight.sentence}."
    assert page.locator(".verdict").inner_text() == trace.verdict
    for anchor in page.eval_on_selector_all("a[href^='#']", "all => all.map(e => e.hash.slice(1))"):
        assert page.locator(f"[id='{anchor}']").count() == 1, anchor
    for index, stage in enumerate(trace.stages, 1):
        card = page.locator(f"#data_flow-{index}")
        assert stage.name in card.locator("h3").inner_text()
        assert shape_text(stage.shape_out) in card.locator("header").inner_text()
    assert trace.training is not None
    assert trace.evaluation is not None
    assert trace.evaluation.accuracy is not None
    assert trace.compression is not None
    assert page.locator("#training tbody tr").count() == len(trace.training.epochs)
    assert page.locator("#training svg.chart").count() == 2
    assert percent(trace.evaluation.accuracy.value, 1) in page.locator("#evaluation-headline").inner_text()
    cells = page.eval_on_selector_all("td.cell", "all => all.map(e => e.firstChild.textContent.trim())")
    assert [int(cell.replace(",", "")) for cell in cells] == [n for row in trace.evaluation.confusion for n in row]
    for variant in trace.compression.variants:
        row = page.locator(f"#compression-{variant.name}").inner_text()
        assert bytes_text(variant.weight_bytes) in row
        assert "measured" in row
    shown = page.locator("#prediction article")
    assert shown.count() == len(trace.predictions)
    for layer in trace.predictions[0].layers[:-1]:
        assert f"{layer.active:,} of {layer.size:,} active" in shown.first.inner_text()
    assert trace.provenance.package_hash in page.locator("#provenance").inner_text()
    if trace.scaling is not None:
        assert page.locator("#scaling-points tbody tr").count() == len(trace.scaling.points)


@pytest.mark.slow
def test_the_quiz_is_answered_with_keys_and_without_script(lesson: Ask, opener: Opener) -> None:
    planned = lesson("activity")
    page = opener(planned.folder / "trace.html", java_script_enabled=False)
    questions = quiz(planned.trace)
    assert len(questions) >= 3
    first = questions[0]
    right = next(i for i, option in enumerate(first.options) if option.right)
    page.locator("#quiz-1-1").focus()
    page.keyboard.press("Space")
    for _ in range(right):
        page.keyboard.press("ArrowDown")
    reasons = page.locator("#quiz-1 .reasons p:visible")
    assert reasons.count() == 1
    assert reasons.inner_text().startswith(f"Right. {first.options[right].reason}")
    assert first.rests_on in reasons.inner_text()
    page.keyboard.press("ArrowDown")
    assert page.locator("#quiz-1 .reasons p:visible").inner_text().startswith("No.")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["activity", "scalability"])
def test_axe_finds_nothing_wrong(name: str, scheme: str, lesson: Ask, opener: Opener) -> None:
    page = opener(lesson(name).folder / "trace.html", scheme)
    assert not "\n".join(violations(page))
    # What is folded is looked at too, and answers given.
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate("document.querySelectorAll('fieldset').forEach((f, i) => f.querySelectorAll('input')[i % 4].click())")
    assert not "\n".join(violations(page))


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_nothing_scrolls_sideways_on_a_small_screen(name: str, lesson: Ask, opener: Opener) -> None:
    page = opener(lesson(name).folder / "trace.html", viewport=PHONE)
    assert too_wide(page) == []
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert too_wide(page) == []
    assert page.locator("#training .scroll").first.evaluate("e => e.scrollWidth > e.clientWidth && e.tabIndex === 0")


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_no_table_of_the_evaluation_is_cut_on_a_desktop(name: str, lesson: Ask, opener: Opener) -> None:
    page = opener(lesson(name).folder / "trace.html", viewport={"width": 1280, "height": 900})
    for table in page.locator("#evaluation .scroll").all():
        assert table.evaluate("e => e.scrollWidth - e.clientWidth") <= 1, table.get_attribute("aria-label")


@pytest.mark.slow
@pytest.mark.parametrize("script", [True, False])
def test_closed_parts_are_printed(script: bool, lesson: Ask, opener: Opener) -> None:
    page = opener(lesson("activity").folder / "trace.html", java_script_enabled=script)
    closed = page.locator("#data_flow-2 details").last
    inside = closed.locator("dl").first
    assert closed.get_attribute("open") is None
    assert not inside.is_visible()
    page.emulate_media(media="print")
    box = inside.bounding_box()
    assert box is not None
    assert box["height"] > 10
    assert not page.locator(".contents").is_visible()
    assert page.pdf().count(b"/Type /Page\n") >= 4


@pytest.mark.slow
def test_a_link_to_what_is_folded_opens_it(lesson: Ask, opener: Opener) -> None:
    page = opener(lesson("activity").folder / "trace.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.click(".insight summary")
    page.locator(".numbers a", has_text="int8 weight bytes").click()
    assert page.evaluate("location.hash") == "#compression-int8"
    assert page.locator("#compression-int8").is_visible()


@pytest.mark.slow
def test_names_from_data_stay_text(tmp_path: Path, opener: Opener) -> None:
    import hostile

    path = tmp_path / "trace.html"
    path.write_text(page_html(hostile.trace()), encoding="utf-8")
    page = opener(path)
    assert page.evaluate("window.harmed") is None
    assert page.locator("main script, main img, main b.harm").count() == 0
    assert hostile.NAME in page.locator("h1").inner_text()
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert re.search(re.escape(hostile.NAME), page.locator("#evaluation").inner_text())
    assert too_wide(page) == []
