"""Settings after `--source`: a value of another kind is named with its key."""

from __future__ import annotations

import pytest

from edgewright.device.agent.settings import short_source
from edgewright.schema.errors import InputError


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("replay:a.csv?speed=abc", "expected a number, got 'abc' - at --source speed"),
        ("replay:a.csv?speed=-1", "expected a number of at least 0, got '-1'"),
    ],
)
def test_a_value_of_another_kind_is_named_with_its_key(source: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        short_source(source)
    assert str(caught.value).startswith(said)
    assert "'-1'" in str(caught.value) or "-1" not in source
    assert str(caught.value).endswith("--source speed")
