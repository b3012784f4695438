"""One round of a fleet: devices in small random groups, a secure sum of signs of each group, and their mean.

Sums alone do not resist poisoners, and single changes would not be secret. Signs are between the two: every device
moves the mean by its share and hardly more, because a sum shows that a member sent more.
"""

from __future__ import annotations

import itertools
import math
import random
import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.factory import Factory, Numbers
from edgewright.core.federation.group import Group, is_beyond, threshold_of, total_of
from edgewright.core.federation.layer import (
    Layer,
    Rotation,
    apply_change,
    layer_bytes,
    local_change,
    parse_layer,
    rotated_length,
)
from edgewright.core.federation.member import FEWEST
from edgewright.core.federation.messages import Begin
from edgewright.schema.errors import InputError, MissingExtraError
from edgewright.schema.federation import FederationSettings, RoundOutcome


def epsilon_of(noise: float, rounds: int, delta: float) -> float:
    """Return epsilon of the Gaussian mechanism repeated in each round, against whoever sees the sums of the groups.

    Renyi divergences of the discrete Gaussian are at most those of the continuous one (Canonne, Kamath and Steinke,
    2020), so the accountant's bound holds. Neighbours differ by one device that takes part or sends zeros.

    Args:
        noise: deviation of the noise in a group's sum, as a multiple of the largest norm of a change.
        rounds: that one device takes part in, at most.
        delta: probability that the bound does not hold.

    Raises:
        InputError: no noise, or a delta outside 0 to 1.
        MissingExtraError: `dp-accounting` is absent.
    """
    if not noise > 0 or not 0 < delta < 1:
        raise InputError("noise above 0 and a delta between 0 and 1", f"noise {noise:g}, delta {delta:g}", "epsilon")
    try:
        from dp_accounting import GaussianDpEvent, SelfComposedDpEvent, rdp  # noqa: PLC0415 - in the extra `privacy`
    except ImportError:
        raise MissingExtraError("privacy", "dp-accounting, which computes epsilon,") from None
    accountant = rdp.RdpAccountant()
    accountant.compose(SelfComposedDpEvent(GaussianDpEvent(noise), rounds))
    return float(accountant.get_epsilon(delta))


_FEWEST = 2


def suspicion(before: Mapping[str, int], groups: Iterable[tuple[Group, Sequence[str]]]) -> dict[str, int]:
    """Return a count for each device that is under suspicion after a round, from the groups alone.

    A sum that honest members cannot have proves that one of them cheats, and does not say who. A false share proves it
    of who dealt it or who held it; shares that open nothing, of all members. Groups are drawn again in each round, so
    that a cheater is in a refused sum each time and an honest device in some (group testing; Dorfman, 1943).

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


def noised(signs: Numbers, deviation: int) -> Numbers:
    """Return the signs with discrete Gaussian noise in each number.

    The sum of several such draws differs from one discrete Gaussian by nothing that counts where each deviation is 8 or
    more (Kairouz, Liu and Steinke, The distributed discrete Gaussian mechanism, ICML 2021).

    Args:
        signs: shape (length,).
        deviation: of each draw; 0 for no noise.
    """
    if not deviation:
        return signs
    return signs + np.array([_gaussian(deviation) for _ in range(len(signs))], np.int64)


def _gaussian(deviation: int) -> int:
    """Draw from the discrete Gaussian without floating point (Canonne, Kamath and Steinke, 2020, algorithm 3)."""
    scale = deviation + 1
    while True:
        candidate = _laplace(scale)
        # exp(-(|x| - deviation**2 / scale)**2 / (2 deviation**2)), as a fraction
        top = (abs(candidate) * scale - deviation * deviation) ** 2
        if _is_exponential(top, 2 * deviation * deviation * scale * scale):
            return candidate


def _laplace(scale: int) -> int:
    """Draw from the discrete Laplace distribution of a whole scale (algorithm 2)."""
    while True:
        part = secrets.randbelow(scale)
        if not _is_exponential(part, scale):
            continue
        whole = 0
        while _is_exponential(1, 1):
            whole += 1
        size, negative = part + scale * whole, secrets.randbelow(2)
        if size or not negative:
            return -size if negative else size


def _is_exponential(top: int, bottom: int) -> bool:
    """Return true with probability exp(-top / bottom) (algorithm 1)."""
    while top > bottom:
        if not _is_exponential(bottom, bottom):
            return False
        top -= bottom
    count = 1
    while secrets.randbelow(bottom * count) < top:
        count += 1
    return count % 2 == 1


def factory_norm(factory: Factory) -> float:
    """Return the norm of the weights of the factory's layer."""
    return float(np.linalg.norm(factory.weights.astype(np.float64)))


def deviation_of(length: int, noise: float, size: int) -> int:
    """Return the deviation of each member's noise: those of a group of `size` who must stay bring all of it.

    Args:
        length: signs of a device, whose norm is the root of it.
        noise: deviation of the noise in a sum, as a multiple of that norm; 0 for none.
        size: members of the group.
    """
    if not noise:
        return 0
    return max(8, math.ceil(noise * math.sqrt(length) / math.sqrt(max(threshold_of(size), FEWEST))))


def new_groups(
    devices: Sequence[str], factory: Factory, layer: Layer, settings: FederationSettings, now: float,
    counts: Mapping[str, int], chance: random.Random,
) -> list[tuple[Group, list[str]]]:  # fmt: skip
    """Draw groups of a round and return each with its members, in their order; none for too few devices.

    Args:
        devices: that joined.
        factory: of the package.
        layer: of the fleet.
        settings: of the learning.
        now: seconds since 1970.
        counts: of suspicion. Suspects share groups, so that their sums are refused and those of others count.
        chance: draws the groups; one that no device foresees, where devices are not simulated.
    """
    shuffled = list(devices)
    chance.shuffle(shuffled)
    suspected = drawn_together(counts, chance)
    shuffled.sort(key=lambda device: device not in suspected)
    count = max(1, len(shuffled) // settings.group)
    if len(shuffled) < FEWEST:
        return []
    bounds = [len(shuffled) * number // count for number in range(count + 1)]
    length = rotated_length(layer.weights.size + layer.bias.size)
    groups = []
    for members in (shuffled[start:end] for start, end in itertools.pairwise(bounds)):
        begin = Begin(
            context=secrets.token_bytes(16), identity=factory.identity, member=0, size=len(members),
            threshold=threshold_of(len(members)), layer=layer_bytes(layer), passes=settings.passes,
            deviation=deviation_of(length, settings.noise, len(members)),
        )  # fmt: skip
        deadline = now + settings.answer_s
        groups.append((Group(begin=begin, length=length, answer_s=settings.answer_s, deadline=deadline), members))
    return groups


def contribution(factory: Factory, begin: Begin, hidden: NDArray[np.integer], labels: NDArray[np.integer]) -> Numbers:
    """Return what a device sends: the signs of the rotated change that its examples make, with noise by choice.

    Args:
        factory: of its package.
        begin: of the round.
        hidden: what the last layer receives, less its zero point, shape (n, width).
        labels: right classes, shape (n,).

    Raises:
        InputError: a layer of another shape or beyond the limits of the package.
    """
    layer = parse_layer(begin.layer, factory)
    change = local_change(factory, layer, hidden, labels, begin.passes, secrets.randbits(32))
    return noised(Rotation(begin.context, len(change)).signs(change), begin.deviation)


def next_layer(
    factory: Factory, layer: Layer, groups: Sequence[Group], settings: FederationSettings, number: int
) -> tuple[Layer, RoundOutcome]:
    """Return the layer after a round whose groups are over, and what became of them.

    Args:
        factory: of the package.
        layer: before the round.
        groups: all of the round.
        settings: of the learning.
        number: number of the round.
    """
    done = [group for group in groups if group.step == "done"]
    used = [group for group in done if not is_beyond(group)]
    counted = sum(len(group.survivors) for group in used)
    refused: Counter[str] = Counter()
    for group in groups:
        refused.update(group.refused)
    moved = layer
    if used:
        size = layer.weights.size + layer.bias.size
        total = np.zeros(size)
        for group in used:
            total += Rotation(group.begin.context, size).backward(total_of(group))
        moved = apply_change(factory, layer, settings.clip * factory_norm(factory) / counted * total)
    return moved, RoundOutcome(
        number=number, devices=sum(group.begin.size for group in groups), counted=counted, groups=len(used),
        failed=len(groups) - len(done), refused=dict(refused), beyond=len(done) - len(used),
        moved=float(np.linalg.norm(moved.weights - layer.weights)) / (factory_norm(factory) or 1.0),
    )  # fmt: skip
