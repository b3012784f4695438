"""Rules by which faults are planted in text: C, assembly inside of it, and Verilog."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Replace = Callable[[re.Match[str]], str]
_NUMBER = r"\d+\.\d+(?:e[+-]?\d+)?f"
_OPERAND = r"\w+(?:(?:->|\.)\w+)*(?:\[[^\]\[]*\])?"
# Numbers as large as these say that a value is one; a factor would make them infinite.
_HUGE = 1e30
_SHORT = 60


@dataclass(frozen=True)
class TextFault:
    """A fault in a text.

    Attributes:
        rule: by which it is planted.
        file: of the text.
        start: character at which the changed part begins.
        end: character behind it.
        after: what stands there instead.
        line: of its beginning, from 1.
        before: what stood there.
    """

    rule: str
    file: str
    start: int
    end: int
    after: str
    line: int
    before: str

    @property
    def where(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}"

    @property
    def change(self) -> str:
        """What was changed, in a line."""
        return f"{' '.join(self.before.split())[:_SHORT]} -> {' '.join(self.after.split())[:_SHORT] or 'nothing'}"

    def text(self, original: str) -> str:
        """Return the text with the fault."""
        return original[: self.start] + self.after + original[self.end :]


@dataclass(frozen=True)
class Rule:
    """A pattern and what stands in its place; group 1 is changed where there is one."""

    name: str
    pattern: re.Pattern[str]
    replace: Replace


def _rule(name: str, pattern: str, replace: Replace | str) -> Rule:
    new = replace if callable(replace) else (lambda _: replace)
    return Rule(name, re.compile(pattern, re.MULTILINE), new)


def _scaled(factor: float) -> Replace:
    def replace(match: re.Match[str]) -> str:
        value = float(match[1].rstrip("f"))
        return match[1] if value == 0 or abs(value) > _HUGE else f"{value * factor:.9g}{_end(value)}"

    def _end(value: float) -> str:
        text = f"{value * factor:.9g}"
        return "f" if "." in text or "e" in text else ".0f"

    return replace


def _more(match: re.Match[str]) -> str:
    return str(int(match[1]) + 1)


_OTHER = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
_COMPARISON = _rule("comparison", r"(?<=[\w\])]) (<=|>=|<|>|==|!=) (?=[-\w(])", lambda m: _OTHER[m[1]])
_INDEX = _rule("index", r"(?<=[\w\])])\[([^\]\[]+)\]", lambda m: f"({m[1]}) + 1")
_ASSIGNED = r"[\w>.*\[\]-]+ [-+*]?= [^;\n]*;\n"
_SWAP = _rule("order", rf"(?<![*/] )(?<![\w.>-])({_OPERAND} - {_OPERAND}(?![\w\[(.]))", lambda m: _turned(m[1]))
_LINES = _rule(
    "order", rf"^((?P<in> {{4,}})(?!return|break|continue){_ASSIGNED}(?P=in){_ASSIGNED})",
    lambda m: m[1] if _are_independent(*m[1].splitlines()) else "".join(reversed(m[1].splitlines(keepends=True))),
)  # fmt: skip
_INTEGER = _rule("constant", r"(?<![\w.\[\"#'])(\d+)(?![\w.'\"])", _more)


def _are_independent(first: str, second: str) -> bool:
    """Return whether two assignments may change places: neither reads or sets what the other sets."""
    (one, _, _), (other, _, _) = (line.strip().partition(" ") for line in (first, second))
    names = [re.findall(r"\w+", target.replace("context->", ""))[0] for target in (one, other)]
    moving = "++" in first + second or "--" in first + second
    return not moving and not re.search(rf"\b{names[0]}\b", second) and not re.search(rf"\b{names[1]}\b", first)


def _turned(text: str) -> str:
    first, _, second = text.partition(" - ")
    return f"{second} - {first}"


C_RULES = (
    _INTEGER,
    _rule("constant", rf"(?<![\w.])({_NUMBER})", _scaled(1.05)),
    _COMPARISON,
    _INDEX,
    _SWAP,
    _LINES,
    _rule("operator", r"(?<=[\w\])]) (\+|-) (?=[-\w(])", lambda m: "-" if m[1] == "+" else "+"),
    _rule("operator", r" (\+=|-=) ", lambda m: "-=" if m[1] == "+=" else "+="),
    _rule("operator", r"(?<=[\w\])]) (\*) (?=[-\w(])", "+"),
    _rule("rounding", r"\b(roundf|rintf|nearbyintf|floorf)\(", lambda m: "ceilf" if m[1] == "floorf" else "floorf"),
    _rule("rounding", r"(\(halves < 0 \? -1 : 1\))", "0"),
    _rule("rounding", r"(\(INT(?:64|32)_C\(1\) << \([^()]*\)\))", "0"),
    _rule("rounding", r"( - \(p < 0\))", ""),
    _rule("state", r"^( *memset\([^;\n]*\);\n)", ""),
    _rule("state", r"^( *[\w>.-]+(?:\[\w+\])? = (?:0|0u|0\.0f|-INFINITY);\n)", ""),
    _rule("state", r"\b(?:float|int|int32_t|uint32_t) \w+ = (0\.0f|0u|0)[,;]", lambda m: m[1].replace("0", "1", 1)),
    _rule("label", r"->label = \(int\)(\w+\[0\])", lambda m: f"({m[1]} + 1)"),
    _rule("label", r"\bbest = (k);", "k - 1"),
    _rule("label", r"\? \w+\[0\] : (-1)\)", "0"),
    _rule("threshold", rf"[<>]=? (-?{_NUMBER})", _scaled(1.2)),
    _rule("threshold", r"(?<=\w) >= ?(\d+u?)\b", lambda m: f"{int(m[1].rstrip('u')) + 2}"),
    _rule("unit", rf"(?<![\w.])({_NUMBER}) \*", _scaled(1000.0)),
    _rule("unit", rf"/ ({_NUMBER})", _scaled(1000.0)),
    _rule("unit", r"\* ((?:[\w]*_table\w*)\[\w+\])", lambda m: f"({m[1]} * 9.80665f)"),
)
_INSTRUCTIONS = {
    "smlad": "smladx", "sxtb16": "uxtb16", "adds": "subs", "subs": "adds", "bne": "beq", "beq": "bne", "bcc": "bcs",
    "bcs": "bcc", "blt": "bge", "bge": "blt", "bgt": "ble", "ble": "bgt", "vadd.f32": "vsub.f32", "add": "sub",
    "vsub.f32": "vadd.f32", "vmul.f32": "vadd.f32", "smmul": "smmulr", "asrs": "lsrs", "asr": "lsr", "smlabb": "smlatb",
    "bnez": "beqz", "beqz": "bnez", "vsext.vf2": "vzext.vf2", "lb": "lbu", "vadd.vv": "vsub.vv", "vadd.vx": "vsub.vx",
    "vmax.vx": "vmaxu.vx", "vmin.vx": "vminu.vx", "vssra.vv": "vsra.vv", "vssra.vx": "vsra.vx", "vmulh.vx": "vmulhu.vx",
}  # fmt: skip
_WORDS = "|".join(re.escape(word) for word in sorted(_INSTRUCTIONS, key=len, reverse=True))
ASSEMBLY_RULES = (
    _rule("operator", rf"^ *\"(?:\w+: )?({_WORDS}) ", lambda m: _INSTRUCTIONS[m[1]]),
    _rule("constant", r"^ *\"[^\"\n]*#(\d+)[^\"\n]*\\n\"", _more),
    _rule("index", r"^ *\"[^\"\n]* (\d+)\(\w+\)\\n\"", lambda m: str(int(m[1]) + 1)),
    _rule("constant", r"^ *\"(?:addi|slli|srli|srai|andi) [^\"\n]*, (-?\d+)\\n\"", _more),
    _rule(
        "state", r"^( *\"(?:mov|mv|movs|vmov|add|adds|vadd|sxtb16|smlad|lsrs|ssat|vle8|addi)[ .][^\"\n]*\\n\"\n)", ""
    ),
    _rule("rounding", r"^ *\"(?:\w+: )?(vssra|asrs?)[. ]", lambda m: "vsra" if m[1] == "vssra" else "lsr"),
)
VERILOG_RULES = (
    _rule("constant", r"(?<![\w'\[:])(\d+)(?![\w':\]])", _more),
    _rule("constant", r"'(?:s?d)(\d+)\b", _more),
    _rule("comparison", r"(?<=[\w\])]) (==|!=|>=|>|<) (?=[-\w(])", lambda m: _OTHER[m[1]]),
    _rule("operator", r"(?<=[\w\])]) (\+|-) (?=[-\w(])", lambda m: "-" if m[1] == "+" else "+"),
    _rule("operator", r"(?<=[\w\])]) (&&|\|\|) ", lambda m: "||" if m[1] == "&&" else "&&"),
    _rule("rounding", r"(>>>)", ">>"),
    _rule("state", r"^( *\w+ <= (?:\d+'s?[bdh])?0;\n)", ""),
    _SWAP,
)
_TABLE = re.compile(r"^static const (float|u?int(?:8|16|32)_t) (\w+)(?:\[\w+\])+ = \{([^}]*)\}", re.MULTILINE)


def faults_in(text: str, file: str, rules: tuple[Rule, ...], allowed: list[bool]) -> Iterator[TextFault]:
    """Yield every fault that rules plant in the allowed characters of a text."""
    for rule in rules:
        for match in rule.pattern.finditer(text):
            start, end = match.span(1)
            if start < end and all(allowed[start:end]):
                after = rule.replace(match)
                if after != text[start:end]:
                    yield _fault(rule.name, text, file, start, end, after)


def _fault(rule: str, text: str, file: str, start: int, end: int, after: str) -> TextFault:
    return TextFault(rule, file, start, end, after, text.count("\n", 0, start) + 1, text[start:end])


def table_faults(text: str, file: str) -> Iterator[TextFault]:
    """Yield another value for each entry of the tables of generated C."""
    for table in _TABLE.finditer(text):
        kind, entries = table[1], list(re.finditer(r"[^,\s]+", table[3]))
        largest = max((abs(float(entry[0].rstrip("fu"))) for entry in entries if _is_number(entry[0])), default=0.0)
        for entry in entries:
            if _is_number(entry[0]):
                start, end = (table.start(3) + at for at in entry.span())
                yield _fault("table", text, file, start, end, _another(kind, entry[0], largest))


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?[fu]?", text) is not None


def _another(kind: str, entry: str, largest: float) -> str:
    """Return an entry that is a tenth of the largest further, or a quarter where bytes are; a bit of packed words."""
    if kind == "float":
        value = float(entry.rstrip("f")) + 0.1 * (largest or 1.0)
        text = f"{value:.9g}"
        return f"{text}f" if "." in text or "e" in text else f"{text}.0f"
    value = int(entry.rstrip("u"))
    if kind == "uint32_t":
        return str(value ^ (1 << 20))
    if kind in ("uint8_t", "uint16_t"):
        return str(value + 1 if value < (1 << int(kind[4:-2])) - 1 else value - 1)
    change = max(1, round(largest / 4))
    return str(value - change if value > 0 else value + change)


def of_c(text: str) -> list[bool]:
    """Return which characters of C are code: no comments, texts, preprocessor lines, tables, or taps of a proof."""
    allowed = [True] * len(text)
    for match in re.finditer(r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|^#[^\n]*", text, re.DOTALL | re.MULTILINE):
        allowed[match.start() : match.end()] = [False] * (match.end() - match.start())
    declared = r"^ *(?:static )?(?:const )?\w+ \w+\[\w+\];$"
    for pattern in (r"^#ifdef \w+_TAPS\n.*?^#endif$", r"^static const [^{};]*\{[^}]*\};", declared):
        for match in re.finditer(pattern, text, re.DOTALL | re.MULTILINE):
            allowed[match.start() : match.end()] = [False] * (match.end() - match.start())
    return allowed


def of_assembly(text: str) -> list[bool]:
    """Return which characters are instructions inside of C."""
    allowed = [False] * len(text)
    for block in re.finditer(r"__asm__[^;]*?;", text, re.DOTALL):
        allowed[block.start() : block.end()] = [True] * (block.end() - block.start())
    return allowed


def of_verilog(text: str) -> list[bool]:
    """Return which characters of Verilog are code inside of blocks and assignments: no declarations or comments."""
    allowed = [True] * len(text)
    declared = r"^ *(?:localparam|parameter|input|output|reg|wire|module|\(\*|`)[^;\n]*;?$"
    for match in re.finditer(rf"//.*$|\"[^\"\n]*\"|{declared}", text, re.MULTILINE):
        allowed[match.start() : match.end()] = [False] * (match.end() - match.start())
    return allowed
