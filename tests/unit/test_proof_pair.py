"""Pairs of forms: verdicts, the first stage that differs, steps, moved samples and flips."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgewright.core.errors import InputError, StoppedError
from edgewright.core.records.proof import Numbers, PairRecord
from edgewright.proof.pair import compare
from edgewright.proof.prove import ProofResult, common_form, prove
from edgewright.proof.stage import stage_order
from edgewright.proof.tolerance import (
    BYTES,
    LABEL,
    OUTPUT,
    PROBABILITIES,
    RANDOM_BYTES,
    RANGE,
    Form,
    Samples,
    Stages,
    ToleranceReference,
    allowed,
    last_digits,
    perturbed_readings,
    spreads,
)

N = 40
RNG = np.random.default_rng(1)
SCALE = RNG.standard_normal((N, 5)).astype(np.float32)
INSIDE = RNG.integers(-100, 100, (N, 6)).astype(np.int8)
END = RNG.integers(-100, 100, (N, 3)).astype(np.int8)


def base() -> Stages:
    """Return stages of an int8 form of the whole pipeline."""
    chance = RNG.dirichlet(np.ones(3), N).astype(np.float32)
    return {
        RANGE: np.zeros(N, np.int64),
        "scale": SCALE.copy(),
        BYTES: np.rint(SCALE * 20).astype(np.int8),
        "layer 1 dense": INSIDE.copy(),
        OUTPUT: END.copy(),
        PROBABILITIES: chance,
        LABEL: chance.argmax(axis=1).astype(np.int64),
    }


def pair(
    a: Stages,
    b: Stages,
    *,
    ours: bool = True,
    numbers: tuple[Numbers, Numbers] = ("int8", "int8"),
    unanswered: NDArray[np.bool_] | None = None,
    constructed: NDArray[np.bool_] | None = None,
) -> PairRecord:
    forms = tuple(Form(name=n, numbers=k, run=lambda x, y: {}, ours=ours) for n, k in zip("ab", numbers, strict=True))
    tolerance_reference = ToleranceReference(
        spread=spreads(a),
        digits={},
        names={"scale": ("u", "v", "w", "x", "y")},
        origins=tuple(f"row {i}" for i in range(N)),
        labels=("p", "q", "r"),
        before=frozenset({"scale"}),
        unanswered=unanswered,
        constructed=constructed,
    )
    return compare((forms[0], forms[1]), (a, b), tolerance_reference)


def changed(stages: Stages, **values: tuple[tuple[int, ...], float]) -> Stages:
    """Return a copy with one value of some stages moved by an amount."""
    changed = {name: array.copy() for name, array in stages.items()}
    for stage, (position, amount) in values.items():
        changed[stage][position] += np.asarray(amount).astype(changed[stage].dtype)
    return changed


def test_equal_stages_are_bit_exact() -> None:
    stages = base()
    record = pair(stages, changed(stages))
    assert record.verdict == "bit-exact" and record.exact_from_boundary and record.flips == 0
    assert record.differs is None is record.breaks
    assert [s.stage for s in record.stages] == list(stages)


def test_a_difference_within_the_tolerance_is_told_and_not_broken() -> None:
    stages = base()
    record = pair(stages, changed(stages, scale=((3, 2), 2e-6)))
    assert record.verdict == "within tolerance" and record.exact_from_boundary
    assert record.differs is not None and (record.differs.sample, record.differs.location) == (3, "w")
    (stage,) = [s for s in record.stages if s.differing]
    assert 0 < stage.share < 1 and stage.off == 1


def test_a_difference_beyond_it_names_stage_row_and_values() -> None:
    stages = base()
    record = pair(stages, changed(stages, scale=((7, 4), 0.01)))
    assert record.verdict == "broken" and record.breaks is not None
    divergence = record.breaks
    assert (divergence.stage, divergence.sample, divergence.origin, divergence.location) == ("scale", 7, "row 7", "y")
    assert divergence.first == pytest.approx(
        float(SCALE[7, 4])
    ) and divergence.second - divergence.first == pytest.approx(0.01)


def test_a_sample_that_parted_is_not_blamed_again() -> None:
    stages = base()
    other = changed(stages, scale=((7, 4), 0.01))
    other["layer 1 dense"][7] = 0
    record = pair(stages, other)
    assert record.exact_from_boundary
    assert next(s for s in record.stages if s.stage == "layer 1 dense").samples == N - 1


@pytest.mark.parametrize(("ours", "verdict"), [(True, "broken"), (False, "within tolerance")])
def test_one_step_is_allowed_to_engines_with_their_own_rounding(ours: bool, verdict: str) -> None:
    stages = base()
    record = pair(stages, changed(stages, **{"layer 1 dense": ((5, 1), 1)}), ours=ours)
    assert record.verdict == verdict and record.exact_from_boundary is False
    assert record.differs is not None and record.differs.stage == "layer 1 dense"


def test_between_equal_raw_outputs_and_answers_is_one_step_only() -> None:
    stages = base()
    other = changed(stages, **{PROBABILITIES: ((5, 1), 5e-5)})
    record = pair(stages, other)
    assert record.breaks is not None and (record.breaks.stage, record.breaks.sample) == (PROBABILITIES, 5)
    assert pair(stages, other, ours=False).verdict == "within tolerance"
    hidden = {stage: values for stage, values in other.items() if stage != OUTPUT}
    assert pair(stages, hidden).verdict == "within tolerance"
    assert pair(stages, changed(stages, **{PROBABILITIES: ((5, 1), 1e-7)})).verdict == "within tolerance"


def test_drawn_bytes_are_compared_bit_by_bit_and_are_no_sample() -> None:
    stages = {**base(), RANDOM_BYTES: END.copy()}
    record = pair(stages, changed(stages, **{RANDOM_BYTES: ((9, 0), 1)}))
    assert record.breaks is not None and (record.breaks.stage, record.breaks.origin) == (RANDOM_BYTES, "drawn bytes 9")
    # An engine with its own rounding does not give them, and is compared as before.
    without = {stage: values for stage, values in stages.items() if stage != RANDOM_BYTES}
    assert pair(stages, without, ours=False).verdict == "bit-exact"


def test_a_constructed_row_is_not_compared_between_states_of_different_rounding() -> None:
    stages = base()
    stages["layer 1 lstm"] = stages.pop("layer 1 dense")
    order = (RANGE, "scale", BYTES, "layer 1 lstm", OUTPUT, PROBABILITIES, LABEL)
    stages = {stage: stages[stage] for stage in order}
    other = changed(stages, **{"layer 1 lstm": ((5, 1), 9)})
    constructed = np.arange(N) == 5
    assert pair(stages, other, ours=False).verdict == "broken"
    assert pair(stages, other, ours=False, constructed=constructed).verdict == "bit-exact"
    assert pair(stages, other, constructed=constructed).verdict == "broken"


def test_two_steps_are_never_allowed_and_what_follows_is_not_judged() -> None:
    stages = base()
    other = changed(stages, **{"layer 1 dense": ((5, 1), 1), OUTPUT: ((5, 0), 9)})
    assert pair(stages, other, ours=False).verdict == "within tolerance"
    other = changed(stages, **{"layer 1 dense": ((5, 1), 2)})
    record = pair(stages, other, ours=False)
    assert record.verdict == "broken" and record.breaks is not None and record.breaks.allowed == 1


def test_a_sample_moved_across_a_step_is_counted_and_shown() -> None:
    stages = base()
    other = changed(stages, scale=((3, 2), 2e-6), **{BYTES: ((3, 2), 1), "layer 1 dense": ((3, 0), 5)})
    record = pair(stages, other)
    assert record.verdict == "within tolerance" and record.moved == 1 and record.exact_from_boundary
    assert record.moves[0].stage == BYTES and record.moves[0].sample == 3
    unexplained = changed(stages, **{BYTES: ((3, 2), 1)})
    assert pair(stages, unexplained).verdict == "broken"


def test_flips_are_counted_by_class() -> None:
    stages = base()
    other = {**stages, LABEL: stages[LABEL].copy()}
    other[LABEL][:4] = (other[LABEL][:4] + 1) % 3
    other[PROBABILITIES] = stages[PROBABILITIES]
    mixed = pair(stages, other, numbers=("float", "int8"))
    assert mixed.verdict == "quantised" and mixed.flips == 4
    assert sum(count for _, count in mixed.flips_by_class) == 4
    assert pair(stages, other).verdict == "broken"


def test_other_shapes_break_at_their_stage() -> None:
    stages = base()
    record = pair(stages, {**stages, "scale": SCALE[:, :4]})
    assert record.verdict == "broken" and record.breaks is not None
    assert (record.breaks.first, record.breaks.second) == (5, 4)


def test_flags_must_agree() -> None:
    stages = base()
    record = pair(stages, changed(stages, **{RANGE: ((2,), 1)}))
    assert record.breaks is not None and record.breaks.stage == RANGE


def test_missing_values_equal_each_other_and_no_number() -> None:
    stages = base()
    stages["scale"][4, 1] = np.nan
    assert pair(stages, changed(stages)).verdict == "bit-exact"
    other = changed(stages)
    other["scale"][4, 1] = 0
    assert pair(stages, other).verdict == "broken"


@settings(max_examples=40)
@given(st.integers(0, N - 1), st.integers(0, 4), st.floats(1e-4, 1e3))
def test_the_verdict_does_not_depend_on_the_order(row: int, column: int, amount: float) -> None:
    stages = base()
    other = changed(stages, scale=((row, column), amount))
    there, back = pair(stages, other), pair(other, stages)
    assert there.verdict == back.verdict == "broken"
    assert there.breaks is not None and back.breaks is not None and there.breaks.sample == back.breaks.sample == row


def test_a_form_that_hides_its_bytes_is_seen_through_its_probabilities() -> None:
    stages = base()
    other = {name: stages[name].copy() for name in (RANGE, "scale", PROBABILITIES, LABEL)}
    other[PROBABILITIES][3] += np.array([0.05, -0.05, 0], np.float32)
    assert pair(stages, other).verdict == "within tolerance"
    other[PROBABILITIES][3] += np.array([0.05, -0.05, 0], np.float32)
    assert pair(stages, other).verdict == "broken"


def test_a_form_of_fewer_samples_is_compared_on_those() -> None:
    stages = base()
    other = {name: values[:9].copy() for name, values in stages.items()}
    record = pair(stages, other)
    assert record.verdict == "bit-exact" and {s.samples for s in record.stages} == {9}
    assert pair(stages, changed(other, scale=((7, 4), 0.01))).verdict == "broken"


def test_last_digits_of_readings_are_no_disagreement() -> None:
    readings = (230 + 0.01 * RNG.standard_normal((N, 8))).astype(np.float32)
    mean = {"mean": readings.mean(axis=1, keepdims=True)}
    moved = [{"mean": m.mean(axis=1, keepdims=True)} for m in perturbed_readings(readings)]
    digits = last_digits(mean, moved)["mean"]
    assert digits.shape == (N, 1) and 1e-5 < digits.max() < 1e-4


def test_a_form_that_cannot_run_is_left_out_with_its_reason() -> None:
    def refuse(samples: Samples, boundary: Samples) -> Stages:
        raise InputError("a compiler", "none")

    forms = [
        Form("a", "float", lambda x, y: {"s": x}),
        Form("b", "float", refuse),
        Form("c", "float", lambda x, y: {"s": x}),
    ]
    tolerance_reference = ToleranceReference(spread={}, digits={}, names={}, origins=("0",) * N, labels=())
    proof = prove(forms, SCALE, SCALE, tolerance_reference)
    assert [f.name for f in proof.forms] == ["a", "c"] and proof.absent[0].reason == "expected a compiler, got none"
    assert proof.passed and proof.odd == ""
    assert not proof.absent[0].needed


@pytest.mark.parametrize(
    ("required", "error"), [(True, InputError("a compiler", "none")), (False, StoppedError("fault"))]
)
def test_without_a_form_that_was_asked_for_or_one_that_crashed_nothing_is_proven(
    required: bool, error: Exception
) -> None:
    def refuse(samples: Samples, boundary: Samples) -> Stages:
        raise error

    forms = [Form("a", "float", lambda x, y: {"s": x}), Form("b", "float", refuse, needed=required)]
    tolerance_reference = ToleranceReference(spread={}, digits={}, names={}, origins=("0",) * N, labels=())
    (absent,) = prove(forms, SCALE, SCALE, tolerance_reference).absent
    assert absent.name == "b" and absent.needed


def test_a_form_that_stops_says_at_which_stage_and_the_others_are_compared() -> None:
    def answer(error: Exception) -> Callable[[Samples, Samples], Stages]:
        def run(samples: Samples, boundary: Samples) -> Stages:
            raise error

        return run

    forms = [Form(name, "float", lambda x, y: {"s": x}) for name in "ab"]
    errors = {"c": IndexError("3"), "d": StoppedError("crashed", "t"), "e": InputError("a compiler", "none")}
    forms += [Form(name, "float", answer(error)) for name, error in errors.items()]
    tolerance_reference = ToleranceReference(spread={}, digits={}, names={}, origins=("0",) * N, labels=())
    proof = prove(forms, SCALE, SCALE, tolerance_reference, lambda form: f"stage of {form.name}")
    assert [form.name for form in proof.forms] == ["a", "b"] and proof.passed
    stops = {form.name: (form.stage, form.needed) for form in proof.absent}
    assert stops == {"c": ("stage of c", True), "d": ("t", True), "e": ("", False)}
    assert proof.absent[0].reason.startswith("IndexError in test_proof_pair.py:")


def test_a_sample_with_larger_sums_than_the_others_may_lose_more() -> None:
    values = np.random.default_rng(3).normal(size=(40, 8)).astype(np.float32)
    values[7] *= 50.0
    reference = ToleranceReference(spread={}, digits={}, names={}, origins=(), labels=())
    limit, _ = allowed("layer 2 depthwise", values, reference)
    assert limit[7].min() > 5.0 * limit[8].max()
    assert limit[8].min() > 1e-4 * float(np.sqrt(np.mean(np.square(values))))


def test_a_layer_that_is_mostly_off_is_measured_by_the_size_of_its_neighbours() -> None:
    values = np.zeros((40, 2), np.float32)
    values[:, 0] = np.linspace(1, 3, 40)
    values[7, 1] = 0.01
    other = values.copy()
    other[7, 1] += 1e-4
    tolerance_reference = ToleranceReference(
        spread=spreads({"layer 1 dense": values}), digits={}, names={}, origins=(), labels=()
    )
    limit, words = allowed("layer 1 dense", values, tolerance_reference)
    assert (np.abs(other - values) <= limit).all() and "the layer's RMS" in words
    other[7, 1] += 1e-3
    assert (np.abs(other - values) > limit).any()
    before = ToleranceReference(
        spread=tolerance_reference.spread,
        digits={},
        names={},
        origins=(),
        labels=(),
        before=frozenset({"layer 1 dense"}),
    )
    assert allowed("layer 1 dense", values, before)[0][7, 1] < 1e-6


def _layered(layers: Stages) -> Stages:
    stages = base()
    inside = {name: stages.pop(name) for name in ("layer 1 dense", OUTPUT, PROBABILITIES, LABEL)}
    return {**stages, **layers, **{name: inside[name] for name in (OUTPUT, PROBABILITIES, LABEL)}}


def _proved(*forms: tuple[str, Stages, bool]) -> ProofResult:
    tolerance_reference = ToleranceReference(
        spread={}, digits={}, names={}, origins=tuple(f"row {i}" for i in range(N)), labels=("p", "q", "r")
    )

    def run(stages: Stages) -> Callable[[Samples, Samples], Stages]:
        return lambda x, y: {stage: values.copy() for stage, values in stages.items()}

    return prove(
        [Form(name, "int8", run(stages), ours=ours) for name, stages, ours in forms], SCALE, SCALE, tolerance_reference
    )


def _two_layers() -> Stages:
    return _layered({"layer 1 conv": INSIDE.copy(), "layer 2 dense": INSIDE[:, ::-1].copy()})


def test_a_step_in_a_layer_that_a_form_of_ours_hides_is_no_fault_of_what_follows() -> None:
    reference = _two_layers()
    # An engine that rounds a value of the first layer otherwise, from which the second goes further apart.
    own = changed(reference, **{"layer 1 conv": ((5, 1), 1), "layer 2 dense": ((5, 0), 7)})
    few = {stage: values for stage, values in reference.items() if stage != "layer 1 conv"}
    proof = _proved(("reference", reference, True), ("own", own, False), ("few", few, True))
    assert proof.passed
    assert [form.hidden for form in proof.forms] == [(), (), ("layer 1 conv",)] and proof.uncompared == ()
    pair = next(pair for pair in proof.pairs if (pair.first, pair.second) == ("own", "few"))
    assert {s.stage: s.samples for s in pair.stages}["layer 2 dense"] == N - 1
    # A fault of the form that hides its layer is found where it shows again, beside all others.
    wrong = changed(few, **{"layer 2 dense": ((7, 2), 2)})
    record = _proved(("reference", reference, True), ("own", own, False), ("few", wrong, True))
    assert not record.passed and common_form(record.pairs, {}) == "few"


def test_engines_that_hide_layers_from_each_other_are_judged_by_their_ends() -> None:
    reference = _two_layers()
    few = {stage: values for stage, values in reference.items() if stage != "layer 1 conv"}
    far = changed(reference, **{"layer 1 conv": ((5, 1), 1), "layer 2 dense": ((5, 0), 7)})
    assert pair(far, few, ours=False).verdict == "within tolerance"
    other = changed(far, **{PROBABILITIES: ((5, 0), 0.2)})
    assert pair(other, few, ours=False).verdict == "broken"


def test_what_no_pair_could_judge_is_listed_with_its_reason() -> None:
    reference = _two_layers()
    few = {stage: values for stage, values in reference.items() if stage != "layer 2 dense"}
    proof = _proved(("reference", reference, True), ("few", few, True))
    (left,) = proof.uncompared
    assert proof.passed
    assert (left.form, left.stage, left.reason) == ("reference", "layer 2 dense", "no other form shows it")
    # A step in the first layer of every sample, and from there anything.
    away = {s: np.asarray(v - 1, v.dtype) if v.dtype == np.int8 and s != BYTES else v for s, v in reference.items()}
    away |= {PROBABILITIES: reference[PROBABILITIES][::-1], LABEL: reference[LABEL][::-1]}
    proof = _proved(("reference", reference, True), ("own", away, False))
    later = ["layer 2 dense", OUTPUT, PROBABILITIES, LABEL]
    assert proof.passed and [one.stage for one in proof.uncompared if one.form == "own"] == later
    assert {one.reason for one in proof.uncompared} == {"every sample differs at an earlier stage"}
    alone = _proved(("reference", reference, True))
    assert not alone.passed and len(alone.uncompared) == len(reference)


@pytest.mark.parametrize("numbers", [("int8", "int8"), ("float", "float")])
def test_of_a_sample_without_an_answer_only_its_ends_are_compared(numbers: tuple[Numbers, Numbers]) -> None:
    stages = base()
    stages[PROBABILITIES][4], stages[LABEL][4] = 0, -1
    none = np.arange(N) == 4
    other = changed(stages, scale=((4, 2), 5), **{BYTES: ((4, 2), 30), "layer 1 dense": ((4, 0), 9)})
    assert pair(stages, other, numbers=numbers, unanswered=none).verdict != "broken"
    assert pair(stages, other, numbers=numbers).verdict == "broken"
    answered = changed(other, **{LABEL: ((4,), 1)})
    record = pair(stages, answered, numbers=numbers, unanswered=none)
    assert record.breaks is not None and (record.breaks.stage, record.breaks.sample) == (LABEL, 4)


def test_tolerances_fit_a_form_whose_pool_over_the_window_leaves_no_axis() -> None:
    pooled = np.random.default_rng(0).normal(size=(N, 5, 1)).astype(np.float32)
    digits = np.full(pooled.shape, 0.5)
    stage = "layer 1 global_max_pool"
    tolerance_reference = ToleranceReference(
        spread=spreads({stage: pooled}), digits={stage: digits}, names={}, origins=("0",) * N, labels=()
    )
    limit, words = allowed(stage, pooled, tolerance_reference)
    flat, _ = allowed(stage, pooled[:, :, 0], tolerance_reference)
    assert flat.shape == (N, 5) and np.array_equal(flat, limit[:, :, 0]) and flat.min() > 0.5
    assert allowed(stage, pooled[:0, :, 0], tolerance_reference)[1] == words


def test_a_stage_that_few_forms_show_stands_before_the_next_that_all_show() -> None:
    order = stage_order(
        [("bytes", "every step", "raw"), ("bytes", "layer 1", "layer 2", "raw", "label"), ("own", "raw")]
    )
    assert order == ["bytes", "layer 1", "layer 2", "every step", "own", "raw", "label"]
