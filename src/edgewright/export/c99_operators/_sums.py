"""Functions that sum neighbours: in C99, and eight at a time on cores with float instructions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgewright.export.c99_code.text import APART
from edgewright.export.c99_code.unit import Unit

BLOCK = 32
"""Longer sums are made of blocks: float32 then loses the digits of a block and of the blocks, not of all."""
# Eights of a block on a core that adds to four sums in turn: each has a block of its own.
_EIGHTS = 4 * BLOCK // 8


@dataclass(frozen=True)
class _Sum:
    """A function that sums a term over neighbours.

    Attributes:
        name: of the function.
        given: arguments at a call, with {0}, {1}, ... for the leaves of the expression.
        takes: parameters.
        term: C of one term.
        text: what is summed.
        four: instructions for four terms: X is the value, read before, Y another register, A the sum.
        step: what steps on after a term that does not.
        portable: whether code for any core calls it, too, instead of writing the loop out.
    """

    name: str
    given: str
    takes: str
    term: str
    text: str
    four: tuple[str, ...]
    step: str = ""
    portable: bool = True

    def code(self, floats: bool) -> str:
        """Return the C, with assembly for cores with float instructions."""
        return f"""\
/* Sum of {self.text}, in blocks: float32 loses the digits of a block instead of those of the whole length. */
@_apart static float @_{self.name}({self.takes}, int count) {{
    float a = 0.0f;
{self._eights() if floats else ""}\
    while (count > 0) {{
        float b = 0.0f;
        for (int i = count < {BLOCK} ? count : {BLOCK}; i > 0; --i{self.step}) {{
            b += {self.term};
        }}
        a += b;
        count -= {BLOCK};
    }}
    return a;
}}"""

    def _eights(self) -> str:
        lines = ["0: vldmia %[x]!, {s0-s7}"]
        for first in (0, 4):
            for line in self.four:
                lines += _each(line, first) if re.search(r"\b[XYA]\b", line) else [line]
        pointers = re.findall(r"\*(\w)", self.takes)
        levels = re.findall(r"float (\w)", self.takes)
        changed = [f'[{word}] "+r"({word})' for word in (*pointers, "n")] + [f'[{w}] "+t"({w})' for w in "bcde"]
        code = "\n".join(f'            "{line}\\n"' for line in (*lines, "subs %[n], %[n], #1", "bne 0b"))
        return f"""\
#ifdef @_FLOATS
    while (count >= 8) {{
        int n = count < {8 * _EIGHTS} ? count / 8 : {_EIGHTS};
        float b = 0.0f, c = 0.0f, d = 0.0f, e = 0.0f;
        count -= 8 * n;
        __asm__ volatile(
{code}
            : {", ".join(changed)}
            : {", ".join(f'[{word}] "t"({word})' for word in levels)}
            : {", ".join(f'"s{n}"' for n in range(12))}, "cc", "memory");
        a += (b + c) + (d + e);
    }}
#endif
"""


def _each(line: str, first: int) -> list[str]:
    """Return an instruction for each of four terms, whose values begin in this register."""
    made = []
    for lane, total in enumerate("bcde"):
        names = {"X": f"s{first + lane}", "Y": f"s{8 + lane}", "A": f"%[{total}]"}
        made.append(re.sub(r"\b[XYA]\b", lambda found, names=names: str(names[found[0]]), line))  # type: ignore[misc]
    return made


_DOT = ("const float *x, const float *y", "*x++ * *y++", "products of neighbours",
        ("vldmia %[y]!, {s8-s11}", "vfma.f32 A, X, Y"))  # fmt: skip
# By an expression and its strides from neighbour to neighbour.
_SUMS = {
    ("{0}", (1,)): _Sum("sum", "&{0}", "const float *x", "*x++", "neighbours", ("vadd.f32 A, A, X",)),
    ("({0} * {0})", (1,)): _Sum("dot", "&{0}, &{0}", *_DOT),
    ("({0} * {1})", (1, 1)): _Sum("dot", "&{0}, &{1}", *_DOT),
    ("({0} - {1})", (1, 0)): _Sum(
        "rest", "&{0}, {1}", "const float *x, float p", "*x++ - p", "what neighbours exceed",
        ("vsub.f32 X, X, %[p]", "vadd.f32 A, A, X"),
    ),
    ("(({0} * {0}) * {0})", (1,)): _Sum(
        "cubes", "&{0}", "const float *x", "*x * *x * *x", "cubes", ("vmul.f32 Y, X, X", "vfma.f32 A, Y, X"),
        step=", ++x", portable=False,
    ),
    ("((({0} - {1}) - {2}) * (({3} - {4}) - {5}))", (1, 0, 0, 1, 0, 0)): _Sum(
        "moved", "&{0}, {1}, {2}, &{3}, {4}, {5}",
        "const float *x, float p, float q, const float *y, float r, float s",
        "(*x++ - p - q) * (*y++ - r - s)", "products of what neighbours exceed",
        ("vldmia %[y]!, {s8-s11}", "vsub.f32 X, X, %[p]", "vsub.f32 X, X, %[q]", "vsub.f32 Y, Y, %[r]",
         "vsub.f32 Y, Y, %[s]", "vfma.f32 A, X, Y"),
        portable=False,
    ),
}  # fmt: skip


_PRESENT = "(fabsf({0}) <= 3.4028235e+38f)"
# Of numbers some of which may be missing: what stands for those, and what is taken off all.
_KNOWN = {
    (f"({_PRESENT} ? {{0}} : 0.0f)", (1,)): "&{0}, 0.0f, 0.0f",
    (f"({_PRESENT} ? {{0}} : {{1}})", (1, 0)): "&{0}, {1}, 0.0f",
    (f"({_PRESENT} ? ({{0}} - {{1}}) : 0.0f)", (1, 0)): "&{0}, {1}, {1}",
    (f"(({_PRESENT} ? {{0}} : {{1}}) - {{2}})", (1, 0, 0)): "&{0}, {1}, {2}",
}
_KNOWN_SUM = f"""\
/* Sum of what neighbours exceed, another number in place of those that are missing. */
@_apart static float @_known_sum(const float *x, float missing, float p, int count) {{
    float a = @_rest(x, p, count);
    if (fabsf(a) <= 3.4028235e+38f) {{
        /* None is missing. */
        return a;
    }}
    a = 0.0f;
    while (count > 0) {{
        float b = 0.0f;
        for (int i = count < {BLOCK} ? count : {BLOCK}; i > 0; --i, ++x) {{
            b += (fabsf(*x) <= 3.4028235e+38f ? *x : missing) - p;
        }}
        a += b;
        count -= {BLOCK};
    }}
    return a;
}}"""


def summing(unit: Unit, text: str, strides: tuple[int, ...]) -> str | None:
    """Return the call of a function that sums an expression, up to its number of terms; None where there is none.

    Args:
        unit: where the function is written.
        text: of the expression, with {0}, {1}, ... for its leaves.
        strides: of the leaves, from neighbour to neighbour.
    """
    filled = _KNOWN.get((text, strides)) if unit.floats else None
    if filled is not None:
        summing(unit, "({0} - {1})", (1, 0))
        return f"{unit.helper('known_sum', _KNOWN_SUM)}({filled}"
    known = _SUMS.get((text, strides))
    if known is None or not (known.portable or unit.floats):
        return None
    unit.helper("apart", APART)
    return f"{unit.helper(known.name, known.code(unit.floats))}({known.given}"
