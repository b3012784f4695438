"""What functions of generated C that have loops of their own do at a call, by their arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from edgewright.export.c99_graph.spectrum import factors


class Counter(Protocol):
    """Counts of one program, as far as a function's work needs them."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Entries of its tables by name."""

    def once(self, kind: str) -> None:
        """Count a function that is present or absent."""


Work = Callable[[Sequence[str], Counter], Mapping[str, float]]


def _power(arguments: Sequence[str], tally: Counter) -> Mapping[str, float]:
    half, made = int(arguments[8]), {"fft bin": float(arguments[8]) + 1.0}
    for radix in factors(half):
        tally.once("has pass4" if radix == 4 else "has pass")
        kinds = {"fft quad": half / 4} if radix == 4 else {"fft product": half * radix, "fft point": half}
        for kind, count in kinds.items():
            made[kind] = made.get(kind, 0.0) + count
    return made


def _rows(rows: float, products: float) -> Mapping[str, float]:
    return {"dense row": rows, "dense mac": products}


def _kernels(arguments: Sequence[str], tally: Counter) -> Mapping[str, float]:
    samples, rows, kernels = float(arguments[2]), float(arguments[4]), float(tally.sizes[arguments[5]])
    return {
        "kernel row": rows,
        "kernel row value": rows * samples,
        "kernel": kernels,
        "kernel place": kernels * samples,
    }


def _recurrent(gates: int, name: str) -> Work:
    """Return what a layer with a state and so many gates does: products, sums, and units at every sample."""

    def work(arguments: Sequence[str], tally: Counter) -> Mapping[str, float]:
        del tally
        inputs, units, samples = map(float, arguments[-3:])
        rows = gates * units * samples
        return {
            f"{name} tap": rows * inputs,
            f"{name} mac": rows * units,
            f"{name} row": rows,
            f"{name} unit": units * samples,
        }

    return work


# What the functions with loops of their own do at a call, by their arguments.
WORK: dict[str, Work] = {
    "dense": lambda a, _: _rows(float(a[6]), float(a[5]) * float(a[6])),
    "runs": lambda a, tally: _rows(float(a[6]), float(tally.sizes.get(a[2], 0))),
    "shifted": lambda a, _: _rows(float(a[5]), float(a[5]) * (float(a[5]) - 1) / 2),
    "mirrored": lambda a, _: {"mirrored row": float(a[5]), "mirrored pair": float(a[5]) * float(a[5])},
    "smooth": lambda a, _: {"smooth row": float(a[5])},
    "power": _power,
    "direct": lambda a, _: {
        "fft product": float(a[7]) * (float(a[7]) + 1) / 2,
        "fft bin": (float(a[7]) + 1) / 2,
    },
    "round_values": lambda a, _: {"kernel value": float(a[6]) * float(a[7])},
    "count_kernels": _kernels,
    "lstm": _recurrent(4, "lstm"),
    "gru": _recurrent(3, "gru"),
    "bands": lambda a, _: {"dense row": float(a[5])},
    **dict.fromkeys(("sum", "dot", "rest", "line"), lambda a, _: {"sum term": float(a[-1])}),
    **dict.fromkeys(("softmax", "softmax_bytes"), lambda a, _: {"softmax entry": float(a[2])}),
}
