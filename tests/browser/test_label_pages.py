"""The review of labels in a real browser: accessible on both grounds, by keyboard alone, and without script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from edgewright.core.input.riff import wav_bytes
from edgewright.language.labelling.audit import draw
from edgewright.language.labelling.items import make, read_items
from edgewright.language.labelling.project import Project
from label_example import TRUTH, suggested, write_project, write_texts
from looking import check_pages, too_wide, violations
from studio_server import started

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
REVIEW = "/label/calls.labelling?as=ann"
PAGES = ("/label", "/label/calls.labelling", REVIEW, REVIEW + "&mode=audit", REVIEW + "&mode=second",
         "/label/walk.labelling?as=ann")  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a project of texts with a sample drawn, and one of windows."""
    root = tmp_path_factory.mktemp("studio")
    with suggested(write_project(root)) as project:
        draw(project, 3, seed=0)
    rows = "\n".join(f"{k / 10},{k % 7},{k % 5}" for k in range(100))
    (root / "walk.csv").write_text(f"t,{'x' * 60},y\n{rows}\n")
    read = read_items(root / "walk.csv", window=20, table={"time": "t"})
    make(root / "walk.labelling", root / "walk.csv", read, {f"class {k}": "" for k in range(40)})
    return root


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with started(root) as (where, _):
        yield where


def test_every_page_is_accessible_and_fits_a_phone(opener: Opener) -> None:
    check_pages(opener, PAGES)


def test_it_goes_by_keyboard_alone_and_without_script(root: Path, opener: Opener) -> None:
    page = opener(REVIEW.replace("ann", "kim"))
    for key, text in (("Enter", "Saved: lamp."), ("1", "Saved: food."), ("u", "Undid food.")):
        page.wait_for_load_state()  # what listens to the keys comes after the text
        page.keyboard.press(key)
        page.get_by_text(text).wait_for()
    plain = opener(REVIEW.replace("ann", "eve"), java_script_enabled=False)
    plain.get_by_role("button", name="None of them").click()
    plain.get_by_text("Saved: none of them.").wait_for()
    with Project(root / "calls.labelling") as project:
        assert [(one.label, one.reviewer) for one in project.reviews()] == [("lamp", "kim"), ("", "eve")]


def test_many_classes_are_typed(root: Path, opener: Opener) -> None:
    page = opener("/label/walk.labelling?as=ann")
    page.get_by_label("Class", exact=True).fill("class 7")
    page.keyboard.press("Enter")
    page.get_by_text("Saved: class 7.").wait_for()


def test_a_label_set_is_created_of_what_the_microphone_hears(root: Path, opener: Opener, microphone_file: Path) -> None:
    tone = 0.3 * np.sin(np.arange(48_000) / 20).astype(np.float32)
    microphone_file.write_bytes(wav_bytes(tone[:, None], 16_000))
    page = opener("/label", viewport={"width": 390, "height": 844})
    page.set_default_timeout(120_000)
    page.get_by_role("button", name="Record now").click()
    expect(page.locator("#file-heard")).to_contain_text(re.compile(r"^[2-9]\.\d s heard"), timeout=60_000)
    page.get_by_role("button", name="Stop").click()
    page.get_by_label("Classes").fill("tone, quiet")
    page.get_by_label("Seconds of a window").fill("0.5")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/label/recording.labelling")
    page.get_by_label("Your name").fill("kim")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="tone", exact=True).click()
    page.get_by_text("Saved: tone.").wait_for()
    assert page.evaluate("document.activeElement.value") == "tone"
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    with Project(root / "recording.labelling") as project:
        assert project.kind == "windows"
        assert {one.label for one in project.reviews()} == {"tone"}


def test_pictures_of_a_camera_become_a_label_set(root: Path, opener: Opener, tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (64, 48), (80 * number, 40, 40)).save(tmp_path / f"{number}.jpg")
    page = opener("/label", viewport={"width": 390, "height": 844})
    page.set_default_timeout(120_000)
    page.get_by_label("Or pictures").set_input_files(sorted(tmp_path.glob("*.jpg")))
    page.get_by_label("Classes").fill("milk, tea")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/label/pictures-*.labelling")
    location = page.url
    page.goto(f"{location}?as=ann")
    assert page.locator("main img").evaluate("picture => [picture.naturalWidth, picture.naturalHeight]") == [64, 48]
    assert violations(page) == []
    assert too_wide(page) == []
    with Project(root / location.rpartition("/")[2]) as project:
        assert (project.kind, len(project.items())) == ("pictures", 3)


def test_a_file_becomes_a_label_set(root: Path, opener: Opener) -> None:
    write_texts(root / "more.csv")
    page = opener("/label")
    page.set_default_timeout(120_000)
    page.get_by_label("Or a path").fill("more.csv")
    page.get_by_label("Classes").fill("lamp, food")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/label/more.labelling")
    with Project(root / "more.labelling") as project:
        assert len(project.items()) == len(TRUTH)
        assert set(project.classes()) == {"lamp", "food"}
