"""The networks: dense layers and convolutions with weights drawn by chance, and those of MLPerf Tiny where they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.accelerators.models import FOLDER, Floats, Net, dense
from benchmarks.predict.pictures import proposed
from edgewright.compression.int8 import quantise
from edgewright.core.records.network import IntegerNetwork
from edgewright.graph.extract import integer_network
from edgewright.graph.from_tflite import read_tflite


@dataclass(frozen=True)
class Limits:
    """What a network may take on a Cortex-M4 in assembly: bytes of flash, memory and stack, instructions; 0 for any."""

    flash: int
    ram: int
    stack: int
    instructions: int


@dataclass(frozen=True)
class Case:
    """A network, its limits, and the best figures measured of peers on the same work.

    Attributes:
        make: gives the network.
        limits: to keep.
        peers: flash, memory and stack, instructions, as text.
        widths: of a dense network, for peers that take one; empty for others.
        tflm: instructions on a Cortex-M7 by TFLM with CMSIS-NN, which ours must stay below; 0 where they are unknown.
    """

    make: Callable[[], IntegerNetwork]
    limits: Limits
    peers: str
    widths: tuple[int, ...] = ()
    tflm: int = 0


def _random_network(widths: tuple[int, ...]) -> Callable[[], IntegerNetwork]:
    def make() -> IntegerNetwork:
        net = Net("-".join(map(str, widths)), widths[:1])
        value = dense(*widths)(net, net.builder.input)
        graph = net.builder.finish({"prediction": (value, "float32", widths[-1:])})
        rows: Floats = net.rng.standard_normal((200, widths[0])).astype("float32")
        return integer_network(quantise(graph, rows, per_channel="never"))

    return make


def _case(widths: tuple[int, ...], limits: Limits, peers: str) -> Case:
    return Case(_random_network(widths), limits, peers, widths)


def _tiny(file: str, limits: Limits, peers: str, tflm: int = 0) -> Case:
    return Case(lambda: read_tflite(FOLDER / f"{file}.tflite"), limits, peers, tflm=tflm)


CASES = {
    "10-64-64-3": _case(
        (10, 64, 64, 3), Limits(6000, 256, 64, 6_000), "CMSIS-NN 7.5 kB, 128 + 336 B, 16,698; with TFLM 30.3 kB, 17,718"
    ),
    "5-32-32-1": _case((5, 32, 32, 1), Limits(2400, 128, 64, 2_000), "CMSIS-NN 3.8 kB, 6,105"),
    "230-50-50-1": _case((230, 50, 50, 1), Limits(15_900, 600, 64, 16_500), "CMSIS-NN 16.5 kB, 32,630"),
    "ad01": _tiny("ad01_int8", Limits(271_700, 1600, 64, 260_000), "CMSIS-NN 273.8 kB, 580,000, 44 % of bytes differ"),
    "kws": _tiny(
        "kws_ref_model",
        Limits(36_000, 9100, 200, 3_400_000),
        "CMSIS-NN 47.4 kB, 16.3 kB, 7.69M; with TFLM 100 kB, 7.70M",
    ),
    "image classification": _tiny(
        "pretrainedResnet_quant",
        Limits(100_000, 45_000, 0, 16_000_000),
        "TFLM with CMSIS-NN 55.6 kB of RAM, 29.9M; Cortex-M7 30.0M",
        30_028_164,
    ),
    "visual wake words": _tiny(
        "vww_96_int8",
        Limits(0, 90_000, 0, 13_000_000),
        "TFLM with CMSIS-NN 101 kB of RAM, 24.1M; Cortex-M7 24.0M",
        24_040_440,
    ),
    "convolutions of `init`": Case(
        lambda: integer_network(proposed()),
        Limits(0, 0, 0, 0),
        "TFLM with CMSIS-NN, Cortex-M7 36.8M",
        tflm=36_835_465,
    ),
    "streaming wakeword": _tiny("str_ww_ref_model", Limits(0, 17_100, 0, 1_200_000), "17.1 kB of RAM, 2.23M"),
}
