"""Damaged files of quantised models: read, or refused in one line. What is refused is the same on every processor."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgewright.graph.extract import float_network, integer_network
from edgewright.graph.from_onnx import read_model
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.from_tflite_graph import network_graph
from edgewright.schema.errors import InputError
from edgewright.schema.integer import IntegerNetwork
from foreign import MODELS
from integer_layers import to_tflite
from integer_networks import picture, small

QUANTISED = sorted((MODELS.parent / "quantised").glob("*.onnx"))


def test_damaged_onnx_is_a_model_or_a_refusal() -> None:
    chance, models = np.random.default_rng(5), [path.read_bytes() for path in QUANTISED]
    read = 0
    for _ in range(150):
        data = bytearray(models[chance.integers(len(models))])
        for place in chance.integers(len(data), size=chance.choice((1, 2, 8))):
            data[place] = chance.integers(256)
        try:
            integer_network(read_model(bytes(data)))
            read += 1
        except InputError as error:
            assert "\n" not in str(error)
    assert 0 < read < 150


@cache
def networks() -> dict[str, IntegerNetwork]:
    return {
        "int8": integer_network(small("picture")),
        "float": float_network(picture()),
    }


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(("int8", "float")),
    cut=st.floats(0, 1),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
)
@example(kind="int8", cut=0.5, changes=[])
def test_damaged_tflite_is_a_graph_or_a_refusal(kind: str, cut: float, changes: list[tuple[float, int]]) -> None:
    data = bytearray(to_tflite(networks()[kind]))
    for place, byte in changes:
        data[int(place * (len(data) - 1))] = byte
    if not changes:
        data = data[: int(cut * len(data))]
    try:
        graph = network_graph(read_tflite(bytes(data)))
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert graph.nodes
