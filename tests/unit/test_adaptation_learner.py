"""Learning on the device in integers: bounds, the guard, the two slots, and what they refuse."""

from __future__ import annotations

import itertools
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from adaptation_example import Half, blocks, factory
from edgewright.core.adaptation.affine import Slots, slot_bytes
from edgewright.core.adaptation.learner import Factory, Learner, arrays_of, read_factory
from edgewright.core.errors import AdaptationError, LabelUnknownError
from edgewright.core.records.package import AdaptLayer

LAYERS: tuple[AdaptLayer, ...] = ("output", "prototypes")


def right(learner: Learner, hidden: np.ndarray, labels: np.ndarray) -> float:
    return float((learner.outputs(hidden).argmax(axis=1) == labels).mean())


def taught(factory_layer: Factory, hidden: np.ndarray, labels: np.ndarray) -> Learner:
    learner = Learner(factory_layer)
    before = learner.outputs(hidden).argmax(axis=1)
    for example, label, given in zip(hidden, labels, before, strict=True):
        learner.learn(example, int(given), int(label))
    return learner


@pytest.mark.parametrize("layer", LAYERS)
def test_a_person_of_another_kind_is_learned_class_after_class(layer: AdaptLayer) -> None:
    factory_layer = factory(layer)
    hidden, labels = blocks(shifted=True)
    later, truth = blocks(shifted=True, seed=9)
    learner = taught(factory_layer, hidden, labels)
    assert right(Learner(factory_layer), later, truth) < 0.7
    assert right(learner, later, truth) > 0.95
    assert learner.state.used == 1
    assert learner.state.examples == len(hidden)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_person_whom_the_factory_answers_right_keeps_its_layer(layer: AdaptLayer) -> None:
    assert taught(factory(layer), *blocks(shifted=False)).state.used == 0


@pytest.mark.parametrize("layer", LAYERS)
def test_examples_of_one_class_are_never_enough(layer: AdaptLayer) -> None:
    hidden, labels = blocks(shifted=True)
    learner = taught(factory(layer), hidden[labels == 1], labels[labels == 1])
    assert learner.state.used == 0
    assert learner.state.kept == (labels == 1).sum()


@pytest.mark.parametrize("layer", LAYERS)
def test_contradicting_labels_change_no_answer(layer: AdaptLayer) -> None:
    hidden, labels = blocks(shifted=False)
    learner = taught(factory(layer), hidden, np.random.default_rng(1).permutation(labels))
    assert learner.state.used == 0


@pytest.mark.parametrize("layer", LAYERS)
def test_a_saturated_sensor_changes_no_answer(layer: AdaptLayer) -> None:
    hidden, labels = blocks(shifted=True)
    assert taught(factory(layer), np.full_like(hidden, 255), labels).state.used == 0


@pytest.mark.parametrize("layer", LAYERS)
def test_learned_numbers_stay_within_the_signed_limits(layer: AdaptLayer) -> None:
    factory_layer = factory(layer, weight_limit=50, bias_limit=1000)
    learner = Learner(factory_layer)
    rng = np.random.default_rng(0)
    for _ in range(60):
        learner.learn(rng.integers(0, 256, factory_layer.spec.width), 0, int(rng.integers(3)))
    assert np.abs(learner.state.weights - factory_layer.weights).max() == 50
    assert np.abs(learner.state.bias - factory_layer.bias).max() <= 1000


@pytest.mark.parametrize("layer", LAYERS)
def test_changed_test_vectors_take_the_learned_layer_back(layer: AdaptLayer) -> None:
    hidden, labels = blocks(shifted=True)
    factory_layer = factory(layer, prior=0)
    learner = taught(factory_layer, hidden, labels)
    changed = (learner.outputs(factory_layer.vectors).argmax(axis=1) != factory_layer.expected).sum()
    assert changed > 0
    assert learner.state.used == 1
    assert taught(factory(layer, prior=0, drop=0), hidden, labels).state.used == 0


def test_a_class_without_examples_is_judged_on_its_test_vectors() -> None:
    hidden, labels = blocks(shifted=True)
    seen = labels != 2
    kept = taught(factory("output", drop=100), hidden[seen], labels[seen])
    assert (kept.outputs(kept.factory.vectors).argmax(axis=1) != kept.factory.expected)[-3:].all()
    assert kept.state.used == 1
    # The same with as many vectors of that class as it has errors: what is won on one class is lost on another.
    factory_layer = factory("output", drop=100)
    many = np.concatenate([factory_layer.vectors, np.repeat(factory_layer.vectors[-3:], 6, axis=0)])
    expected = np.concatenate([factory_layer.expected, np.full(18, 2, np.uint8)])
    assert taught(replace(factory_layer, vectors=many, expected=expected), hidden[seen], labels[seen]).state.used == 0
    # With examples of the class they judge it, and its test vectors may change.
    assert taught(replace(factory_layer, vectors=many, expected=expected), hidden, labels).state.used == 1


def test_examples_are_compared_before_they_are_learned() -> None:
    hidden, labels = blocks(shifted=True)
    learner, lead = Learner(factory("output")), 0
    given = learner.outputs(hidden).argmax(axis=1)
    for example, factory_label, label in zip(hidden, given, labels, strict=True):
        right = bool(learner.outputs(example[None]).argmax() == label)
        lead = min(max(lead + right - int(factory_label == label), 0), 8)
        learner.learn(example, int(factory_label), int(label))
        assert (learner.state.lead, learner.state.behind) == (lead, 0)
    assert lead > 4


def alternating(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return examples of the shifted person in a mixed order."""
    hidden, labels = blocks(shifted=True)
    order = np.random.default_rng(3).permutation(np.arange(count) % len(labels))
    return hidden[order], labels[order]


def test_bad_first_steps_are_forgotten() -> None:
    factory_layer, (hidden, labels) = factory("output"), alternating(96)
    given = Learner(factory_layer).outputs(hidden).argmax(axis=1)
    learner = taught(factory_layer, hidden, labels)
    assert learner.state.used == 1
    # The same person, after two hundred examples on which the learned layer alone was wrong.
    learner.state.lead, learner.state.behind = 0, 200
    for example, factory_label, label in zip(hidden, given, labels, strict=True):
        learner.learn(example, int(factory_label), int(label))
    assert learner.state.used == 1


def test_a_lead_of_long_ago_is_forgotten() -> None:
    learner, hidden, labels = taught(factory("output", drop=100), *alternating(96)), *blocks(shifted=True)
    assert (learner.state.used, learner.state.lead) == (1, 8)
    learner.state.lead = 3
    # An example that both layers answer right decides nothing; too small a lead takes the learned layer back.
    learner.learn(hidden[0], int(labels[0]), int(labels[0]))
    assert (learner.state.used, learner.state.lead) == (0, 3)
    # Each example that the factory's layer alone answers right takes one off.
    wrong = next(label for label in range(3) if label != labels[0])
    for _ in range(4):
        learner.learn(hidden[0], wrong, wrong)
    assert learner.state.lead == 0


@pytest.mark.parametrize(("lead", "behind", "used"), [(3, 0, 0), (4, 0, 1), (1024, 1021, 0), (1024, 301, 1)])
def test_errors_must_fall_on_examples_that_were_not_learned_yet(lead: int, behind: int, used: int) -> None:
    """The last two are what a state of an older version counted: it goes on with the difference."""
    learner = taught(factory("output", drop=100), *alternating(96))
    state, (hidden, labels) = learner.state, blocks(shifted=True)
    assert learner.outputs(hidden[:1]).argmax() == labels[0]
    state.lead, state.behind = lead, behind
    learner.learn(hidden[0], int(labels[0]), int(labels[0]))
    assert (state.lead, state.behind, state.used) == (min(lead - behind, 8), 0, used)
    # Of fewer examples too many are the first ones of their class.
    state.lead, state.examples = lead - behind if used == 0 else 4, 62
    learner.learn(hidden[0], int(labels[0]), int(labels[0]))
    assert state.used == 1


def test_a_full_lead_decides_where_kept_examples_are_too_few_to() -> None:
    """The kept examples are balanced by class: they may hold too few errors of the factory's layer to prove a gain."""
    hidden, labels = alternating(96)
    spec = factory("output", gain=100)
    learner = taught(spec, hidden, labels)
    learner.state.lead = 7
    learner.learn(hidden[0], int(labels[0]), int(labels[0]))
    assert (learner.state.lead, learner.state.used) == (7, 0)
    learner.state.lead = 8
    learner.learn(hidden[0], int(labels[0]), int(labels[0]))
    assert (learner.state.lead, learner.state.used) == (8, 1)


def test_means_of_classes_need_a_smaller_lead_and_remember_longer() -> None:
    hidden, labels = alternating(96)
    learner = taught(factory("prototypes", gain=100), hidden, labels)
    learner.state.lead = 6
    learner.learn(hidden[0], int(labels[0]), int(labels[0]))
    assert (learner.state.lead, learner.state.used) == (6, 0)
    learner.state.lead = 7
    learner.learn(hidden[0], int(labels[0]), int(labels[0]))
    assert (learner.state.lead, learner.state.used) == (7, 1)
    learner.state.lead = 200
    learner.learn(hidden[0], int(labels[0]), int(labels[0]))
    assert learner.state.lead == 12
    easy = taught(factory("prototypes", gain=0), hidden, labels)
    for lead, used in ((2, 0), (3, 1)):
        easy.state.lead = lead
        easy.learn(hidden[0], int(labels[0]), int(labels[0]))
        assert (easy.state.lead, easy.state.used) == (lead, used)


def test_a_class_that_is_missing_long_is_not_forgotten() -> None:
    factory_layer = factory("output", drop=100)
    hidden, labels = blocks(shifted=True)
    seen = np.flatnonzero(labels != 2)
    last = factory_layer.expected == 2
    # As few examples as a calibration that has yet to show the class: it is forgotten.
    few = taught(factory_layer, hidden[seen], labels[seen])
    assert not (few.outputs(factory_layer.vectors[last]).argmax(axis=1) == 2).any()
    # Many of them leave its test vectors as they are, and what was labelled is learned.
    order = np.tile(seen, 6)
    many = taught(factory_layer, hidden[order], labels[order])
    assert (many.outputs(factory_layer.vectors[last]).argmax(axis=1) == 2).all()
    assert right(many, hidden[seen], labels[seen]) > 0.95


def test_the_pool_keeps_a_balance_of_classes() -> None:
    factory_layer = factory("output")
    hidden, labels = blocks(shifted=True)
    order = np.concatenate([np.repeat(np.flatnonzero(labels == 0), 10), np.flatnonzero(labels != 0)])
    learner = taught(factory_layer, hidden[order], labels[order])
    counts = np.bincount(learner.state.owners[: learner.state.kept] & 127, minlength=3)
    assert learner.state.kept == factory_layer.spec.pool
    assert counts.max() - counts.min() <= 1


def test_the_order_of_examples_does_not_change_prototypes() -> None:
    hidden, labels = blocks(shifted=True)
    order = np.random.default_rng(5).permutation(len(labels))
    one, other = (
        taught(factory("prototypes"), hidden, labels),
        taught(factory("prototypes"), hidden[order], labels[order]),
    )
    assert np.array_equal(one.state.weights, other.state.weights)
    assert np.array_equal(one.state.bias, other.state.bias)


def test_very_many_examples_stay_within_the_sums() -> None:
    factory_layer = factory("prototypes", pool=2)
    learner = Learner(factory_layer)
    for _ in range(5000):
        learner.learn(np.full(factory_layer.spec.width, 255), 0, 0)
    assert learner.state.counts[0] <= 4096
    assert learner.state.sums.max() <= 4096 * 255


@pytest.mark.parametrize("layer", LAYERS)
def test_a_power_cut_at_every_byte_leaves_a_whole_state(layer: AdaptLayer) -> None:
    factory_layer = factory(layer)
    hidden, labels = blocks(shifted=True)
    old, new = taught(factory_layer, hidden[::2], labels[::2]).state, taught(factory_layer, hidden, labels).state
    for cut, erased in itertools.product(range(0, slot_bytes(factory_layer.spec) + 1, 7), (False, True)):
        medium = Half()
        Slots(medium, factory_layer).save(old)
        medium.cut, medium.erases = cut, erased
        Slots(medium, factory_layer).save(new)
        loaded = Slots(medium, factory_layer).load()
        assert loaded.examples in (old.examples, new.examples)
        wanted = old if loaded.examples == old.examples else new
        assert np.array_equal(loaded.pool, wanted.pool)
        assert np.array_equal(loaded.weights, wanted.weights)
        medium.cut = None
        Slots(medium, factory_layer).save(new)
        assert Slots(medium, factory_layer).load().examples == new.examples


@pytest.mark.parametrize("layer", LAYERS)
def test_learning_goes_on_after_a_restart_as_if_there_had_been_none(layer: AdaptLayer) -> None:
    factory_layer, medium = factory(layer), Half()
    hidden, labels = blocks(shifted=True)
    whole, half = taught(factory_layer, hidden, labels), taught(factory_layer, hidden[:20], labels[:20])
    Slots(medium, factory_layer).save(half.state)
    assert len(medium.slots[0]) == slot_bytes(factory_layer.spec)
    again = Learner(factory_layer, Slots(medium, factory_layer).load())
    given = Learner(factory_layer).outputs(hidden).argmax(axis=1)
    for index in range(20, len(hidden)):
        again.learn(hidden[index], int(given[index]), int(labels[index]))
    assert np.array_equal(again.state.weights, whole.state.weights)
    assert np.array_equal(again.state.pool, whole.state.pool)
    assert again.state.used == whole.state.used == 1


def test_undo_survives_a_restart() -> None:
    factory_layer, medium = factory("output"), Half()
    slots = Slots(medium, factory_layer)
    slots.save(taught(factory_layer, *blocks(shifted=True)).state)
    slots.undo()
    loaded = Slots(medium, factory_layer).load()
    assert loaded.examples == loaded.used == 0
    assert np.array_equal(loaded.weights, factory_layer.weights)


def test_the_state_of_another_model_does_not_count() -> None:
    factory_layer, medium = factory("output"), Half()
    Slots(medium, factory_layer).save(taught(factory_layer, *blocks(shifted=True)).state)
    other = factory("output", seed=2)
    assert Slots(medium, other).load().examples == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"multiplier": 0}, "multiplier from 1"),
        ({"pool": 256}, "pool from 2 to 255"),
        ({"gain": 101}, "gain from 0 to 100"),
        ({"bias_limit": 1 << 30}, "bias_limit from 0"),
        ({"classes": 4}, "shape"),
    ],
)
def test_a_package_with_other_limits_is_refused(changes: dict[str, int], text: str) -> None:
    factory_layer = factory("output")
    with pytest.raises(AdaptationError, match=text):
        read_factory(msgspec.structs.replace(factory_layer.spec, **changes), arrays_of(factory_layer), "package x")


def test_sums_beyond_32_bits_are_refused() -> None:
    factory_layer = factory("output", width=300, weight_limit=32767)
    with pytest.raises(AdaptationError):
        read_factory(factory_layer.spec, arrays_of(factory_layer), "package x")


def test_an_example_of_no_class_or_of_other_bytes_is_refused() -> None:
    factory_layer = factory("output")
    with pytest.raises(LabelUnknownError):
        Learner(factory_layer).learn(np.zeros(factory_layer.spec.width, np.int64), 0, 3)
    with pytest.raises(AdaptationError):
        Learner(factory_layer).learn(np.full(factory_layer.spec.width, 256), 0, 1)
