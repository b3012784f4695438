"""What functions of generated C that have loops of their own do at a call, by their arguments and settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from edgewright.export.c99_code.loops import FOR, Places, Turns, value_of
from edgewright.export.c99_graph.spectrum import factors
from edgewright.export.c99_rvv import TURN


class Counter(Protocol):
    """Counts of one program, as far as a function's work needs them."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Entries of its tables by name."""

    def once(self, kind: str) -> None:
        """Count a function that is present or absent."""


Work = Callable[[Sequence[str], Counter], Mapping[str, float]]


def _power(arguments: Sequence[str], tally: Counter) -> Mapping[str, float]:
    half, work = int(arguments[8]), {"fft bin": float(arguments[8]) + 1.0}
    for radix in factors(half):
        tally.once("has pass4" if radix == 4 else "has pass")
        kinds = {"fft quad": half / 4} if radix == 4 else {"fft product": half * radix, "fft point": half}
        for kind, count in kinds.items():
            work[kind] = work.get(kind, 0.0) + count
    return work


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


_SETTINGS = re.compile(r"static const \w+ (\w+) = \{(.*)\};$")
_CALL = re.compile(r"(?:\w+ = )?(\w+)\((.*)\);$")
_LAST = re.compile(r"const int next = place \+ 1 < (\d+) \?")
_EACH = re.compile(r"if \(\w+ % (\d+) == 0\) \{$")
_ASSEMBLY = re.compile(r'^\s+"(.*)\\n"$', re.MULTILINE)
# Words of a block of four rows beside its weights: sums to begin with, and factors where every row has its own.
_BEGIN, _FACTORS = 4, 8
_FOUR = 4
Settings = Mapping[str, Sequence[str]]
DualCounts = dict[str, float]


def assembly_lines(text: str) -> int:
    """Return how many instructions are written out in functions."""
    return len(_ASSEMBLY.findall(text))


def dual_counts(lines: Sequence[str], prefix: str, unrolled: int) -> tuple[DualCounts, frozenset[str]]:
    """Return how often each kind of work is done in a step, and the functions that it calls.

    Args:
        lines: of the step, as a writer of this folder gave them.
        prefix: of the names of functions.
        unrolled: turns of a loop of a dense layer that are written out.
    """
    settings: dict[str, Sequence[str]] = {}
    counts: DualCounts = {}
    called: set[str] = set()
    times = [1.0]
    for raw in lines:
        line = raw.strip()
        if known := _SETTINGS.match(line):
            settings[known[1]] = known[2].split(", ")
        elif last := _LAST.match(line):
            # The last of an odd number of places stands for both.
            settings["places"] = [last[1]]
        elif loop := FOR.match(line):
            first, end = loop[2], loop[3].rpartition(" < ")[2]
            step = loop[4].partition(",")[0].rpartition("+= ")[2]
            width = int(step) if step.isdigit() else 1
            times.append(times[-1] * -(-(int(end) - int(first)) // width))
            _add(counts, "turn", times[-1])
        elif once := _EACH.match(line):
            times.append(times[-1] * min(1.0, 2 / int(once[1])))
        elif line == "}":
            times.pop()
        elif call := _CALL.match(line):
            name, arguments = call[1].removeprefix(prefix), call[2].split(", ")
            plain = "planes" if name.startswith("planes_") else "layer" if name.startswith("dense_") else name
            if plain == "memcpy" and arguments[2] == "4":
                _add(counts, "word", times[-1])
                continue
            called.add(plain)
            _add(counts, plain, times[-1])
            if plain == "patch":
                _patch(counts, times[-1], arguments, settings)
            elif plain in _DUAL_WORK:
                for kind, count in _DUAL_WORK[plain](name, arguments, settings, unrolled).items():
                    _add(counts, f"{plain} {kind}", times[-1] * count)
        elif line.endswith(";") and " = " in line and "*" not in line.partition("=")[0]:
            _add(counts, "store", times[-1])
    return counts, frozenset(called)


def _add(counts: DualCounts, kind: str, count: float) -> None:
    counts[kind] = counts.get(kind, 0.0) + count


def _blocks(settings: Sequence[str], end: int, more: int) -> tuple[float, float]:
    """Return blocks of four rows and pairs of inputs, from where the weights end."""
    size, pairs = float(settings[end].rpartition(" + ")[2]), float(settings[-1])
    return size / (_BEGIN + 2 * pairs + more), pairs


def _layer(_name: str, _arguments: Sequence[str], settings: Settings, unrolled: int) -> DualCounts:
    blocks, pairs = _blocks(settings["layer"], 3, 0)
    return {"block": blocks, "pair": blocks * pairs, "turn": blocks * -(-pairs // (2 * unrolled))}


def _two_places(_name: str, _arguments: Sequence[str], settings: Settings, _unrolled: int) -> DualCounts:
    blocks, pairs = _blocks(settings["filters"], 1, _FACTORS)
    return {"block": blocks, "pair": blocks * pairs, "turn": blocks * -(-pairs // _FOUR)}


def _dual_planes(name: str, _arguments: Sequence[str], settings: Settings, _unrolled: int) -> DualCounts:
    rows, columns = (float(number) for number in settings["planes"][:2])
    height, width = (int(number) for number in name.split("_")[1].split("x"))
    places = rows * columns
    return {"row": rows, "place": places, "line": places * height, "tap": places * height * width}


_DUAL_WORK: dict[str, Callable[[str, Sequence[str], Settings, int], DualCounts]] = {
    "layer": _layer,
    "two_places": _two_places,
    "planes": _dual_planes,
    "widen": lambda _name, a, *_: {"word": float(a[1]) / 2},
    "narrow_bytes": lambda _name, a, *_: {"word": float(a[1]) / 2},
    "side_by_side": lambda _name, a, *_: {"word": float(a[2]) / 4},
    "memcpy": lambda _name, a, *_: {"byte": float(a[2])},
}


def _patch(total: DualCounts, times: float, arguments: Sequence[str], settings: Settings) -> None:
    """Count the rows of what lies under a kernel at all places: copied whole, tap by tap, or outside the image."""
    kernel = [int(number) for number in settings["kernel"]]
    (rows, columns, down, right, height, width, channels), name = kernel[:7], re.split(r"\W", arguments[3])[0]
    index = 2 * np.arange(times) + (name == "next")
    if "places" in settings:
        index = np.minimum(index, int(settings["places"][0]) - 1)
    top, left = (np.asarray(value_of(text, {name: index})) for text in arguments[3:5])
    y = top[:, None] + down * np.arange(rows)
    outside = (y < 0) | (y >= height)
    whole = (left >= 0) & (left + columns <= width) & (right == 1)
    inside = (~outside).sum(axis=1)
    taps = left[:, None] + right * np.arange(columns)
    outside_taps = ((taps < 0) | (taps >= width)).sum(axis=1)
    filled = float(outside.sum() * columns + (inside * ~whole * outside_taps).sum()) * channels
    counts = {
        "row": times * rows,
        "run": float(outside.sum() + (inside * whole).sum()),
        "tap": float((inside * ~whole).sum()) * columns,
        "filled byte": filled,
        "byte": times * rows * columns * channels - filled,
    }
    for kind, count in counts.items():
        _add(total, f"patch {kind}", count)


FUNCTIONS = frozenset({"filters", "planes"})
"""What names of these functions begin with; which rounding they have and whether they take a zero point off follows."""
_CHANNELS = re.compile(r"static const \w+ layer = \{(?:[^,]+, ){4}(\d+), ")
# Channels that the sums in eight registers are of, with the shortest vectors of the instruction set: 128 bits.
_STRIP = 32


def channels_of(line: str) -> int:
    """Return output channels where a line is a layer's settings, else 0."""
    match = _CHANNELS.search(line)
    return int(match[1]) if match else 0


def lane_counts(name: str, arguments: Sequence[str], channels: int, now: Turns, places: Places) -> dict[str, float]:
    """Return how often each kind of work is done at all calls of a line.

    Args:
        name: of the function, without that of the program.
        arguments: of the call.
        channels: of the output.
        now: how often the line runs.
        places: what the numbers in the line are.
    """
    each, rows, run = np.broadcast_arrays(now.each, places.number(arguments[2]), places.number(arguments[3]))
    sort, rounding, *less = name.split("_")
    strips = -(-channels // _STRIP)
    every = each * strips * rows
    parts = {"turn": run // TURN, "rest": run % TURN} if sort == "filters" else {"tap": run}
    counts = {f"{sort} strip": now.total * strips, f"{sort} row": float(every.sum())}
    counts |= {f"{sort} {kind}": float((every * count).sum()) for kind, count in parts.items()}
    if rounding == "twice":
        counts["rounded twice"] = now.total * strips
    if less:
        counts["zero point"] = float((every * run).sum())
    return counts
