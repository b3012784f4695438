"""Operators that move values: other views of the same memory wherever strides can say it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ExportError
from edgewright.core.operators import prepare, where
from edgewright.export.c99_code.source import Bytes, Leaf, Source, loops
from edgewright.export.c99_code.text import smallest
from edgewright.export.c99_code.unit import nested
from edgewright.export.c99_graph.recognition import SUMS, TREES
from edgewright.export.c99_operators import Spot, operator

# Sums of whole numbers below this are exact in float32, in any order.
_EXACT = 1 << 24


@operator("GatherElements")
def gather_elements(spot: Spot) -> Source:
    """One value along the axis for each entry of the indices."""
    return chosen(spot)


@operator(TREES)
def walk(spot: Spot) -> Source:
    """Return numbers of the leaves at which the trees end; a leaf follows itself."""
    unit = spot.unit
    x, start = unit.stored(spot.source(0)), unit.stored(spot.source(1), in_order=True)
    feature, threshold, yes, no = (unit.stored(spot.source(n)) for n in range(2, 6))
    target = unit.fresh(spot.shape, "int32")
    names = [s.leaves[0].buffer.name for s in (feature, threshold, yes, no)]
    value = x.leaves[0]
    test = f"v <= {names[1]}[n]"
    reads = [x, start, feature, threshold, yes, no]
    if len(spot.inputs) > 6:
        missing = unit.stored(spot.source(6))
        reads.append(missing)
        test = f"({test} || (v != v && {missing.leaves[0].buffer.name}[n]))"
    count, offset = target.leaves[0].buffer.size, start.leaves[0].offset
    location = f"{value.view.strides[-1]} * {names[0]}[n]" if value.view.strides[-1] != 1 else f"{names[0]}[n]"
    unit.step(
        [
            f"for (int i = 0; i < {count}; ++i) {{",
            f"    int32_t n = {start.leaves[0].buffer.name}[{f'{offset} + ' if offset else ''}i];",
            f"    for (int level = 0; level < {spot.node.attributes['depth']}; ++level) {{",
            f"        const float v = {value.buffer.name}[{f'{value.offset} + ' if value.offset else ''}{location}];",
            f"        n = {test} ? {names[2]}[n] : {names[3]}[n];",
            "    }",
            f"    {target.leaves[0].buffer.name}[i] = n;",
            "}",
        ],
        reads,
        (target,),
    )
    return target


@operator(SUMS)
def sum_trees(spot: Spot) -> Source:
    """Return sums of what the leaves answer; inner nodes come first in the tables, so that a leaf has answers alone."""
    unit = spot.unit
    x, columns = unit.stored(spot.source(0)), int(np.prod(spot.shape))
    roots, feature, threshold, yes, no, *missing, answers = (np.asarray(table) for table in spot.constants[1:])
    here = np.arange(len(yes))
    inner = (yes != here) | (no != here)
    after = np.where(inner, np.cumsum(inner) - 1, inner.sum() + np.cumsum(~inner) - 1)
    whole = (answers == np.rint(answers)).all() and np.abs(answers).max(initial=0) < _EXACT
    leaves = answers[~inner].reshape(-1)
    answer = unit.table(smallest(leaves.astype(np.int64)) if whole else leaves.astype(np.float32), "answers")
    start, columns_read, below, above = (
        unit.table(smallest(table), role)
        for table, role in ((after[roots], "roots"), (feature[inner], "feature"), (after[yes[inner]], "yes"),
                            (after[no[inner]], "no"))
    )  # fmt: skip
    test = f"v <= {unit.table(threshold[inner].astype(np.float32), 'threshold')}[n]"
    if missing:
        test = f"({test} || (v != v && {unit.table(missing[0][inner].astype(np.uint8), 'missing')}[n]))"
    target = unit.fresh(spot.shape)
    total, value = target.leaves[0].buffer.name, x.leaves[0]
    stride, width = value.view.strides[-1], answers[0].size
    location = f"{stride} * {columns_read}[n]" if stride != 1 else f"{columns_read}[n]"
    entry = f"{answer}[{f'{width} * ' if width > 1 else ''}(n - {inner.sum()})"
    column = f"{f'{width} * ' if width > 1 else ''}i % {columns}" if width < columns else ""
    add = [f"        {total}[{column or '0'}] += {entry}];"] if width == 1 else [
        f"        for (int c = 0; c < {width}; ++c) {{",
        f"            {total}[c] += {entry} + c];",
        "        }",
    ]  # fmt: skip
    unit.step(
        [
            f"for (int i = 0; i < {columns}; ++i) {{",
            f"    {total}[i] = 0.0f;",
            "}",
            f"for (int i = 0; i < {len(roots)}; ++i) {{",
            f"    int32_t n = {start}[i];",
            f"    for (int level = 0; level < {spot.node.attributes['depth']} && n < {inner.sum()}; ++level) {{"
            f" /* about {_usual_depth(after[roots], after[yes[inner]], after[no[inner]]):.1f} turns */",
            f"        const float v = {value.buffer.name}[{f'{value.offset} + ' if value.offset else ''}{location}];",
            f"        n = {test} ? {below}[n] : {above}[n];",
            "    }",
            *(line[4:] for line in add),
            "}",
        ],
        (x,),
        (target,),
    )
    return target


def _usual_depth(roots: NDArray[np.integer], yes: NDArray[np.integer], no: NDArray[np.integer]) -> float:
    """Return how many comparisons a tree takes in the mean where each is as often true as not.

    Args:
        roots: first node of each tree.
        yes: node that follows each comparison that is true; comparisons come before leaves.
        no: node that follows each that is not.
    """
    share = np.bincount(roots, minlength=len(yes))[: len(yes)] / len(roots)
    turns = 0.0
    while share.any():
        turns += float(share.sum())
        after = np.zeros(len(yes))
        for sides in (yes, no):
            inner = sides < len(yes)
            np.add.at(after, sides[inner], share[inner] / 2)
        share = after
    return turns


def chosen(spot: Spot) -> Source:
    """Return the output of Gather or GatherElements whose indices are computed, of a constant or a computed value."""
    unit = spot.unit
    source, places = unit.stored(spot.source(0)), unit.stored(spot.source(1))
    rank = len(source.shape)
    axis = int(str(spot.node.attributes.get("axis", 0))) % rank
    length, leaf = source.shape[axis], source.leaves[0]
    stride = leaf.view.strides[axis]
    target = unit.fresh(spot.shape, source.kind)
    if spot.node.op == "GatherElements":
        base = source.seen(lambda v: v[(slice(None),) * axis + (slice(0, 1),)]).spread(
            _with_length(source, spot.shape, axis)
        )
        base = base.seen(lambda v: v[tuple(slice(0, n) for n in spot.shape)])
        at = places
    else:
        extra = len(places.shape)
        shape = (*source.shape[:axis], *(1,) * extra, *source.shape[axis + 1 :])
        base = source.seen(lambda v: v[(slice(None),) * axis + (slice(0, 1),)]).seen(lambda v: _reshaped(v, shape))
        base = base.spread(spot.shape)
        after = (1,) * (rank - axis - 1)
        at = places.seen(lambda v: v.reshape(*v.shape, *after)).spread(spot.shape)
    leaves: tuple[Leaf, ...] = (target.leaves[0], base.leaves[0], at.leaves[0])
    walk = loops(spot.shape, leaves)
    names = tuple(f"i{n}" for n in range(len(walk.lengths)))
    body = [
        f"int32_t place = {at.leaves[0].buffer.name}[{walk.index(2, names)}];",
        f"place += place < 0 ? {length} : 0;",
        # A place that was computed from far-out numbers must not read beyond the value.
        f"place = place < 0 ? 0 : place >= {length} ? {length - 1} : place;",
        f"{target.leaves[0].buffer.name}[{walk.index(0, names)}]"
        f" = {leaf.buffer.name}[{walk.index(1, names)} + {stride} * place];",
    ]
    unit.step(nested(walk.lengths, names, body), (source, places), (target,))
    return target


def _with_length(source: Source, shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Return the source's shape with the output's length along the axis of the choice."""
    return (*source.shape[:axis], shape[axis], *source.shape[axis + 1 :])


def _reshaped(view: np.typing.NDArray[np.uint8], shape: tuple[int, ...]) -> np.typing.NDArray[np.uint8]:
    """Return a view with other axes of length 1, in any layout."""
    strides = iter(s for n, s in zip(view.shape, view.strides, strict=True) if n > 1)
    return np.lib.stride_tricks.as_strided(view, shape, [next(strides) if n > 1 else 0 for n in shape])


@operator("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(spot: Spot) -> Source:
    """Another shape; copied only where the entries do not lie in order."""
    source = spot.source(0)

    def change(view: Bytes) -> Bytes:
        return view.reshape(spot.shape)

    view_source = source.viewed(change)
    return view_source or spot.unit.stored(source, in_order=True).seen(change)


@operator("Transpose", "Slice")
def move(spot: Spot) -> Source:
    """Return axes in another order, or parts of them: NumPy's own operator on the view."""
    function = prepare(spot.node, spot.constants)

    def change(view: Bytes) -> Bytes:
        return function(view, *spot.constants[1:])

    return spot.source(0).seen(change)


@operator("Expand")
def expand(spot: Spot) -> Source:
    """Repeated to a larger shape."""
    return spot.source(0).spread(spot.shape)


@operator("Gather")
def gather(spot: Spot) -> Source:
    """Return entries by index: a view where constant places advance evenly (frames, every second), else a copy."""
    indices = spot.constants[1]
    if indices is None:
        return chosen(spot)
    source = spot.source(0)
    axis = int(str(spot.node.attributes.get("axis", 0))) % len(source.shape)
    length = source.shape[axis]
    places = np.where(indices < 0, indices + length, indices).astype(np.int64)
    steps = _even(places)
    if steps is not None:
        start = int(places.ravel()[0])

        def change(view: Bytes) -> Bytes:
            part = view[(slice(None),) * axis + (slice(start, None),)]
            stride = view.strides[axis]
            shape = (*view.shape[:axis], *places.shape, *view.shape[axis + 1 :])
            strides = (*view.strides[:axis], *(stride * s for s in steps), *view.strides[axis + 1 :])
            return np.lib.stride_tricks.as_strided(part, shape, strides)

        view_source = source.viewed(change)
        if view_source is not None:
            return view_source
    return _copied(spot, spot.unit.stored(source), places, axis)


def _even(places: np.typing.NDArray[np.int64]) -> tuple[int, ...] | None:
    """Step along each axis of the indices, if they advance evenly."""
    steps = []
    for axis in range(places.ndim):
        ahead = np.diff(places, axis=axis)
        steps.append(int(ahead.ravel()[0]) if ahead.size else 0)
        if ahead.size and (ahead != steps[-1]).any():
            return None
    return tuple(steps)


def _copied(spot: Spot, source: Source, places: np.typing.NDArray[np.int64], axis: int) -> Source:
    unit, leaf = spot.unit, source.leaves[0]
    target = unit.fresh(spot.shape, source.kind)
    before, after = source.shape[:axis], source.shape[axis + 1 :]
    count = places.size
    table = unit.table(smallest(places.ravel() * leaf.view.strides[axis]))
    lengths = (*before, count, *after)
    names = tuple(f"i{n}" for n in range(len(lengths)))
    strides = (*leaf.view.strides[:axis], 0, *leaf.view.strides[axis + 1 :])
    terms = [f"{s} * {name}" if s != 1 else name for name, s in zip(names, strides, strict=True) if s]
    read = " + ".join([*([str(leaf.offset)] if leaf.offset else []), f"{table}[i{axis}]", *terms])
    own = np.empty(lengths, np.uint8).strides
    write = " + ".join(f"{s} * {name}" if s != 1 else name for name, s in zip(names, own, strict=True))
    used = [(n, length) for n, length in zip(names, lengths, strict=True) if length > 1]
    line = f"{target.leaves[0].buffer.name}[{write}] = {leaf.buffer.name}[{read}];"
    fixed = [f"const int {n} = 0;" for n, length in zip(names, lengths, strict=True) if length == 1 and n in line]
    unit.step([*fixed, *nested([u[1] for u in used], [u[0] for u in used], [line])], (source,), (target,))
    return target


@operator("Concat")
def concat(spot: Spot) -> Source:
    """One after the other along an axis; expressions are worked out right into their place, if they are not there."""
    rank = len(spot.shape)
    axis = int(str(spot.node.attributes.get("axis", 0))) % rank
    target = spot.unit.reserved.get(spot.node.outputs[0]) or spot.unit.fresh(spot.shape, spot.kind)
    start = 0
    for index in range(len(spot.inputs)):
        source = spot.source(index)
        cut = (slice(None),) * axis + (slice(start, start + source.shape[axis]),)
        _into(spot, source, target, cut)
        start += source.shape[axis]
    return target


@operator("Pad")
def pad(spot: Spot) -> Source:
    """Constant entries around a value."""
    widths = np.ravel(spot.constants[1]).astype(int) if spot.constants[1] is not None else np.zeros(0, int)
    axes = spot.constants[3] if len(spot.constants) > 3 else None
    mode = spot.node.attributes.get("mode", "constant")
    if mode != "constant" or spot.constants[1] is None or (widths < 0).any():
        raise ExportError("constant padding of constant width", f"mode {mode}", where(spot.node))
    source = spot.source(0)
    order = range(len(source.shape)) if axes is None else [int(a) for a in np.ravel(axes)]
    cut = [slice(None)] * len(source.shape)
    for index, axis in enumerate(order):
        cut[axis] = slice(int(widths[index]), int(widths[index]) + source.shape[axis])
    filled = len(spot.inputs) > 2 and spot.inputs[2] is not None
    fill = spot.source(2) if filled else spot.unit.constant(np.zeros((), np.float32))
    target = spot.unit.fresh(spot.shape, spot.kind)
    spot.unit.copy(fill.spread(spot.shape), target)
    _into(spot, source, target, tuple(cut))
    return target


def _into(spot: Spot, source: Source, target: Source, cut: tuple[slice, ...]) -> None:
    leaf = target.leaves[0]
    part = Source(source.shape, target.kind, (Leaf(leaf.buffer, leaf.base, leaf.view[cut]),), "{0}")
    if not (source.plain and source.leaves[0].same(part.leaves[0])):
        spot.unit.copy(source, part)
