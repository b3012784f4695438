"""The page of `edgewright serve` in a real browser: answers of several models side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from chat_server import served, small_models
from looking import PHONE, too_wide, violations
from studio_server import StudioAddress

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
# A question that cannot be answered is refused with 400, which the browser notes.
ANSWERS = ("status of 400 (Bad Request)",)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioAddress]:
    with served(*small_models(tmp_path_factory.mktemp("models"))) as (where, _):
        yield where


def _ask(page: Page, question: str) -> None:
    page.get_by_label("Question").fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()


def test_models_answer_side_by_side(opener: Opener) -> None:
    page = opener("/")
    expect(page.get_by_role("checkbox")).to_have_count(3)
    _ask(page, "How long is the warranty?")
    expect(page.get_by_role("status")).to_have_text("3 answers.")
    manual = page.get_by_role("region", name="manual")
    expect(manual.locator(".said")).to_contain_text("The warranty lasts 24 months from the date of purchase. [1]")
    expect(manual.locator(".took")).to_contain_text("all after")
    expect(page.get_by_role("region", name="intents").locator(".said")).not_to_be_empty()
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert too_wide(page) == []


def test_a_dialogue_keeps_its_conversation_until_clear(opener: Opener) -> None:
    page = opener("/")
    for name in ("manual", "intents"):
        page.get_by_role("checkbox", name=name).uncheck()
    _ask(page, "I want a soda please")
    shop = page.get_by_role("region", name="shop")
    expect(shop.locator(".said")).to_contain_text("You chose soda")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    _ask(page, "yes")
    expect(shop.locator(".said").nth(1)).to_contain_text("Here is your soda")
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("region")).to_have_count(0)


def test_keys_alone_ask(opener: Opener) -> None:
    page = opener("/")
    page.get_by_label("Question").focus()
    page.keyboard.type("How do I clean the housing?")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("status")).to_have_text("3 answers.")


def test_errors_stand_in_the_column(opener: Opener) -> None:
    page = opener("/")
    page.get_by_role("checkbox", name="manual").wait_for()
    _ask(page, "?")
    expect(page.get_by_role("region", name="manual").locator(".took")).to_contain_text("at least one word")
    for box in page.get_by_role("checkbox").all():
        box.uncheck()
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    _ask(page, "How long?")
    expect(page.get_by_role("status")).to_have_text("Choose at least one model.")
