"""What a kind of work or code should cost on a 32-bit core with floats: where fitting starts from, by hand."""

from __future__ import annotations

import re
from collections.abc import Callable

from edgewright.export.detector_program import PREFIX
from edgewright.schema.footprint import OWN_FLOATS

_DOTS = re.compile(r"dots(\d)(?:_less|_wide)? (pair|odd)$")
_RUN = {
    "": 20.0, "add": 1.0, "answer": 2.0, "compare": 2.0, "dense mac": 5.0, "dense row": 15.0, "div": 14.0,
    "fft bin": 30.0, "fft point": 13.0, "fft product": 25.0, "fft quad": 45.0, "fft wave": 60.0, "function": 8.0,
    "load": 2.0, "loop1": 4.0, "loop2": 4.0, "loop3": 4.0, "mirrored pair": 13.0, "mirrored row": 40.0, "mul": 2.0,
    "place": 2.0, "short turn": 1.5, "smooth row": 40.0, "softmax entry": 60.0, "store": 1.5, "sum term": 5.0,
    "turn": 3.0, "dual layer": 20.0, "dual layer block": 45.0, "dual layer pair": 7.0, "dual layer turn": 2.0,
    "dual two_places": 30.0, "dual two_places block": 75.0, "dual two_places pair": 12.0, "dual two_places turn": 3.0,
    "dual planes": 30.0, "dual planes row": 12.0, "dual planes place": 45.0, "dual planes line": 1.5,
    "dual planes tap": 8.0, "dual widen": 8.0, "dual widen word": 5.0, "dual narrow_bytes": 8.0,
    "dual narrow_bytes word": 5.0, "dual side_by_side": 8.0, "dual side_by_side word": 14.0, "dual patch": 30.0,
    "dual patch row": 12.0, "dual patch run": 12.0, "dual patch tap": 15.0, "dual patch byte": 1.0,
    "dual patch filled byte": 1.0, "dual memcpy": 20.0, "dual memcpy byte": 1.0, "dual word": 3.0, "dual turn": 3.0,
    "dual store": 2.0, "lanes filters strip": 40.0, "lanes filters row": 12.0, "lanes filters turn": 23.0,
    "lanes filters rest": 8.0, "lanes planes strip": 40.0, "lanes planes row": 10.0, "lanes planes tap": 9.0,
    "lanes rounded twice": 2.0, "lanes zero point": 1.0, "call sigmoid15": 130.0, "call tanh15": 130.0,
    "call sigmoid_of_sum": 30.0, "call tanh_of_sum": 30.0, "lstm mac": 6.0, "lstm tap": 9.0, "lstm row": 20.0,
    "lstm unit": 700.0, "gru mac": 6.0, "gru tap": 9.0, "gru row": 40.0, "gru unit": 200.0,
    "kernel value": 20.0, "kernel row": 80.0, "kernel row value": 25.0, "kernel": 30.0, "kernel place": 12.0,
}  # fmt: skip
_CODE = {"": 60.0, "add": 4.0, "answer": 8.0, "compare": 8.0, "div": 12.0, "function": 24.0, "load": 6.0, "mul": 4.0,
         "store": 4.0, "turn": 4.0, "short turn": 6.0, "dual instruction": 3.8, "lanes instruction": 3.5,
         "has dual patch": 250.0, "has dual side_by_side": 60.0, "has dual widen": 40.0}  # fmt: skip

# Own code for floats starts from what portable code is thought to take.
_OWN = f"{OWN_FLOATS} "
_LIBRARY = {
    "has errno": 40.0, "has expf": 400.0, "has logf": 400.0, "has sqrtf": 60.0, "has long copy": 250.0,
    "has tanhf": 500.0, "has lstm": 400.0, "has gru": 400.0, "has round_values": 120.0, "has count_kernels": 500.0,
}  # fmt: skip

# Kinds that only detectors have, or that differ in them: instructions, bytes of code and bytes of stack.
_DETECTOR = {
    "row": (40.0, 200.0, 40.0), "season": (100.0, 800.0, 20.0), "copied byte": (3.0, 0.0, 0.0),
    "branch": (3.0, 6.0, 1.0), "local byte": (0.0, 0.1, 1.0), "call finite": (5.0, 14.0, 1.0),
    "call bounded": (6.0, 14.0, 1.0), "call fabsf": (1.0, 14.0, 1.0), "call expf": (60.0, 14.0, 1.0),
    "call logf": (60.0, 14.0, 1.0), "call sqrtf": (20.0, 14.0, 1.0), "whole add": (1.0, 2.0, 1.0),
    "whole mul": (1.0, 3.0, 1.0), "whole div": (3.0, 4.0, 1.0), "whole load": (2.0, 4.0, 1.0),
    "whole compare": (2.0, 6.0, 1.0),
}  # fmt: skip

# What a core without a floating-point unit takes as many times as long.
_FLOATS = frozenset({
    "add", "mul", "div", "compare", "dense mac", "mirrored pair", "fft product", "fft point", "fft bin", "fft quad",
    "fft wave", "smooth row", "sum term", "softmax entry", "call max", "call min", "call sigmoid", "call to_byte",
    "call expf", "call logf", "kernel value", "kernel",
    *(f"{op} {kind}" for op in ("lstm", "gru") for kind in ("tap", "mac", "row", "unit")),
})  # fmt: skip
BY_LIBRARY = 20.0


def of_floats(kind: str) -> bool:
    """Return whether a kind is work on floats."""
    plain = kind.removeprefix(PREFIX)
    if plain != kind and plain in _DETECTOR and plain.startswith("call "):
        return True
    return plain in _FLOATS or plain.endswith(" sum")


def _of_detector(kind: str, others: Callable[[str], float], quantity: int) -> float:
    return _DETECTOR[kind][quantity] if kind in _DETECTOR else others(kind)


def instructions(kind: str) -> float:
    """Instructions that a kind takes whenever it is worked out."""
    kind = kind.removeprefix(_OWN)
    if kind.startswith(PREFIX):
        return _of_detector(kind.removeprefix(PREFIX), instructions, 0)
    dots = _DOTS.match(kind)
    if dots:
        return (5.0 if dots[2] == "pair" else 3.0) * int(dots[1]) + 4.0
    if kind in _RUN:
        return _RUN[kind]
    for end, cost in ((" lane", 4.0), (" sum", 4.0), (" divide", 3.0), (" factor", 2.0), (" step", 10.0)):
        if kind.endswith(end):
            return cost
    return 12.0 if kind.startswith("call ") else 6.0


def code(kind: str) -> float:
    """Return bytes of code where a kind stands."""
    kind = kind.removeprefix(_OWN)
    if kind.startswith(PREFIX):
        return _of_detector(kind.removeprefix(PREFIX), code, 1)
    if kind in _CODE:
        return _CODE[kind]
    if kind.endswith(" local byte"):
        return 0.01
    for end, cost in ((" lane", 6.0), (" sum", 8.0), (" divide", 6.0), (" factor", 4.0), ("step", 12.0)):
        if kind.endswith(end):
            return cost
    if kind in _LIBRARY:
        return _LIBRARY[kind]
    return 60.0 if kind.startswith("has ") else 14.0 if kind.startswith("call ") else 16.0


def stack(kind: str) -> float:
    """Return bytes of stack where a kind stands; most functions take none beside their caller's."""
    kind = kind.removeprefix(_OWN)
    if kind.startswith(PREFIX):
        return _of_detector(kind.removeprefix(PREFIX), stack, 2)
    if kind.endswith(" local byte"):
        return 1.0
    if kind == "has errno":
        return 96.0
    if kind.startswith("has dual "):
        return 40.0
    return 24.0 if not kind else 8.0 if kind.startswith("has ") else 1.0
