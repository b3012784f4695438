"""Numbers, durations, clock times and dates in sentences, and entries of gazetteers."""

from __future__ import annotations

from datetime import date

import pytest

from edgewright.nlp.utterance.values import _PARTS, LARGE, SMALL, Gazetteers, number, values

FRIDAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("set a timer for one hour and 30 minutes", [("duration", 5400)]),
        ("half an hour", [("duration", 1800)]),
        ("in 2.5 hours", [("duration", 9000)]),
        ("wake me at 7:30 pm tomorrow", [("time", "19:30"), ("date", "2026-11-21")]),
        ("at 12 am", [("time", "00:00")]),
        ("at 23:59", [("time", "23:59")]),
        ("on 2026-02-29", [("number", 2026), ("number", 2), ("number", 29)]),
        ("two hundred and five apples", [("number", 205)]),
        ("on friday", [("date", "2026-11-27")]),
        ("on monday", [("date", "2026-11-23")]),
        ("someone told everyone", []),
        ("", []),
    ],
)
def test_what_rules_find(text: str, wanted: list[tuple[str, object]]) -> None:
    slots = [(slot.name, slot.value) for slot in values(text, FRIDAY)]
    assert slots == wanted
    assert all(text[slot.begin : slot.end] == slot.text for slot in values(text, FRIDAY))


def test_tomorrow_is_a_word_where_nobody_says_what_today_is() -> None:
    assert [slot.value for slot in values("tomorrow")] == ["tomorrow"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("17", 17), ("2.5", 2.5), ("twenty-one", 21), ("nine hundred thousand", 900_000), ("zero", 0),
     ("two thousand and six", 2006), ("twenty ten", None), ("hundred", None), ("and", None), ("many", None)],
)  # fmt: skip
def test_numbers(text: str, wanted: float | None) -> None:
    assert number(text) == wanted


def test_the_longest_entry_of_a_gazetteer_wins() -> None:
    lists = Gazetteers({"drink": {"tea": "tea", "green tea": "sencha", "cola": "soda"}, "food": {"7 up cake": "cake"}})
    slots = lists.find("Two Green  TEAS, a cola and 7 up cake")
    assert [(slot.name, slot.text, slot.value) for slot in slots] == [
        ("drink", "Green  TEAS", "sencha"), ("drink", "cola", "soda"), ("food", "7 up cake", "cake"),
    ]  # fmt: skip
    assert not lists.find("9 up cake, \U0001f600")
    assert not Gazetteers({}).find("tea")


def test_every_number_word_is_seen_as_likely() -> None:
    words = [*SMALL, *LARGE]
    assert all(any(part in word for part in _PARTS) for word in words)
    assert [values(f"a {word} b")[0].value for word in SMALL] == list(SMALL.values())
