"""Pages: a run, predictions, runs side by side and lessons, each one self-contained HTML file; and cells of notebooks.

Templates are in `trace/templates`; everything that comes from a record is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path

import jinja2
import msgspec
from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from edgewright._version import __version__
from edgewright.core import formatting
from edgewright.core.files import cache_folder, read_own, write_own
from edgewright.core.records.network import Graph
from edgewright.core.records.trace import PAGE_VERSION, Trace
from edgewright.trace.blocks.charts import bars, budget_bar, draw
from edgewright.trace.blocks.records import Block, Facts, Heading
from edgewright.trace.blocks.terminal import LETTERS
from edgewright.trace.blocks.view_blocks import Items, Line, Template, ViewBlock, line
from edgewright.trace.modes import modes
from edgewright.trace.sections import Exported, sections
from edgewright.trace.sections.data import window_plot
from edgewright.trace.sentences.facts import sentence

PAGE_LIMIT = 400_000
"""Bytes of a page that runs or trains its model; what does not fit is left out."""
# Frame of the document around its sections: head, list of sections, footer.
_FRAME = 6_000
# Scripts that an element of the page needs.
_SCRIPTS = {
    'class="layers"': ("steps.js",),
    'id="what-if-model"': ("unpack.js", "what_if.js"),
    'id="train-data"': ("unpack.js", "learner.js", "train.js"),
}
# Names with their meaning that a panel shows before the rest is unfolded.
_SHOWN_FACTS = 14


Shown = tuple[str, str, Markup]
"""Anchor, heading and HTML of a section."""


class PagePart(msgspec.Struct, frozen=True):
    """A section of a page, or a panel of it.

    Attributes:
        anchor: its address.
        title: heading; html: what is below it.
        gist: first sentence, which is read while the section is folded; None for none.
        folds: whether it is folded until it is opened.
    """

    anchor: str
    title: str
    html: Markup
    gist: Line | None = None
    folds: bool = False


class PageParts(msgspec.Struct, frozen=True, kw_only=True):
    """A page in parts, for a frame of another's making, such as the studio's.

    Attributes:
        title: title of the document.
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
    parts: dict[str, PagePart] = {}
    styles = run_styles()
    tabs = trace.state == "finished" and bool(trace.stages)

    def room(others: Iterable[PagePart]) -> int:
        used = sum(len(part.html.encode()) for part in others)
        return PAGE_LIMIT - _FRAME - len(styles) - len(run_script()) - used

    def part_of(anchor: str, others: Iterable[PagePart]) -> PagePart | None:
        section = known[anchor]
        blocks = section.page_blocks(trace, Exported(graph, room(others) if section.last else 0, _size)) or ()
        if not blocks and section.missing:
            blocks = (line(section.missing),)
        if not blocks:
            return None
        gist, below = _gist(blocks) if section.folds and tabs else (None, blocks)
        return PagePart(anchor, section.title, sections_html(below, sample_address), gist, section.folds)

    for anchor, section in sorted(known.items(), key=lambda item: item[1].last):
        if not section.tab and (part := part_of(anchor, parts.values())):
            parts[anchor] = part
    shown = [parts[anchor] for anchor in known if anchor in parts and anchor != "header"]
    panels = _panels(trace, shown, room(parts.values())) if tabs else []
    for anchor, section in known.items():
        if tabs and section.tab and (part := part_of(anchor, (parts["header"], *panels))):
            panels.insert([panel.anchor for panel in panels].index(section.tab) + 1, part)
    script = run_script("".join(part.html for part in (*parts.values(), *panels)))
    return _parts(f"{trace.name}: {trace.title or trace.task}", parts["header"].html, shown, styles, script, panels)


def _gist(blocks: Sequence[ViewBlock]) -> tuple[Line | None, Sequence[ViewBlock]]:
    """Return what a folded section says, its first sentence or facts, and the blocks without it."""
    for i, block in enumerate(blocks[:2] if len(blocks) > 1 else ()):
        content = line(", ".join(fact for fact in block.facts if fact)) if isinstance(block, Items) else block
        if isinstance(content, Line):
            return content, [*blocks[:i], *blocks[i + 1 :]]
    return None, blocks


def _panels(trace: Trace, shown: Sequence[PagePart], room: int) -> list[PagePart]:
    """Return a panel for each mode: a section of its name, the other sections, or the mode's blocks where they fit."""
    known = modes()
    own = {part.anchor.replace("_", "-"): part for part in shown if part.anchor.replace("_", "-") in known}
    panels = []
    for name, mode in known.items():
        if name == "trace":
            html = _rendered(
                "parts.html", parts=[part for part in shown if part not in own.values()], above="", purpose=""
            )
        elif name in own:
            gist = own[name].gist
            html = (sections_html([gist]) if gist is not None else Markup("")) + own[name].html
        else:
            html = sections_html(mode.page(trace)) if mode.page is not None else Markup("")
            # Title and verdict stand above the tabs already.
            blocks = [b for b in mode.blocks(trace) if getattr(b, "text", None) not in (trace.title, trace.verdict)]
            html = _rendered("parts.html", above=html, parts=list(_folded(name, blocks)), purpose=mode.purpose)
            if len(html.encode()) > room:
                command = f"edgewright learn runs/{trace.name} --mode {name}"
                html = Markup("<p>This is too large for the page. <code>{}</code> prints it.</p>").format(command)
            room -= len(html.encode())
        panels.append(PagePart(name, mode.title, html))
    return panels


def _folded(name: str, blocks: Sequence[Block]) -> Iterator[PagePart]:
    starts = [i for i, block in enumerate(blocks) if isinstance(block, Heading)]
    for start, end in pairwise([-1, *starts, len(blocks)]):
        head, inner = blocks[start] if start >= 0 else None, blocks[start + 1 : end]
        if isinstance(head, Heading):
            yield PagePart(f"{name}-{start}", head.text, blocks_html(inner, level=4), folds=True)
        for block in inner if head is None else ():
            rows = block.rows if isinstance(block, Facts) else ()
            shown = Facts(rows=rows[:_SHOWN_FACTS]) if rows else block
            yield PagePart("", "", blocks_html([shown], level=3))
            if len(rows) > _SHOWN_FACTS:
                rest = blocks_html([Facts(rows=rows[_SHOWN_FACTS:])], level=3)
                yield PagePart(f"{name}-more", f"{len(rows) - _SHOWN_FACTS:,} more", rest, folds=True)


def sections_page(title: str, lead: str, shown: Sequence[Shown], *, mood: str = "") -> str:
    """Return a page of sections.

    Args:
        title: title of the page.
        lead: sentence below it; empty for none.
        shown: the sections.
        mood: 'good', 'weak' or 'bad' where the sentence is a verdict.
    """
    head = Markup("<h1>{}</h1>").format(title)
    head += Markup('<p class="{}">{}</p>').format(f"verdict {mood}" if mood else "lead", lead) if lead else ""
    return _document(_parts(title, head, [PagePart(*part) for part in shown], run_styles()), recorded=False)


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


def run_script(html: str | None = None) -> Markup:
    """Return the script of the page of a run: what every page has, and what these sections need; None for all."""
    used = [files for mark, files in _SCRIPTS.items() if html is None or mark in html]
    return _joined(tuple(dict.fromkeys(name for files in used for name in files)))


@cache
def _joined(names: tuple[str, ...]) -> Markup:
    parts = ["\n".join(text.strip() for text in _file(name).splitlines()) for name in names]
    return Markup(";\n").join([assets()[1], *map(Markup, parts)])  # files of this package


def _size(blocks: Sequence[ViewBlock]) -> int:
    return len(sections_html(blocks).encode())


def _document(parts: PageParts, *, recorded: bool = True) -> str:
    return _rendered("page.html", parts=parts, made_by=__version__, page_version=PAGE_VERSION, recorded=recorded)


def _parts(
    title: str,
    head: Markup,
    shown: Sequence[PagePart],
    styles: Markup,
    script: Markup | None = None,
    panels: Sequence[PagePart] = (),
) -> PageParts:
    script = assets()[1] if script is None else script
    csp = (
        f"default-src 'none'; style-src '{_digest(styles)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    body = _rendered("body.html", shown=shown, head=head, panels=panels)
    return PageParts(title=title, styles=styles, body=body, script=script, csp=csp)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _file(name: str) -> str:
    return (resources.files("edgewright.trace") / "templates" / name).read_text(encoding="utf-8")


def _styles(name: str) -> Markup:
    return Markup(" ".join(_file(name).split()))  # noqa: S704 - a file of this package


def _rendered(template: str, **context: object) -> Markup:
    return Markup(_environment().get_template(template).render(context))  # noqa: S704 - rendered with autoescape


class _CompiledTemplates(BytecodeCache):
    """Templates that an earlier process compiled; another Jinja or other options in this file compile them again."""

    def get_source_checksum(self, source: str) -> str:
        written = [Path(file).stat().st_mtime_ns for file in (__file__, jinja2.__file__)]
        return f"{super().get_source_checksum(source)} {written}"

    def load_bytecode(self, bucket: Bucket) -> None:
        data = read_own(cache_folder("pages") / bucket.key)
        if data is not None:
            bucket.bytecode_from_string(data)

    def dump_bytecode(self, bucket: Bucket) -> None:
        write_own(cache_folder("pages") / bucket.key, bucket.bytecode_to_string())


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("edgewright.trace", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False, bytecode_cache=_CompiledTemplates(),
    )  # fmt: skip
    environment.globals["letters"] = LETTERS
    environment.filters.update(
        kind=_kind, percent=formatting.percent, plural=formatting.plural, sentence=sentence, when=_when, bar=budget_bar,
        bars=lambda step: bars(step.values, step.label), svg=draw, filled=_filled, window=window_plot,
    )  # fmt: skip
    return environment


def _kind(block: Block | ViewBlock) -> str:
    return str(block.__struct_config__.tag) if isinstance(block, Block) else type(block).__name__


def _filled(part: Template) -> Markup:
    return _rendered(part.name, **part.context)


def _when(text: str) -> str:
    """Return '20 November 2026, 12:32 UTC' of an ISO time; the text itself where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
