"""Values that are put together of others: channels that never lie in memory together, and parts written in place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edgewright.export.c99_code.source import Routine, Source
from edgewright.export.c99_graph.graph import Plan
from edgewright.export.c99_graph.picks import channels_of
from edgewright.export.c99_graph.rows import Group
from edgewright.schema.graph import Node


@dataclass
class Bank:
    """Channels that lie in several places and are worked out row by row where they are read.

    Attributes:
        parts: sources of shape (1, rows, ...).
        routine: the function that gives one row; None until something asks for it.
    """

    parts: list[Source]
    routine: Routine | None = None

    def part_of(self, places: Sequence[int]) -> Source | None:
        """Return rows that lie in one part and advance evenly, as a view."""
        start = 0
        for part in self.parts:
            rows, inside = part.shape[1], [p - start for p in places]
            if min(inside) >= 0 and max(inside) < rows:
                steps = {b - a for a, b in pairwise(inside)} or {1}
                if len(steps) > 1 or min(steps) <= 0:
                    return None
                return part.rows(inside[0], len(inside), steps.pop())
            start += rows
        return None


def parts_of(nodes: Sequence[Node], plan: Plan) -> dict[str, tuple[str, int]]:
    """Values that are put together to one of shape (1, n) and read by nothing else: its name, and where each begins."""
    parts: dict[str, tuple[str, int]] = {}
    seen = {value for _, value in plan.taps}
    producer = {node.outputs[0]: node for node in nodes}
    for node in nodes:
        name, start = node.outputs[0], 0
        if node.op != "Concat" or len(plan.shapes[name]) != len(("batch", "values")) or plan.shapes[name][0] != 1:
            continue
        for part in node.inputs:
            inner = producer.get(part)
            while plan.uses[part] == 1 and part not in seen and inner is not None:
                parts[part] = name, start
                if inner.op != "Reshape" or plan.shapes[inner.inputs[0]][0] != 1:
                    break
                part = inner.inputs[0]
                inner = producer.get(part)
            start += math.prod(plan.shapes[part])
    return parts


def banks_of(plan: Plan, nodes: Sequence[Node], groups: Sequence[Group]) -> set[str]:
    """Return values put together of channels from several places of which nothing but single rows is read by loops."""
    inside = {name for group in groups for name in group.outputs}
    names = set()
    for node in nodes:
        name = node.outputs[0]
        if node.op != "Concat" or len(plan.shapes[name]) < 3 or int(str(node.attributes.get("axis", 0))) != 1:
            continue
        readers = [n for n in nodes if name in n.inputs]
        picks = [n for n in readers if channels_of(n, plan.constants, plan.shapes) is not None]
        if readers and len(picks) == len(readers) == plan.uses[name]:
            parts = [plan.shapes[part][1] for part in node.inputs]
            if all(n.outputs[0] in inside or _evenly(plan, n, parts) for n in picks):
                names.add(name)
    return names


def _evenly(plan: Plan, node: Node, parts: Sequence[int]) -> bool:
    """Return whether rows are picked evenly from one part of what is put together."""
    places = channels_of(node, plan.constants, plan.shapes)
    start = 0
    for rows in parts:
        if places is not None and len(places) and start <= places.min() and places.max() < start + rows:
            steps = set(np.diff(places).tolist()) or {1}
            return len(steps) == 1 and min(steps) > 0
        start += rows
    return False
