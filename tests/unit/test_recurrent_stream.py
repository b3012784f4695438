"""LSTM, GRU and causal convolutions as a stream: every byte of the window in Python and in C, across a power cut."""

from __future__ import annotations

import ctypes
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from c99_stages import need_compiler
from edgewright.compression.int8 import quantise
from edgewright.core.errors import GraphError
from edgewright.core.integer.network import run_integer
from edgewright.core.integer.qdq import integer_network
from edgewright.core.records.network import IntegerNetwork, Rounding
from edgewright.export.c99_host.host import FLAGS, STRICT, compile_c99, context_of
from edgewright.export.c99_stream.stream import write_network_stream_c99
from edgewright.graph.builder import Builder
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.from_tflite_graph import network_graph
from edgewright.graph.streaming import NetworkStream, steps_of
from edgewright.models.architecture import architecture

SAMPLES, CHANNELS = 24, 3
CAUSAL = {"kind": "conv1d", "filters": 5, "kernel": 4, "stride": 2, "padding": "causal"}
EVERY, LAST = {"kind": "lstm", "units": 6, "sequence": True}, {"kind": "lstm", "units": 7}
GRU = {"kind": "gru", "units": 7}
DENSE = {"kind": "dense", "units": 5}
NETWORKS: dict[str, tuple[dict[str, Any], ...]] = {
    "one layer": (LAST,),
    "two layers": (EVERY, LAST, DENSE),
    "behind a convolution": (CAUSAL, EVERY, LAST),
    "a gru": (GRU,),
    "causal convolutions": (CAUSAL, {**CAUSAL, "stride": 1, "dilation": 3}, {"kind": "last_sample"}, DENSE),
    "gru and lstm behind a convolution": (CAUSAL, {**GRU, "sequence": True}, EVERY, GRU, DENSE),
}
ROUNDINGS: tuple[Rounding, ...] = ("litert", "tflm")


@cache
def network(name: str, rounding: Rounding = "litert", seed: int = 1) -> IntegerNetwork:
    layers_of = architecture([dict(layer) for layer in NETWORKS[name]], (CHANNELS, SAMPLES), 2)
    builder = Builder("state", (CHANNELS, SAMPLES))
    builder.boundary(builder.input)
    value = layers_of.to_graph(layers_of.initialise(np.random.default_rng(seed)), builder, builder.input)
    graph = builder.finish({"prediction": (value, "float32", (2,))})
    samples = np.random.default_rng(2).standard_normal((40, CHANNELS, SAMPLES)).astype(np.float32)
    return integer_network(quantise(graph, samples), rounding)


def windows(count: int = 4) -> NDArray[np.int8]:
    return np.random.default_rng(3).integers(-128, 128, (count, CHANNELS, SAMPLES)).astype(np.int8)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_stream_gives_the_bytes_of_every_window_whatever_the_pieces(name: str, rounding: Rounding) -> None:
    model, rng = network(name, rounding), np.random.default_rng(4)
    stream = NetworkStream(model)
    hop = stream.steps.hop
    for window, wanted in zip(windows(), run_integer(model, windows()), strict=True):
        stream.reset()
        row, given = 0, np.zeros((0, 2), np.int8)
        while row < SAMPLES:
            length = min(hop * int(rng.integers(0, 5)), SAMPLES - row)
            given = np.concatenate([given, stream.push(np.ascontiguousarray(window[:, row : row + length].T))])
            row += length
        assert len(given) == SAMPLES // hop
        np.testing.assert_array_equal(given[-1], wanted)


@pytest.mark.parametrize(("name", "kind", "size"), [("one layer", "lstm", 3), ("a gru", "gru", 2)])
def test_every_sample_has_an_answer_and_so_many_bytes_a_unit_stay(name: str, kind: str, size: int) -> None:
    model = network(name)
    (operator,) = (one for one in model.operators if one.kind == kind)
    given = NetworkStream(model).push(np.ascontiguousarray(windows(1)[0].T))
    assert steps_of(model).remembered == size * operator.arrays["recurrent"].shape[1]
    assert len({row.tobytes() for row in given}) > SAMPLES // 2


def test_what_needs_the_whole_window_is_named() -> None:
    NETWORKS["flat"] = (EVERY, {"kind": "flatten"})
    with pytest.raises(GraphError, match="reshape - at a network as a stream"):
        steps_of(network("flat"))


class InC:
    """The generated stream, compiled."""

    def __init__(self, model: IntegerNetwork, folder: Path) -> None:
        need_compiler()
        files = write_network_stream_c99(model, name="net")
        self.steps = steps_of(model)
        path = compile_c99(files, folder, flags=(*STRICT, *FLAGS))
        self.library = ctypes.CDLL(str(path))
        self.context = context_of(self.library, "net_network_context")
        match = re.search(r"NET_SAVED_BYTES \((\d+) \+ 8\)", files["net.h"])
        assert match is not None
        self.saved = int(match[1]) + 8
        self.library.net_init(self.context)

    def push(self, x: NDArray[np.int8]) -> NDArray[np.int8]:
        rows = []
        for step in x.reshape(-1, self.steps.hop * self.steps.channels):
            out = np.empty(self.steps.outputs, np.int8)
            ends = (np.ascontiguousarray(step), out)
            self.library.net_network(self.context, *(one.ctypes.data_as(ctypes.c_void_p) for one in ends))
            rows.append(out)
        return np.stack(rows)

    def save(self) -> bytes:
        saved = (ctypes.c_uint8 * self.saved)()
        self.library.net_save(self.context, saved)
        return bytes(saved)

    def restore(self, saved: bytes) -> bool:
        return bool(self.library.net_restore(self.context, (ctypes.c_uint8 * self.saved)(*saved)))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", NETWORKS)
def test_c_gives_every_byte_of_the_stream(name: str, rounding: Rounding, tmp_path: Path) -> None:
    model = network(name, rounding)
    x = np.ascontiguousarray(windows(6).transpose(0, 2, 1).reshape(-1, CHANNELS))
    np.testing.assert_array_equal(InC(model, tmp_path).push(x), NetworkStream(model).push(x))


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_c_gives_every_byte_of_a_foreign_lstm_with_a_softmax(rounding: Rounding, tmp_path: Path) -> None:
    path = Path(__file__).resolve().parents[1] / "fixtures" / "recurrent" / "tf-keras-lstm-classes-int8.tflite"
    model = integer_network(network_graph(read_tflite(path)), rounding)
    assert model.operators[-1].kind == "softmax"
    x = np.random.default_rng(1).integers(-128, 128, (60, 3)).astype(np.int8)
    np.testing.assert_array_equal(InC(model, tmp_path).push(x), NetworkStream(model).push(x))


@pytest.mark.parametrize("name", ["two layers", "gru and lstm behind a convolution", "causal convolutions"])
def test_a_state_survives_a_power_cut_at_every_byte(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(name)
    hop = steps_of(model).hop
    x = np.ascontiguousarray(windows(2).transpose(0, 2, 1).reshape(-1, CHANNELS))
    wanted = NetworkStream(model).push(x)
    one, other = InC(model, tmp_path / "one"), InC(network(name, seed=8), tmp_path / "other")
    one.push(x[:10])
    old = one.save()
    one.push(x[10:20])
    new = one.save()
    # Power goes while a copy is written over the one before: only a whole copy is taken.
    for cut in range(len(new) + 1):
        torn = new[:cut] + old[cut:]
        assert one.restore(torn) == (torn in (old, new)), cut
        if torn not in (old, new):
            np.testing.assert_array_equal(one.push(x[: 3 * hop]), wanted[:3])
    # Copies of the same weights, by another rounding and by another version of the layout, and flash that is blank.
    rounded = InC(network(name, "tflm"), tmp_path / "rounded")
    monkeypatch.setattr("edgewright.export.c99_stream.stream._VERSION", 2)
    later = InC(model, tmp_path / "later")
    assert len(rounded.save()) == len(later.save()) == len(new)
    for strange in (rounded.save(), later.save(), b"\xff" * len(new), bytes(len(new))):
        assert not one.restore(strange)
    assert one.restore(new)
    np.testing.assert_array_equal(one.push(x[20:]), wanted[20 // hop :])
    assert not other.restore(new)
