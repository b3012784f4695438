"""One round of a fleet: devices in small random groups, a secure sum of each group, a robust mean over the groups.

Sums alone do not resist poisoners, and single changes would not be secret: random groups are between the two
(Velicheti, Xia and Koyejo, Secure Byzantine-robust distributed learning via clustering, 2021).
"""

from __future__ import annotations

import math
import secrets
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.factory import Factory, Numbers
from edgewright.core.federation.aggregation import robust_mean
from edgewright.core.federation.contribution import clipped, noised
from edgewright.core.federation.group import Group, threshold_of, total_of
from edgewright.core.federation.layer import Layer, apply_change, layer_bytes, local_change, parse_layer
from edgewright.core.federation.member import FEWEST
from edgewright.core.federation.messages import Begin
from edgewright.schema.errors import InputError
from edgewright.schema.federation import FederationSettings, RoundOutcome

_INT32 = 1 << 31
# The sum of noise lies within so many deviations in every number of a change, but for once in a million rounds.
_NOISE_REACH = 6.0


def factory_norm(factory: Factory) -> float:
    """Return the norm of the weights of the factory's layer."""
    return float(np.linalg.norm(factory.weights.astype(np.float64)))


def clip_of(factory: Factory, settings: FederationSettings) -> int:
    """Return the largest norm of a device's change, in steps of a weight."""
    return max(1, round(settings.clip * factory_norm(factory)))


def deviation_of(factory: Factory, settings: FederationSettings, size: int) -> int:
    """Return the deviation of each member's noise: those of a group of `size` who must stay bring all of it."""
    if not settings.noise:
        return 0
    return max(8, math.ceil(settings.noise * clip_of(factory, settings) / math.sqrt(_surviving(size))))


def check_settings(factory: Factory, settings: FederationSettings) -> None:
    """Refuse sums that 32 bits do not hold.

    Raises:
        InputError: naming the settings.
    """
    most = 2 * settings.group * (clip_of(factory, settings) + _NOISE_REACH * deviation_of(factory, settings, FEWEST))
    if most >= _INT32:
        raise InputError(
            "sums that 32 bits hold", f"sums to {most:.3g}", "settings of a round", "Lower --group, --clip or --noise"
        )


def new_groups(
    devices: Sequence[str], factory: Factory, layer: Layer, settings: FederationSettings, now: float
) -> list[tuple[Group, list[str]]]:
    """Draw groups of a round and return each with its members, in their order; none for too few devices.

    Args:
        devices: that joined.
        factory: of the package.
        layer: of the fleet.
        settings: of the learning.
        now: seconds since 1970.
    """
    drawn = list(devices)
    secrets.SystemRandom().shuffle(drawn)
    count = max(1, len(drawn) // settings.group)
    if len(drawn) < FEWEST:
        return []
    made = []
    for members in (drawn[start::count] for start in range(count)):
        begin = Begin(
            context=secrets.token_bytes(16), identity=factory.identity, member=0, size=len(members),
            threshold=threshold_of(len(members)), layer=layer_bytes(layer), passes=settings.passes,
            clip=clip_of(factory, settings), deviation=deviation_of(factory, settings, len(members)),
        )  # fmt: skip
        length = layer.weights.size + layer.bias.size
        deadline = now + settings.answer_s
        made.append((Group(begin=begin, length=length, answer_s=settings.answer_s, deadline=deadline), members))
    return made


def contribution(factory: Factory, begin: Begin, hidden: NDArray[np.integer], labels: NDArray[np.integer]) -> Numbers:
    """Return what a device sends: the change that its examples make, clipped and noised.

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
    return noised(clipped(change, begin.clip), begin.deviation)


def next_layer(
    factory: Factory, layer: Layer, groups: Sequence[Group], settings: FederationSettings, number: int
) -> tuple[Layer, RoundOutcome]:
    """Return the layer after a round whose groups are over, and what became of them.

    Args:
        factory: of the package.
        layer: before the round.
        groups: all of the round.
        settings: of the learning.
        number: of the round.
    """
    used = [group for group in groups if group.step == "done" and not _beyond(group)]
    refused: Counter[str] = Counter()
    for group in groups:
        refused.update(group.refused)
    moved = layer
    if used:
        means = np.stack([total_of(group) / len(group.survivors) for group in used])
        moved = apply_change(factory, layer, settings.rate * robust_mean(means, settings.mean))
    return moved, RoundOutcome(
        number=number, devices=sum(group.begin.size for group in groups),
        counted=sum(len(group.survivors) for group in used), groups=len(used),
        failed=sum(group.step != "done" for group in groups), refused=dict(refused),
        beyond=sum(group.step == "done" for group in groups) - len(used),
        moved=float(np.linalg.norm(moved.weights - layer.weights)) / (factory_norm(factory) or 1.0),
    )  # fmt: skip


def _beyond(group: Group) -> bool:
    """Return whether a sum is larger than its members' clipped changes and noise can be."""
    noise = _NOISE_REACH * group.begin.deviation * math.sqrt(len(group.survivors) * group.length)
    norm = float(np.linalg.norm(total_of(group).astype(np.float64)))
    return norm > len(group.survivors) * group.begin.clip + noise


def _surviving(size: int) -> int:
    return max(threshold_of(size), FEWEST)
