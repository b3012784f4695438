"""The flow editor in a real browser: states dragged and connected, saved, and run step by step with their values."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from c99_language_example import model
from cli_runner import Cli
from edgewright.language.dialogue.validation import read_dialogue
from edgewright.nlp.utterance.model_file import write_language
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


def middle(element: Locator) -> tuple[float, float]:
    box = element.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, begin: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*begin)
    page.mouse.down()
    page.mouse.move((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2, steps=4)
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def node(page: Page, state: str) -> Locator:
    return page.locator(f'.node[data-state="{state}"]')


def test_a_flow_is_dragged_connected_saved_and_run(
    root: Path, opener: Opener, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    page = opener(AT)
    below = "boxes => boxes.map(box => [box, box.lastElementChild].map(part => part.getBoundingClientRect().bottom))"
    assert all(line <= box for box, line in page.eval_on_selector_all(".flow .box", below))
    x, y = middle(node(page, "look_up"))
    drag(page, (x, y), (x + 240, y + 60))
    expect(page.get_by_role("status")).to_have_text("Not saved yet.")
    assert middle(node(page, "look_up"))[0] == pytest.approx(x + 240, abs=2)
    page.get_by_label("A state", exact=True).fill("told")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", name="State told")).to_be_visible()
    # What is missing is shown, and marked in the picture.
    expect(page.locator(".problems")).to_contain_text("a way to state 'told'")
    expect(node(page, "told").locator("button")).to_have_class("box wrong")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("nothing is saved")
    assert (root / "drill" / "flow.toml").read_text() == FLOW
    # The arrow of the new state is drawn to another one; the event of the new step has the focus.
    drag(page, middle(page.locator('.grip[data-grip="told"]')), middle(node(page, "idle")))
    expect(page.get_by_role("heading", name="Step 5")).to_be_visible()
    expect(page.get_by_label("Event", exact=True)).to_be_focused()
    page.keyboard.type("thanks")
    page.get_by_label("What it does").fill("say You are welcome.")
    page.get_by_role("button", name="Step 2: look_up, found, to idle").click()
    expect(page.get_by_role("heading", name="Step 2")).to_be_visible()
    page.get_by_label("Next state").select_option("told")
    page.get_by_label("What it does").fill("say {answer} (section {section})")
    page.keyboard.press("Control+s")
    expect(page.get_by_role("status")).to_have_text("Saved.")
    checked, _ = read_dialogue(root / "drill" / "flow.toml")
    assert checked.table.layout.keys() == {"idle", "look_up", "told"}
    assert [(step.event, step.to) for step in checked.table.steps][1::3] == [("found", "told"), ("thanks", "idle")]
    assert "# The manual knows." in (root / "drill" / "flow.toml").read_text()

    page.get_by_role("link", name="Run", exact=True).click()
    page.get_by_label("Say").fill(QUESTION)
    page.get_by_role("button", name="Send, then step by step").click()
    turn = page.locator("ol.turn > li")
    expect(turn).to_have_count(1)
    for count in range(2, 8):
        page.get_by_role("link", name="Next step").click()
        expect(turn).to_have_count(count)
    retrieved = page.locator('li[data-kind="retrieve"]')
    expect(retrieved).to_contain_text("required 61 %")
    expect(retrieved.locator("tbody tr").first).to_contain_text("Drill X200 > Warranty")
    expect(turn.last).to_have_text("State: look_up to told")
    expect(node(page, "told").locator(".box")).to_have_attribute("aria-current", "step")
    expect(page.locator("ul.talk li").last).to_contain_text("24 months from the date of purchase. (section")
    # The saved table is the one that the terminal runs.
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{QUESTION}\n/thanks\n"))
    printed = cli("language", "chat", root / "drill" / "flow.toml").splitlines()
    assert printed[0] in page.locator("ul.talk li").last.inner_text()
    assert printed[1] == "You are welcome."


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


def test_a_state_is_moved_and_connected_by_keyboard(root: Path, opener: Opener) -> None:
    page = opener(AT)
    page.get_by_role("button", name="State look_up", exact=True).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    expect(page.get_by_role("status")).to_have_text("Not saved yet.")
    expect(page.get_by_role("button", name="State look_up", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="State look_up")).to_be_visible()
    left = int(page.get_by_label("Left").input_value())
    page.get_by_role("button", name="Connect look_up").press("Enter")
    expect(page.get_by_label("To", exact=True)).to_be_focused()
    expect(page.get_by_label("From")).to_have_value("look_up")
    page.keyboard.press("Control+s")
    expect(page.get_by_role("status")).to_have_text("Saved.")
    assert read_dialogue(root / "drill" / "flow.toml")[0].table.layout["look_up"][0] == left


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


def test_a_finger_drags_on_a_phone(root: Path, opener: Opener) -> None:
    page = opener(AT, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    assert too_wide(page) == []
    x, y = middle(node(page, "idle"))
    session = page.context.new_cdp_session(page)
    for kind, point in (("touchStart", (x, y)), ("touchMove", (x + 20, y + 20)), ("touchMove", (x + 60, y + 40))):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": point[0], "y": point[1]}]})
    page.wait_for_timeout(200)  # a finger that lifts at full speed flings, and the next tap only stops the fling
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.get_by_role("status")).to_have_text("Not saved yet.")
    page.get_by_role("button", name="Save").tap()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    assert read_dialogue(root / "drill" / "flow.toml")[0].table.layout.keys() == {"idle", "look_up"}


def test_it_works_without_script(root: Path, opener: Opener) -> None:
    page = opener(AT, java_script_enabled=False)
    page.get_by_role("button", name="State idle").click()
    page.get_by_label("Left").fill("40")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    assert read_dialogue(root / "drill" / "flow.toml")[0].table.layout["idle"][0] == 40
    page.get_by_role("link", name="Run", exact=True).click()
    page.get_by_label("Say").fill(QUESTION)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("ol.turn > li")).to_have_count(7)


def test_everybody_can_use_them(opener: Opener) -> None:
    edits = [f"{AT}?select={selects}" for selects in ("state:look_up", "step:1")]
    check_pages(opener, ["/flow", *edits, f"{RUN}?next=How+long+does+the+warranty+last%3F"])
