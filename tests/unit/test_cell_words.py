"""What single cells say is decided in one place."""

from __future__ import annotations

import pytest

from edgewright.core.formatting import MISSING_LABELS, MISSING_NUMBERS, MISSING_TEXTS, is_date, is_number


@pytest.mark.parametrize(
    ("text", "number"), [("1.5", True), (" 2 ", True), ("nan", True), ("1_000", False), ("1,5", False), ("", False)]
)
def test_a_number_is_what_every_reader_of_csv_takes_for_one(text: str, number: bool) -> None:
    assert is_number(text) is number


def test_dates_and_times_of_a_day_are_known_by_how_they_begin() -> None:
    assert all(map(is_date, ("2024-05-01", "1.5.24", "12/31/2024 10:00", "7:30")))
    assert not any(map(is_date, ("1.5", "20240501", "May")))


def test_a_missing_text_is_a_missing_label_and_a_missing_number() -> None:
    assert MISSING_TEXTS < MISSING_LABELS < MISSING_NUMBERS
