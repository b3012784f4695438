"""Advice that helps: not what was just refused, and no key that cannot take the value."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.data.splits import split
from edgewright.schema.config import SplitConfig
from edgewright.schema.data import Column, Samples
from edgewright.schema.errors import InputError


def _samples(sessions: int) -> Samples:
    return Samples(
        X=np.zeros((40, 1), np.float32),
        y=np.array(["a", "b"] * 20),
        groups=None,
        sessions=np.array([f"s{i % sessions}" for i in range(40)]),
        starts=np.arange(40) // sessions,
        columns=(Column(name="x"),),
        rate=None,
    )


@pytest.mark.parametrize(("sessions", "side"), [(1, "test"), (2, "validation")])
def test_one_session_is_not_told_to_split_by_session(sessions: int, side: str) -> None:
    with pytest.raises(InputError) as caught:
        split(_samples(sessions), SplitConfig(by="session"), seed=0, window=None)
    message = str(caught.value)
    assert f"to take {side} samples from" in message
    assert message.endswith("or split by = 'time' or 'row'")
    assert ("set validation = 0" in message) == (side == "validation")
    assert "test = 0" not in message
