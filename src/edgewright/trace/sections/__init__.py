"""Sections of the page of a run: every file offers `SECTION`, and beside it lies the template of the same name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgewright.core import catalogue
from edgewright.schema.trace import Trace

View = Callable[[Trace], Mapping[str, object] | None]


@dataclass(frozen=True)
class Section:
    """The one object `SECTION` of a section's file; the file's name is its anchor on the page.

    Attributes:
        rank: the lower, the further up.
        title: heading.
        view: what the template `NAME.html` needs, worked out from the record; None where the run has no such part.
        missing: one sentence in place of the section when it has none; empty leaves the section out.
    """

    rank: int
    title: str
    view: View
    missing: str = ""


def sections() -> dict[str, Section]:
    """All sections by anchor, in the order of the page."""
    found: dict[str, Section] = {
        name: importlib.import_module(f"{__name__}.{name}").SECTION for name in catalogue.listing(__name__, "SECTION")
    }
    return dict(sorted(found.items(), key=lambda item: item[1].rank))
