"""The browser of the tests, the pictures and the benchmarks: Debian's Chromium through Playwright, headless."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

# Without them Chromium looks up its maker's hosts at every start, and in a container it does not start at all.
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def executable() -> str | None:
    """Path of the browser: `EDGEWRIGHT_CHROMIUM`, or what `which chromium` says; None where there is none."""
    named = os.environ.get("EDGEWRIGHT_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Provide a running browser.

    Args:
        flags: further ones of its command line.

    Raises:
        FileNotFoundError: there is none.
    """
    path = executable()
    if path is None:
        raise FileNotFoundError("chromium: install it, or name one in EDGEWRIGHT_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            browser.close()
