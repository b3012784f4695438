"""A window of sound is heard in a real browser, which the policy of the pages allows from the studio only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from looking import check_pages
from sound_folder import write_sounds
from studio_server import started

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
ADDRESS = "/data/at/tones?window=4000&step=4000&view=map"
# What the policy refuses is noted by the browser.
ANSWERS = ("Content Security Policy", "violates the following")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("studio")
    write_sounds(root / "tones")
    with started(Path(root)) as (where, _):
        yield where


def test_a_window_is_played(opener: Opener) -> None:
    page = opener(f"{ADDRESS}&sample=2")
    page.set_default_timeout(60_000)
    sound = page.locator("audio")
    expect(sound).to_have_count(1)
    script = (
        "e => new Promise((done, no) => { e.onended = () => done(e.duration); e.onerror = no; e.play().catch(no); })"
    )
    assert sound.evaluate(script) == pytest.approx(0.5)


def test_sound_from_elsewhere_is_refused(opener: Opener) -> None:
    page = opener(f"{ADDRESS}&sample=2")
    page.set_default_timeout(60_000)
    blob = page.evaluate("URL.createObjectURL(new Blob(['RIFF'], { type: 'audio/wav' }))")
    for source in ("data:audio/wav;base64,UklGRiQAAABXQVZF", blob):
        code = page.evaluate(
            """source => new Promise(done => {
                document.addEventListener("securitypolicyviolation", e => done(e.violatedDirective), { once: true });
                new Audio(source).load();
            })""",
            source,
        )
        assert code == "media-src"


def test_the_page_of_a_window_of_sound_is_accessible(opener: Opener) -> None:
    check_pages(opener, [f"{ADDRESS}&sample=2"])
