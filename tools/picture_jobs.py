"""Draws the picture of each job: `python tools/picture_jobs.py RUNS` photographs the time lines of runs/NAME/job.html.

The pictures are `examples/NAME/picture.png`; pages need Chromium.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.chromium import chromium

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def main() -> int:
    """Photograph the time line of every job in a folder of runs."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1240, "height": 900}, color_scheme="light")
        for file in sorted(Path(sys.argv[1]).resolve().glob("*/job.html")):
            page.goto(file.as_uri())
            page.locator("section:has(svg.timeline)").first.screenshot(path=EXAMPLES / file.parent.name / "picture.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
