"""Errors of configuration tables name the key, what was expected and what was got."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.graph.tables import convert_table
from edgewright.schema.config import PipelineConfig, SplitConfig, WindowConfig
from edgewright.schema.errors import EdgewrightError, InputError, UnknownNameError


def test_a_good_table_becomes_the_struct() -> None:
    assert convert_table({"samples": 128, "step": 64}, WindowConfig, "p.toml [window]") == WindowConfig(
        samples=128, step=64
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"sampels": 3, "samples": 2},
            "Known: pad, samples, step, target, within. Did you mean 'samples'? - at w [window]",
        ),
        ({"samples": "x"}, "expected a whole number, got 'x' - at w [window] samples"),
        ({"samples": 0}, "expected a whole number of at least 1, got 0 - at w [window] samples"),
        ({}, "expected the key `samples`, got none - at w [window]. Add samples = ... there"),
        ({"samples": 3, "within": "labl"}, "Did you mean 'label'? - at w [window] within"),
    ],
)
def test_messages_name_the_key(table: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        convert_table(table, WindowConfig, "w [window]")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("table", "place"),
    [
        (
            {"window": {"samples": 1, "stp": 2}},
            "Known: pad, samples, step, target, within. Did you mean 'step'? - at f window",
        ),
        (
            {"scaling": {"rows": [1, "a"], "architectures": {}}},
            "expected a whole number, got 'a' - at f scaling.rows[1]",
        ),
        ({"stages": [1]}, "expected a table, got 1 - at f stages[0]"),
        ({"training": {"augment": [{1: 2}]}}, "expected text, got a whole number - at f training.augment[0]"),
        ({"name": "a b"}, "got 'a b' - at f name"),
        ({"split": {"by": "row", "test": 1.5}}, "expected a number below 1, got 1.5 - at f split.test"),
    ],
)
def test_nested_keys_are_named(table: dict[str, object], place: str) -> None:
    with pytest.raises(InputError) as caught:
        convert_table({"name": "n", "data": {}, **table}, PipelineConfig, "f")
    assert place in str(caught.value)


class _Kinds(msgspec.Struct, frozen=True, kw_only=True):
    count: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    share: Annotated[float, msgspec.Meta(gt=0.0)] = 1.0
    on: bool = False
    name: Annotated[str, msgspec.Meta(min_length=1)] = "x"
    pair: tuple[float, float] = (0.0, 1.0)
    table: dict[str, int] = {}
    mixed: float | str = ""


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"count": "3"}, "expected a whole number, got '3'"),
        ({"count": 9}, "expected a whole number of at most 5, got 9"),
        ({"share": 0}, "expected a number above 0, got 0"),
        ({"on": "yes"}, "expected true or false, got 'yes'"),
        ({"name": True}, "expected text, got true"),
        ({"name": ""}, "expected text of at least 1 character, got ''"),
        ({"pair": [1]}, "expected a list of 2 values, got [1]"),
        ({"pair": 1}, "expected a list, got 1"),
        ({"table": {"a": "b"}}, "expected a whole number, got text"),
        ({"mixed": [1]}, "expected a number or text, got [1]"),
    ],
)
def test_kinds_of_values_are_told_in_words(table: dict[str, object], told: str) -> None:
    with pytest.raises(InputError) as caught:
        convert_table(table, _Kinds, "f")
    assert str(caught.value).startswith(f"{told} - at f ")
    assert "`" not in str(caught.value)


def test_an_unknown_key_knows_its_neighbours() -> None:
    with pytest.raises(UnknownNameError) as caught:
        convert_table({"group": "x"}, SplitConfig, "p.toml [split]")
    assert {"by", "test", "test_groups", "validation", "validation_groups"} <= set(caught.value.known)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)
_KEYS = st.sampled_from(["name", "data", "window", "split", "stages", "training", "scaling", "samples", "by", "x.y[0]"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(_KEYS, _VALUES | st.dictionaries(_KEYS, _VALUES, max_size=2), max_size=4))
def test_any_table_is_converted_or_refused_in_one_line(table: dict[str, object]) -> None:
    try:
        config = convert_table(table, PipelineConfig, "f.toml")
    except EdgewrightError as error:
        assert str(error)
    else:
        assert isinstance(config, PipelineConfig)
