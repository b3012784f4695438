"""Guards: what they mean, what is unknown, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.errors import InputError, StateTableError
from edgewright.core.state_machine.guards import read_guard

NAMES: dict[str, float | str] = {
    "a": 1.0,
    "b": 2.0,
    "walking upstairs": 0.7,
    "label": "walking",
    "gone": math.nan,
    "unsure": 0.0,
}


def truth(text: str) -> bool | None:
    return read_guard(text, "here").truth(NAMES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("a < b", True),
        ("a >= 1 and b <= 2", True),
        ("a > b or not (a > b)", True),
        ("a == 1.0e0 and b != .5", True),
        ("a > -3", True),
        ("abs(a) < 2", True),
        ("label == 'walking'", True),
        ('label != "running"', True),
        ("label == 1", False),
        ("`walking upstairs` > 0.5", True),
        ("unsure", False),
        ("not unsure and true", True),
        ("false or a", True),
        # `and` binds closer than `or`, `not` closer than both.
        ("a > b and a > b or b > a", True),
        ("not a > b and b > a", True),
        # Not known: NaN, a name without a value, a word that is compared by size.
        ("gone > 1", None),
        ("not (gone > 1)", None),
        ("gone == gone", None),
        ("nobody > 1", None),
        ("label < 3", None),
        ("gone > 1 or a < b", True),
        ("gone > 1 and a > b", False),
        ("gone > 1 and a < b", None),
        ("not gone", None),
    ],
)
def test_a_guard_is_true_false_or_not_known(text: str, expected: bool | None) -> None:
    assert truth(text) is expected
    assert read_guard(text, "here").holds(NAMES) is (expected is True)


def test_a_guard_says_what_it_asks_for() -> None:
    guard = read_guard("a > 1 and rate(pressure, 5) < -2 or rate(`t 1`) > 0", "here")
    assert guard.names == {"a"}
    assert {(rate.name, rate.seconds) for rate in guard.rates} == {("pressure", 5.0), ("t 1", 0.0)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a >", "got the end"),
        ("a > 1)", "got ')'"),
        ("(a > 1", "got the end"),
        ("a < b < c", "a < b and b < c"),
        ("a + 1 > 2", "'+ 1 > 2'"),
        ("__import__('os').system('x') == 0", ".system("),
        ("a.b(1)", "got '('"),
        ("and a", "got 'and'"),
        ("rate(3)", "the name of a column"),
        ("rate(a, b)", "expected a number"),
        ("abs a", "'('"),
        ("a = 1", "'= 1'"),
        ("a > 'unclosed", "'unclosed"),
        ("(" * 60 + "a" + ")" * 60, "at most 40 nested brackets"),
        ("a > 1 and " * 200 + "a > 1", "1000 characters"),
        ("a > 1e999", "a finite number"),
    ],
)
def test_what_is_no_guard_is_refused_where_it_is_wrong(text: str, message: str) -> None:
    with pytest.raises(StateTableError, match="here") as caught:
        read_guard(text, "here")
    assert message in str(caught.value)


@pytest.mark.slow
@settings(max_examples=300)
@given(st.text(alphabet="ab()<>=!& '\"`.,-10ndortae", max_size=40))
def test_any_text_is_a_guard_or_is_refused(text: str) -> None:
    try:
        truth = read_guard(text, "here").truth(NAMES)
    except InputError:
        return
    assert truth in (True, False, None)
