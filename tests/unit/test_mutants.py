"""Changes of code in one place, by which tests are tried."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tools.mutants import Mutant, changes, in_turns, interval, nearest
from tools.reach import Reached, with_probes

from support import ROOT

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


@pytest.mark.parametrize(
    "code",
    [
        "assert a < 3",
        "log.info('rows', 3 + a)",
        "time.sleep(3)",
        "file.read(1 << 16)",
        "open(a, buffering=1)",
        "zip(a, b, strict=True)",
        "time.monotonic() < a",
        "if a > b:\n        b = a",
    ],
)
def test_an_expression_without_effect_is_not_changed(code: str) -> None:
    assert not changes(f"def near(a, b):\n    {code}\n")


def test_other_sizes_and_comparisons_are_changed() -> None:
    lines = ["file.read(8)", "a << 16", "open(a, closefd=True)", "if a > b:\n        b = 2"]
    text = "\n    ".join(["def near(a, b):", *lines])
    afters = [change.after for change in changes(text)]
    assert afters == ["(9)", "(a >> 16)", "(17)", "(False)", "(a >= b)", "(3)"]
    assert not changes("class Near:\n    def __repr__(self):\n        return 3 + 4\n")


def test_a_function_says_that_it_was_entered_and_does_what_it_did() -> None:
    text, functions = with_probes(TEXT.encode(), 5)
    entered, numbers = bytearray(9), list[int]()
    names: dict[str, Any] = {"_edgewright_entered": entered, "_edgewright_say": numbers.append}
    exec(compile(text, "near.py", "exec"), names)  # noqa: S102 - our own text
    assert (names["near"](4), names["near"](1), numbers, functions) == (False, False, [5, 5], ["near"])
    entered[5] = 1
    assert not names["near"](1) and numbers == [5, 5]


def test_near_files_come_first_and_one_case_of_each_function_before_a_second() -> None:
    tests = [Reached("x::a[1]", 1), Reached("x::a[2]", 2), Reached("x::b", 30), Reached("x::c", 58), Reached("y::d", 9)]
    assert [test.test for test in nearest(tests, {"y": 4, "x": 7}, 60)] == ["y::d", "x::a[1]", "x::b", "x::a[2]"]
    assert [test.test for test in nearest(tests, {"x": 7}, 60)] == ["x::a[1]", "x::b", "x::a[2]", "y::d"]


def test_files_near_by_imports_and_by_name_come_in_turns() -> None:
    far = {"tests/test_a.py": 1, "tests/test_export_dual.py": 9, "tests/test_b.py": 2, "tests/test_export.py": 8}
    files = in_turns(Path("src/edgewright/export/c99_dual/layers.py"), far)
    assert [Path(file).stem for file in files] == ["test_a", "test_export_dual", "test_b", "test_export"]


@pytest.mark.parametrize(
    ("noticed", "count", "low", "high"),
    [(0, 0, 0.0, 1.0), (240, 300, 0.722, 0.860), (12, 12, 0.571, 1.0), (5, 12, 0.128, 0.777)],
)
def test_interval_of_a_share(noticed: int, count: int, low: float, high: float) -> None:
    assert interval(noticed, count, 3.0) == pytest.approx((low, high), abs=0.001)


@pytest.mark.slow
def test_tests_say_what_they_enter_and_a_change_is_noticed_by_the_test_that_fails(tmp_path: Path) -> None:
    outcome = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "judge_mutants.py"), str(tmp_path)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert outcome.returncode == 0 and outcome.stdout.endswith("judged\n"), outcome.stderr
