"""One sentence an epoch: by rule, the same live and stored."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.records.trace import EpochRecord
from edgewright.trace.sentences.observations import is_event, notable, observe, observe_next
from trace_example import epochs


def losses(values: list[float], validation: list[float] | None = None) -> tuple[EpochRecord, ...]:
    return tuple(
        EpochRecord(
            epoch=i + 1,
            loss=value,
            accuracy=None,
            validation_loss=None if validation is None else validation[i],
            validation_accuracy=None,
        )
        for i, value in enumerate(values)
    )


@pytest.mark.parametrize(
    ("history", "facts"),
    [
        (losses([0.9]), ("first epoch", ".900")),
        (losses([1.0, 0.95, 0.9, 0.74]), ("loss down a quarter", "since epoch 1")),
        (losses([1.0, 0.8, 0.49]), ("half the first epoch's", ".490")),
        (losses([0.5, 0.3, 0.2, 0.1995, 0.1999, 0.1996, 0.1998, 0.1997]), ("flat for 5 epochs",)),
        (losses([1.0, 0.8, 0.7, 0.6, 0.5, 0.45], [1.0, 0.8, 0.7, 0.75, 0.8, 0.85]), ("overfitting since epoch 3",)),
        (losses([1.0, 0.5, *[0.5001] * 8], [1.0, 0.5, *[0.7 + i / 50 for i in range(8)]]), ("68 %", "epoch 2")),
        (losses([1.0, math.nan]), ("no longer a number",)),
        (losses([1.0, 0.9, 1.2]), ("up 33 %", "learning rate")),
        (losses([0.5, 0.49, 0.48], [0.6, 0.59, 0.57]), ("best validation loss", ".570")),
        (losses([0.0] * 12, [0.0, *[1.0] * 11]), ("above its best, 0", "epoch 1")),
        (epochs(3), ("validation accuracy passes .60",)),
    ],
)
def test_the_last_epoch_has_the_sentence_of_its_rule(history: tuple[EpochRecord, ...], facts: tuple[str, ...]) -> None:
    text = observe(history)[-1].observation
    assert all(fact in text for fact in facts), text


def test_the_first_epoch_is_compared_with_chance() -> None:
    first = EpochRecord(epoch=1, loss=0.75, accuracy=0.55, validation_loss=None, validation_accuracy=None)
    text = observe([first], classes=3)[0].observation
    assert "55 % accuracy" in text and "33 %" in text


def test_an_event_is_one_once() -> None:
    halved = losses([1.0, 0.8, 0.49])
    assert is_event(halved[:2], halved[2])
    flat = losses([0.5, 0.3, 0.2, 0.1995, 0.1999, 0.1996, 0.1998, 0.1997])
    assert [is_event(flat[:i], flat[i]) for i in (6, 7)] == [True, False]


def test_observing_again_changes_nothing() -> None:
    observed = observe(epochs(20), 3)
    assert observe(observed, 3) == observed


figure = st.floats(0, 5) | st.just(math.nan) | st.just(math.inf)
optional = st.none() | st.floats(0, 1)


@settings(max_examples=60)
@given(st.lists(st.tuples(figure, optional, st.none() | figure, optional), max_size=25), st.integers(0, 12))
def test_live_and_stored_agree(rows: list[tuple[float, float | None, float | None, float | None]], k: int) -> None:
    history = tuple(
        EpochRecord(epoch=i + 1, loss=a, accuracy=b, validation_loss=c, validation_accuracy=d)
        for i, (a, b, c, d) in enumerate(rows)
    )
    live: list[EpochRecord] = []
    for epoch in history:
        live.append(observe_next(live, epoch, k))
    stored = observe(history, k)
    assert [e.observation for e in live] == [e.observation for e in stored]
    assert all(e.observation for e in stored)
    assert not any("\n" in e.observation for e in stored)


def test_notable_keeps_all_of_fifty() -> None:
    assert len(notable(epochs(50))) == 50


def test_notable_keeps_first_last_best_and_events() -> None:
    history = epochs(80)
    shown = notable(history, limit=12)
    kept = {e.epoch for e in shown}
    best = min(history, key=lambda e: e.validation_loss or 0.0).epoch
    assert {1, 80, best} <= kept
    assert len(shown) <= 12
    assert kept - {1, 80, best} <= {e.epoch for i, e in enumerate(history) if is_event(history[:i], e)}
    assert [e.epoch for e in shown] == sorted(kept)
