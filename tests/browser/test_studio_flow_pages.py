"""The flow editor in a real browser: states edited, saved, and run step by step with their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from c99_language_example import model
from edgewright.language.dialogue.conversation import read_dialogue
from edgewright.nlp.utterance.parse import write_language
from flow_example import AT, FLOW, RUN, flow_folder
from looking import SCREENS, check_pages, too_wide, violations
from studio_server import started

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
# A table that cannot be held, and one that was changed meanwhile.
# The browser says the last where a test types before the field has its focus.
ANSWERS = ("status of 400 (Bad Request)", "status of 409 (Conflict)", "Autofocus processing was blocked")
QUESTION = "How long does the warranty last?"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return flow_folder(tmp_path / "studio")


@pytest.fixture
def address(root: Path) -> Iterator[str]:
    with started(root) as (where, _):
        yield where


def test_a_model_of_the_folder_is_chosen_and_understands(root: Path, opener: Opener) -> None:
    folder = root / "runs" / "words"
    folder.mkdir(parents=True)
    write_language(folder / "words.language", *model(["a soda"]))
    page = opener("/flow", viewport=SCREENS[1])
    page.get_by_role("link", name="drill/flow.toml", exact=True).click()
    page.get_by_label("Understands what is said").select_option("runs/words/words.language")
    page.get_by_role("button", name="Use", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Not saved yet.")
    assert page.locator("#events option").evaluate_all("all => all.map(e => e.value)").count("drink") == 1
    assert violations(page) == []
    assert too_wide(page) == []
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    text = (root / "drill" / "flow.toml").read_text()
    assert text == FLOW.replace('initial = "idle"\n', 'initial = "idle"\nmodel = "../runs/words/words.language"\n')
    page.get_by_role("link", name="Run", exact=True).click()
    assert "Without a model" not in page.locator("main").inner_text()
    page.get_by_label("Say").fill("a soda")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("ol.turn")).to_contain_text("drink")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Understands what is said").select_option("none: only intents are given")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    assert (root / "drill" / "flow.toml").read_text() == FLOW


def test_a_change_elsewhere_is_shown_and_undone(root: Path, opener: Opener) -> None:
    page = opener(AT + "?select=step:2")
    theirs = FLOW.replace("Not in the manual.", "No idea.")
    (root / "drill" / "flow.toml").write_text(theirs)
    page.get_by_label("What it does").fill("say Sorry.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("theirs are not overwritten")
    page.get_by_role("button", name="Overwrite with my version").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    page.get_by_role("button", name="Undo the last save").click()
    expect(page.get_by_role("status")).to_contain_text("restored")
    assert (root / "drill" / "flow.toml").read_text() == theirs


def test_it_works_without_script(root: Path, opener: Opener) -> None:
    page = opener(AT, java_script_enabled=False)
    page.get_by_role("button", name="State look_up").click()
    page.get_by_label("Limit").fill("0.61")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    assert read_dialogue(root / "drill" / "flow.toml")[0].table.retrieve["look_up"].minimum == 0.61
    page.get_by_role("link", name="Run", exact=True).click()
    page.get_by_label("Say").fill(QUESTION)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("ol.turn > li")).to_have_count(7)


def test_everybody_can_use_them(opener: Opener) -> None:
    edits = [f"{AT}?select={selects}" for selects in ("state:look_up", "step:1")]
    check_pages(opener, ["/flow", *edits, f"{RUN}?next=How+long+does+the+warranty+last%3F"])
