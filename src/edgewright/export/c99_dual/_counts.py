"""What a step for these cores works out, from its lines: loops of fixed lengths, and functions with settings beside."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgewright.export.c99_code.loops import FOR, value_of

_SETTINGS = re.compile(r"static const \w+ (\w+) = \{(.*)\};$")
_CALL = re.compile(r"(?:\w+ = )?(\w+)\((.*)\);$")
_LAST = re.compile(r"const int next = place \+ 1 < (\d+) \?")
_EACH = re.compile(r"if \(\w+ % (\d+) == 0\) \{$")
_ASSEMBLY = re.compile(r'^\s+"(.*)\\n"$', re.MULTILINE)
# Words of a block of four rows beside its weights: sums to begin with, and factors where every row has its own.
_BEGIN, _FACTORS = 4, 8
_FOUR = 4
Settings = Mapping[str, Sequence[str]]
Counts = dict[str, float]


def assembly_lines(text: str) -> int:
    """Return how many instructions are written out in functions."""
    return len(_ASSEMBLY.findall(text))


def dual_counts(lines: Sequence[str], prefix: str, unrolled: int) -> tuple[Counts, frozenset[str]]:
    """Return how often each kind of work is done in a step, and the functions that it calls.

    Args:
        lines: of the step, as a writer of this folder gave them.
        prefix: of the names of functions.
        unrolled: turns of a loop of a dense layer that are written out.
    """
    settings: dict[str, Sequence[str]] = {}
    found: Counts = {}
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
            _add(found, "turn", times[-1])
        elif once := _EACH.match(line):
            times.append(times[-1] * min(1.0, 2 / int(once[1])))
        elif line == "}":
            times.pop()
        elif call := _CALL.match(line):
            name, arguments = call[1].removeprefix(prefix), call[2].split(", ")
            plain = "planes" if name.startswith("planes_") else "layer" if name.startswith("dense_") else name
            if plain == "memcpy" and arguments[2] == "4":
                _add(found, "word", times[-1])
                continue
            called.add(plain)
            _add(found, plain, times[-1])
            if plain == "patch":
                _patch(found, times[-1], arguments, settings)
            elif plain in _WORK:
                for kind, count in _WORK[plain](name, arguments, settings, unrolled).items():
                    _add(found, f"{plain} {kind}", times[-1] * count)
        elif line.endswith(";") and " = " in line and "*" not in line.partition("=")[0]:
            _add(found, "store", times[-1])
    return found, frozenset(called)


def _add(found: Counts, kind: str, count: float) -> None:
    found[kind] = found.get(kind, 0.0) + count


def _blocks(settings: Sequence[str], end: int, more: int) -> tuple[float, float]:
    """Return blocks of four rows and pairs of inputs, from where the weights end."""
    size, pairs = float(settings[end].rpartition(" + ")[2]), float(settings[-1])
    return size / (_BEGIN + 2 * pairs + more), pairs


def _layer(_name: str, _arguments: Sequence[str], settings: Settings, unrolled: int) -> Counts:
    blocks, pairs = _blocks(settings["layer"], 3, 0)
    return {"block": blocks, "pair": blocks * pairs, "turn": blocks * -(-pairs // (2 * unrolled))}


def _two_places(_name: str, _arguments: Sequence[str], settings: Settings, _unrolled: int) -> Counts:
    blocks, pairs = _blocks(settings["filters"], 1, _FACTORS)
    return {"block": blocks, "pair": blocks * pairs, "turn": blocks * -(-pairs // _FOUR)}


def _planes(name: str, _arguments: Sequence[str], settings: Settings, _unrolled: int) -> Counts:
    rows, columns = (float(number) for number in settings["planes"][:2])
    height, width = (int(number) for number in name.split("_")[1].split("x"))
    places = rows * columns
    return {"row": rows, "place": places, "line": places * height, "tap": places * height * width}


_WORK: dict[str, Callable[[str, Sequence[str], Settings, int], Counts]] = {
    "layer": _layer,
    "two_places": _two_places,
    "planes": _planes,
    "widen": lambda _name, a, *_: {"word": float(a[1]) / 2},
    "narrow_bytes": lambda _name, a, *_: {"word": float(a[1]) / 2},
    "side_by_side": lambda _name, a, *_: {"word": float(a[2]) / 4},
    "memcpy": lambda _name, a, *_: {"byte": float(a[2])},
}


def _patch(found: Counts, times: float, arguments: Sequence[str], settings: Settings) -> None:
    """Count the rows of what lies under a kernel at all places: copied whole, tap by tap, or outside the image."""
    kernel = [int(number) for number in settings["kernel"]]
    (rows, columns, down, right, height, width, channels), name = kernel[:7], re.split(r"\W", arguments[3])[0]
    place = 2 * np.arange(times) + (name == "next")
    if "places" in settings:
        place = np.minimum(place, int(settings["places"][0]) - 1)
    top, left = (np.asarray(value_of(text, {name: place})) for text in arguments[3:5])
    y = top[:, None] + down * np.arange(rows)
    outside = (y < 0) | (y >= height)
    whole = (left >= 0) & (left + columns <= width) & (right == 1)
    inside = (~outside).sum(axis=1)
    taps = left[:, None] + right * np.arange(columns)
    beside = ((taps < 0) | (taps >= width)).sum(axis=1)
    filled = float(outside.sum() * columns + (inside * ~whole * beside).sum()) * channels
    counts = {
        "row": times * rows,
        "run": float(outside.sum() + (inside * whole).sum()),
        "tap": float((inside * ~whole).sum()) * columns,
        "filled byte": filled,
        "byte": times * rows * columns * channels - filled,
    }
    for kind, count in counts.items():
        _add(found, f"patch {kind}", count)
