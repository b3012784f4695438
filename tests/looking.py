"""What tests of a page look for in a browser: accessibility by axe-core, sideways scrolling, requests."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

PHONE = {"width": 320, "height": 640}


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong, a line each: rule, element, why."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:120]} {node.get('failureSummary', '')}"
        for rule in found
        for node in rule["nodes"]
    ]


def too_wide(page: Page) -> list[str]:
    """Elements that make the document scroll sideways; empty where it does not."""
    found: list[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
        [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.tagName + '.' + e.getAttribute('class')).slice(0, 9).concat('document')"""
    )
    return found
