"""The page of a run: one self-contained HTML file, made from its record by the sections and their templates."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from functools import cache
from importlib import metadata, resources

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from edgewright.schema.trace import Trace
from edgewright.trace import words
from edgewright.trace.compiled import Compiled
from edgewright.trace.facts import interval_text
from edgewright.trace.page_file import PAGE_VERSION
from edgewright.trace.sections import sections

_ROOM = "edgewright.trace"


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


def page_html(trace: Trace) -> str:
    """The whole page, the same bytes for the same record."""
    template = environment().get_template("_page.html")
    return template.render(
        parts=page_parts(trace), made_by=metadata.version("edgewright"), page_version=PAGE_VERSION, recorded=True
    )


def page_parts(trace: Trace) -> PageParts:
    """The page of a record in parts; what a record does not have is said in its place or left out."""
    shown, head = [], Markup("")
    for anchor, section in sections().items():
        needed = section.view(trace)
        if needed is not None:
            html = Markup(environment().get_template(f"{anchor}.html").render(needed))  # noqa: S704 - escaped by Jinja
        elif section.missing:
            html = Markup('<p class="lead">{}</p>').format(section.missing)
        else:
            continue
        if anchor == "header":
            head = html
        else:
            shown.append((anchor, section.title, html))
    body = environment().get_template("_body.html").render(shown=shown, head=head)
    title = f"{trace.name}: {trace.title or trace.task}"
    styles, script = assets()
    return PageParts(title=title, styles=styles, body=Markup(body), script=script, csp=_policy(styles, script))  # noqa: S704


@cache
def assets() -> tuple[Markup, Markup]:
    """Styles and script of the page, without blanks that nobody reads."""
    folder = resources.files(f"{_ROOM}.sections")
    styles = " ".join((folder / "_page.css").read_text(encoding="utf-8").split())
    script = (folder / "_page.js").read_text(encoding="utf-8").strip()
    return Markup(styles), Markup(script)  # noqa: S704 - files of this package


def _policy(styles: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_digest(styles)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def environment() -> Environment:
    """Jinja with the page's templates and the words of the trace; everything from a record is escaped."""
    made = Environment(
        loader=PackageLoader(_ROOM, "sections"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=Compiled(),
    )
    made.filters.update(
        shape=words.shape_text,
        number=words.number,
        fraction=words.fraction,
        percent=words.percent,
        percent1=_percent1,
        bytes=words.bytes_text,
        seconds=words.seconds_text,
        micro=words.microseconds_text,
        plural=words.plural,
        interval=interval_text,
        figures=lambda heads: [f"#{head}" for head in heads],
        sentence=_sentence,
        when=_when,
    )
    return made


def _percent1(value: float) -> str:
    return "< 0.1 %" if 0 < value < 0.0005 else words.percent(value, 1)


def _sentence(text: str) -> str:
    """Begins with a capital, unless with a name such as int8, and ends with a full stop."""
    first = text.split(" ", 1)[0]
    text = text[:1].upper() + text[1:] if first.isalpha() else text
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _when(text: str) -> str:
    """'20 November 2026, 12:32 UTC' of an ISO time; the text itself where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
