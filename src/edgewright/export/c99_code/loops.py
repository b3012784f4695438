"""How often the lines of generated C run: its loops have fixed lengths, which may depend on the place in an image.

Where a tap can lie outside the image, the loop over the taps is shorter at some places than at others. Such places are
kept as an axis of an array, so that what runs is counted and not taken as if every tap lay inside.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOR = re.compile(r"for \((?:int|int32_t) (\w+) = ([^;]+); ([^;]+); (.*?)\) \{(?: /\* about ([\d.]+) turns \*/)?$")
SET = re.compile(r"const int (\w+ = .*);$")
_CHOICE = re.compile(r"\(?([^?]+?) < ([^?]+?) \? ([^:]+) : ([^)]+?)\)?(?: - (\w+))?$")
_COMPARE = re.compile(r"(.+?) (<=?|>=?) (.+)$")
_NAME = re.compile(r"\b[A-Za-z_]\w*\b")
# Conditions on where a tap lies, which are worked out; how often others hold is not known.
_PLACED = ("column", "row", "taps")
# Loops over the places of an output, which what stands within does not rest on; blocks that begin early are blocks.
_OVER, _BLOCKS = frozenset({"c", "i1", "i2", "place"}), {"b": "j"}
# Up to so many turns of a loop are often written out by the compiler.
SHORT = 4

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Turns:
    """How often a body runs: at each of the places that are told apart, and in all.

    Attributes:
        each: an axis a loop whose counter matters further in, the innermost first.
        total: their sum.
        path: names of the loops that turn more than once, the outermost first; those over places only by themselves.
        length: of the loop itself; its mean where it differs.
    """

    each: Numbers
    total: float
    path: str = ""
    length: float = 1.0


class Places:
    """Loops of one step, and what the numbers in them are.

    Args:
        lines: of the step.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.known: dict[str, Numbers] = {}
        self.lengths: dict[str, float] = {}
        self.needed = _needed(lines)
        self.whole = Turns(np.ones(()), 1.0)

    def set(self, line: str) -> int:
        """Take `const int name = ..., name = ...;` in, where it matters; give how often it divides."""
        for part in line.split(", "):
            name, _, text = part.partition(" = ")
            if name in self.needed:
                self.known[name] = self.number(text)
        return line.count(" / ") + line.count(" % ")

    def loop(self, head: re.Match[str], outer: Turns) -> Turns:
        """Return the body of a loop within `outer`."""
        name, start, condition, step = head[1], head[2], head[3], head[4].split(",")[0]
        first, *others = condition.split(" && ")
        each = outer.each
        if others and start in self.lengths:
            # A block of a longer loop: the last one may be shorter.
            length = np.asarray(float(self.number(others[-1].rsplit(" < ", 1)[1])) / self.lengths[start])
        else:
            stride = self.number(step.split("+= ")[1]) if "+=" in step else np.ones(())
            limit = self.number(re.split(r" <=? ", first)[1])
            length = np.maximum(0.0, np.ceil((limit - self.number(start)) / stride))
            for text in others:
                each = each * self.holds(text)
            if head[5]:
                length = np.asarray(float(head[5]))
        if name in self.needed and not length.ndim and not any(other in self.known for other in _NAME.findall(start)):
            count = int(length)
            self.known[name] = np.arange(count, dtype=np.float64).reshape(count, *(1,) * each.ndim)
            each = np.broadcast_to(each, (count, *each.shape))
        else:
            each = each * length
        total = float(each.sum())
        mean = float(np.mean(length))
        self.lengths[name] = mean
        return Turns(each, total, _path(outer.path, name, mean) if mean != 1.0 else outer.path, mean)

    def when(self, text: str, outer: Turns, rare: float) -> Turns:
        """Return the body of an `if`: worked out where it asks for a place, else taken as `rare`."""
        if any(name in _PLACED for name in _NAME.findall(text)):
            each = outer.each
            for part in text.split(" && "):
                each = each * self.holds(part)
        else:
            each = outer.each * rare
        return Turns(each, float(each.sum()), outer.path, outer.length)

    def holds(self, text: str) -> Numbers:
        """Where a comparison holds."""
        comparison = _COMPARE.match(text)
        if comparison is None:
            return np.ones(())
        left, right = self.number(comparison[1]), self.number(comparison[3])
        truth = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[comparison[2]]
        return np.asarray(truth, np.float64)

    def number(self, text: str) -> Numbers:
        """Return the value of an expression of whole numbers; names that nobody needs are 0."""
        if text in self.known:
            return self.known[text]
        choice = _CHOICE.match(text)
        if choice is not None:
            low, high, yes, no = (self.number(part) for part in choice.groups()[:4])
            less = self.number(choice[5]) if choice[5] else np.zeros(())
            chosen: Numbers = np.where(low < high, yes, no) - less
            return chosen
        return value_of(text, self.known)

    def mean(self, text: str, turns: Turns) -> tuple[float, float]:
        """Sum, over the times that a line runs, of the pairs and of the odd ones in a number of this expression."""
        value = np.broadcast_arrays(self.number(text), turns.each)[0]
        return float((value // 2 * turns.each).sum()), float((value % 2 * turns.each).sum())


def _path(outer: str, name: str, length: float) -> str:
    name = _BLOCKS.get(name, name)
    # Few channels are written out by the compiler.
    name = "few" if name == "k" and length <= SHORT else name
    return name if not outer or outer in _OVER or name in _OVER else f"{outer}.{name}"


def _needed(lines: Sequence[str]) -> frozenset[str]:
    """Return names that the lengths of loops, conditions on places and lengths of dot products rest on."""
    rests: dict[str, set[str]] = {}
    needed = {*_PLACED, "upper", "lower"}
    for raw in lines:
        line = raw.strip()
        chosen, loop = SET.match(line), FOR.match(line)
        if chosen:
            for part in chosen[1].split(", "):
                name, _, text = part.partition(" = ")
                rests.setdefault(name, set()).update(_NAME.findall(text))
        elif loop:
            rests.setdefault(loop[1], set()).update(_NAME.findall(loop[2]))
    while True:
        more = {name for known in needed for name in rests.get(known, ())} - needed
        if not more:
            return frozenset(needed)
        needed |= more


def value_of(text: str, known: Mapping[str, Numbers]) -> Numbers:
    """Return the value of an expression of whole numbers; 0 for one that is none."""
    try:
        return np.asarray(_value(ast.parse(text.strip(), mode="eval").body, known), np.float64)
    except SyntaxError:
        return np.zeros(())


def _value(node: ast.AST, known: Mapping[str, Numbers]) -> Any:  # noqa: ANN401 - numbers and arrays of them
    """Return a sum or product of numbers and names; divisions are of whole numbers, as C has them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return float(node.value)
    if isinstance(node, ast.Name):
        return known.get(node.id, 0.0)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, known)
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, known), _value(node.right, known)
        match node.op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                return np.trunc(left / right) if np.all(right) else math.inf
            case ast.Mod():
                return np.fmod(left, right)
    return 0.0
