"""Links and forms of the studio's templates lead to pages that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.routing import Match

from edgewright import studio
from edgewright.studio.pages import pages

FOLDER = Path(studio.__file__).parent
ROUTES = [route for page in pages() for route in page.routes]
# The phone's page has a server of its own; the tabs of parts.html begin with a word that is filled in.
TEMPLATES = sorted(file for file in FOLDER.rglob("*.html") if file.name not in ("phone.html", "parts.html"))


def links_of(text: str) -> list[tuple[str, str]]:
    """Return method and path of each link and form; what a template fills in is `1`."""
    plain = re.sub(r"\{\{.*?\}\}", "1", re.sub(r"\{%.*?%\}", "", text))
    links = [("GET", link) for link in re.findall(r'href="(/[^"#?]*)', plain)]
    return links + [("POST", link) for link in re.findall(r'method="post" action="(/[^"#?]*)', plain)]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_links_lead_to_pages(template: Path) -> None:
    for method, path in links_of(template.read_text(encoding="utf-8")):
        if path.startswith("/static/"):
            assert (FOLDER / path[1:]).exists() or "1" in path, path
            continue
        scope = {"type": "http", "method": method, "path": path, "root_path": ""}
        assert any(route.matches(scope)[0] == Match.FULL for route in ROUTES), (method, path)
