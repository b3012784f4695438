"""Which devices spoil sums again and again: known from the groups alone, without any single change.

A sum that honest members cannot have proves that one of them cheats, and does not say who. A false
share proves it of who dealt it or who held it; shares that open nothing, of all members. Groups are drawn anew in
each round, so that a cheater is in a refused sum each time and an honest device in some (group testing; Dorfman, 1943).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence

from edgewright.core.federation.group import Group, is_beyond

_FEWEST = 2


def suspicion(before: Mapping[str, int], groups: Iterable[tuple[Group, Sequence[str]]]) -> dict[str, int]:
    """Return a count for each device that is under suspicion after a round.

    A refused sum, or a false share, adds one for those of its members who have the highest count before: they explain
    it. A sum that counts halves the count of each other member.

    Args:
        before: counts before the round.
        groups: that are over, each with the devices of its members.
    """
    after = dict(before)
    for group, devices in groups:
        sets = [*group.blamed, *([group.survivors] if is_beyond(group) else [])]
        suspected = [[devices[number] for number in members] for members in sets]
        raised = {name for names in suspected for name in _most_suspected(names, before)}
        after |= {name: before.get(name, 0) + 1 for name in raised}
        if not is_beyond(group):
            free = {devices[number] for number in group.survivors}.difference(*suspected)
            after |= {name: before.get(name, 0) // 2 for name in free}
    return {device: count for device, count in after.items() if count > 0}


def _most_suspected(names: Collection[str], counts: Mapping[str, int]) -> set[str]:
    highest = max((counts.get(name, 0) for name in names), default=0)
    return {name for name in names if counts.get(name, 0) == highest}


def suspects(counts: Mapping[str, int]) -> set[str]:
    """Return the devices with a count of two or more, and of half of the highest one."""
    limit = max(_FEWEST, max(counts.values(), default=0) / 2)
    return {device for device, count in counts.items() if count >= limit}


def drawn_together(counts: Mapping[str, int], chance: random.Random) -> set[str]:
    """Return the suspects that share groups in a round: each but once in four times, which frees an honest one."""
    return {device for device in sorted(suspects(counts)) if chance.randrange(4)}
