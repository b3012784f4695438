"""Draws studio.png and pipeline.png of docs/images: the list of runs above a run that goes on, and blocks of a lesson.

    python tools/picture_studio.py

Runs the shipped pipelines into a folder of its own; needs Chromium (EDGEWRIGHT_CHROMIUM names one).
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.chromium import chromium  # noqa: E402 - from the repository, which is no package

TARGET = ROOT / "docs" / "images" / "studio.png"
EDGEWRIGHT = str(Path(sys.executable).with_name("edgewright"))
RUNS = (
    ("latency",),
    ("activity",),
    ("activity", "--set", "stages.select.k=5"),
    ("activity", "--set", "training.epochs=2"),
)
# The folder of this picture is a temporary one; what stands there is its last part.
_SHORT = "document.querySelectorAll('.folder bdi').forEach(e => { e.textContent = 'runs' })"


def main() -> None:
    """Run, serve, look."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "runs"
        for run in RUNS:
            subprocess.run([EDGEWRIGHT, "run", *run, "--out", str(out)], check=True, stdout=subprocess.DEVNULL)
        # So many rows that there is time to look.
        slow = ("training.epochs=60", "training.patience=0", "data.rows=100000")
        command = [EDGEWRIGHT, "run", "activity", *(word for change in slow for word in ("--set", change))]
        going = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.DEVNULL)
        studio = subprocess.Popen(
            [EDGEWRIGHT, "studio", "runs", "--port", "0", "--no-open"], cwd=folder, stdout=subprocess.PIPE, text=True,
            env={"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        try:
            assert studio.stdout is not None  # noqa: S101 - it is a pipe
            printed = re.search(r"(http://[^/]+/)\?token=\S+", studio.stdout.readline())
            assert printed is not None  # noqa: S101 - the line is the studio's own
            while not list(out.glob(".edgewright/journals/*.jsonl")):
                time.sleep(0.1)
            _look(printed[1], printed[0])
        finally:
            for process in (going, studio):
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=30)


def _look(address: str, sign_in: str) -> None:
    """Both pages in one picture, made of two that a third page shows."""
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        page = browser.new_page(viewport={"width": 1180, "height": 640}, device_scale_factor=1)
        page.goto(sign_in)
        link = page.locator("a[href^='/live/']").first
        link.wait_for()
        location = link.get_attribute("href") or ""
        page.goto(address.rstrip("/") + location)
        page.locator("#epochs tbody tr").nth(34).wait_for(timeout=60_000)
        page.evaluate(_SHORT)
        page.screenshot(path=f"{folder}/live.png", clip={"x": 0, "y": 0, "width": 1180, "height": 560})
        page.goto(address)
        page.evaluate(_SHORT)
        page.screenshot(path=f"{folder}/list.png", clip={"x": 0, "y": 0, "width": 1180, "height": 560})
        pipeline(page, address)
        both = browser.new_page(viewport={"width": 1180, "height": 1140})
        shown = "".join(f'<img src="file://{folder}/{name}.png" style="display:block;margin-bottom:20px">' for name in
                        ("list", "live"))  # fmt: skip
        (Path(folder) / "both.html").write_text(f"<body style='margin:0;background:#c9d1d9'>{shown}", encoding="utf-8")
        both.goto(f"file://{folder}/both.html")
        both.screenshot(path=str(TARGET))
        shrink(TARGET)


def pipeline(page: Page, address: str) -> None:
    """Draw docs/images/pipeline.png: a lesson as blocks, with the settings of one."""
    page.goto(f"{address.rstrip('/')}/start?pipeline=latency&block=stages.1")
    page.locator("#preview figure").nth(1).wait_for(timeout=60_000)
    page.evaluate(_SHORT)
    target = TARGET.with_name("pipeline.png")
    page.screenshot(path=str(target), clip={"x": 0, "y": 0, "width": 1180, "height": 640})
    shrink(target)


def shrink(path: Path) -> None:
    """Write a picture of a page anew with a palette: a page has few colours, and a palette is a third of the bytes."""
    Image.open(path).convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE).save(path, optimize=True)


if __name__ == "__main__":
    main()
