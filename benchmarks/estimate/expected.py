"""What a kind of work or code should cost on a 32-bit core with floats: where fitting starts from, by hand."""

from __future__ import annotations

import re

_DOTS = re.compile(r"dots(\d)(?:_less)? (pair|odd)$")
_RUN = {
    "": 20.0, "add": 1.0, "answer": 2.0, "compare": 2.0, "dense mac": 5.0, "dense row": 15.0, "div": 14.0,
    "fft bin": 30.0, "fft point": 13.0, "fft product": 25.0, "fft quad": 45.0, "fft wave": 60.0, "function": 8.0,
    "load": 2.0, "loop1": 4.0, "loop2": 4.0, "loop3": 4.0, "mirrored pair": 13.0, "mirrored row": 40.0, "mul": 2.0,
    "place": 2.0, "short turn": 1.5, "smooth row": 40.0, "softmax entry": 60.0, "store": 1.5, "sum term": 5.0,
    "turn": 3.0,
}  # fmt: skip
_CODE = {"": 60.0, "add": 4.0, "answer": 8.0, "compare": 8.0, "div": 12.0, "function": 24.0, "load": 6.0, "mul": 4.0,
         "store": 4.0, "turn": 4.0, "short turn": 6.0}  # fmt: skip

_LIBRARY = {"has errno": 40.0, "has expf": 400.0, "has logf": 400.0, "has sqrtf": 60.0, "has long copy": 250.0}

# What a core without a floating-point unit takes as many times as long.
_FLOATS = frozenset({
    "add", "mul", "div", "compare", "dense mac", "mirrored pair", "fft product", "fft point", "fft bin", "fft quad",
    "fft wave", "smooth row", "sum term", "softmax entry", "call max", "call min", "call sigmoid", "call to_byte",
    "call expf", "call logf",
})  # fmt: skip
BY_LIBRARY = 20.0


def of_floats(kind: str) -> bool:
    """Whether a kind is work on floats."""
    return kind in _FLOATS or kind.endswith(" sum")


def instructions(kind: str) -> float:
    """Instructions that a kind takes whenever it is worked out."""
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
    """Bytes of code where a kind stands."""
    if kind in _CODE:
        return _CODE[kind]
    for end, cost in ((" lane", 6.0), (" sum", 8.0), (" divide", 6.0), (" factor", 4.0), ("step", 12.0)):
        if kind.endswith(end):
            return cost
    if kind in _LIBRARY:
        return _LIBRARY[kind]
    return 60.0 if kind.startswith("has ") else 14.0 if kind.startswith("call ") else 16.0


def stack(kind: str) -> float:
    """Bytes of stack where a kind stands; most functions take none beside their caller's."""
    if kind == "has errno":
        return 96.0
    return 24.0 if not kind else 8.0 if kind.startswith("has ") else 1.0
