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
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from edgewright.core.errors import InputError, StateTableError

Tree = tuple[Any, ...]

COMPARE = ("<", "<=", ">", ">=", "==", "!=")
_DEEPEST = 40
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z_][A-Za-z0-9_.]*)|`(?P<quoted>[^`]+)`"
    r"|\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<sign><=|>=|==|!=|<|>|\(|\)|,|-))"
)
_WORDS = {"and", "or", "not", "rate", "abs", "true", "false"}


class Rate(NamedTuple):
    """`rate(name, seconds)`: change a second over so many seconds; 0: since the row before."""

    name: str
    seconds: float

    @property
    def key(self) -> str:
        """Under which name its value is looked up."""
        return f"rate({self.name},{self.seconds:g})"


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


class Parser:
    """Recursive descent over the tokens of one guard."""

    def __init__(self, text: str, where: str) -> None:
        self._text, self._where = text, where
        self._tokens = list(self._split())
        self._at = self._depth = 0
        self.names: set[str] = set()
        self.rates: set[Rate] = set()

    def whole(self) -> Tree:
        """Return the tree of the whole text.

        Raises:
            InputError: naming the place at which it is no guard.
        """
        tree = self._either()
        if self._at < len(self._tokens):
            raise self._wrong("'and', 'or' or the end")
        return tree

    def _split(self) -> list[_Token]:
        tokens, index = [], 0
        end = len(self._text.rstrip())
        while index < end:
            match = _TOKEN.match(self._text, index)
            if match is None or match.lastgroup is None:
                left = self._text[index:].strip()
                raise StateTableError(
                    "a number, a name or a comparison", repr(left[:20]), f"{self._where}, {self._text!r}"
                )
            tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            index = match.end()
        return tokens

    def _wrong(self, expected: str) -> InputError:
        got = repr(self._tokens[self._at].text) if self._at < len(self._tokens) else "the end"
        index = self._tokens[self._at].position + 1 if self._at < len(self._tokens) else len(self._text) + 1
        return StateTableError(expected, got, f"{self._where}, {self._text!r} character {index}")

    def _next_is(self, *texts: str) -> bool:
        if self._at >= len(self._tokens):
            return False
        token = self._tokens[self._at]
        return token.kind in ("word", "sign") and token.text in texts

    def _take(self, text: str) -> None:
        if not self._next_is(text):
            raise self._wrong(repr(text))
        self._at += 1

    def _either(self) -> Tree:
        first = self._both()
        while self._next_is("or"):
            self._at += 1
            first = ("or", first, self._both())
        return first

    def _both(self) -> Tree:
        first = self._turned()
        while self._next_is("and"):
            self._at += 1
            first = ("and", first, self._turned())
        return first

    def _turned(self) -> Tree:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong(f"at most {_DEEPEST} nested brackets and nots")
        try:
            if self._next_is("not"):
                self._at += 1
                return ("not", self._turned())
            if self._next_is("("):
                self._at += 1
                inner = self._either()
                self._take(")")
                return inner
            return self._compared()
        finally:
            self._depth -= 1

    def _compared(self) -> Tree:
        left = self._operand()
        if not self._next_is(*COMPARE):
            return ("true", left)
        sign = self._tokens[self._at].text
        self._at += 1
        right = self._operand()
        if self._next_is(*COMPARE):
            raise self._wrong("one comparison; write a < b and b < c")
        return (sign, left, right)

    def _operand(self) -> Tree:
        if self._at >= len(self._tokens):
            raise self._wrong("a number or a name")
        token = self._tokens[self._at]
        if token.kind == "sign" and token.text == "-":
            self._at += 1
            number = self._number()
            return ("number", -number)
        if token.kind == "number":
            number = self._number()
            return ("number", number)
        if token.kind in ("double", "single"):
            self._at += 1
            return ("text", token.text)
        if token.kind == "word" and token.text in _WORDS:
            return self._word(token.text)
        if token.kind in ("word", "quoted"):
            self._at += 1
            self.names.add(token.text)
            return ("name", token.text)
        raise self._wrong("a number or a name")

    def _word(self, word: str) -> Tree:
        if word in ("true", "false"):
            self._at += 1
            return ("number", float(word == "true"))
        if word not in ("rate", "abs"):
            raise self._wrong("a number or a name")
        self._at += 1
        self._take("(")
        if word == "abs":
            inner = self._operand()
            self._take(")")
            return ("abs", inner)
        return self._rate()

    def _rate(self) -> Tree:
        if self._at >= len(self._tokens) or self._tokens[self._at].kind not in ("word", "quoted"):
            raise self._wrong("the name of a column")
        name, seconds = self._tokens[self._at].text, 0.0
        self._at += 1
        if self._next_is(","):
            self._at += 1
            seconds = self._number()
        self._take(")")
        rate = Rate(name, seconds)
        self.rates.add(rate)
        return ("name", rate.key)

    def _number(self) -> float:
        if self._at >= len(self._tokens) or self._tokens[self._at].kind != "number":
            raise self._wrong("a number")
        number = float(self._tokens[self._at].text)
        if not math.isfinite(number):
            raise self._wrong("a finite number")
        self._at += 1
        return number


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
        tree: as `Parser.whole` gives it; None for a guard that is always true.
    """

    text: str
    names: frozenset[str]
    rates: frozenset[Rate]
    truth: _Truth
    tree: Tree | None = None

    def holds(self, names: Names) -> bool:
        """Return whether it is certainly true."""
        return self.truth(names) is True


def read_guard(text: str, where: str) -> Guard:
    """Read a guard; empty text is always true.

    Raises:
        InputError: naming the place at which it is no guard.
    """
    if len(text) > _LONGEST:
        raise StateTableError(f"a guard of at most {_LONGEST} characters", str(len(text)), where)
    if not text.strip():
        return Guard(text, frozenset(), frozenset(), lambda _: True)
    parser = Parser(text, where)
    tree = parser.whole()
    return Guard(text, frozenset(parser.names), frozenset(parser.rates), _truth(tree), tree)


def _truth(tree: Tree) -> _Truth:
    kind = tree[0]
    if kind in ("and", "or"):
        return _joined(_truth(tree[1]), _truth(tree[2]), settles=kind == "or")
    if kind == "not":
        inner = _truth(tree[1])
        return lambda names: None if (truth := inner(names)) is None else not truth
    if kind == "true":
        value = _value(tree[1])
        return lambda names: None if (truth := value(names)) is None or truth != truth else bool(truth)
    return _comparison(kind, tree[1], tree[2])


def _value(tree: Tree) -> _Operand:
    kind, content = tree
    if kind == "name":
        return lambda names: names.get(content)
    if kind == "abs":
        inner = _value(content)
        return lambda names: None if (value := inner(names)) is None or isinstance(value, str) else abs(value)
    return lambda _: content


def _joined(left: _Truth, right: _Truth, settles: bool) -> _Truth:
    """Join by `or`, which one true side settles, or by `and`, which one false side settles."""

    def truth(names: Names) -> bool | None:
        first = left(names)
        if first is settles:
            return settles
        second = right(names)
        return settles if second is settles else None if first is None or second is None else not settles

    return truth


def _comparison(sign: str, left_tree: Tree, right_tree: Tree) -> _Truth:
    if left_tree[0] == "name" and right_tree[0] == "number":
        return _against_number(sign, left_tree[1], right_tree[1])
    compare, equality = _COMPARE[sign], sign in ("==", "!=")
    left, right = _value(left_tree), _value(right_tree)

    def truth(names: Names) -> bool | None:
        a, b = left(names), right(names)
        if a is None or b is None or a != a or b != b:
            return None
        if isinstance(a, str) or isinstance(b, str):
            # Words are equal or not; a word and a number are never equal, and neither is smaller.
            return compare(a, b) if equality else None  # type: ignore[arg-type]
        return compare(a, b)

    return truth


def _against_number(sign: str, name: str, number: float) -> _Truth:
    """Return `_comparison` of a name with a number, which most guards are."""
    compare = _COMPARE[sign]

    def truth(names: Names) -> bool | None:
        value = names.get(name)
        if value is None or value != value:
            return None
        if isinstance(value, str):
            return sign == "!=" if sign in ("==", "!=") else None
        return compare(value, number)

    return truth
