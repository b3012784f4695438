"""The switch between ways to read a run: on the page itself, with and without script, within the size of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page

import trace_example as example
from edgewright.trace.html import page_html, sections_html
from edgewright.trace.modes import mode
from edgewright.trace.sections import Exported
from edgewright.trace.sections.modes import FOLDED, page_blocks, switch
from edgewright.trace.view_blocks import Template
from looking import PHONE, too_wide, violations

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]


@pytest.fixture
def opener(browser: Browser) -> Iterator[Opener]:
    """Open a file in a context of its own; fails at what the browser complains of."""
    pages: list[Page] = []
    troubles: list[str] = []

    def opened(path: Path, **settings: object) -> Page:
        page = browser.new_context(reduced_motion="reduce", **settings).new_page()  # type: ignore[arg-type]
        pages.append(page)
        page.on("console", lambda message: troubles.append(message.text))
        page.goto(path.as_uri())
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


def test_every_mode_opens_where_the_switch_says(written: Path, opener: Opener) -> None:
    page = opener(written)
    wanted = switch(example.trace(3))
    assert [text for _, text in wanted] == page.locator(".switch a").all_inner_texts()
    for name in FOLDED:
        assert not page.locator(f"#modes-{name} > .note").is_visible()
        page.click(f".switch a[href='#modes-{name}']")
        assert page.locator(f"#modes-{name} > .note").inner_text() == mode(name).purpose
    assert "The probability the model gives to its answer." in page.locator("#modes-glossary").inner_text()
    assert "Stage 1 of " in page.locator("#modes-steps h3").first.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_works_without_script_and_axe_finds_nothing(scheme: str, written: Path, opener: Opener) -> None:
    plain = opener(written, java_script_enabled=False)
    plain.locator("#modes-glossary summary").click()
    assert "accuracy" in plain.locator("#modes-glossary dl").inner_text()
    page = opener(written, color_scheme=scheme, viewport=PHONE)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert too_wide(page) == []
    assert violations(page) == []


def test_what_does_not_fit_the_page_is_named_with_its_command() -> None:
    trace = example.trace(3)
    blocks = page_blocks(trace, Exported(room=2500, size=lambda blocks: 1000))
    kept = [one.context["anchor"] if isinstance(one, Template) else "" for one in blocks]
    assert kept == ["modes-summary", "", "", "", "modes-glossary"]
    said = sections_html([blocks[3]])
    assert 'id="modes-code"' in said
    assert f"edgewright learn runs/{trace.name} --mode code" in said


def test_a_run_that_has_not_finished_has_no_switch() -> None:
    html = page_html(msgspec.structs.replace(example.trace(3), state="cancelled"))
    assert 'class="switch"' not in html
    assert 'id="modes-' not in html
