"""Whether an accelerator takes a model, operator by operator, by its published rules: one TOML file an accelerator.

Nothing is run: what is told is what the vendor's list says of operators of these types and shapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from edgewright.core.errors import ProfileError, UnknownNameError
from edgewright.core.toml_tables import convert_table

FOLDER = Path(__file__).resolve().parent
CHECKED = "checked by rule, not run"


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit of one operator.

    Attributes:
        ranks: axes that its first input may have, the batch axis included; empty for any.
        constants: numbers of inputs that must be constants.
        plain: whether no activation may be fused into it.
        note: shown beside it where it is taken.
    """

    ranks: tuple[int, ...] = ()
    constants: tuple[int, ...] = ()
    plain: bool = False
    note: str = ""


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of one accelerator.

    Attributes:
        name: as in the file name.
        reads: 'tflite' (operators of the network as LiteRT calls them), 'onnx' (every operator of the graph) or 'c99'.
        types: element types it computes with.
        operators: that it takes; of 'c99' library functions that it knows.
        limits: by operator.
        once: whether everything after the first operator that it does not take runs on the CPU.
        source: where the rules are from.
        notes: what else holds.
    """

    name: str
    reads: Literal["tflite", "onnx", "c99"]
    types: tuple[str, ...]
    operators: tuple[str, ...]
    source: str
    limits: dict[str, Limit] = {}
    once: bool = False
    notes: tuple[str, ...] = ()


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """An operator of a model: its name, the value it gives, element type, axes of its first input, constant inputs."""

    name: str
    value: str
    dtype: str
    rank: int = 0
    constants: tuple[bool, ...] = ()
    activation: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one operator is taken, and why not, or what to know."""

    operator: str
    value: str = msgspec.field(name="place")
    supported: bool
    why: str = ""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A model against an accelerator.

    Attributes:
        accelerator, serves: as the profile has them.
        verdicts: in order.
        supported: how many are taken.
        how: 'checked by rule, not run', or what a compiler made of it.
        source: of the rules.
        notes: of the rules.
    """

    accelerator: str
    serves: str
    verdicts: tuple[Verdict, ...]
    supported: int
    source: str
    notes: tuple[str, ...] = ()
    how: str = CHECKED


@cache
def listing() -> tuple[str, ...]:
    """Return names of the rules."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


@cache
def load_rules(name: str) -> Rules:
    """Return the rules of that name.

    Raises:
        UnknownNameError: listing the known.
        InputError: when the file is no rules.
    """
    if name not in listing():
        raise UnknownNameError("rules of an accelerator", name, listing())
    path = FOLDER / f"{name}.toml"
    rules = convert_table(msgspec.toml.decode(path.read_bytes()), Rules, str(path))
    if rules.name != name:
        raise ProfileError(f"the name {name!r}, as the file is called", repr(rules.name), str(path))
    return rules


def check_operators(rules: Rules, operators: Iterable[Operator]) -> tuple[Verdict, ...]:
    """Return a verdict on every operator, in order."""
    verdicts = []
    fell = ""
    for operator in operators:
        why = _refused(rules, operator)
        if fell and not why:
            why = f"runs on the CPU because it comes after {fell}"
        elif why and rules.once and not fell:
            fell = operator.name
        limit = rules.limits.get(operator.name)
        text = why or ("" if limit is None else limit.note)
        verdicts.append(Verdict(operator=operator.name, value=operator.value, supported=not why, why=text))
    return tuple(verdicts)


def _refused(rules: Rules, operator: Operator) -> str:
    """Why an operator is not taken; empty where it is."""
    if operator.name not in rules.operators:
        return "not in the list of operators"
    if operator.dtype not in rules.types:
        return f"{operator.dtype}, not one of {', '.join(rules.types)}"
    limit = rules.limits.get(operator.name, Limit())
    if limit.ranks and operator.rank not in limit.ranks:
        return f"{operator.rank} axes, expected {' or '.join(map(str, limit.ranks))}"
    loose = [n for n in limit.constants if n < len(operator.constants) and not operator.constants[n]]
    if loose:
        return f"input {loose[0]} must be a constant"
    if limit.plain and operator.activation:
        return f"{operator.activation} is fused into it"
    return ""


_FUNCTION = re.compile(r"^(?:\w+ )*?(?:static )?(?:const )?\w+ \**(\w+)\(([^;{]*)\) \{$", re.MULTILINE)
_SECOND_LINE = re.compile(r"^(\S[^\n]*,)\n\s+", re.MULTILINE)
_CALLED = re.compile(r"\b([A-Za-z_]\w*)\(")
_NO_CALLS = frozenset({"if", "for", "while", "switch", "return", "sizeof", "defined", "__attribute__"})
_POINTER_CALL = re.compile(r"\(\*\w+\)\s*\(")


def check_program(rules: Rules, text: str) -> tuple[Verdict, ...]:
    """Judge every function of generated C: library calls, recursion, calls by pointer."""
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("#", "/*")))
    # Arguments that stand on a second line come back to the first.
    lines = _SECOND_LINE.sub(r"\1 ", kept)
    starts = list(_FUNCTION.finditer(lines))
    bodies: dict[str, str] = {}
    for number, start in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(lines)
        bodies[start[1]] = lines[start.end() : end]
    calls = {
        name: {call for call in _CALLED.findall(body) if call not in _NO_CALLS and not call.endswith("_C")}
        for name, body in bodies.items()
    }
    return tuple(
        Verdict(operator="function", value=name, supported=not why, why=why)
        for name in bodies
        for why in [_not_synthesised(name, bodies[name], calls, rules.operators)]
    )


def _not_synthesised(name: str, body: str, calls: Mapping[str, set[str]], known: Sequence[str]) -> str:
    if _reaches(name, calls):
        return "reaches itself: recursion cannot be synthesised"
    if _POINTER_CALL.search(body):
        return "calls a function by its address"
    strange = sorted(call for call in calls[name] if call not in calls and call not in known)
    return f"calls {', '.join(strange)}, which the library for synthesis does not have" if strange else ""


def _reaches(name: str, calls: Mapping[str, set[str]]) -> bool:
    seen: set[str] = set()
    open_ = set(calls[name])
    while open_:
        call = open_.pop()
        if call == name:
            return True
        if call not in seen:
            seen.add(call)
            open_ |= calls.get(call, set())
    return False
