"""The check of names sees every way in which Python binds one."""

import ast
from pathlib import Path

import pytest
from tools.check_names import BINDING, KEPT, ROOT, WORDS, bindings, ruled_out, story_names


@pytest.mark.parametrize(
    "text",
    [
        "held = 1",
        "held: int = 1",
        "held += 1",
        "first, (second, *held) = value",
        "for held in rows: pass",
        "[0 for held in rows]",
        "print(held := 1)",
        "with open(path) as held: pass",
        "try: pass\nexcept ValueError as held: pass",
        "import json as held",
        "from json import loads as held",
        "def held(): pass",
        "async def held(): pass",
        "class held: pass",
        "def f(held): pass",
        "def f(*held): pass",
        "def f(*, held=1): pass",
        "f = lambda held: 1",
        "class A:\n    held: int",
        "self.held = 1",
        "match x:\n    case [*held]: pass",
        "match x:\n    case held: pass",
        "match x:\n    case {**held}: pass",
        "match x:\n    case A(b=held): pass",
    ],
)
def test_every_kind_of_binding_is_seen(text: str) -> None:
    assert [name for _, name in bindings(ast.parse(text)) if name == "held"] == ["held"]
    assert BINDING.search(text) and BINDING.search(text.replace("held", "_Held_"))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("class A:\n    held: int", 0),
        ("class A:\n    held = 1", 0),
        ("class A:\n    def held(self): pass", 0),
        ("self.held = 1", 0),
        ("class A:\n    def f(self, held): pass", 1),
        ("class A:\n    def f(self):\n        held = 1", 1),
        ("class held: pass", 1),
    ],
)
def test_members_of_classes_can_be_left_out(text: str, seen: int) -> None:
    assert [name for _, name in bindings(ast.parse(text), members=False)].count("held") == seen


def test_reading_a_name_binds_nothing() -> None:
    assert list(bindings(ast.parse("print(held, x.held, f(held=1))"))) == []


def test_a_ruled_out_word_is_named_with_its_line_and_a_kept_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "part.py").write_text("rows = 1\n_MOST = 2\nclass Told:\n    place: int\n")
    assert [line.partition(": expected")[0] for line in ruled_out(tmp_path, ("src",))] == [
        "src/part.py:2", "src/part.py:3", "src/part.py:4"
    ]  # fmt: skip
    assert list(story_names(tmp_path / "src")) == [
        "part.py:3: expected a noun that says what the class is, got 'Told'"
    ]  # fmt: skip


def test_names_that_are_kept_are_still_bound_where_the_list_says() -> None:
    for (file, name), reason in KEPT.items():
        assert reason
        assert name.strip("_").lower() in WORDS
        assert name in {bound for _, bound in bindings(ast.parse((ROOT / file).read_text()))}, (file, name)
