"""Pages as approved: the lessons' outlines and the whole text of the example; EDGEWRIGHT_GOLDEN=write approves anew.

The last digits of a float differ between processors, and times between runs: of the lessons every figure is a mark, and
what follows from figures (observations, questions) is left to the tests of its rules.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

import trace_example as example
from edgewright.trace.html import PAGE_LIMIT, page_html

if TYPE_CHECKING:
    from conftest import Lesson

FOLDER = Path(__file__).resolve().parent
OUTLINE = re.compile(
    r"<(h[1-4]|caption|thead|figcaption|summary|dt)\b[^>]*>(.*?)</\1>|"
    r"<(?:section|details|div) class=\"(?:panel|part)\" id=\"([\w-]+)\"|<(svg|meter|fieldset)\b",
    re.DOTALL,
)
FIGURE = re.compile(r"[-+]?\.?\d[\d,.]*(?:e-?\d+)?(?: (?:[kMG]?B|µs|ms|s)\b)?")
BREAK = re.compile(r"</(?:p|li|tr|h\d|caption|summary|figcaption|dt|dd|legend|label|div)>")


def words(html: str) -> str:
    """Return what is read of a piece of the page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def outline(html: str) -> str:
    """Sections, headings, tables with their columns, pictures: a line each, figures as marks."""
    lines = []
    for kind, inner, anchor, tag in OUTLINE.findall(html):
        lines.append(f"# {anchor}" if anchor else f"  {kind or tag}: {FIGURE.sub('#', words(inner))}".rstrip(": "))
    # Memory is reported where a stage took a page of it or more, which differs between runs. Bars and questions in a
    # row are as many as the data gives.
    lines = [line for line in lines if line != "  dt: memory"]
    # Which of two small models answers sooner differs between runs.
    lines = [line.replace("#x faster", "#x slower") for line in lines]
    kept = [line for i, line in enumerate(lines) if i == 0 or line != lines[i - 1]]
    return "\n".join(kept) + "\n"


def approved(name: str, text: str) -> str:
    """Return what was approved; writes it first where that is asked for."""
    path = FOLDER / f"page_{name}.txt"
    if os.environ.get("EDGEWRIGHT_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["activity", *(pytest.param(name, marks=pytest.mark.slow) for name in ("latency", "scalability"))]
)
def test_a_lesson_has_the_page_it_had(name: str, lesson: Callable[[str], Lesson]) -> None:
    html = (lesson(name).folder / "trace.html").read_text(encoding="utf-8")
    assert len(html.encode()) < PAGE_LIMIT
    text = outline(html)
    assert text == approved(name, text)


def test_the_example_reads_as_approved() -> None:
    trace = msgspec.structs.replace(example.trace(80), scaling=example.scaling())
    html = page_html(trace).split("<body")[1]
    # The quiz has tests of its own.
    html = re.sub(r'<section class="panel" id="quiz".*?</section>|<svg.*?</svg>', "", html, flags=re.DOTALL)
    lines = (words(part) for part in BREAK.sub("\n<br>", html).split("\n<br>"))
    text = "\n".join(line for line in lines if line) + "\n"
    assert text == approved("example", text)
