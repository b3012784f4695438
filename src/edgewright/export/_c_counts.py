"""Counting what stands in generated C, and what one call of it works out: its loops have fixed lengths.

The text is our own, so that a few regular expressions read it. Kinds: `load`, `store`, `add`, `mul`, `div`, `compare`
of floats, the same with `i.` before them in the integer network, `loop` and `turn`, `call NAME`, and for functions
that have loops of their own what these do (`dense mac`, `dense row`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence

_FOR = re.compile(r"for \((?:int|int32_t) (\w+) = ([^;]+); ([^;]+); (.*)\) \{$")
_SET = re.compile(r"const int (\w+) = (.*);$")
_POINTER = re.compile(r"(?:const )?\w+ \*(?:const )?(\w+) = (.*);$")
_CHOICE = re.compile(r"< (\d+) \?")
_CALL = re.compile(r"\b([A-Za-z_]\w*)\(")
_PLACE = re.compile(r"\[[^\[\]]*\]")
_WORDS = frozenset({"for", "if", "sizeof", "while", "return"})
_TYPES = re.compile(r"\((?:const )?(?:float|u?int\d+_t|int)(?: \*)?\)")
# How often the body of an `if` runs; one that asks whether a tap lies within the image nearly always does.
_RARE, _USUAL = 0.25, ("taps > 0", "column >= 0")

Work = Callable[[Sequence[str], "Tally"], Mapping[str, float]]


class Tally:
    """Counts of one program.

    Args:
        prefix: of the names of its functions.
        sizes: entries of its tables by name.

    Attributes:
        written: how often a kind stands in the code.
        run: how often it is worked out in one call.
    """

    def __init__(self, prefix: str, sizes: Mapping[str, int]) -> None:
        self.written: dict[str, float] = {}
        self.run: dict[str, float] = {}
        self.prefix, self.sizes = f"{prefix}_", sizes

    def add(self, kind: str, times: float, count: float = 1.0) -> None:
        """A kind that stands `count` times in a place that runs `times` times."""
        if count:
            self.written[kind] = self.written.get(kind, 0.0) + count
            self.run[kind] = self.run.get(kind, 0.0) + count * times

    def once(self, kind: str) -> None:
        """A function that is there or is not."""
        self.written[kind] = 1.0

    def step(self, lines: Sequence[str], integer: bool) -> None:
        """Counts the lines of a step."""
        sort = "i." if integer else ""
        self.add(f"{sort}step", 1.0)
        known: dict[str, float] = {}
        stack = [1.0]
        turns: dict[str, float] = {}
        for raw in lines:
            line = raw.strip()
            times = stack[-1]
            if line.startswith("}"):
                stack.pop()
                continue
            found = _FOR.match(line)
            if found:
                length = _length(found, known, turns)
                turns[found[1]] = length
                self.add(f"{sort}loop{len(stack) if len(stack) < 4 else 3}", times)
                # A short loop of fixed length is written out by the compiler.
                self.add(f"{sort}turn" if length > 4 else f"{sort}short turn", times * length)
                self.written[f"{sort}turn"] = self.written.get(f"{sort}turn", 0.0)
                stack.append(times * length)
                continue
            if line.endswith("{"):
                opened = line.startswith("if")
                if opened:
                    self.expression(line[2:-1], times, sort)
                stack.append(times * (1.0 if not opened or any(usual in line for usual in _USUAL) else _RARE))
                continue
            chosen = _SET.match(line)
            if chosen:
                choice = _CHOICE.search(chosen[2])
                known[chosen[1]] = float(choice[1]) if choice else 0.0
                self.add(f"{sort}place", times)
                continue
            self.line(line, times, sort, known)

    def line(self, line: str, times: float, sort: str, known: Mapping[str, float]) -> None:
        """Counts one statement."""
        if _POINTER.match(line):
            self.add(f"{sort}address", times)
            return
        target, equals, value = line.partition(" = ")
        if not equals:
            target, equals, value = line.partition(" += ")
            value = value + " + " if equals else line
        if equals and "[" in target and not target.startswith(("int32_t", "const", "float")):
            self.add(f"{sort}store", times)
            self.add(f"{sort}load", times, _PLACE.sub("", target).count("["))
        for name, arguments in _calls(value):
            self.call(name, arguments, times, sort, known)
        self.expression(value, times, sort)

    def call(self, name: str, arguments: Sequence[str], times: float, sort: str, known: Mapping[str, float]) -> None:
        """Counts a call of a function, and what the function does where it has loops of its own."""
        short = name.removeprefix(self.prefix)
        self.once(f"has {short}")
        if short.startswith("dots"):
            # The call stands in a loop over blocks of channels; the length may depend on the place.
            length = _number(arguments[2], known)
            self.add(f"call {short}", times)
            self.run[f"{short} turn"] = self.run.get(f"{short} turn", 0.0) + times * length
            return
        self.add(f"call {short}", times)
        if short in _WORK:
            for kind, amount in _WORK[short](arguments, self).items():
                self.run[kind] = self.run.get(kind, 0.0) + times * amount

    def expression(self, text: str, times: float, sort: str) -> None:
        """Counts loads and operators."""
        loads = 0
        while "[" in text:
            shorter, count = _PLACE.subn("", text)
            if not count:
                break
            loads, text = loads + count, shorter
        text = _TYPES.sub("", text)
        self.add(f"{sort}load", times, loads)
        self.add(f"{sort}add", times, text.count(" + ") + text.count(" - ") + text.count("(-"))
        self.add(f"{sort}mul", times, text.count(" * "))
        self.add(f"{sort}div", times, text.count(" / "))
        self.add(f"{sort}compare", times, len(re.findall(r" (?:[<>]=?|[!=]=|&&|\|\|) ", text)))


def _length(found: re.Match[str], known: Mapping[str, float], turns: Mapping[str, float]) -> float:
    """How often a loop turns; an inner one over a block of an outer one, on average."""
    start, condition, step = found[2], found[3], found[4].split(",")[0]
    if " && " in condition and start in turns:
        return _number(condition.rsplit(" < ", 1)[1], known) / turns[start]
    limit = re.split(r" <=? ", condition.split(" && ")[0])[1]
    stride = _number(step.split("+= ")[1], known) if "+=" in step else 1.0
    return max(0.0, math.ceil((_number(limit, known) - _number(start, known)) / stride))


def _number(text: str, known: Mapping[str, float]) -> float:
    """A product of numbers and names whose value is known."""
    made = 1.0
    for word in text.split(" * "):
        word = word.strip()
        made *= float(word) if word.lstrip("-").isdigit() else known.get(word, 0.0)
    return made


def _calls(text: str) -> list[tuple[str, list[str]]]:
    """Functions that are called, with their arguments, the outer ones first."""
    found = []
    for match in _CALL.finditer(text):
        if match[1] in _WORDS or match[1].endswith("_C"):
            continue
        depth, start, arguments = 0, match.end(), []
        for place in range(match.end(), len(text)):
            character = text[place]
            if character in "([{":
                depth += 1
            elif character in ")]}":
                if not depth:
                    arguments.append(text[start:place])
                    break
                depth -= 1
            elif character == "," and not depth:
                arguments.append(text[start:place])
                start = place + 1
        found.append((match[1], [argument.strip() for argument in arguments]))
    return found


def _dense(arguments: Sequence[str], tally: Tally) -> Mapping[str, float]:
    del tally
    inputs, outputs = float(arguments[5]), float(arguments[6])
    return {"dense row": outputs, "dense mac": inputs * outputs}


def _runs(arguments: Sequence[str], tally: Tally) -> Mapping[str, float]:
    return {"dense row": float(arguments[6]), "dense mac": float(tally.sizes.get(arguments[2], 0))}


def _shifted(arguments: Sequence[str], tally: Tally) -> Mapping[str, float]:
    del tally
    count = float(arguments[5])
    return {"dense row": count, "dense mac": count * (count - 1) / 2}


def _mirrored(arguments: Sequence[str], tally: Tally) -> Mapping[str, float]:
    del tally
    half = float(arguments[5])
    return {"mirrored row": half, "mirrored pair": half * half}


def _power(arguments: Sequence[str], tally: Tally) -> Mapping[str, float]:
    half = float(arguments[7])
    passes = tally.sizes.get(arguments[6], 0)
    # A butterfly of radix p takes p * p products; of lengths of powers of 2 it is mostly 4.
    mean = half ** (1.0 / max(passes, 1))
    return {"fft product": half * passes * mean, "fft point": half * (passes + 2)}


def _softmax(arguments: Sequence[str], tally: Tally) -> Mapping[str, float]:
    del tally
    return {"softmax entry": _number(arguments[2], {})}


_WORK: dict[str, Work] = {
    "dense": _dense,
    "runs": _runs,
    "shifted": _shifted,
    "mirrored": _mirrored,
    "power": _power,
    "softmax": _softmax,
    "softmax_bytes": _softmax,
}
