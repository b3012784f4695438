"""A detector as its C would be written, counted instead of compiled: bytes of tables and memory, kinds of work.

Its text is read line by line, so that a new detector needs no entry elsewhere. Kinds of work carry the prefix
`detector`: such code branches by its values and calls functions of its own, which that of networks does not. Functions
of the C library are counted under the names that networks have for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from edgewright.export.c99_code.loops import FOR, SET, SHORT, Places, Turns
from edgewright.export.c99_detectors._source import Form
from edgewright.export.contract import Subject
from edgewright.export.program import LIBRARY, Tally, program_of
from edgewright.schema.footprint import DETECTOR, Program

PREFIX = f"{DETECTOR} "
_UNCOUNTED = "loop of unknown length"
# Bytes of the anomaly that the caller keeps.
_ANOMALY = 12
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_FUNCTION = re.compile(r"^(?:static )?[\w ]+?[ *](\w+)\(([^)]*)\) \{$")
_WHOLE = re.compile(r"\b(?:int|u?int\d+_t) (\w+)|, (\w+) = \d+[,;]")
_REAL = re.compile(r"\bfloat (\w+)")
_ARRAY = re.compile(r"(\w+)\[(\d+)\](?=[,;])")
_UPDATE = re.compile(r"^([^=]*?) ([-+*/])= (.*;)$")
_FIELD = re.compile(r"\bcontext->(\w+)\b(?!\[)")
_COUNTED_UP = re.compile(r"^\+\+(.*);$")
_TYPES = re.compile(r"\((?:const )?(?:float|u?int\d+_t|int)\)")
_CALL = re.compile(r"\b([A-Za-z_]\w*)\(")
_WORDS = frozenset({"if", "for", "while", "return", "sizeof"})
# What stands for a call whose arguments were counted; and bytes that compilers copy without a function.
_RESULT, _WRITTEN_OUT = "result", 64
_LEAVES = ("return", "continue;", "break;")
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_MEMORY = frozenset({"memcpy", "memmove", "memset"})


def detector_program(form: Form) -> Program:
    """Count the program that `write_detector_c99` would write.

    A branch that leaves the function or the turn is taken as never entered, any other as always, except where the
    detector says how often (`Score.often`). Windows, and loops whose length nobody says, cannot be counted: they become
    kinds that no core has a coefficient for, so that the estimate is unknown.

    Args:
        form: of the detector.

    Returns:
        Tables and static memory to the byte; code and instructions of a row as counts.

    Raises:
        InputError, UnknownNameError: for a network inside that has no C form.
    """
    score = form.score
    reader = _Reader(form)
    text = _COMMENT.sub("", score.helpers.replace("@", "m")).splitlines()
    for name, body in _functions(text, reader):
        reader.function(name, body)
    reader.body(reader.tally, [line.replace("@", "m") for line in score.lines])
    tally = reader.tally
    tally.add("row", 1.0)
    if form.window is not None:
        tally.add("features of windows", 1.0)
    if score.season is not None:
        tally.add("season", 1.0)
    constants = sum(table.nbytes for table in form.tables().values())
    written, run = _named(tally.written), _named(tally.run)
    values = form.ram + _ANOMALY
    if score.network is not None:
        network = program_of(score.network, Subject("model", score.network).integers)
        constants, values = constants + network.constants, values + network.values
        written, run = _sum(written, network.written), _sum(run, network.run)
    return Program(name=form.kind, constants=constants, values=values, written=written, run=run)


def _named(counts: Mapping[str, float]) -> dict[str, float]:
    """Return kinds with the prefix of detectors, but for functions of the C library."""
    shared = {"has errno", *(f"has {name}" for name in LIBRARY)}
    return {kind if kind in shared else PREFIX + kind: count for kind, count in counts.items()}


def _sum(first: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """Return counts of two programs in one; a library function is there once."""
    total = dict(first)
    for kind, count in other.items():
        total[kind] = max(total.get(kind, 0.0), count) if kind.startswith("has ") else total.get(kind, 0.0) + count
    return total


def _functions(lines: Iterable[str], reader: _Reader) -> Iterator[tuple[str, list[str]]]:
    """Yield functions in a text, each with its body; numbers among their arguments become known."""
    name, body = "", list[str]()
    for line in lines:
        head = _FUNCTION.match(line)
        if head:
            name, body = head[1], []
            reader.declare(reader.tally, head[2])
        elif line == "}":
            yield name, body
        else:
            body.append(line)


class _Reader:
    """Reads the functions of one detector.

    Args:
        form: of the detector.
    """

    def __init__(self, form: Form) -> None:
        self.tally = Tally("m", {})
        self.often = {text.replace("@", "m"): share for text, share in form.score.often.items()}
        self.whole = {"rows", "quiet", "odd", "part", *form.score.counts, *form.score.whole}
        self.whole |= {name for name, table in form.tables().items() if table.dtype.kind != "f"}
        self.bytes = {"parts": 4 * form.seen, **{name: 4 * count for name, count in form.score.state.items()}}
        self.routines: dict[str, Tally] = {}

    def declare(self, tally: Tally, line: str) -> None:
        """Note whole numbers and arrays that a line declares."""
        self.whole.update(name for names in _WHOLE.findall(line) for name in names if name)
        self.whole.difference_update(_REAL.findall(line))
        for name, count in _ARRAY.findall(line) if line.startswith("float ") else ():
            self.bytes[name] = 4 * int(count)
            tally.written["local byte"] = tally.written.get("local byte", 0.0) + 4.0 * int(count)

    def function(self, name: str, lines: Sequence[str]) -> None:
        """Count a function where it stands; each call of it runs its body."""
        part = Tally("m", {})
        self.body(part, lines)
        self.routines[name] = part
        self.tally.add("function", 0.0)
        self.tally.written = _sum(self.tally.written, part.written)

    def body(self, tally: Tally, lines: Sequence[str]) -> None:
        """Count the statements of a function."""
        places = Places(lines)
        stack = [places.whole]
        for number, raw in enumerate(lines):
            line, now = raw.strip(), stack[-1]
            if not line:
                continue
            self.declare(tally, line)
            if line.startswith("}"):
                stack.pop()
                line = line[1:].strip()
                if line != "else {":
                    continue
                stack.append(stack[-1])
                continue
            chosen = SET.match(line)
            if chosen:
                self._constants(places, chosen[1])
            loop = FOR.match(line)
            if loop or line.startswith("while ("):
                length = self._share(line)
                if length is None and loop and self._counted(places, loop):
                    length = places.loop(loop, now).length
                stack.append(self._loop(tally, now, length, len(stack)))
                if not loop:
                    self._expression(tally, line[7:-3], stack[-1].total)
            elif line.startswith("if ("):
                self._expression(tally, line[4:-3], now.total)
                tally.add("branch", now.total)
                share = self._share(line)
                if share is None:
                    share = 0.0 if _leaves(lines[number + 1 :]) else 1.0
                stack.append(Turns(now.each, now.total * share))
            elif line.endswith("{"):
                stack.append(now)
            else:
                self._statement(tally, line, now.total)

    def _share(self, line: str) -> float | None:
        """How often a branch is entered or a loop turns, where the detector says so."""
        return next((share for text, share in self.often.items() if text in line), None)

    def _constants(self, places: Places, line: str) -> None:
        """Note the values of whole numbers whose names a loop may end at, once a stream has gone on for long."""
        for part in line.split(", "):
            name, _, text = part.partition(" = ")
            places.known[name] = places.number(text)

    def _counted(self, places: Places, loop: re.Match[str]) -> bool:
        """Return whether a loop begins and ends at numbers that are known."""
        names = set(_NAME.findall(f"{loop[2].split(',')[0]} {loop[3]}")) - {loop[1]}
        return names <= places.known.keys()

    def _loop(self, tally: Tally, outer: Turns, length: float | None, depth: int) -> Turns:
        """Count a loop; give its body."""
        if length is None:
            tally.add(_UNCOUNTED, outer.total)
            length = 1.0
        if length != 1.0:  # compilers leave a loop of one turn out
            tally.add(f"loop{min(depth, 3)}", outer.total)
            kind = "turn" if length > SHORT else "short turn"
            tally.run[kind] = tally.run.get(kind, 0.0) + outer.total * length
            tally.written[kind] = tally.written.get(kind, 0.0) + 1.0
        return Turns(outer.each, outer.total * length)

    def _statement(self, tally: Tally, line: str, times: float) -> None:
        """Count one statement."""
        raised = _COUNTED_UP.match(line)
        if raised:
            line = f"{raised[1]} = {raised[1]} + 1;"
        update = _UPDATE.match(line)
        if update:
            line = f"{update[1]} = {update[1]} {update[2]} ({update[3][:-1]});"
        line = _FIELD.sub(r"\1[0]", line)
        target, equals, value = line.partition(" = ")
        if not equals:
            value = line
        elif "[" in target and not target.startswith(("const", "float", "int", "uint")):
            tally.add("store", times)
        share = self._share(line)
        calls = times if share is None else times * share
        for part in value.split(", ") if target.startswith(("float ", "int ", "const int ")) else (value,):
            self._expression(tally, part, times, target.split("[")[0].split()[-1] if equals else "", calls)

    def _expression(self, tally: Tally, text: str, times: float, target: str = "", calls: float | None = None) -> None:
        """Count loads, call and operators; those of whole numbers apart from those of floats."""
        text = _TYPES.sub("", _FIELD.sub(r"\1[0]", text))
        call = next((match for match in _CALL.finditer(text) if match[1] not in _WORDS), None)
        while call is not None:
            end = _closing(text, call.end())
            name, given = call[1], text[call.end() : end]
            self._call(tally, name, given, times if calls is None else calls)
            text = f"{text[: call.start()]}{_RESULT}{text[end + 1 :]}"
            call = next((match for match in _CALL.finditer(text) if match[1] not in _WORDS), None)
        names = {name for name in _NAME.findall(text) if name not in ("context", "return")}
        names |= {target} if target else set()
        whole = bool(names) and not re.search(r"\d\.|\d[ef]", text) and names <= self.whole
        tally.expression(text, times, "whole " if whole else "")

    def _call(self, tally: Tally, name: str, given: str, times: float) -> None:
        """Count a call, and what the function does where it is the detector's own."""
        short = name.removeprefix("m_")
        if name in _MEMORY:
            self._copy(tally, given, times)
            return
        if short == "net_predict":  # the network's own program is counted
            return
        for argument in given.split(", "):
            self._expression(tally, argument, times)
        if name in self.routines:
            tally.add("call function", times)
            for kind, count in self.routines[name].run.items():
                tally.run[kind] = tally.run.get(kind, 0.0) + times * count
            return
        tally.add(f"call {short}", times)
        if short in LIBRARY:
            tally.once(f"has {short}")
            tally.once("has errno")

    def _copy(self, tally: Tally, text: str, times: float) -> None:
        """Count bytes that a function of the library copies or clear."""
        size = text.rsplit(", ", 1)[-1]
        number = re.search(r"(\d+)u \*", size)
        named = re.search(r"sizeof (\w+)(?:\[0\])?$", size)
        count = 4.0 * int(number[1]) if number else float(self.bytes.get(named[1], 4) if named else 4)
        tally.add("copy", times)
        tally.run["copied byte"] = tally.run.get("copied byte", 0.0) + times * count
        if count > _WRITTEN_OUT:
            tally.once("has copy")


def _closing(text: str, start: int) -> int:
    """Where the bracket closes that was opened before `start`."""
    depth = 1
    for index in range(start, len(text)):
        depth += (text[index] == "(") - (text[index] == ")")
        if not depth:
            return index
    return len(text)


def _leaves(lines: Sequence[str]) -> bool:
    """Return whether the block that begins here ends by leaving the function or the turn."""
    depth, last = 0, ""
    for raw in lines:
        line = raw.strip()
        if line.startswith("}") and depth == 0:
            break
        depth += line.endswith("{") - line.startswith("}")
        last = line
    return last.startswith(_LEAVES)
