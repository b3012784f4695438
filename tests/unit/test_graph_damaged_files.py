"""Damaged files of quantised models: read, or refused in one line. What is refused is the same on every processor."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.graph.extract import integer_network
from edgewright.graph.from_onnx import read_model
from foreign import MODELS

QUANTISED = sorted((MODELS.parent / "quantised").glob("*.onnx"))


@pytest.mark.slow
def test_damaged_onnx_is_a_model_or_a_refusal() -> None:
    chance, models = np.random.default_rng(5), [path.read_bytes() for path in QUANTISED]
    read = 0
    for _ in range(150):
        data = bytearray(models[chance.integers(len(models))])
        for location in chance.integers(len(data), size=chance.choice((1, 2, 8))):
            data[location] = chance.integers(256)
        try:
            integer_network(read_model(bytes(data)))
            read += 1
        except InputError as error:
            assert "\n" not in str(error)
    assert 0 < read < 150
