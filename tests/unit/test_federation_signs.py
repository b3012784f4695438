"""Signs of a rotated change: what they stand for, what a sum of them shows, and who comes under suspicion."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.federation.group import Group, is_beyond
from edgewright.core.federation.layer import Rotation, rotated_length
from edgewright.core.federation.messages import encode, parse_request
from edgewright.core.federation.rounds import drawn_together, noised, suspects, suspicion
from edgewright.schema.errors import InputError
from federation_example import group_of

SIZE = 198
Numbers = NDArray[np.int64]


def summed(contributions: list[Numbers], *, deviation: int = 0) -> Group:
    """Return a group that is over, with the sum of what its members sent."""
    group = group_of(len(contributions))
    group.begin = msgspec.structs.replace(group.begin, deviation=deviation)
    group.step, group.length, group.survivors = "done", len(contributions[0]), tuple(range(len(contributions)))
    group.total = np.sum(contributions, axis=0).astype("<i4").tobytes()
    return group


def signs_of(seed: int, members: int, *, alike: float = 0.5) -> tuple[Rotation, list[Numbers]]:
    """Return a rotation and the signs of members whose changes have something in common."""
    rng, rotation = np.random.default_rng(seed), Rotation(secrets.token_bytes(16), SIZE)
    common = rng.normal(0, 1000, SIZE)
    changes = [alike * common + (1 - alike) * rng.normal(0, 1000, SIZE) for _ in range(members)]
    return rotation, [rotation.signs(change.astype(np.int64)) for change in changes]


@pytest.mark.parametrize("size", [1, 9, 198, 256, 700])
def test_a_rotation_keeps_lengths_and_is_taken_back(size: int) -> None:
    change = np.random.default_rng(size).integers(-30_000, 30_000, size)
    rotation = Rotation(b"r" * 16, size)
    turned = rotation.forward(change)
    assert len(turned) == rotated_length(size)
    block = min(256, len(turned))
    assert (turned.astype(object) ** 2).sum() == block**2 * (change.astype(object) ** 2).sum()
    back = rotation.backward(turned)
    assert np.allclose(back / back[0], change / change[0])
    assert np.array_equal(Rotation(b"r" * 16, size).forward(change), turned)
    assert size < 9 or not np.array_equal(Rotation(b"s" * 16, size).forward(change), turned)


def test_signs_stand_for_a_direction_of_length_one_and_their_mean_comes_closer_to_it() -> None:
    change = np.zeros(SIZE, np.int64)
    change[:5] = (900, -20, 7, -300, 4)  # far from alike: the rotation spreads it
    direction, estimates = change / np.linalg.norm(change), []
    for number in range(60):
        rotation = Rotation(number.to_bytes(16, "big"), SIZE)
        estimates.append(rotation.backward(rotation.signs(change)))
    along = np.array(estimates) @ direction
    assert 0.85 < along.min() < along.max() < 1.15
    assert np.linalg.norm(np.mean(estimates, axis=0) - direction) < 0.2


def test_numbers_that_are_zero_get_signs_by_chance() -> None:
    signs = Rotation(bytes(16), SIZE).signs(np.zeros(SIZE, np.int64))
    assert set(signs.tolist()) == {-1, 1}
    assert abs(int(signs.sum())) < 100


@pytest.mark.parametrize("members", [3, 4, 5, 8, 20])
def test_a_sum_of_signs_counts(members: int) -> None:
    for seed in range(20):
        assert not is_beyond(summed(signs_of(seed, members)[1]))


def _opposite(factor: int) -> Callable[[Numbers], Numbers]:
    return lambda signs: -factor * signs


def _garbage(signs: Numbers) -> Numbers:
    return np.random.default_rng(7).integers(-(1 << 31), 1 << 31, len(signs))


def _even(signs: Numbers) -> Numbers:
    return 2 * signs


def _zero(signs: Numbers) -> Numbers:
    return 0 * signs


def _one_number(signs: Numbers) -> Numbers:
    sent = signs.copy()
    sent[17] = -900
    return sent


@pytest.mark.parametrize("cheat", [_opposite(3), _opposite(5), _opposite(400), _garbage, _even, _zero, _one_number])
@pytest.mark.parametrize("members", [3, 5])
def test_whoever_sends_more_or_less_than_signs_has_its_sum_refused(
    members: int, cheat: Callable[[Numbers], Numbers]
) -> None:
    for seed in range(20):
        signs = signs_of(seed, members)[1]
        signs[0] = cheat(signs[0])
        assert is_beyond(summed(signs)), seed


def test_an_attacker_within_its_signs_moves_the_sum_by_its_share() -> None:
    rotation, signs = signs_of(3, 5)
    honest = rotation.backward(np.sum(signs[1:], axis=0))
    attacked = rotation.backward(np.sum(signs[1:], axis=0) - signs[0])
    assert not is_beyond(summed([-signs[0], *signs[1:]]))
    assert np.linalg.norm(attacked - honest) < 1.3
    assert attacked @ honest > 0.6 * honest @ honest


def test_noise_is_not_taken_for_cheating_and_garbage_still_is() -> None:
    _, signs = signs_of(5, 5)
    for _ in range(20):
        assert not is_beyond(summed([noised(sign, 9) for sign in signs], deviation=9))
    signs[0] = _garbage(signs[0])
    assert is_beyond(summed([noised(sign, 9) for sign in signs], deviation=9))


class Rounds:
    """Groups of five of a fleet's devices, of which some cheat in a share of the rounds."""

    def __init__(self, devices: int, cheaters: set[str], share: float = 1.0, seed: int = 2) -> None:
        self._rng, self._chance = np.random.default_rng(seed), random.Random(seed)  # noqa: S311
        self.names, self._cheaters, self._share = [f"d{number:02}" for number in range(devices)], cheaters, share
        self.counts: dict[str, int] = {}

    def run(self, rounds: int) -> float:
        """Return the share of honest devices whose sums counted, as the mean over rounds."""
        honest, counted = 0, 0
        for _ in range(rounds):
            first = drawn_together(self.counts, self._chance)
            shuffled = sorted(self._rng.permutation(self.names).tolist(), key=lambda name: name not in first)
            groups = [(self._over(shuffled[at : at + 5]), shuffled[at : at + 5]) for at in range(0, len(shuffled), 5)]
            for group, members in groups:
                honest += len(set(members) - self._cheaters)
                counted += 0 if is_beyond(group) else len(set(members) - self._cheaters)
            self.counts = suspicion(self.counts, groups)
        return counted / honest

    def _over(self, members: list[str]) -> Group:
        cheats = any(name in self._cheaters and self._rng.random() < self._share for name in members)
        sent = [np.ones(16, np.int64) * (9 if cheats and not index else 1) for index in range(len(members))]
        return summed(sent)


@pytest.mark.parametrize(("devices", "cheaters"), [(20, 2), (100, 10), (100, 20)])
def test_cheaters_come_into_groups_of_their_own(devices: int, cheaters: int) -> None:
    bad = {f"d{number:02}" for number in range(cheaters)}
    rounds = Rounds(devices, bad)
    before = np.mean([Rounds(devices, bad, seed=seed).run(1) for seed in range(20)])
    rounds.run(20)
    assert rounds.run(20) > before + 0.1
    # Nobody is suspected for good who never cheated.
    assert bad <= suspects(rounds.counts)
    assert len(suspects(rounds.counts) - bad) <= 0.1 * devices


def test_devices_that_cheat_at_times_are_suspected_and_forgiven() -> None:
    rounds, suspected = Rounds(40, {"d00"}, 0.7), 0
    for _ in range(100):
        rounds.run(1)
        suspected += "d00" in suspects(rounds.counts)
    assert suspected > 40
    rounds._cheaters.clear()
    rounds.run(60)
    assert rounds.counts == {}


def test_only_the_most_suspected_members_explain_a_refused_sum() -> None:
    cheated = summed([np.full(16, 9), *[np.ones(16, np.int64)] * 3])
    honest = summed([np.ones(16, np.int64)] * 3)
    counts = suspicion({"a": 4, "b": 1, "e": 1}, [(cheated, ["a", "b", "c", "d"]), (honest, ["e", "f", "g"])])
    assert counts == {"a": 5, "b": 1}
    assert suspects(counts) == {"a"}
    cheated.survivors = (1, 2, 3)
    assert suspicion({}, [(cheated, ["a", "b", "c", "d"])]) == {"b": 1, "c": 1, "d": 1}


def test_false_shares_are_explained_by_the_most_suspected_of_those_who_may_have_sent_them() -> None:
    names = ["a", "b", "c", "d"]
    honest = summed([np.ones(16, np.int64)] * 4)
    honest.blamed = ((0, 1), (1, 2))
    assert suspicion({"b": 2, "c": 1, "d": 4}, [(honest, names)]) == {"b": 3, "c": 1, "d": 2}
    failed = msgspec.structs.replace(honest, step="failed", survivors=(), blamed=((0, 1, 2),))
    assert suspicion({"d": 4}, [(failed, names)]) == {"a": 1, "b": 1, "c": 1, "d": 4}


def test_an_agent_that_sends_changes_is_refused_by_name() -> None:
    old = msgspec.msgpack.encode([1, 77])
    with pytest.raises(InputError, match=r"signs of its change.*an older one.*Update the agent"):
        parse_request(old)
    assert encode(parse_request(msgspec.msgpack.encode([7, 77]))) != old
