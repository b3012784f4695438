"""Changes of code in one place, by which tests are tried."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tools import mutants
from tools.mutants import Copies, Mutant, Reached, changes, largest_share, nearest, with_probes

TEXT = '''"""Ünlike a comment, 1 < 2 is code only inside of a function."""
LIMIT = 3


def near(a: "int", b=2) -> bool:
    name = f"{a + 1} é"
    return not a <= LIMIT and a - 1 in (True, name)
'''


def test_every_place_of_a_function_is_changed_once() -> None:
    mutations = [(change.line, change.before, change.after) for change in changes(TEXT)]
    assert mutations == [
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


def test_a_function_says_that_it_was_entered_and_does_what_it_did(tmp_path: Path) -> None:
    (tmp_path / "edgewright").mkdir()
    (tmp_path / "edgewright" / "__init__.py").touch()
    (tmp_path / "edgewright" / "_reached.py").write_text("numbers = []\nsay = numbers.extend\n")
    text = with_probes(TEXT.encode(), [(5, changes(TEXT)[0])]).decode()
    code = f"{text}\nfrom edgewright._reached import numbers\nprint(near(4), near(1), numbers)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "False False [5, 5]\n"


def test_near_files_come_first_and_one_case_of_each_function_before_a_second() -> None:
    tests = [Reached("x::a[1]", 1), Reached("x::a[2]", 2), Reached("x::b", 30), Reached("x::c", 58), Reached("y::d", 9)]
    assert [test.test for test in nearest(tests, {"y": 4, "x": 7})] == ["y::d", "x::a[1]", "x::b", "x::a[2]"]
    assert [test.test for test in nearest(tests, {"x": 7})] == ["x::a[1]", "x::b", "x::a[2]", "y::d"]


@pytest.mark.parametrize(("noticed", "count", "share"), [(0, 0, 1.0), (240, 300, 0.860), (12, 12, 1.0), (5, 12, 0.777)])
def test_the_largest_share_that_chance_leaves_possible(noticed: int, count: int, share: float) -> None:
    assert largest_share(noticed, count) == pytest.approx(share, abs=0.001)


@pytest.mark.parametrize(
    ("with_the_change", "without_it", "noticed"),
    [(1, 0, True), (1, 1, False), (0, 0, False), (5, 5, False), (None, 0, False)],
)
def test_slow_tests_notice_a_change_where_they_fail_with_it_alone(
    with_the_change: int | None, without_it: int, noticed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "a.py"
    module.write_text(TEXT)

    def run(copy: Path, words: Sequence[str], seconds: float, mark: str) -> int | None:
        assert (words, mark) == (["-x", "test_a.py"], mutants.SLOW)
        return without_it if (copy / "a.py").read_text() == TEXT else with_the_change

    monkeypatch.setattr(mutants, "_run", run)
    copies = Copies(tmp_path, 0)
    copies._free.put(tmp_path)
    mutant = Mutant(Path("a.py"), changes(TEXT)[0])
    assert copies.notices_slowly(mutant, ["test_a.py"]) is noticed
    assert not copies.notices_slowly(mutant, [])
    assert module.read_text() == TEXT
