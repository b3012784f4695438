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
from typing import NamedTuple

from edgewright.schema.errors import InputError

Value = float | str
Names = Mapping[str, Value]
_Operand = Callable[[Names], Value | None]
_Truth = Callable[[Names], bool | None]

_LONGEST, _DEEPEST = 1000, 40
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z_][A-Za-z0-9_.]*)|`(?P<quoted>[^`]+)`"
    r"|\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<sign><=|>=|==|!=|<|>|\(|\)|,|-))"
)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_WORDS = {"and", "or", "not", "rate", "abs", "true", "false"}


class Rate(NamedTuple):
    """`rate(name, seconds)`: change a second over so many seconds; 0: since the row before."""

    name: str
    seconds: float

    @property
    def key(self) -> str:
        """Under which name its value is looked up."""
        return f"rate({self.name},{self.seconds:g})"


@dataclass(frozen=True)
class Guard:
    """A guard that was read.

    Attributes:
        text: as written.
        names: that it asks for.
        rates: changes that it asks for.
        truth: names -> True, False, or None where something is not known.
    """

    text: str
    names: frozenset[str]
    rates: frozenset[Rate]
    truth: _Truth

    def holds(self, names: Names) -> bool:
        """Whether it is certainly true."""
        return self.truth(names) is True


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


def read_guard(text: str, where: str) -> Guard:
    """Reads a guard; empty text is always true.

    Raises:
        InputError: naming the place at which it is no guard.
    """
    if len(text) > _LONGEST:
        raise InputError(f"a guard of at most {_LONGEST} characters", str(len(text)), where)
    if not text.strip():
        return Guard(text, frozenset(), frozenset(), lambda _: True)
    return _Parser(text, where).whole()


class _Parser:
    """Recursive descent over the tokens of one guard."""

    def __init__(self, text: str, where: str) -> None:
        self._text, self._where = text, where
        self._tokens = list(self._split())
        self._at = self._depth = 0
        self._names: set[str] = set()
        self._rates: set[Rate] = set()

    def whole(self) -> Guard:
        truth = self._either()
        if self._at < len(self._tokens):
            raise self._wrong("'and', 'or' or the end")
        return Guard(self._text, frozenset(self._names), frozenset(self._rates), truth)

    def _split(self) -> list[_Token]:
        tokens, place = [], 0
        end = len(self._text.rstrip())
        while place < end:
            found = _TOKEN.match(self._text, place)
            if found is None or found.lastgroup is None:
                left = self._text[place:].strip()
                raise InputError("a number, a name or a comparison", repr(left[:20]), f"{self._where}, {self._text!r}")
            tokens.append(_Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)))
            place = found.end()
        return tokens

    def _wrong(self, expected: str) -> InputError:
        got = repr(self._tokens[self._at].text) if self._at < len(self._tokens) else "the end"
        place = self._tokens[self._at].place + 1 if self._at < len(self._tokens) else len(self._text) + 1
        return InputError(expected, got, f"{self._where}, {self._text!r} character {place}")

    def _next_is(self, *texts: str) -> bool:
        if self._at >= len(self._tokens):
            return False
        token = self._tokens[self._at]
        return token.kind in ("word", "sign") and token.text in texts

    def _take(self, text: str) -> None:
        if not self._next_is(text):
            raise self._wrong(repr(text))
        self._at += 1

    def _either(self) -> _Truth:
        first = self._both()
        while self._next_is("or"):
            self._at += 1
            first = _or(first, self._both())
        return first

    def _both(self) -> _Truth:
        first = self._turned()
        while self._next_is("and"):
            self._at += 1
            first = _and(first, self._turned())
        return first

    def _turned(self) -> _Truth:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong(f"at most {_DEEPEST} brackets and nots within one another")
        try:
            if self._next_is("not"):
                self._at += 1
                return _not(self._turned())
            if self._next_is("("):
                self._at += 1
                inner = self._either()
                self._take(")")
                return inner
            return self._compared()
        finally:
            self._depth -= 1

    def _compared(self) -> _Truth:
        left = self._operand()
        if not self._next_is(*_COMPARE):
            return lambda names: _true(left(names))
        sign = self._tokens[self._at].text
        self._at += 1
        right = self._operand()
        if self._next_is(*_COMPARE):
            raise self._wrong("one comparison; write a < b and b < c")
        return _comparison(sign, left, right)

    def _operand(self) -> _Operand:
        if self._at >= len(self._tokens):
            raise self._wrong("a number or a name")
        token = self._tokens[self._at]
        if token.kind == "sign" and token.text == "-":
            self._at += 1
            number = self._number()
            return lambda _: -number
        if token.kind == "number":
            number = self._number()
            return lambda _: number
        if token.kind in ("double", "single"):
            self._at += 1
            return lambda _: token.text
        if token.kind == "word" and token.text in _WORDS:
            return self._word(token.text)
        if token.kind in ("word", "quoted"):
            self._at += 1
            self._names.add(token.text)
            return lambda names: names.get(token.text)
        raise self._wrong("a number or a name")

    def _word(self, word: str) -> _Operand:
        if word in ("true", "false"):
            self._at += 1
            return lambda _: float(word == "true")
        if word not in ("rate", "abs"):
            raise self._wrong("a number or a name")
        self._at += 1
        self._take("(")
        if word == "abs":
            inner = self._operand()
            self._take(")")
            return lambda names: _size(inner(names))
        return self._rate()

    def _rate(self) -> _Operand:
        if self._at >= len(self._tokens) or self._tokens[self._at].kind not in ("word", "quoted"):
            raise self._wrong("the name of a column")
        name, seconds = self._tokens[self._at].text, 0.0
        self._at += 1
        if self._next_is(","):
            self._at += 1
            seconds = self._number()
        self._take(")")
        asked = Rate(name, seconds)
        self._rates.add(asked)
        key = asked.key
        return lambda names: names.get(key)

    def _number(self) -> float:
        if self._at >= len(self._tokens) or self._tokens[self._at].kind != "number":
            raise self._wrong("a number")
        number = float(self._tokens[self._at].text)
        if not math.isfinite(number):
            raise self._wrong("a finite number")
        self._at += 1
        return number


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
