"""A decision record as a page: one file, light and dark, that asks for nothing."""

from __future__ import annotations

from markupsafe import Markup

from edgewright.schema.advice import Advice
from edgewright.search.advise.document import CONTEXT, OPTIONS, lead_of, sections, title_of
from edgewright.search.advise.drawings import energy, scores
from edgewright.trace.blocks_html import blocks_html
from edgewright.trace.own_page import Shown, sections_page


def advice_page(record: Advice) -> str:
    """The page of a record."""
    shown: list[Shown] = []
    for number, (name, blocks) in enumerate(sections(record), 1):
        html = blocks_html(blocks, level=3)
        if name == CONTEXT:
            html += _figure(
                energy(record.places, record.place),
                "Energy of the device a day: radio, then computing, then sleeping, by where the model runs.",
            )
        if name == OPTIONS and record.ladder is not None:
            words = "more is better" if record.ladder.higher else "less is better"
            html = (
                _figure(
                    scores(record.ladder, record.choice),
                    f"{record.ladder.metric_title} ({words}), intervals of 95 %; dashed: the choice.",
                )
                + html
            )
        shown.append((f"part-{number}", name, html))
    return sections_page(title_of(record), lead_of(record), shown)


def _figure(drawing: Markup, caption: str) -> Markup:
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(drawing, caption)
