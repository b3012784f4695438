"""Every page of the studio says little at first, offers more than a terminal, and fits two screens and fingers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from edgewright.language.pronunciation.coach import write_coach
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from flow_example import AT, RUN, flow_folder
from label_example import suggested, write_project
from labelled_folder import write_labels, write_recordings, write_toml
from looking import SCREENS, too_wide
from small_pipeline import run_small, write_rows
from small_pipeline import write_toml as write_small
from studio_server import started

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
ANSWERS = ("status of 404",)
MOST_WORDS = 60
# Of sentences that explain: what is seen at first outside of navigation, headings, labels, controls, tables, pictures,
# data, and of what a lesson or a file that somebody opened is made of.
EXPLANATION = """() => {
    const other = `script, style, noscript, nav, header, table, svg, img, audio, canvas, button, .button, label, .label,
        legend, select, datalist, textarea, input, output, h1, h2, h3, h4, figcaption, summary, pre, dl, .chip, .state,
        .legend, code, kbd, figure, .keys, .hide, .skip, .crumbs, .lesson, .said-text, .notes, [role=alert]`;
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT), words = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const around = node.parentElement;
        if (around.closest(other) || !around.checkVisibility({ visibilityProperty: true })) continue;
        words.push(...node.data.split(/\\s+/).filter((word) => /[\\p{L}\\d]/u.test(word)));
    }
    return words;
}"""
# What a finger hits: controls, and links that stand alone rather than in a sentence.
SMALL = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary")]
    .filter((e) => e.checkVisibility({ visibilityProperty: true }))
    .filter((e) => !e.closest("p, dd, figcaption, svg, .lesson, .hide"))
    .filter((e) => !e.matches(".hide, .skip, .skip-map, [type=hidden], label input"))
    .map((e) => [e, e.getBoundingClientRect()]).filter(([, box]) => box.height < 23.9 || box.width < 23.9)
    .map(([e, box]) => `${e.tagName} ${(e.textContent || e.name).trim().slice(0, 24)} ${box.width} x ${box.height}`)"""
# A command of Edgewright on the page, and nothing to press that does as much.
OFFERS = """() => [...document.querySelectorAll("main code, main pre")]
    .filter((e) => /^edgewright [a-z]/.test(e.textContent) && e.checkVisibility() && !e.closest(".help"))
    .filter((e) => !e.closest("main").querySelector("form button")).map((e) => e.textContent)"""
# The form of a pipeline and the pages of a fleet have tests of their own.
PAGES = (
    "/", "/?q=none", "/new", "/new/rows.csv", "/learn/runs/small", "/quiz/runs/small", "/predict/runs/small",
    "/predict/runs/moved", "/live-test/runs/small", "/live-test/runs/moved", "/export/runs/small", "/data",
    "/data?in=moves", "/data/at/moves", "/data/at/moves?view=map&rate=50&window=50&step=50",
    "/data/at/moves?view=signal&rate=50", "/data/at/moves?view=spread&rate=50&window=50&step=50", "/labels/at/moves",
    "/labels/at/moves?recording=one.csv&rate=50", "/label", "/label/calls.labelling", "/label/calls.labelling?as=ann",
    "/label/calls.labelling?as=ann&mode=audit", "/coach", "/coach/tiny.coach", "/flow", f"{AT}", f"{RUN}",
    "/compare", "/compare?run=runs/small&run=runs/moved", "/jobs",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a folder with everything that the studio shows."""
    from coach_example import random_coach

    root = flow_folder(tmp_path_factory.mktemp("studio"))
    write_labels(write_recordings(root / "moves"))
    toml = write_toml(root / "first.toml", root / "moves")
    run_pipeline(read_config(str(toml)), out=root / "runs", force=True, command="edgewright run")
    run_small(write_small(root / "small.toml", write_rows(root / "rows.csv")), root / "runs")
    with suggested(write_project(root)):
        write_coach(root / "tiny.coach", random_coach())
    return root


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with started(root) as (where, _):
        yield where


def test_at_first_sight_a_page_explains_in_sixty_words(opener: Opener) -> None:
    page = opener("/", viewport=SCREENS[1])
    page.set_default_timeout(120_000)  # the first page with data loads the libraries of training
    origin, many = page.url.rstrip("/"), {}
    for path in PAGES:
        page.goto(origin + path)
        words = page.evaluate(EXPLANATION)
        if len(words) > MOST_WORDS:
            many[path] = f"{len(words)}: {' '.join(words)}"
    assert many == {}


def test_no_page_offers_a_terminal_alone(opener: Opener) -> None:
    page = opener("/")
    page.set_default_timeout(120_000)
    origin = page.url.rstrip("/")
    for path in (*PAGES, "/data?in=runs"):
        page.goto(origin + path)
        assert page.evaluate(OFFERS) == [], path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS, ids=["wide", "phone"])
def test_every_page_fits_the_screen_and_fingers(opener: Opener, screen: dict[str, int], scheme: str) -> None:
    page = opener("/", scheme, viewport=screen)
    page.set_default_timeout(120_000)
    origin, small = page.url.rstrip("/"), {}
    for path in PAGES:
        page.goto(origin + path)
        assert too_wide(page) == [], path
        assert page.locator("nav.bar").bounding_box()["height"] < 56, path  # type: ignore[index]
        if found := page.evaluate(SMALL):
            small[path] = found
    assert small == {}


def test_help_is_behind_a_sign(opener: Opener) -> None:
    page = opener("/label")
    sentence = page.get_by_text(re.compile("Recordings are cut into windows"))
    assert not sentence.is_visible()
    page.locator("summary", has_text="Help: label sets").click()
    assert sentence.is_visible()
