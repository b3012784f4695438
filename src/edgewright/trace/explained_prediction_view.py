"""A prediction that was asked for, on the terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from edgewright.schema.explained import Explained
from edgewright.trace.page import WARN, Page, note
from edgewright.trace.prediction_view import prediction_card


def explained_parts(record: Explained, page: Page) -> list[RenderableType]:
    """Its card, what lies outside the declared ranges, and notes."""
    return [
        prediction_card(record.prediction, page, record.place),
        *(Text(f"outside the declared range: {text}", style=WARN) for text in record.outside),
        *(note(text) for text in record.notes),
    ]
