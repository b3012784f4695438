"""Draws the picture of each job: `python tools/picture_jobs.py RUNS` photographs the time line or chart of its page.

A job that left a flow is photographed in the studio: a turn, up to what was retrieved. The pictures are
`examples/NAME/picture.png`; pages need Chromium.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from benchmarks.chromium import chromium  # noqa: E402 - from the repository, which is no package

from studio_server import started  # noqa: E402

EXAMPLES = ROOT / "examples"
_TURN = "?next=How+do+I+update+the+software%3F&at=4"


def main() -> int:
    """Photograph the time line, or the first chart, of every job in a folder of runs."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1240, "height": 900}, color_scheme="light")
        for file in sorted(Path(sys.argv[1]).resolve().glob("*/job.html")):
            target = EXAMPLES / file.parent.name / "picture.png"
            if (file.parent / "flow" / "flow.toml").is_file():
                _flow(page, file.parent, target)
                continue
            page.goto(file.as_uri())
            lines, charts = page.locator("section:has(svg.timeline)"), page.locator("figure.chart")
            shown = lines if lines.count() else charts
            shown.first.screenshot(path=target)
    return 0


def _flow(page: Page, folder: Path, target: Path) -> None:
    with started(folder) as (address, _):
        page.context.add_cookies([address.cookie])
        page.goto(f"{address}/flow/run/flow/flow.toml{_TURN}")
        page.evaluate("document.querySelector('.flow-canvas').style.maxHeight = 'none'")
        page.locator("main").screenshot(path=target)


if __name__ == "__main__":
    sys.exit(main())
