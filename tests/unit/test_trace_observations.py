"""One sentence an epoch: by rule, the same live and stored."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.schema.trace import EpochRecord
from edgewright.trace.observations import is_event, notable, observe, observe_next
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


def last_sentence(made: tuple[EpochRecord, ...]) -> str:
    return observe(made)[-1].observation


def test_first_epoch_is_compared_with_guessing() -> None:
    first = EpochRecord(epoch=1, loss=0.75, accuracy=0.55, validation_loss=None, validation_accuracy=None)
    said = observe([first], classes=3)[0].observation
    assert said == "first epoch: one guess in three would be .33, already .55"


def test_first_epoch_without_classes_names_the_start() -> None:
    assert last_sentence(losses([0.9])) == "first epoch: loss .900 to start from"


def test_loss_down_since() -> None:
    assert last_sentence(losses([1.0, 0.95, 0.9, 0.74])) == "loss down a quarter since epoch 1"


def test_loss_halved_is_an_event() -> None:
    made = losses([1.0, 0.8, 0.49])
    assert last_sentence(made) == "loss now half the first epoch's: .490 after 1.000"
    assert is_event(made[:2], made[2])


def test_flat_says_for_how_long_and_is_an_event_once() -> None:
    made = losses([0.5, 0.3, 0.2, 0.1995, 0.1999, 0.1996, 0.1998, 0.1997])
    assert observe(made)[6].observation == "loss flat for 4 epochs: training could stop here"
    assert observe(made)[7].observation == "loss flat for 5 epochs: training could stop here"
    assert [is_event(made[:i], made[i]) for i in (6, 7)] == [True, False]


def test_overfitting_since_the_best_epoch() -> None:
    made = losses([1.0, 0.8, 0.7, 0.6, 0.5, 0.45], [1.0, 0.8, 0.7, 0.75, 0.8, 0.85])
    assert last_sentence(made) == "validation loss rising while training loss falls: overfitting since epoch 3"


def test_worse_without_falling_training_loss() -> None:
    made = losses([1.0, 0.5, *[0.5001] * 8], [1.0, 0.5, *[0.7 + i / 50 for i in range(8)]])
    assert last_sentence(made) == "validation loss 68 % above its best of epoch 2: training could have stopped"


def test_diverged() -> None:
    assert last_sentence(losses([1.0, math.nan])).startswith("the loss is no longer a number")


def test_jump() -> None:
    assert last_sentence(losses([1.0, 0.9, 1.2])) == "loss up 33 % in one epoch: the learning rate may be too high"


def test_best_validation_loss_so_far() -> None:
    made = losses([0.5, 0.49, 0.48], [0.6, 0.59, 0.57])
    assert last_sentence(made) == "best validation loss so far: .570"


def test_accuracy_milestone() -> None:
    made = epochs(3)
    assert observe(made)[2].observation == "validation accuracy passes .60 for the first time"


def test_observing_again_changes_nothing() -> None:
    made = observe(epochs(20), 3)
    assert observe(made, 3) == made


figure = st.floats(0, 5) | st.just(math.nan) | st.just(math.inf)
optional = st.none() | st.floats(0, 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(figure, optional, st.none() | figure, optional), max_size=25), st.integers(0, 12))
def test_live_and_stored_agree(rows: list[tuple[float, float | None, float | None, float | None]], k: int) -> None:
    made = tuple(
        EpochRecord(epoch=i + 1, loss=a, accuracy=b, validation_loss=c, validation_accuracy=d)
        for i, (a, b, c, d) in enumerate(rows)
    )
    live: list[EpochRecord] = []
    for epoch in made:
        live.append(observe_next(live, epoch, k))
    stored = observe(made, k)
    assert [e.observation for e in live] == [e.observation for e in stored]
    assert all(e.observation for e in stored)
    assert not any("\n" in e.observation for e in stored)


def test_a_best_of_nothing_is_left_without_a_number_of_per_cent() -> None:
    losses = [0.0, *[1.0] * 11]
    rows = tuple(
        EpochRecord(epoch=i, loss=0.0, accuracy=None, validation_loss=loss, validation_accuracy=None)
        for i, loss in enumerate(losses, 1)
    )
    made = observe(rows, 0)
    said = [epoch.observation for epoch in made]
    assert any("validation loss above its best, 0, of epoch 1: training could have stopped" in one for one in said)


def test_notable_keeps_all_of_fifty() -> None:
    assert len(notable(epochs(50))) == 50


def test_notable_keeps_first_last_best_and_events() -> None:
    made = epochs(80)
    shown = notable(made, limit=12)
    kept = {e.epoch for e in shown}
    best = min(made, key=lambda e: e.validation_loss or 0.0).epoch
    assert {1, 80, best} <= kept
    assert len(shown) <= 12
    assert kept - {1, 80, best} <= {e.epoch for i, e in enumerate(made) if is_event(made[:i], e)}
    assert [e.epoch for e in shown] == sorted(kept)
