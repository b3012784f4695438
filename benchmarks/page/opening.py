"""Opening a page in headless Chromium: from the start of the navigation to the end of its load event."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

REPEATS = 15
_LOADED = "() => { const t = performance.getEntriesByType('navigation')[0]; return t.loadEventEnd - t.startTime }"


def opened(browser: Browser, path: Path) -> float:
    """Seconds, the fastest of several, each in a context of its own; the first starts the process and is left out."""
    took: list[float] = []
    for _ in range(REPEATS + 1):
        context = browser.new_context()
        page = context.new_page()
        page.goto(path.as_uri(), wait_until="load")
        page.wait_for_function("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
        took.append(page.evaluate(_LOADED) / 1000)
        context.close()
    return min(took[1:])
