"""What tests of a page look for in a browser: accessibility by axe-core, sideways scrolling, sizes, words, requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

PHONE = {"width": 320, "height": 640}
SCREENS = ({"width": 1280, "height": 800}, {"width": 390, "height": 844})

MOST_WORDS = 60
# Of sentences that explain: what is seen at first outside of navigation, headings, labels, controls, tables, pictures,
# data, and of what a lesson or a file that somebody opened is made of.
EXPLANATION = """() => {
    const other = `script, style, noscript, nav, header, table, svg, img, audio, canvas, button, .button, label, .label,
        legend, select, datalist, textarea, input, output, h1, h2, h3, h4, figcaption, summary, pre, dl, .chip, .state,
        .legend, code, kbd, figure, .keys, .hide, .skip, .crumbs, .lesson, .said-text, .notes, [role=alert]`;
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT), words = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const around = node.parentElement;
        if (around.closest(other) || !around.checkVisibility({ visibilityProperty: true })) continue;
        words.push(...node.data.split(/\\s+/).filter((word) => /[\\p{L}\\d]/u.test(word)));
    }
    return words;
}"""
# What a finger hits: controls, and links that stand alone rather than in a sentence.
SMALL = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary")]
    .filter((e) => e.checkVisibility({ visibilityProperty: true }))
    .filter((e) => !e.closest("p, dd, figcaption, svg, .lesson, .hide"))
    .filter((e) => !e.matches(".hide, .skip, .skip-map, [type=hidden], label input"))
    .map((e) => [e, (e.matches("[type=radio]") && e.labels[0] || e).getBoundingClientRect()])
    .filter(([, box]) => box.height < 23.9 || box.width < 23.9)
    .map(([e, box]) => `${e.tagName} ${(e.textContent || e.name).trim().slice(0, 24)} ${box.width} x ${box.height}`)"""


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong, a line each: rule, element, why."""
    violations_of_page = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:120]} {node.get('failureSummary', '')}"
        for rule in violations_of_page
        for node in rule["nodes"]
    ]


def too_wide(page: Page) -> list[str]:
    """Elements that make the document scroll sideways; empty where it does not."""
    texts: list[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
        [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.tagName + '.' + e.getAttribute('class')).slice(0, 9).concat('document')"""
    )
    return texts


def looked_at(page: Page) -> None:
    """Assert that a page fits, that a finger hits its targets, that it explains little, and that axe is content."""
    page.wait_for_load_state()
    assert too_wide(page) == []
    assert page.evaluate(SMALL) == []
    assert len(words := page.evaluate(EXPLANATION)) <= MOST_WORDS, " ".join(words)
    assert violations(page) == []


def check_pages(opener: Callable[..., Page], paths: Sequence[str]) -> None:
    """Assert of pages that axe finds nothing wrong in light and in dark, and that none is too wide for a phone.

    Args:
        opener: fixture that opens a page in a context of its own.
        paths: addresses in the studio.
    """
    for settings in ({"scheme": "light"}, {"scheme": "dark"}, {"viewport": PHONE}):
        page = opener(paths[0], **settings)
        origin = page.url.removesuffix(paths[0])
        for path in paths:
            page.goto(origin + path)
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            mistakes = too_wide(page) if "viewport" in settings else violations(page)
            assert mistakes == [], path


def check_file(browser: Browser, html: str, file: Path, scheme: str) -> Page:
    """Open a page that is one file, and assert that it asks for nothing, says nothing wrong, and fits a phone.

    Returns:
        The page, whose folded parts are open and in which axe found nothing wrong.
    """
    file.write_text(html, encoding="utf-8")
    page = browser.new_page(color_scheme=scheme, viewport={"width": 320, "height": 700})  # type: ignore[arg-type]
    requests: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.goto(file.as_uri())
    assert requests == [file.as_uri()]
    assert wrong == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert violations(page) == []
    return page
