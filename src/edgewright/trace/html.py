"""Pages: a run, predictions, runs side by side and lessons, each one self-contained HTML file; and cells of notebooks.

Templates are in `trace/templates`; everything that comes from a record is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib import metadata, resources

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from edgewright.core import formatting
from edgewright.schema.comparison import Comparison
from edgewright.schema.graph import Graph
from edgewright.schema.lesson import Block, Heading
from edgewright.schema.trace import Explained, Trace
from edgewright.trace.blocks_terminal import LETTERS
from edgewright.trace.charts import bars, budget_bar, draw
from edgewright.trace.compare import comparison_blocks
from edgewright.trace.record import PAGE_VERSION
from edgewright.trace.sample_plots import window_plot
from edgewright.trace.sections import Exported, sections
from edgewright.trace.sections.prediction import explained_blocks
from edgewright.trace.view_blocks import Template, ViewBlock, line

PAGE_LIMIT = 300_000
"""Bytes of a page that runs its model; a model that does not fit is left out."""
# Frame of the document around its sections: head, list of sections, footer.
_FRAME = 6_000
Shown = tuple[str, str, Markup]
"""Anchor, heading and HTML of a section."""


class PageParts(msgspec.Struct, frozen=True, kw_only=True):
    """A page in parts, for a frame of another's making, such as the studio's.

    Attributes:
        title: of the document.
        styles, script: without their elements.
        body: header, list of sections and `main`.
        csp: Content-Security-Policy that allows these styles and this script, and nothing from anywhere.
    """

    title: str
    styles: Markup
    body: Markup
    script: Markup
    csp: str


def page_html(trace: Trace, graph: Graph | None = None) -> str:
    """Return the page of a run: the same bytes for the same record and graph.

    Args:
        trace: the record.
        graph: of the exported float model, which the page draws and runs; None leaves both out.
    """
    return _document(page_parts(trace, graph))


def page_parts(trace: Trace, graph: Graph | None = None, sample_address: str = "") -> PageParts:
    """Return the page of a record in parts; what a record does not have is said in its place or left out.

    Args:
        trace: the record.
        graph: of the exported float model; None leaves out what needs it.
        sample_address: where a sample of the data is shown; its number is appended. Empty for a page without links.
    """
    known = sections()
    made: dict[str, Markup] = {}
    styles, script = run_styles(), assets()[1]
    for anchor, section in sorted(known.items(), key=lambda item: item[1].last):
        taken = sum(len(html.encode()) for html in made.values()) + len(styles) + len(what_if_script()) + _FRAME
        blocks = section.page_blocks(trace, Exported(graph, PAGE_LIMIT - taken if section.last else 0, _size))
        if blocks or section.missing:
            made[anchor] = sections_html(blocks or (line(section.missing),), sample_address)
    shown: list[Shown] = [
        (anchor, section.title, made[anchor])
        for anchor, section in known.items()
        if anchor in made and anchor != "header"
    ]
    script = what_if_script() if 'id="what-if-model"' in made.get("what_if", "") else script
    return _parts(f"{trace.name}: {trace.title or trace.task}", made["header"], shown, styles, script)


def explained_page(records: Sequence[Explained], title: str) -> str:
    """Return a page with a section for each prediction: its way through the network, and notes."""
    shown = [
        (f"prediction-of-{place}", record.place, sections_html(explained_blocks(record)))
        for place, record in enumerate(records, 1)
    ]
    return sections_page(title, "Every layer of the answers, from the values of the sensors on.", shown, recorded=True)


def comparison_page(record: Comparison) -> str:
    """Return a page of runs side by side."""
    return lesson_page(" and ".join(run.label for run in record.runs), comparison_blocks(record), "Runs side by side.")


def lesson_page(title: str, blocks: Sequence[Block], lead: str = "") -> str:
    """Return a page of a lesson: a section for each heading."""
    shown: list[Shown] = []
    name, held = "Overview", list[Block]()
    for block in (*blocks, Heading(text="")):
        if not isinstance(block, Heading):
            held.append(block)
            continue
        if held:
            shown.append((f"part-{len(shown) + 1}", name, blocks_html(held, level=3)))
        name, held = block.text, []
    return sections_page(title, lead, shown, recorded=True)


def sections_page(title: str, lead: str, shown: Sequence[Shown], *, recorded: bool = False) -> str:
    """Return a page of sections.

    Args:
        title: of the page.
        lead: sentence below it; empty for none.
        shown: the sections.
        recorded: whether a `trace.json` holds all its figures, which the page then says.
    """
    head = Markup("<h1>{}</h1>").format(title)
    head += Markup('<p class="lead">{}</p>').format(lead) if lead else ""
    return _document(_parts(title, head, shown, run_styles()), recorded=recorded)


def blocks_html(blocks: Sequence[Block], *, level: int = 2, page: str = "") -> Markup:
    """Return blocks of a lesson as a fragment without style; classes begin with `lesson-`.

    Args:
        blocks: of a lesson.
        level: of its headings, 1 to 6.
        page: address of the run's page, for links to its sections; headings are no links without it.
    """
    return _rendered("lesson.html", blocks=blocks, level=level, page=page)


def notebook_html(blocks: Sequence[Block], *, link: tuple[str, str] | None = None) -> str:
    """Return a cell of a notebook: the fragment with its own style, in the notebook's colours.

    Args:
        blocks: to show.
        link: address and words of a link below them.
    """
    return _rendered("cell.html", body=blocks_html(blocks, level=4), link=link)


def sections_html(blocks: Sequence[ViewBlock], sample_address: str = "") -> Markup:
    """Return blocks of a section; `sample_address` as in `page_parts`."""
    return _rendered("sections.html", blocks=blocks, sample_address=sample_address)


@cache
def assets() -> tuple[Markup, Markup]:
    """Return styles and script of the page, without blanks that nobody reads."""
    return _styles("page.css"), Markup(_file("page.js").strip())  # noqa: S704 - a file of this package


@cache
def run_styles() -> Markup:
    """Return the styles of the page of a run: those of every page and of its lessons."""
    return assets()[0] + _styles("lesson.css")


@cache
def what_if_script() -> Markup:
    """Return the script of a page that runs its model: that of every page and the interpreter."""
    lines = (text.strip() for text in _file("what_if.js").splitlines())
    return assets()[1] + Markup(";\n" + "\n".join(lines))  # noqa: S704 - a file of this package


def _size(blocks: Sequence[ViewBlock]) -> int:
    return len(sections_html(blocks).encode())


def _document(parts: PageParts, *, recorded: bool = True) -> str:
    made_by = metadata.version("edgewright")
    return _rendered("page.html", parts=parts, made_by=made_by, page_version=PAGE_VERSION, recorded=recorded)


def _parts(title: str, head: Markup, shown: Sequence[Shown], styles: Markup, script: Markup | None = None) -> PageParts:
    script = assets()[1] if script is None else script
    csp = (
        f"default-src 'none'; style-src '{_digest(styles)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    body = _rendered("body.html", shown=shown, head=head)
    return PageParts(title=title, styles=styles, body=body, script=script, csp=csp)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _file(name: str) -> str:
    return (resources.files("edgewright.trace") / "templates" / name).read_text(encoding="utf-8")


def _styles(name: str) -> Markup:
    return Markup(" ".join(_file(name).split()))  # noqa: S704 - a file of this package


def _rendered(template: str, **context: object) -> Markup:
    return Markup(_environment().get_template(template).render(context))  # noqa: S704 - rendered with autoescape


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("edgewright.trace", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["letters"] = LETTERS
    made.filters.update(
        kind=_kind,
        percent=formatting.percent,
        plural=formatting.plural,
        sentence=_sentence,
        when=_when,
        bar=budget_bar,
        bars=lambda step: bars(step.values, step.label),
        drawn=draw,
        filled=_filled,
        window=window_plot,
    )
    return made


def _kind(block: Block | ViewBlock) -> str:
    return str(block.__struct_config__.tag) if isinstance(block, Block) else type(block).__name__


def _filled(part: Template) -> Markup:
    return _rendered(part.name, **part.context)


def _sentence(text: str) -> str:
    """Begin with a capital, unless with a name such as int8, and end with a full stop."""
    first = text.split(" ", 1)[0]
    text = text[:1].upper() + text[1:] if first.isalpha() else text
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _when(text: str) -> str:
    """Return '20 November 2026, 12:32 UTC' of an ISO time; the text itself where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
