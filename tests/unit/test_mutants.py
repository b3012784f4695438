"""Changes of code in one place, by which tests are tried."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.mutants import Mutant, changes

TEXT = '''"""Ünlike a comment, 1 < 2 is code only inside of a function."""
LIMIT = 3


def near(a: "int", b=2) -> bool:
    name = f"{a + 1} é"
    return not a <= LIMIT and a - 1 in (True, name)
'''


def test_every_place_of_a_function_is_changed_once() -> None:
    told = [(change.line, change.before, change.after) for change in changes(TEXT)]
    assert told == [
        (7, "not a <= LIMIT", "(a <= LIMIT)"),
        (7, "not a <= LIMIT and a - 1 in (True, name)", "(not a <= LIMIT or a - 1 in (True, name))"),
        (7, "a <= LIMIT", "(a < LIMIT)"),
        (7, "a - 1", "(a + 1)"),
        (7, "a - 1 in (True, name)", "(a - 1 not in (True, name))"),
        (7, "1", "(2)"),
        (7, "True", "(False)"),
    ]


@pytest.mark.parametrize("change", changes(TEXT))
def test_a_change_leaves_the_rest_as_it_was(change: object) -> None:
    mutant = Mutant(Path("src/edgewright/core/a.py"), change)  # type: ignore[arg-type]
    text = mutant.text(TEXT.encode()).decode()
    compile(text, "a.py", "exec")
    assert mutant.room == "core"
    assert text.splitlines()[:6] == TEXT.splitlines()[:6] and text.splitlines()[6] != TEXT.splitlines()[6]
