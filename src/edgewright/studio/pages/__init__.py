"""Pages of the studio: every file offers `PAGE`, and beside it lie its templates."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from starlette.routing import BaseRoute

from edgewright.core import catalogue


@dataclass(frozen=True)
class Page:
    """The one object `PAGE` of a page's file.

    Attributes:
        routes: addresses and what answers them; they find the studio's folder and shared parts in `request.app.state`.
        tab: word in the navigation; empty for pages that are reached from others.
        rank: place in the navigation and before which pages its routes are tried.
        address: where the tab leads.
    """

    routes: tuple[BaseRoute, ...]
    tab: str = ""
    rank: int = 50
    address: str = ""


def pages() -> list[Page]:
    """All pages, in the order of the navigation."""
    found: list[Page] = [
        importlib.import_module(f"{__name__}.{name}").PAGE for name in catalogue.listing(__name__, "PAGE")
    ]
    return sorted(found, key=lambda page: page.rank)
