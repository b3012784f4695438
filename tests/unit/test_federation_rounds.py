"""Rounds of a fleet: bounded changes, noise, means that resist poisoners, and epsilon."""

from __future__ import annotations

import math
import random
from pathlib import Path

import msgspec
import numpy as np
import pytest

from adaptation_data import write_worn
from adaptation_example import blocks, factory
from cli_runner import Cli
from edgewright.core.adaptation.learner import Learner
from edgewright.core.federation.layer import (
    Layer,
    apply_change,
    check_factory,
    factory_layer,
    layer_bytes,
    local_change,
    parse_layer,
    rotated_length,
)
from edgewright.core.federation.rounds import deviation_of, epsilon_of, new_groups, next_layer, noised
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.schema.errors import InputError
from edgewright.schema.federation import FederationSettings
from edgewright.workflows.adaptation.local_fleet import ATTACKS, Examples, Faults, LocalFleet

SETTINGS = FederationSettings(rounds=4, passes=1, clip=0.5)
CHANCE = random.Random(1)  # noqa: S311 - a test


def test_noise_has_its_deviation_and_no_mean() -> None:
    noise = noised(np.zeros(4000, np.int64), 40)
    assert abs(noise.mean()) < 5 * 40 / math.sqrt(4000)
    assert noise.std() == pytest.approx(40, rel=0.06)
    # A Gaussian's fourth moment, not that of the Laplace draws it is made of.
    assert (noise / noise.std()) ** 4 @ np.full(4000, 1 / 4000) == pytest.approx(3, rel=0.2)
    assert np.array_equal(noised(noise, 0), noise)


def _exact(noise: float, epsilon: float) -> float:
    """Return the delta of one Gaussian mechanism (Balle and Wang, 2018, theorem 8)."""

    def phi(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    return phi(0.5 / noise - epsilon * noise) - math.exp(epsilon) * phi(-0.5 / noise - epsilon * noise)


@pytest.mark.parametrize(("noise", "rounds"), [(1.0, 1), (4.0, 1), (4.0, 20)])
def test_epsilon_is_a_bound_and_not_a_loose_one(noise: float, rounds: int) -> None:
    epsilon = epsilon_of(noise, rounds, 1e-5)
    # Gaussian mechanisms compose into one of noise / sqrt(rounds).
    assert _exact(noise / math.sqrt(rounds), epsilon) <= 1e-5 < _exact(noise / math.sqrt(rounds), 0.7 * epsilon)


def test_no_noise_has_no_epsilon() -> None:
    for noise, delta in ((0.0, 1e-5), (1.0, 0.0), (1.0, 1.0)):
        with pytest.raises(InputError, match="noise above 0"):
            epsilon_of(noise, 1, delta)


def test_a_layer_travels_as_bytes_within_its_limits() -> None:
    factory_weights = factory("output", weight_limit=50)
    layer = factory_layer(factory_weights)
    read = parse_layer(layer_bytes(layer), factory_weights)
    assert np.array_equal(read.weights, layer.weights)
    assert np.array_equal(read.bias, layer.bias)
    with pytest.raises(InputError, match="bytes"):
        parse_layer(layer_bytes(layer) + b"\0", factory_weights)
    with pytest.raises(InputError, match="beyond"):
        parse_layer(layer_bytes(Layer(layer.weights + 51, layer.bias)), factory_weights)
    far = apply_change(factory_weights, layer, np.full(layer.weights.size + 3, 1e6))
    assert (far.weights - layer.weights).max() == 50
    with pytest.raises(InputError, match='layer = "output"'):
        check_factory(factory("prototypes"), "x")


def test_a_devices_change_is_what_its_learner_would_step() -> None:
    factory_weights, (hidden, labels) = factory("output"), blocks(shifted=True)
    learner = Learner(factory_weights)
    for index in np.random.default_rng(3).permutation(len(labels)).tolist():
        learner.step(hidden[index], int(labels[index]))
    moved = apply_change(
        factory_weights,
        factory_layer(factory_weights),
        local_change(factory_weights, factory_layer(factory_weights), hidden, labels, 1, 3).astype(float),
    )
    assert np.array_equal(moved.weights, learner.state.weights)
    assert np.abs(moved.bias - learner.state.bias).max() <= 16


def fleet(count: int = 12, *, settings: FederationSettings = SETTINGS, faults: Faults | None = None) -> LocalFleet:
    """Return devices of people for whom the second class lies elsewhere than the factory believes."""
    people = {f"d{one:02}": Examples(*blocks(shifted=True, seed=one)) for one in range(count)}
    return LocalFleet(factory("output"), people, settings, faults or Faults(), np.random.default_rng(2))


def accuracy(layer: Layer) -> float:
    hidden, labels = blocks(shifted=True, seed=99)
    learner = Learner(factory("output"))
    learner.state.weights, learner.state.bias = layer.weights, layer.bias
    return float((learner.outputs(hidden).argmax(axis=1) == labels).mean())


def trained(one: LocalFleet) -> tuple[Layer, list[int], int]:
    layer, counted, beyond = factory_layer(one.factory), list[int](), 0
    for number in range(1, one.settings.rounds + 1):
        layer, outcome = one.round(layer, number)
        counted.append(outcome.counted)
        beyond += outcome.beyond
    return layer, counted, beyond


@pytest.mark.parametrize("faults", [Faults(), Faults(dropouts=0.2), *(Faults(0.0, 0.1, one) for one in ATTACKS)])
def test_a_fleet_learns_through_dropouts_and_poisoners(faults: Faults) -> None:
    # Signs are drawn by secrets: after four rounds one fleet in forty has not learned enough, after six none of 130.
    one = fleet(settings=msgspec.structs.replace(SETTINGS, rounds=6), faults=faults)
    layer, counted, beyond = trained(one)
    assert accuracy(factory_layer(one.factory)) < 0.75
    assert accuracy(layer) > 0.9
    assert (sum(counted) == 12 * len(counted)) == (not faults.dropouts and not beyond)
    if faults.attack != "bounded":  # by chance, it hides or not
        assert (beyond > 0) == (faults.attack == "random" and faults.poisoners > 0)
    assert max(one.bytes_up) < 2000


def test_a_round_of_too_few_devices_moves_nothing() -> None:
    one = fleet(2)
    layer = factory_layer(one.factory)
    moved, outcome = one.round(layer, 1)
    assert moved == layer
    assert (outcome.devices, outcome.groups) == (0, 0)


def test_groups_are_drawn_anew_and_hold_everybody() -> None:
    one = fleet()
    layer, names = factory_layer(one.factory), [f"d{number:02}" for number in range(11)]
    groups_of_rounds = [new_groups(names, one.factory, layer, SETTINGS, 0.0, {}, CHANCE) for _ in range(5)]
    for groups in groups_of_rounds:
        assert sorted(name for _, members in groups for name in members) == names
        assert [group.begin.size for group, _ in groups] == [5, 6]
        assert all(2 * group.begin.threshold > group.begin.size for group, _ in groups)
    assert len({tuple(groups[0][1]) for groups in groups_of_rounds}) > 1


def test_a_group_that_failed_moves_nothing() -> None:
    one = fleet(4)
    layer = factory_layer(one.factory)
    ((group, _),) = new_groups(sorted(one.devices), one.factory, layer, SETTINGS, 0.0, {}, CHANCE)
    group.step, group.refused = "failed", {"late": 2}
    moved, outcome = next_layer(one.factory, layer, [group], SETTINGS, 1)
    assert moved == layer
    assert (outcome.failed, outcome.counted, outcome.refused) == (1, 0, {"late": 2})


def test_members_that_must_stay_bring_all_the_noise() -> None:
    factory_weights, settings = factory("output"), msgspec.structs.replace(SETTINGS, noise=2.0, group=8)
    length = rotated_length(factory_weights.weights.size + factory_weights.bias.size)
    assert deviation_of(length, 2.0, 8) * math.sqrt(5) >= 2.0 * math.sqrt(length)
    # Fewer devices than a group has came: three must stay, and bring the same noise.
    ((group, _),) = new_groups(
        ["a", "b", "c", "d"], factory_weights, factory_layer(factory_weights), settings, 0.0, {}, CHANCE
    )
    assert group.begin.deviation * math.sqrt(3) >= 2.0 * math.sqrt(length)
    # The largest noise of the longest layer in the largest group is within 32 bits.
    longest = rotated_length(64 * 1024 + 64)
    assert 2 * 64 * (1 + 6 * deviation_of(longest, 1000.0, 3)) < 1 << 31


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worn")
    config = read_config(str(write_worn(folder, "output")), ('split.test_groups=["p2","p3","p4","p5","p6","p7"]',))
    return run_pipeline(config, out=folder / "runs").folder


@pytest.mark.slow
def test_the_command_says_what_people_learn_together(cli: Cli, run: Path) -> None:
    report = cli.json("adapt", "federate", run, "--rounds", "3", "--judge", "p6,p7", "--noise", "4")
    assert [one["layer"] for one in report["figures"]] == ["factory", "central", "federated"]
    assert (report["devices"], report["judged"], len(report["rounds"])) == (4, ["p6", "p7"], 3)
    assert report["epsilon"] == pytest.approx(epsilon_of(4.0, 3, 1e-5))
    assert 0 < report["bytes_up"] < 20_000
    printed = cli("adapt", "federate", run, "--rounds", "2", "--dropouts", "0.3")
    assert "a device and round:" in printed
    assert "no epsilon" in printed


@pytest.mark.slow
def test_simulated_devices_learn_before_a_rollout(cli: Cli, run: Path, tmp_path: Path) -> None:
    words = ("fleet", "simulate", 6, "--federate", run, "--rounds", 1, "--out", tmp_path)
    report = cli.json(*words)
    assert (len(report["learning"]["rounds"]), report["learning"]["people"]) == (1, 6)
    assert report["learning"]["complete"] == report["learning"]["rounds"][0]["counted"] == 6
    assert "Rounds of learning" in (tmp_path / "simulation.html").read_text()
    assert "a share from 0 to 1" in cli("fleet", "simulate", 6, "--federate", run, "--break", "lossy=3", code=2)
    assert "5 to 1,000,000 devices" in cli("fleet", "simulate", 2, "--federate", run, code=2)


@pytest.mark.slow
def test_refusals_are_one_line(cli: Cli, run: Path) -> None:
    for words, text in (
        (("--judge", "p9"), "no person 'p9'"),
        (("--judge", "p2,p3,p4,p5"), "3 or more people as devices"),
        (("--attack", "flop"), "Did you mean 'flip'"),
        (("--clip", "nan"), "nan is not in the range"),
    ):
        message = cli("adapt", "federate", run, *words, code=2)
        assert text in message
        assert message.count("\n") == 1
