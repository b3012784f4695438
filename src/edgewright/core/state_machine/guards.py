"""Guards of state tables: comparisons, and, or, not. A language of its own with its own parser; nothing is executed.

    temperature > 80 and not (state_of_pump == "off")
    walking >= 0.7 or rate(pressure, 5) < -2

A name stands for a number or a word: a column, a label's probability, or what the agent tells of itself. Names with
other characters than letters, digits, '_' and '.' stand in back-quotes. What is missing (NaN, or not known yet) makes a
comparison unknown, `not` unknown stays unknown, and only what is certainly true lets a guard through: Kleene's logic of
three values.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgewright.core.state_machine.guard_parser import Parser, Rate, Tree
from edgewright.schema.errors import InputError

__all__ = ["Guard", "Names", "Rate", "Value", "read_guard"]

Value = float | str
Names = Mapping[str, Value]
_Operand = Callable[[Names], Value | None]
_Truth = Callable[[Names], bool | None]

_LONGEST = 1000
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass(frozen=True)
class Guard:
    """A guard that was read.

    Attributes:
        text: as written.
        names: that it asks for.
        rates: changes that it asks for.
        truth: names -> True, False, or None where something is not known.
        tree: as `core.state_machine.guard_parser` has it; None for a guard that is always true.
    """

    text: str
    names: frozenset[str]
    rates: frozenset[Rate]
    truth: _Truth
    tree: Tree | None = None

    def holds(self, names: Names) -> bool:
        """Whether it is certainly true."""
        return self.truth(names) is True


def read_guard(text: str, where: str) -> Guard:
    """Reads a guard; empty text is always true.

    Raises:
        InputError: naming the place at which it is no guard.
    """
    if len(text) > _LONGEST:
        raise InputError(f"a guard of at most {_LONGEST} characters", str(len(text)), where)
    if not text.strip():
        return Guard(text, frozenset(), frozenset(), lambda _: True)
    parser = Parser(text, where)
    tree = parser.whole()
    return Guard(text, frozenset(parser.names), frozenset(parser.rates), _truth(tree), tree)


def _truth(tree: Tree) -> _Truth:
    """What asks a tree that is true, false or unknown."""
    kind = tree[0]
    if kind in ("and", "or"):
        return (_and if kind == "and" else _or)(_truth(tree[1]), _truth(tree[2]))
    if kind == "not":
        return _not(_truth(tree[1]))
    if kind == "true":
        value = _value(tree[1])
        return lambda names: _true(value(names))
    return _comparison(kind, _value(tree[1]), _value(tree[2]))


def _value(tree: Tree) -> _Operand:
    """What asks a tree that is a value."""
    kind, content = tree
    if kind == "name":
        return lambda names: names.get(content)
    if kind == "abs":
        inner = _value(content)
        return lambda names: _size(inner(names))
    return lambda _: content


def _known(value: Value | None) -> bool:
    return value is not None and (isinstance(value, str) or not math.isnan(value))


def _true(value: Value | None) -> bool | None:
    return bool(value) if _known(value) else None


def _size(value: Value | None) -> Value | None:
    return None if value is None or isinstance(value, str) else abs(value)


def _not(inner: _Truth) -> _Truth:
    def truth(names: Names) -> bool | None:
        found = inner(names)
        return None if found is None else not found

    return truth


def _and(left: _Truth, right: _Truth) -> _Truth:
    def truth(names: Names) -> bool | None:
        first = left(names)
        if first is False:
            return False
        second = right(names)
        return False if second is False else None if first is None or second is None else True

    return truth


def _or(left: _Truth, right: _Truth) -> _Truth:
    def truth(names: Names) -> bool | None:
        first = left(names)
        if first:
            return True
        second = right(names)
        return True if second else None if first is None or second is None else False

    return truth


def _comparison(sign: str, left: _Operand, right: _Operand) -> _Truth:
    compare, equality = _COMPARE[sign], sign in ("==", "!=")

    def truth(names: Names) -> bool | None:
        a, b = left(names), right(names)
        if a is None or b is None or a != a or b != b:
            return None
        if isinstance(a, str) or isinstance(b, str):
            # Words are equal or not; a word and a number are never equal, and neither is smaller.
            return compare(a, b) if equality else None  # type: ignore[arg-type]
        return compare(a, b)

    return truth
