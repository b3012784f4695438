"""Every page of the studio: routes of its own, a tab that leads to one of them, an answer without a run or a fleet."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.routing import Route

from edgewright.core.catalogue import find, listing
from edgewright.studio.frame import Page
from edgewright.studio.pages import pages
from studio_example import client, record

PAGES = listing("edgewright.studio.pages", "PAGE")


def page(name: str) -> Page:
    """Return the page of a file."""
    part: Page = find("edgewright.studio.pages", name, "PAGE", "page")
    return part


def routes(of: Page) -> list[Route]:
    return [route for route in of.routes if isinstance(route, Route)]


def test_no_two_pages_answer_one_address() -> None:
    known = [(route.path, method) for one in pages() for route in routes(one) for method in route.methods or ()]
    assert sorted(set(known)) == sorted(known)


@pytest.mark.parametrize("name", PAGES)
def test_a_tab_leads_to_a_route_of_the_page(name: str) -> None:
    own = page(name)
    assert own.routes
    assert not own.tab or own.address in {route.path for route in routes(own)}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_answers_with_a_run_and_without_one(name: str, tmp_path: Path) -> None:
    for runs in (tmp_path / "none", tmp_path / "runs"):
        runs.mkdir()
        if runs.name == "runs":
            record(runs, "first")
        browser = client(runs)
        for route in routes(page(name)):
            if "{" in route.path or "GET" not in (route.methods or ()):
                continue
            answer = browser.get(route.path)
            assert answer.status_code < 500, (route.path, answer.text[-300:])
            if answer.headers.get("content-type", "").startswith("text/html") and answer.status_code == 200:
                assert "<title>" in answer.text or not answer.text.startswith("<!"), route.path
