"""Counting what stands in generated C, and what one call of it works out: its loops have fixed lengths.

The text is our own, so that a few regular expressions read it. Kinds: `load`, `store`, `add`, `mul`, `div`, `compare`
of expressions, `loop` and `turn`, `call NAME`, and for functions that have loops of their own what these do (`dense
mac`, `dense row`). Operators whose loops are written in one way (convolutions, pools, all of the integer network) are
counted by their shape: `conv place.j` is a block of channels at a place, within which compilers do as they do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgewright.export._program_work import FUNCTIONS, WORK, assembly_lines, channels_of, dual_counts, lane_counts
from edgewright.export.c99_code.files import STEPS
from edgewright.export.c99_code.header import CodeOptions, Interface
from edgewright.export.c99_code.loops import FOR, SET, SHORT, Places, Turns
from edgewright.export.c99_code.pipeline import lay_out
from edgewright.export.c99_code.unit import UNREAD, Arena, Unit
from edgewright.export.c99_dual import PREFIX as DUAL
from edgewright.export.c99_graph.frames import Grid, cuts_of
from edgewright.export.c99_rvv import PREFIX as LANES
from edgewright.export.cores import counted_as
from edgewright.schema.footprint import OWN_FLOATS, Program
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork


def program_of(graph: Graph, network: IntegerNetwork | None = None, *, core: str = "", flash: float = 0.0) -> Program:
    """Count the program that `write_c99` would write.

    Args:
        graph: the whole pipeline, float or in QDQ form.
        network: the integers of its network; None for the float network.
        core: for whose instructions it is written, as profiles name it; portable where empty.
        flash: bytes of that device; 0 where they are not known.

    Returns:
        Tables and static memory to the byte; code and instructions as counts, which a core's coefficients weigh.
    """
    options = CodeOptions("model", core=counted_as(core), flash=flash)
    written, face = lay_out(graph, options, network)
    borders, inside, arena = _memory(written, face, network)
    unit = written
    if written.floats:
        # Float operators are counted as they stand in portable C, by kinds of their own: coefficients know what the
        # core's own code takes for them. Memory and tables are those of the code that is written.
        unit, face = lay_out(graph, replace(options, floats=False), network)
        borders, inside, _ = _memory(unit, face, network)
    tally = Tally(unit.name, unit.table_sizes, unit.unrolled, assembly=LANES if unit.vectors else DUAL)
    around = Tally(unit.name, unit.table_sizes) if written.floats else tally
    for routine in unit.routines:
        around.routine(routine.name, [(rows, step.text) for rows, step in routine.parts])
    for index, step in enumerate(unit.steps):
        if not step.condition:
            (tally if index in inside else around).step(step.text, index in inside, step.work)
    texts = [line for step in unit.steps for line in step.text]
    texts += [line for routine in unit.routines for _, step in routine.parts for line in step.text]
    text = "\n".join([*unit.helpers(), *texts])
    around.mathematics(text)
    if around is not tally:
        tally.own_floats(around)
    tally.functions(text)
    floats = sum(not step.condition for step in unit.steps) - len(inside)
    tally.add("function", 1.0, len(borders) - 1 + floats // STEPS + len(unit.routines))
    answers = [int(np.prod(source.shape)) for source in face.outputs.values()]
    tally.add("answer", sum(answers))
    tally.copies(4 * count for count in answers)
    return Program(
        name=graph.name,
        constants=written.table_bytes,
        values=arena.floats + arena.integers + arena.halves,
        written=tally.written,
        run=tally.run,
        network=_tables_of(unit, inside),
    )


def grid_of(graph: Graph, network: IntegerNetwork | None = None, *, core: str = "", flash: float = 0.0) -> Grid | None:
    """Return the frames of which generated C makes the answer to a window; None where it needs the window.

    Arguments as of `program_of`.
    """
    if not cuts_of(graph):
        return None
    frames = lay_out(graph, CodeOptions("model", core=counted_as(core), flash=flash), network)[1].frames
    return None if frames is None else frames.grid


def _memory(unit: Unit, face: Interface, network: IntegerNetwork | None) -> tuple[tuple[int, ...], range, Arena]:
    """Return where functions begin, steps of the network, and how memory is shared."""
    kept = [leaf.buffer for source in face.outputs.values() for leaf in source.leaves]
    unit.mark(face.outputs.values())
    borders = (0, *face.borders, len(unit.steps))
    inside = range(borders[2], borders[3]) if network is not None else range(0)
    return borders, inside, unit.arena(kept, inside, face.ends)


def _tables_of(unit: Unit, inside: range) -> int:
    """Return bytes of the tables that some steps name."""
    text = " ".join(line for index in inside for line in unit.steps[index].text)
    words = set(re.findall(r"\w+", text))
    return sum(array.nbytes for name, array in unit.contents().items() if name in words)


_POINTER = re.compile(r"(?:const )?\w+ \*(?:const )?(\w+) = (.*);$")
_LANE = re.compile(r"s\d \+?= .*\[")
# Copies of a state, which lie on the stack.
_LOCAL = re.compile(r"int(\d+)_t (?:held|next)\[(\d+)\];$")
_CALL = re.compile(r"\b([A-Za-z_]\w*)\(")
_INDEX = re.compile(r"\[[^\[\]]*\]")
# Those that set the error number, which lies in memory of the library.
LIBRARY = ("expf", "logf", "sqrtf", "powf", "sinf", "cosf", "tanhf", "log1pf", "expm1f", "atan2f", "erff")
_LIBRARY = re.compile(rf"\b({'|'.join(LIBRARY)})\(")
_COPY = re.compile(r"\bmem(?:cpy|move)\(.*, (\d+)\);")
# Bytes that compilers for ARM copy by loads and stores.
_WRITTEN_OUT = 64
_WORDS = frozenset({"for", "if", "sizeof", "while", "return"})
_TYPES = re.compile(r"\((?:const )?(?:float|u?int\d+_t|int)(?: \*)?\)")
# How often the body of an `if` runs where nothing says so.
_RARE = 0.25
# Float operators whose loops cost what their shape says; the others leave expressions, of which every part counts.
_SHAPED = frozenset({"Conv", "MaxPool", "GlobalMaxPool", "AveragePool", "GlobalAveragePool"})

# Functions that are written in several forms.
_FORMS = frozenset({"power", "direct", *FUNCTIONS})


class Tally:
    """Counts of one program.

    Args:
        prefix: of the names of its functions.
        sizes: entries of its tables by name.
        unrolled: how often loops are for a core with two multipliers.
        assembly: what kinds of its own code begin with.

    Attributes:
        written: how often a kind stands in the code.
        run: how often it is worked out in one call.
    """

    def __init__(self, prefix: str, sizes: Mapping[str, int], unrolled: int = 0, *, assembly: str = DUAL) -> None:
        self.written: dict[str, float] = {}
        self.run: dict[str, float] = {}
        self.prefix, self.sizes, self.unrolled = f"{prefix}_", sizes, unrolled
        self.routines: dict[str, Tally] = {}
        self.assembly, self.channels = assembly, 0

    def mathematics(self, text: str) -> None:
        """Note functions of the C library that `text` calls, and its error number once any sets it."""
        called = set(_LIBRARY.findall(text))
        for name in called:
            self.once(f"has {name}")
        if called:
            self.once("has errno")

    def functions(self, text: str) -> None:
        """Note what copies bytes, and assembly."""
        self.copies(int(size) for size in _COPY.findall(text))
        if count := assembly_lines(text):
            self.written[f"{self.assembly}instruction"] = float(count)

    def copies(self, sizes: Iterable[int]) -> None:
        """Note the library's function that copies bytes, which is there once one of so many is not written out."""
        if any(size > _WRITTEN_OUT for size in sizes):
            self.once("has long copy")

    def add(self, kind: str, times: float, count: float = 1.0) -> None:
        """Count a kind that occurs `count` times in code that runs `times` times."""
        if count:
            self.written[kind] = self.written.get(kind, 0.0) + count
            self.run[kind] = self.run.get(kind, 0.0) + count * times

    def own_floats(self, other: Tally) -> None:
        """Add what is written for a core's float instructions; convolutions and pools are the same as ever."""
        for mine, counts in ((self.written, other.written), (self.run, other.run)):
            for kind, count in counts.items():
                shaped = kind.partition(" ")[0] in _SHAPED
                mine[kind if shaped else f"{OWN_FLOATS} {kind}"] = count

    def once(self, kind: str) -> None:
        """Count a function that is present or absent."""
        self.written[kind] = 1.0

    def step(self, lines: Sequence[str], integer: bool, work: str = "") -> None:
        """Count the lines of a step; `work` is the operator whose loops they are."""
        if work == UNREAD or work.startswith(DUAL):
            self.dual(lines, work if work.startswith(DUAL) else f"{DUAL}{work}")
            return
        shaped = work if integer or work in _SHAPED else ""
        sort = f"{shaped} " if shaped else ""
        self.add(f"{sort}step", 1.0)
        places = Places(lines)
        stack = [places.whole]
        for raw in lines:
            line = raw.strip()
            now = stack[-1]
            if line.startswith("}"):
                stack.pop()
                continue
            loop = FOR.match(line)
            if loop:
                stack.append(self.loop(places, loop, now, shaped, len(stack)))
                continue
            if line.endswith("{"):
                opened = line.startswith("if (")
                if opened and not shaped:
                    self.expression(line[2:-1], now.total, "")
                stack.append(places.when(line[4:-3], now, _RARE) if opened else now)
                continue
            chosen = SET.match(line)
            if chosen:
                divided = places.set(chosen[1])
                if shaped:
                    self.add(f"{sort}divide", now.total, divided)
                else:
                    self.add("place", now.total)
                continue
            if shaped:
                self.shaped(line, now, sort, places)
            else:
                self.line(line, now.total, places)

    def dual(self, lines: Sequence[str], work: str) -> None:
        """Count a step for a core with two multipliers."""
        self.add(f"{work} step", 1.0)
        run, called = dual_counts(lines, self.prefix, self.unrolled)
        for kind, times in run.items():
            self.add(f"{DUAL}{kind}", times)
        for name in called:
            self.once(f"has {DUAL}{name}")
        if "patch" in called:
            self.once("has long copy")

    def routine(self, name: str, parts: Sequence[tuple[int, Sequence[str]]]) -> None:
        """Count a function that works out one row of several parts: once where it stands, and a row at each call."""
        rows = sum(count for count, _ in parts)
        mean = Tally(self.prefix[:-1], self.sizes)
        for count, lines in parts:
            part = Tally(self.prefix[:-1], self.sizes)
            part.step(lines, False)
            for kind, amount in part.written.items():
                self.written[kind] = self.written.get(kind, 0.0) + amount
            for kind, amount in part.run.items():
                mean.run[kind] = mean.run.get(kind, 0.0) + amount * count / rows
        self.routines[name.removeprefix(self.prefix)] = mean

    def loop(self, places: Places, head: re.Match[str], outer: Turns, shaped: str, depth: int) -> Turns:
        """Count a loop; give its body."""
        body = places.loop(head, outer)
        if shaped:
            if body.path != outer.path:
                self.add(f"{shaped} {body.path}", body.total)
            return body
        self.add(f"loop{min(depth, 3)}", outer.total)
        kind = "turn" if body.length > SHORT else "short turn"
        self.run[kind] = self.run.get(kind, 0.0) + body.total
        self.written[kind] = self.written.get(kind, 0.0) + 1.0
        return body

    def shaped(self, line: str, now: Turns, sort: str, places: Places) -> None:
        """Count a statement in the loops of an operator that are counted by their shape."""
        if _LANE.match(line):
            self.add(f"{sort}lane", now.total)
        if local := _LOCAL.match(line):
            # Functions take turns on the stack, so that the largest array counts.
            size = int(local[1]) // 8 * int(local[2])
            self.written[f"{sort}local byte"] = max(size, self.written.get(f"{sort}local byte", 0.0))
            self.copies((size,))
        self.channels = channels_of(line) or self.channels
        if line.startswith("a += "):
            self.add(f"{sort}sum", now.total)
        for name, arguments in _calls(line):
            self.call(name, arguments, now, places)
            self.add(f"{sort}factor", now.total, sum("multiplier" in text for text in arguments))

    def line(self, line: str, times: float, places: Places) -> None:
        """Count one statement."""
        if _POINTER.match(line):
            self.add("address", times)
            return
        target, equals, value = line.partition(" = ")
        if not equals:
            target, equals, value = line.partition(" += ")
            value = value + " + " if equals else line
        if equals and "[" in target and not target.startswith(("int32_t", "const", "float")):
            self.add("store", times)
            self.add("load", times, _INDEX.sub("", target).count("["))
        for name, arguments in _calls(value):
            self.call(name, arguments, Turns(np.asarray(times), times), places)
        self.expression(value, times, "")

    def call(self, name: str, arguments: Sequence[str], now: Turns, places: Places) -> None:
        """Count a call of a function, and what the function does where it has loops of its own."""
        short = name.removeprefix(self.prefix)
        if short in self.routines:
            self.add("call rows", now.total)
            for kind, amount in self.routines[short].run.items():
                self.run[kind] = self.run.get(kind, 0.0) + now.total * amount
            return
        if short.endswith("_hann"):
            self.run["fft wave"] = self.run.get("fft wave", 0.0) + now.total * float(arguments[3])
        if short == "isnan":  # x != x
            self.add("compare", now.total)
            return
        # A function of several forms has the form behind its name: power4_hann.
        plain = re.split(r"[\d_]", short)[0]
        if plain in FUNCTIONS:
            for kind, amount in lane_counts(short, arguments, self.channels, now, places).items():
                self.run[f"{LANES}{kind}"] = self.run.get(f"{LANES}{kind}", 0.0) + amount
        short = plain if plain in _FORMS else short
        self.once(f"has {short}")
        self.add(f"call {short}", now.total)
        if short.startswith("dots"):
            # The call stands in a loop over blocks of channels; the length may depend on the place.
            pairs, odd = places.mean(arguments[2], now)
            self.run[f"{short} pair"] = self.run.get(f"{short} pair", 0.0) + pairs
            self.run[f"{short} odd"] = self.run.get(f"{short} odd", 0.0) + odd
        elif short in WORK:
            for kind, amount in WORK[short](arguments, self).items():
                self.run[kind] = self.run.get(kind, 0.0) + now.total * amount

    def expression(self, text: str, times: float, sort: str) -> None:
        """Count loads and operators."""
        loads = 0
        while "[" in text:
            shorter, count = _INDEX.subn("", text)
            if not count:
                break
            loads, text = loads + count, shorter
        text = _TYPES.sub("", text)
        self.add(f"{sort}load", times, loads)
        self.add(f"{sort}add", times, text.count(" + ") + text.count(" - ") + text.count("(-"))
        self.add(f"{sort}mul", times, text.count(" * "))
        self.add(f"{sort}div", times, text.count(" / "))
        self.add(f"{sort}compare", times, len(re.findall(r" (?:[<>]=?|[!=]=|&&|\|\|) ", text)))


def _calls(text: str) -> list[tuple[str, list[str]]]:
    """Return functions that are called, with their arguments, the outer ones first."""
    calls = []
    for match in _CALL.finditer(text):
        if match[1] in _WORDS or match[1].endswith("_C"):
            continue
        depth, start, arguments = 0, match.end(), []
        for index in range(match.end(), len(text)):
            character = text[index]
            if character in "([{":
                depth += 1
            elif character in ")]}":
                if not depth:
                    arguments.append(text[start:index])
                    break
                depth -= 1
            elif character == "," and not depth:
                arguments.append(text[start:index])
                start = index + 1
        calls.append((match[1], [argument.strip() for argument in arguments]))
    return calls
