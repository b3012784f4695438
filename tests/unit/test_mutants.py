"""Changes of code in one place, by which tests are tried."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tools import mutants, reach
from tools.mutants import Judge, Mutant, Verdict, changes, in_turns, interval, nearest
from tools.reach import Reached, with_probes

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
    files = in_turns(Path("src/edgewright/export/c99_dual/conv.py"), far)
    assert [Path(file).stem for file in files] == ["test_a", "test_export_dual", "test_b", "test_export"]


@pytest.mark.parametrize(
    ("noticed", "count", "low", "high"),
    [(0, 0, 0.0, 1.0), (240, 300, 0.722, 0.860), (12, 12, 0.571, 1.0), (5, 12, 0.128, 0.777)],
)
def test_interval_of_a_share(noticed: int, count: int, low: float, high: float) -> None:
    assert interval(noticed, count, 3.0) == pytest.approx((low, high), abs=0.001)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """Provide a judge of a small repository, in which a test holds one comparison and another ends in no time."""
    root = tmp_path_factory.mktemp("repository") / "main"
    files = {
        "pytest.ini": "[pytest]\naddopts = -p no:schemathesis\n",
        "src/edgewright/__init__.py": "from __future__ import annotations\n",
        "src/edgewright/a.py": "def near(a):\n    return a < 3\n\n\ndef far(a):\n    return a > 3\n",
        "tests/test_a.py": "from edgewright.a import far, near\n\n\n"
        "def test_near():\n    assert near(2) and not near(3)\n\n\ndef test_far():\n    assert far(9)\n\n\n"
        "def test_fails():\n    assert not near(2)\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "a"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as patch:
        for module in (mutants, reach):
            patch.setattr(module, "ROOT", root)
        patch.setattr(reach, "KEPT", root.parent / "reach")
        yield Judge(root.parent / "copies")


def test_tests_say_what_they_enter(judge: Judge) -> None:
    entered = judge.reach("tests/test_a.py")
    tests = {
        name: [test.test for test in entered.tests(f"src/edgewright/a.py:{name}")] for name in ("near", "far", "no")
    }
    assert tests == {"near": ["tests/test_a.py::test_near"], "far": ["tests/test_a.py::test_far"], "no": []}
    assert judge.reach("tests/test_a.py") == entered  # kept


def test_a_change_is_noticed_by_the_test_that_fails(judge: Judge) -> None:
    module = Path("src/edgewright/a.py")
    comparisons = [change for change in changes((judge.copy / module).read_text()) if "=" in change.after]
    near, far = (Mutant(module, change) for change in comparisons)
    assert judge.verdict(near, ["tests/test_a.py"], []).test == "tests/test_a.py::test_near"
    assert judge.verdict(far, ["tests/test_a.py"], []) == Verdict(far, "", "1 fast tests and 0 slow tests")
    failing = [Reached("tests/test_a.py::test_fails", 1)]
    assert judge.notices(far, failing, sure=True) and not judge.notices(far, failing, sure=False)
    assert "a < 3" in (judge.copy / module).read_text()
