"""Draws the pictures of docs/images: a real run in the terminal and as its page, a job, the studio, and a fleet.

`python tools/make_pictures.py` writes `trace.svg`, `page.png`, `train.png`, `job.png`, `studio.png`, `pipeline.png`
and, of a simulated fleet, `fleet.png`; pages need Chromium, and the job a public set beside the repository. Names after
it (run, page, job, studio, fleet) draw those alone.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import ViewportSize
from rich.console import Console
from rich.terminal_theme import MONOKAI

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.chromium import chromium
from tools import picture_studio

from edgewright.core.records.network import Graph
from edgewright.core.records.trace import Trace
from edgewright.fleet.simulator.fleet import Settings
from edgewright.fleet.simulator.simulation import simulate
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.trace.html import page_html
from edgewright.trace.page import page_of, print_parts
from edgewright.trace.page_model import exported_graph
from edgewright.trace.terminal import brief_parts
from edgewright.trace.views.simulation import simulation_page

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
WIDTH = 100
PAGE: ViewportSize = {"width": 1040, "height": 860}
FLEET: ViewportSize = {"width": 1040, "height": 690}
# Rich's own frame, but with a font that is there: a picture must not ask another host for one.
FRAME = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
<rect fill="#1c1e26" width="{width}" height="{height}" rx="8"/>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def record() -> tuple[Trace, Graph | None]:
    """Return a real run of the activity pipeline, and its exported float model."""
    with tempfile.TemporaryDirectory() as folder:
        result = run_pipeline(read_config("activity"), out=folder, command="edgewright run activity")
        return result.trace, exported_graph(result.folder)


def picture(trace: Trace) -> str:
    """Return what a run prints, as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    following = [("edgewright show runs/activity", "opens its page")]
    shown = page_of(console)
    print_parts(brief_parts(trace, Path("runs/activity"), following, shown)[:-1], console, shown)
    svg = console.export_svg(theme=MONOKAI, code_format=FRAME, unique_id="trace")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def photograph(html: str, path: Path, view: ViewportSize = PAGE, *, train: bool = False) -> None:
    """Photograph the top of a page, or the tab in which its network trains, behind some epochs."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        file = Path(folder) / "page.html"
        file.write_text(html, encoding="utf-8")
        page = browser.new_page(viewport=view, color_scheme="light")
        page.goto(file.as_uri() + ("#train" if train else ""))
        if train:
            page.click("#train-play")
            page.locator("#train").get_by_text("epoch 15: loss").wait_for(timeout=120_000)
            page.locator("#train").screenshot(path=path)
        else:
            page.screenshot(path=path)
    picture_studio.shrink(path)


def fleet() -> None:
    """Simulate a rollout that goes bad while a third of the fleet is away."""
    result = simulate(Settings(devices=60, fault="offline"))
    photograph(simulation_page(result), IMAGES / "fleet.png", FLEET)


def run_pictures() -> None:
    """Of one run: its end in the terminal, and its page."""
    trace, graph = record()
    (IMAGES / "trace.svg").write_text(picture(trace), encoding="utf-8")
    page(trace, graph)


def page(trace: Trace | None = None, graph: Graph | None = None) -> None:
    """Draw the page of a run with its exported model; of a new one where none is given."""
    if trace is None:
        trace, graph = record()
    html = page_html(trace, graph)
    photograph(html, IMAGES / "page.png")
    photograph(html, IMAGES / "train.png", train=True)


def main() -> int:
    """Write the pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    parts = {"run": run_pictures, "page": page, "studio": picture_studio.main, "fleet": fleet}
    for name in sys.argv[1:] or [name for name in parts if name != "page"]:
        parts[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
