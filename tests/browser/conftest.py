"""A real browser for the tests of this folder, started once a module; each test opens its own pages in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from benchmarks.chromium import chromium, executable
from playwright.sync_api import Browser, Dialog, Page

from studio_server import StudioAddress
from support import left_out


@pytest.fixture(scope="session")
def microphone_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the WAV file that the browser's microphone repeats; it is read when a page opens the microphone."""
    return tmp_path_factory.mktemp("microphone") / "heard.wav"


@pytest.fixture(scope="module")
def browser(microphone_file: Path) -> Iterator[Browser]:
    """Headless Chromium; tests that need it are left out where there is none.

    Playwright runs an event loop in this thread until the browser is closed. A test of another module may follow in the
    same worker and run an event loop of its own, so the browser is closed after each module.
    """
    if executable() is None:
        left_out("no chromium (EDGEWRIGHT_CHROMIUM names one)")
    fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with chromium(*fake, f"--use-file-for-fake-audio-capture={microphone_file}") as running:
        yield running


@pytest.fixture
def opener(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Open a page of the studio at the module's `address`.

    Fails at a request elsewhere, at a dialog, and at what the browser complains of beside the module's `ANSWERS`.
    """
    answers: tuple[str, ...] = getattr(request.module, "ANSWERS", ())
    troubles: list[str] = []
    contexts = []

    def dialog(shown: Dialog) -> None:
        troubles.append(shown.message)
        shown.dismiss()

    def visit(path: str, scheme: str = "light", **settings: object) -> Page:
        context = browser.new_context(color_scheme=scheme, **settings)  # type: ignore[arg-type]
        contexts.append(context)
        if isinstance(address, StudioAddress):
            context.add_cookies([address.cookie])
        page = context.new_page()
        page.on("console", lambda m: None if any(known in m.text for known in answers) else troubles.append(m.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", dialog)
        page.on(
            "request",
            lambda route_request: None if route_request.url.startswith(address) else troubles.append(route_request.url),
        )
        page.goto(address + path)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert troubles == []
