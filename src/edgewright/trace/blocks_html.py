"""Blocks of a lesson as HTML, escaped: a fragment for pages and the studio, or a cell of a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from edgewright.schema.lesson import Block
from edgewright.trace.compiled import Compiled

LETTERS = "abcdefgh"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("edgewright.trace", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=Compiled(),
    )
    made.filters["kind"] = lambda block: block.__struct_config__.tag
    made.globals["letters"] = LETTERS
    return made


def blocks_html(blocks: Sequence[Block], *, level: int = 2, page: str = "") -> Markup:
    """A fragment without style; classes begin with `lesson-`.

    Args:
        blocks: of a lesson.
        level: of its headings, 1 to 6.
        page: address of the run's page, for links to its sections; headings are no links without it.
    """
    text = _environment().get_template("blocks.html").render(blocks=blocks, level=level, page=page)
    return Markup(text)  # noqa: S704 - rendered with autoescape


def notebook_html(blocks: Sequence[Block], *, link: tuple[str, str] | None = None) -> str:
    """A cell of a notebook: the fragment with its own style, in the notebook's colours.

    Args:
        blocks: to show.
        link: address and words of a link below them.
    """
    body = blocks_html(blocks, level=4)
    return _environment().get_template("blocks_cell.html").render(body=body, link=link)
