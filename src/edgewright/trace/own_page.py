"""Pages beside the page of a run, in its style: predictions that were asked for, and runs side by side."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import metadata, resources

from markupsafe import Markup

from edgewright.schema.comparison import Comparison
from edgewright.schema.explained import Explained
from edgewright.schema.lesson import Block, Heading
from edgewright.trace.blocks_html import blocks_html
from edgewright.trace.compare import comparison_blocks
from edgewright.trace.html import PageParts, assets, environment
from edgewright.trace.page_file import PAGE_VERSION
from edgewright.trace.sections.prediction import sample

Shown = tuple[str, str, Markup]


def explained_page(records: Sequence[Explained], title: str) -> str:
    """A page with a section a prediction: its way through the network, and what lies outside declared ranges."""
    template = environment().get_template("prediction.html")
    shown: list[Shown] = []
    for place, record in enumerate(records, 1):
        html = Markup(template.render({"samples": [sample(record.prediction)]}))  # noqa: S704 - escaped by Jinja
        for text in record.outside:
            html += Markup('<p class="note"><strong>Outside the declared range:</strong> {}</p>').format(text)
        for text in record.notes:
            html += Markup('<p class="note">{}</p>').format(text)
        shown.append((f"prediction-of-{place}", record.place, html))
    return _page(title, "Every layer of the answers, from the values of the sensors on.", shown)


def comparison_page(record: Comparison) -> str:
    """A page of runs side by side."""
    return lesson_page(" and ".join(run.label for run in record.runs), comparison_blocks(record), "Runs side by side.")


def lesson_page(title: str, blocks: Sequence[Block], lead: str = "") -> str:
    """A page of a lesson: a section a heading."""
    shown: list[Shown] = []
    name, held = "Overview", list[Block]()
    for block in (*blocks, Heading(text="")):
        if not isinstance(block, Heading):
            held.append(block)
            continue
        if held:
            shown.append((f"part-{len(shown) + 1}", name, blocks_html(held, level=3)))
        name, held = block.text, []
    return _page(title, lead, shown)


def sections_page(title: str, lead: str, shown: Sequence[Shown]) -> str:
    """A page of sections: anchor, name and HTML of each."""
    return _page(title, lead, shown, recorded=False)


def _page(title: str, lead: str, shown: Sequence[Shown], *, recorded: bool = True) -> str:
    head = Markup("<h1>{}</h1>").format(title)
    if lead:
        head += Markup('<p class="lead">{}</p>').format(lead)
    body = environment().get_template("_body.html").render(shown=shown, head=head)
    styles, script = assets()
    own = (resources.files("edgewright.trace") / "blocks_style.css").read_text(encoding="utf-8")
    styles += Markup(" ".join(own.split()))  # noqa: S704 - a file of this package
    csp = (
        f"default-src 'none'; style-src '{_digest(styles)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = PageParts(title=title, styles=styles, body=Markup(body), script=script, csp=csp)  # noqa: S704
    return environment().get_template("_page.html").render(
        parts=parts, made_by=metadata.version("edgewright"), page_version=PAGE_VERSION, recorded=recorded
    )  # fmt: skip


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
