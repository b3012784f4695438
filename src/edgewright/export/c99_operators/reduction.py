"""Sums, means and extremes along axes; sums of neighbours are functions, eight at a time where a core has floats."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.source import Bytes, Source, combined, distinct_work, loops, work
from edgewright.export.c99_code.text import NOINLINE, number
from edgewright.export.c99_code.unit import Unit, nested, spent
from edgewright.export.c99_operators import Spot, operator

# Sums of fewer neighbours stand where they are needed.
_SHORT = 16
# Terms and operators of a sum that is an expression, and results from which it pays.
_FEW, _CHEAP, _MANY = 4, 18, 64
# How an operator takes one value in, from `a` the total and `x` the value.
_TAKE = {
    "ReduceSum": "a += x;",
    "ReduceMean": "a += x;",
    "ReduceL1": "a += fabsf(x);",
    "ReduceL2": "a += x * x;",
    "ReduceSumSquare": "a += x * x;",
    "ReduceProd": "a *= x;",
    "ReduceMax": "if (x > a || x != x) {\n    a = x;\n}",
    "ReduceMin": "if (x < a || x != x) {\n    a = x;\n}",
}
_START = {"ReduceProd": "1.0f", "ReduceMax": "(-INFINITY)", "ReduceMin": "INFINITY"}
C = parts(__file__, "reduction.c")
BLOCK = 32
"""Longer sums are made of blocks: float32 then loses the digits of a block and of the blocks, not of all."""


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
        pointers, levels = re.findall(r"\*(\w)", self.takes), re.findall(r"float (\w)", self.takes)
        return filled(
            C["sum"], name=self.name, takes=self.takes, term=self.term, text=self.text, step=self.step, floats=floats,
            pointers=", ".join(f'[{word}] "+r"({word})' for word in (*pointers, "n")),
            levels=", ".join(f'[{word}] "t"({word})' for word in levels), instructions="\n".join(self._eight()),
        )  # fmt: skip

    def _eight(self) -> list[str]:
        """Return instructions for eight terms, twice four of them."""
        lines = []
        for first in (0, 4):
            for line in self.four:
                lines += _each(line, first) if re.search(r"\b[XYA]\b", line) else [line]
        return [f'            "{line}\\n"' for line in lines]


def _each(line: str, first: int) -> list[str]:
    """Return an instruction for each of four terms, whose values begin in this register."""
    instructions = []
    for lane, total in enumerate("bcde"):
        names = {"X": f"s{first + lane}", "Y": f"s{8 + lane}", "A": f"%[{total}]"}
        instructions.append(re.sub(r"\b[XYA]\b", lambda word, names=names: str(names[word[0]]), line))  # type: ignore[misc]
    return instructions


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
        return f"{unit.helper('known_sum', C['known_sum'])}({filled}"
    known = _SUMS.get((text, strides))
    if known is None or not (known.portable or unit.floats):
        return None
    unit.helper("apart", NOINLINE)
    return f"{unit.helper(known.name, known.code(unit.floats))}({known.given}"


def axes_of(spot: Spot) -> tuple[int, ...]:
    """Return axes that are reduced, from the attribute or the constant input, counted from the front."""
    given = spot.node.attributes.get("axes")
    if len(spot.constants) > 1 and spot.constants[1] is not None:
        given = tuple(int(axis) for axis in np.ravel(spot.constants[1]))
    rank = len(spot.source(0).shape)
    if not given:
        return () if spot.node.attributes.get("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(sorted(int(axis) % rank for axis in given))  # type: ignore[union-attr]


def kept_first(rank: int, axes: tuple[int, ...]) -> Callable[[Bytes], Bytes]:
    """Return a view with the reduced axes at the end."""
    order = (*(axis for axis in range(rank) if axis not in axes), *axes)
    return lambda view: view.transpose(order)


@operator(*_TAKE)
def reduce(spot: Spot) -> Source:
    """One loop over what stays, one over what is reduced; the input may be an expression."""
    axes = axes_of(spot)
    return reduced(spot, spot.node.op, spot.source(0), axes, spot.shape) if axes else spot.source(0)


@operator("ReduceLogSumExp")
def log_sum_exp(spot: Spot) -> Source:
    """Return the largest value is taken off first, so that exp does not overflow."""
    source, axes = spot.unit.stored(spot.source(0)), axes_of(spot)
    shape = tuple(1 if axis in axes else length for axis, length in enumerate(source.shape))
    top = reduced(spot, "ReduceMax", source, axes, shape)
    powers = combined("expf({0} - {1})", "float32", (source, top))
    total = combined("(logf({0}) + {1})", "float32", (reduced(spot, "ReduceSum", powers, axes, shape), top))
    return spot.unit.stored(total).seen(lambda view: view.reshape(spot.shape))


def reduced(spot: Spot, op: str, source: Source, axes: tuple[int, ...], shape: tuple[int, ...]) -> Source:
    """Append a reduction of an expression; `shape` is that of the output, with or without the reduced axes."""
    rank = len(source.shape)
    turned = source.seen(kept_first(rank, axes))
    expression = _short(spot, op, turned, rank - len(axes), shape) or _called(spot, op, turned, rank - len(axes), shape)
    if expression is not None:
        return expression
    target = spot.unit.fresh(shape)
    count = rank - len(axes)
    seen = target.seen(lambda view: view.reshape(turned.shape[:count] + (1,) * len(axes)))
    walk = loops(turned.shape, (seen.spread(turned.shape).leaves[0], *turned.leaves), split=count)
    names = tuple(f"i{n}" for n in range(len(walk.lengths)))
    places = [f"{leaf.buffer.name}[{walk.index(n + 1, names)}]" for n, leaf in enumerate(turned.leaves)]
    total = int(np.prod([source.shape[axis] for axis in axes]))
    take = [f"const float x = {turned.text.format(*places)};", *_TAKE[op].split("\n")]
    start = _START.get(op, "0.0f")
    inner, inside = walk.lengths[walk.outer :], names[walk.outer :]
    if start == "0.0f" and len(inner) == 1 and inner[0] >= 2 * BLOCK:
        body = _blocks(inner[0], inside[0], take)
    else:
        body = [f"float a = {start};", *nested(inner, inside, take)]
    result = {"ReduceMean": f"a / {number(float(total))}", "ReduceL2": "sqrtf(a)"}.get(op, "a")
    body.append(f"{target.leaves[0].buffer.name}[{walk.index(0, names)}] = {result};")
    lines = nested(walk.lengths[: walk.outer], names[: walk.outer], body)
    spot.unit.step(lines, (turned,), (target,), spent=spent(walk, turned.leaves))
    return target


def _short(spot: Spot, op: str, turned: Source, kept: int, shape: tuple[int, ...]) -> Source | None:
    """Return a sum over a few axes of many values as an expression, where that is cheap to repeat."""
    count = int(np.prod(turned.shape[kept:]))
    if op not in ("ReduceSum", "ReduceMean") or count > _FEW or int(np.prod(shape)) < _MANY:
        return None
    parts = [
        part for position in np.ndindex(turned.shape[kept:]) if (part := _entry(turned, position, shape)) is not None
    ]
    if len(parts) < count:
        return None
    text = "{0}"
    for index in range(1, count):
        text = f"({text} + {{{index}}})"
    total = combined(text if op == "ReduceSum" else f"({text} / {number(float(count))})", "float32", tuple(parts))
    # For a core with float instructions memory is dearer than what compilers see twice.
    effort = distinct_work(total) if spot.unit.floats else work(total)
    return total if effort <= _CHEAP else None


def _entry(turned: Source, position: tuple[int, ...], shape: tuple[int, ...]) -> Source | None:
    """Return what is reduced at one place of the reduced axes, which come last."""

    def change(view: Bytes) -> Bytes:
        for index in reversed(position):
            view = view[..., index]
        return view.reshape(shape)

    return turned.viewed(change)


def _called(spot: Spot, op: str, turned: Source, kept: int, shape: tuple[int, ...]) -> Source | None:
    """Return a sum of neighbours, or of products of neighbours, as the call of a function."""
    walk = loops(turned.shape, turned.leaves, split=kept)
    inner = walk.lengths[walk.outer :]
    means = op in ("ReduceSum", "ReduceMean")
    if (
        not (means or (spot.unit.floats and op in _EXTREMES))
        or len(inner) != 1
        or inner[0] < _SHORT
        or turned.kind != "float32"
    ):
        return None
    strides = tuple(walk.strides[n][-1] for n in range(len(turned.leaves)))
    first = _entry(turned, (0,) * (len(turned.shape) - kept), shape)
    if first is None or any(leaf.buffer.kind != "float32" for leaf in turned.leaves):
        return None
    if not means:
        if turned.text != "{0}" or strides != (1,):
            return None
        spot.unit.helper("apart", NOINLINE)
        word = spot.unit.helper("least" if op == "ReduceMin" else "most", _EXTREMES[op])
        return Source(shape, "float32", first.leaves, f"{word}(&{{0}}, {inner[0]})")
    call = summing(spot.unit, turned.text, strides)
    if call is None:
        return None
    total = f"{call}, {inner[0]})"
    return Source(
        shape, "float32", first.leaves, f"({total} / {number(float(inner[0]))})" if op == "ReduceMean" else total
    )


_EXTREMES = {
    "ReduceMax": C["most"],
    "ReduceMin": C["most"].replace("largest", "smallest").replace("most", "least").replace("<=", ">="),
}


def _blocks(length: int, name: str, take: list[str]) -> list[str]:
    inner = [line.replace("a +=", "b +=") for line in take]
    end = f" && {name} < {length}" if length % BLOCK else ""
    return [
        "float a = 0.0f;",
        f"for (int k = 0; k < {length}; k += {BLOCK}) {{",
        "    float b = 0.0f;",
        f"    for (int {name} = k; {name} < k + {BLOCK}{end}; ++{name}) {{",
        *("        " + line for line in inner),
        "    }",
        "    a += b;",
        "}",
    ]


@operator("ArgMax", "ArgMin")
def position(spot: Spot) -> Source:
    """Place of the first largest or smallest entry along an axis."""
    source = spot.unit.stored(spot.source(0))
    rank = len(source.shape)
    axis = int(str(spot.node.attributes.get("axis", 0))) % rank
    last = bool(spot.node.attributes.get("select_last_index", 0))
    sign = (">" if spot.node.op == "ArgMax" else "<") + ("=" if last else "")
    turned = source.seen(kept_first(rank, (axis,)))
    target = spot.unit.fresh(spot.shape, "int32")
    seen = target.seen(lambda view: view.reshape(*turned.shape[:-1], 1))
    front = (seen.leaves[0], _first(turned).leaves[0])
    walk = loops(seen.shape, front)
    names = tuple(f"i{n}" for n in range(len(walk.lengths)))
    stride = turned.leaves[0].view.strides[-1]
    read = f"{turned.leaves[0].buffer.name}[{walk.index(1, names)}"
    body = [
        "int32_t best = 0;",
        f"for (int32_t k = 1; k < {source.shape[axis]}; ++k) {{",
        f"    if ({read} + {stride} * k] {sign} {read} + {stride} * best]) {{",
        "        best = k;",
        "    }",
        "}",
        f"{target.leaves[0].buffer.name}[{walk.index(0, names)}] = best;",
    ]
    spot.unit.step(nested(walk.lengths, names, body), (turned,), (target,))
    return target


def _first(source: Source) -> Source:
    return source.seen(lambda view: view[..., :1])


@operator("Softmax")
def softmax(spot: Spot) -> Source:
    """Return powers of e of the distance to the largest, over their sum."""
    source = spot.unit.stored(spot.source(0), in_order=True)
    rank = len(source.shape)
    axis = int(str(spot.node.attributes.get("axis", -1))) % rank
    length = source.shape[axis]
    inner = int(np.prod(source.shape[axis + 1 :]))
    outer = int(np.prod(source.shape[:axis]))
    target = spot.unit.fresh(source.shape)
    function = spot.unit.helper("softmax", C["softmax"])
    a, b = source.leaves[0].buffer.name, target.leaves[0].buffer.name
    start = f"{source.leaves[0].offset} + " if source.leaves[0].offset else ""
    at = f"i0 * {length * inner} + i1"
    spot.unit.step(
        nested((outer, inner), ("i0", "i1"), [f"{function}({a} + {start}{at}, {b} + {at}, {length}, {inner});"]),
        (source,),
        (target,),
    )
    return target
