"""Every page of the studio says little at first, offers more than a terminal, and fits two screens and fingers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from flow_example import AT, RUN, flow_folder
from label_example import suggested, write_project
from labelled_folder import write_labels, write_recordings, write_toml
from looking import EXPLANATION, MOST_WORDS, SCREENS, SMALL, too_wide
from small_pipeline import break_off, run_small, write_rows
from small_pipeline import write_toml as write_small
from studio_server import started
from watched_fleet import PLAN, watched

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
ANSWERS = ("status of 404",)
# A command of Edgewright on the page, and nothing to press that does as much.
OFFERS = """() => [...document.querySelectorAll("main code, main pre")]
    .filter((e) => /^edgewright [a-z]/.test(e.textContent) && e.checkVisibility() && !e.closest(".help"))
    .filter((e) => !e.closest("main").querySelector("form button, a.button")).map((e) => e.textContent)"""
LIVE = "/live/JOURNAL"
FLEET = (
    "/fleet", "/fleet/devices", f"/fleet/rollout/{PLAN}",
    f"/fleet/rollout/{PLAN}/pause", f"/fleet/rollout/{PLAN}/abort",
)  # fmt: skip
PAGES = (
    "/", "/?q=none", "/new", "/new/rows.csv", "/predict/runs/small",
    "/predict/runs/moved", "/live-test/runs/small", "/live-test/runs/moved", "/export/runs/small", "/data",
    "/data?in=moves", "/data/at/moves", "/data/at/moves?view=map&rate=50&window=50&step=50",
    "/data/at/moves?view=signal&rate=50", "/data/at/moves?view=spread&rate=50&window=50&step=50", "/labels/at/moves",
    "/labels/at/moves?recording=one.csv&rate=50", "/label", "/label/calls.labelling", "/label/calls.labelling?as=ann",
    "/label/calls.labelling?as=ann&mode=audit", "/flow", f"{AT}", f"{RUN}",
    "/compare", "/compare?run=runs/small&run=runs/moved",
    "/start", "/start?pipeline=latency&block=stages.1", "/start?pipeline=latency&block=model", "/page/runs/small",
    "/page/runs/moved", LIVE, *FLEET,
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a folder with everything that the studio shows."""
    root = flow_folder(tmp_path_factory.mktemp("studio"))
    write_labels(write_recordings(root / "moves"))
    toml = write_toml(root / "first.toml", root / "moves")
    run_pipeline(read_config(str(toml)), out=root / "runs", force=True, command="edgewright run")
    run_small(write_small(root / "small.toml", write_rows(root / "rows.csv")), root / "runs")
    with suggested(write_project(root)):
        return root


@pytest.fixture(scope="module")
def live(root: Path) -> str:
    """Return the address of a run that broke off."""
    return LIVE.replace("JOURNAL", break_off(root / "runs"))


@pytest.fixture(scope="module")
def address(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with watched(tmp_path_factory.mktemp("fleet")) as fleet, started(root, "--fleet", str(fleet.folder)) as (where, _):
        yield where


def test_at_first_sight_a_page_explains_in_sixty_words(opener: Opener, live: str) -> None:
    page = opener("/", viewport=SCREENS[1])
    page.set_default_timeout(120_000)  # the first page with data loads the libraries of training
    origin, many = page.url.rstrip("/"), {}
    for path in PAGES:
        page.goto(origin + path.replace(LIVE, live))
        words = page.evaluate(EXPLANATION)
        if len(words) > MOST_WORDS:
            many[path] = f"{len(words)}: {' '.join(words)}"
    assert many == {}


def test_no_page_offers_a_terminal_alone(opener: Opener, live: str) -> None:
    page = opener("/")
    page.set_default_timeout(120_000)
    origin = page.url.rstrip("/")
    for path in (*PAGES, "/data?in=runs"):
        page.goto(origin + path.replace(LIVE, live))
        assert page.evaluate(OFFERS) == [], path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS, ids=["wide", "phone"])
def test_every_page_fits_the_screen_and_fingers(opener: Opener, live: str, screen: dict[str, int], scheme: str) -> None:
    page = opener("/", scheme, viewport=screen)
    page.set_default_timeout(120_000)
    origin, small = page.url.rstrip("/"), {}
    for path in PAGES:
        page.goto(origin + path.replace(LIVE, live))
        assert too_wide(page) == [], path
        assert page.locator("nav.bar").bounding_box()["height"] < 56, path  # type: ignore[index]
        if small_texts := page.evaluate(SMALL):
            small[path] = small_texts
    assert small == {}


def test_help_is_behind_a_sign(opener: Opener) -> None:
    page = opener("/label")
    sentence = page.get_by_text(re.compile("Recordings are cut into windows"))
    assert not sentence.is_visible()
    page.locator("summary", has_text="Help: label sets").click()
    assert sentence.is_visible()
