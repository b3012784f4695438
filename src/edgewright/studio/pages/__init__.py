"""Pages of the studio: every file offers `PAGE`, and beside it lie its templates."""

from __future__ import annotations

import importlib

from edgewright.core import catalogue
from edgewright.studio.frame import Page


def pages() -> list[Page]:
    """All pages, in the order of the navigation."""
    known: list[Page] = [
        importlib.import_module(f"{__name__}.{name}").PAGE for name in catalogue.listing(__name__, "PAGE")
    ]
    return sorted(known, key=lambda page: page.rank)
