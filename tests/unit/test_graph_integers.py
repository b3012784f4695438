"""Integer kernels: arithmetic of the reference, and every kind against it."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgewright.core.arithmetic import (
    UNIT31,
    divide_by_power,
    exact_once,
    exp_of_negative,
    half_away,
    high_product,
    logistic,
    once,
    one_over_one_plus,
    quantise_multiplier,
    twice,
)
from edgewright.core.errors import InputError, Int8Error, UnknownNameError
from edgewright.core.integer.network import NetworkFunction, run_integer, run_values, with_rounding
from edgewright.core.kernels import finished, kernel, prepare, register, sums
from edgewright.core.kernels.weighted import rounded_twice
from edgewright.core.records.network import Array, IntegerOperator, IntegerValue, Rounding
from integer_layers import LAYERS, litert, need_litert, need_tflm, some, tflm, to_tflite
from integer_reference import reference_values

pytestmark = pytest.mark.numbers

COUNT = 25


@given(st.integers(0, 2**32 - 1), st.integers(-128, 127))
@settings(max_examples=30)
def test_the_bounds_of_sums_are_those_of_the_furthest_bytes(seed: int, zero: int) -> None:
    random = np.random.default_rng(seed)
    weights, bias = random.integers(-127, 128, (4, 9)).astype(np.int8), random.integers(-999, 999, 4).astype(np.int32)
    operator = IntegerOperator(kind="dense", inputs=(0,), output=1, arrays={"weights": weights, "bias": bias})
    bounds = sums(operator, IntegerValue(shape=(9,), scale=0.1, zero=zero), 0)
    ends = weights[:, :, None].astype(np.int64) * np.array([-128 - zero, 127 - zero])
    np.testing.assert_array_equal(bounds.lowest, ends.min(axis=2).sum(axis=1) + bias)
    np.testing.assert_array_equal(bounds.highest, ends.max(axis=2).sum(axis=1) + bias)


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_equal_to_the_reference_kernels_of_litert(kind: str) -> None:
    need_litert()
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(COUNT):
        network = with_rounding(LAYERS[kind](rng), "litert")
        x = some(network, rng)
        answers = litert(to_tflite(network), x)
        np.testing.assert_array_equal(run_integer(network, x), answers)
        inside += int((np.abs(answers.astype(int)) < 120).sum())
    assert inside > 100, "the layers do not only saturate"


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_equal_to_tflm(kind: str) -> None:
    need_litert()
    need_tflm()
    rng = np.random.default_rng(2)
    for _ in range(COUNT):
        network = with_rounding(LAYERS[kind](rng), "tflm")
        x = some(network, rng)
        np.testing.assert_array_equal(run_integer(network, x), tflm(to_tflite(network), x))


@pytest.mark.parametrize("rounding", ["litert", "tflm"])
@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_every_byte_is_that_of_the_definition(kind: str, rounding: Rounding) -> None:
    """The kernels compute in float32 and float64 where that is exact; the definition computes in int64."""
    rng = np.random.default_rng(7)
    for _ in range(3 * COUNT):
        network = with_rounding(LAYERS[kind](rng), rounding)
        x = some(network, rng)
        x[0], x[1], x[2] = -128, 127, rng.choice([-128, 127], x[2].shape)
        wanted = reference_values(network, x)
        for number, values in run_values(network, x).items():
            assert values.dtype == np.int8
            np.testing.assert_array_equal(values, wanted[number])


@pytest.mark.parametrize("power", range(-26, 7))
def test_sums_at_every_half_are_rounded_twice_as_integers_are(power: int) -> None:
    rng = np.random.default_rng(power + 100)
    for reach in (10, 18, 24, 31):
        real = np.array([2.0**power, 2.0**power * 0.75, 2.0**power * rng.uniform(0.5, 1.0), 0.0])
        multiplier, shift = quantise_multiplier(real)
        zero, maximum = int(rng.integers(-128, 128)), int(min(2**reach, 2 ** (31 - max(power + 1, 0)))) - 1
        operator = IntegerOperator(
            kind="conv", inputs=(), output=-1, low=int(rng.choice([-128, zero])),
            arrays={"multiplier": multiplier, "shift": shift},
        )  # fmt: skip
        value = IntegerValue(shape=(4,), scale=1.0, zero=zero)
        halves = np.rint((np.arange(-300, 300)[:, None] + 0.5) / np.where(real > 0, real, 1.0))
        near = np.clip(np.concatenate([halves + k for k in (-1, 0, 1)]), -maximum, maximum).astype(np.int64)
        sums = np.concatenate([near, np.tile([[maximum], [-maximum], [0], [1], [-1]], 4)])
        offset = rng.integers(-maximum // 2, maximum // 2 + 1, 4)
        rounded = rounded_twice(operator, value, offset, np.full(4, maximum))((sums - offset).astype(np.float64))
        np.testing.assert_array_equal(rounded, finished(twice(sums, multiplier, shift), operator, value))


def test_sums_beyond_float32_are_exact() -> None:
    """8,192 products of the largest bytes leave the 24 bits that float32 counts in."""
    weights = np.full((2, 8192), 127, np.int8)
    weights[1] = np.tile([127, -127], 4096)
    arrays: dict[str, Array] = {"weights": weights, "weight_scale": np.array([0.01], np.float32)}
    values = (IntegerValue(shape=(8192,), scale=0.01), IntegerValue(shape=(2,), scale=100.0, zero=3))
    operator = IntegerOperator(kind="dense", inputs=(0,), output=1, arrays=arrays)
    layer = msgspec.structs.replace(LAYERS["dense"](np.random.default_rng(8)), values=values, operators=(operator,))
    for rule in ("litert", "tflm"):
        network = with_rounding(layer, rule)
        x = some(network, np.random.default_rng(9))
        x[0], x[1] = 127, -128
        np.testing.assert_array_equal(run_integer(network, x), reference_values(network, x)[1])


def test_a_batch_of_several_parts_is_answered_as_its_rows_are() -> None:
    rng = np.random.default_rng(10)
    source, output = IntegerValue(shape=(32, 32, 8), scale=0.02), IntegerValue(shape=(32, 32, 8), scale=0.1, zero=5)
    arrays: dict[str, Array] = {
        "weights": rng.integers(-127, 128, (8, 3, 3, 8)).astype(np.int8),
        "weight_scale": np.array([0.003], np.float32),
    }
    numbers = {"kernel": (3, 3), "strides": (1, 1), "dilations": (1, 1), "pads": (1, 1, 1, 1), "groups": (1,)}
    operator = IntegerOperator(kind="conv", inputs=(0,), output=1, numbers=numbers, arrays=arrays)
    layer = msgspec.structs.replace(LAYERS["conv"](rng), values=(source, output), operators=(operator,))
    ask = NetworkFunction(with_rounding(layer, "litert"))
    x = some(layer, rng, 3 * ask.samples_at_once + 1)
    outputs = ask(x)
    assert outputs.shape == (len(x), 32, 32, 8)
    for row in (0, ask.samples_at_once, len(x) - 1):
        np.testing.assert_array_equal(outputs[row], ask(x[row : row + 1])[0])
    assert ask(x[:0]).shape == (0, 32, 32, 8)


def test_the_two_roundings_differ_in_fully_connected_only_sometimes() -> None:
    rng = np.random.default_rng(3)
    differ = count = 0
    for _ in range(300):
        layer = LAYERS["dense"](rng)
        x = some(layer, rng)
        first, other = (run_integer(with_rounding(layer, rule), x).astype(int) for rule in ("litert", "tflm"))
        assert np.abs(first - other).max() <= 1
        differ, count = differ + int((first != other).sum()), count + first.size
    assert 0 < differ < count / 200


@pytest.mark.parametrize(
    "kind", ["conv", "depthwise", "average_pool", "max_pool", "mean", "add", "softmax", "quantise"]
)
def test_the_two_roundings_are_one_elsewhere(kind: str) -> None:
    rng = np.random.default_rng(4)
    for _ in range(10):
        layer = LAYERS[kind](rng)
        x = some(layer, rng)
        first, other = (run_integer(with_rounding(layer, rule), x) for rule in ("litert", "tflm"))
        np.testing.assert_array_equal(first, other)


def test_a_dead_channel_with_a_large_bias() -> None:
    """A floored scale puts the bias at 2**30 steps; the answer is that bias whatever the input."""
    rng = np.random.default_rng(5)
    weights = rng.integers(-127, 128, (3, 10)).astype(np.int8)
    weights[1] = 0
    bias = np.array([100, 2**30, -(2**30)], np.int32)
    weights[2] = rng.integers(-1, 2, 10)
    scale = np.array([0.01, 40 / 2**30 / 0.02, 25 / 2**30 / 0.02], np.float32)
    arrays: dict[str, Array] = {"weights": weights, "weight_scale": scale, "bias": bias}
    values = (IntegerValue(shape=(10,), scale=0.02, zero=3), IntegerValue(shape=(3,), scale=0.5, zero=-9))
    operator = IntegerOperator(kind="dense", inputs=(0,), output=1, arrays=arrays)
    layer = msgspec.structs.replace(LAYERS["dense"](rng), values=values, operators=(operator,))
    for rule in ("litert", "tflm"):
        x = some(layer, rng)
        y = run_integer(with_rounding(layer, rule), x)
        assert (y[:, 1] == 80 - 9).all() and (y[:, 2] == -50 - 9).all()


def test_sums_that_leave_32_bits_are_refused_by_channel() -> None:
    rng = np.random.default_rng(6)
    for kind in ("dense", "conv", "depthwise"):
        layer = LAYERS[kind](rng)
        operator = layer.operators[0]
        channels = operator.arrays["weights"].shape[2 if kind == "depthwise" else 0]
        arrays: dict[str, Array] = {**operator.arrays, "bias": np.full(channels, 2**31 - 1, np.int32)}
        broken = msgspec.structs.replace(operator, arrays=arrays)
        network = msgspec.structs.replace(layer, operators=(broken,))
        with pytest.raises(Int8Error, match=f"sums of products within 32 bits.*channel 0.*{kind}"):
            with_rounding(network, "litert")


def test_grids_an_operator_cannot_have_are_refused() -> None:
    source, other = IntegerValue(shape=(4,), scale=0.1), IntegerValue(shape=(4,), scale=0.2)
    for kind, _message in (
        ("max_pool", "one scale and zero point"),
        ("concat", "one scale and zero point"),
        ("softmax", "scale 1/256"),
        ("logistic", "scale 1/256"),
    ):
        with pytest.raises(Int8Error):
            prepare(IntegerOperator(kind=kind, inputs=(0,), output=1), [source], other, "litert")


def test_every_kernel_is_tried_here_and_an_unknown_one_is_named() -> None:
    covered = {*LAYERS} - {"moves"} | {"reshape", "transpose", "pad", "slice", "concat"}
    assert set(register.known) == covered
    with pytest.raises(UnknownNameError, match=r"no integer operator 'convv'.*Did you mean 'conv'"):
        kernel("convv")


INT32 = st.integers(-(2**31), 2**31 - 1)


def nearest(x: Fraction) -> int:
    """Halves away from zero."""
    whole = int(abs(x) + Fraction(1, 2))
    return whole if x >= 0 else -whole


@given(st.floats(2.0**-31, 2.0**20))
@settings(max_examples=200)
def test_a_multiplier_holds_31_bits_of_its_factor(real: float) -> None:
    multiplier, shift = quantise_multiplier(real)
    assert 2**30 <= int(multiplier[0]) < 2**31
    product = Fraction(int(multiplier[0])) * Fraction(2) ** (int(shift[0]) - 31)
    assert abs(product - Fraction(real)) <= Fraction(real) / 2**31


def test_multipliers_at_the_ends() -> None:
    multiplier, shift = quantise_multiplier([0.0, 2.0**-40, 1.0 - 2.0**-40, 1.0, 2.0**-32])
    assert multiplier.tolist() == [0, 0, 2**30, 2**30, 2**30]
    assert shift.tolist() == [0, 0, 1, 1, -31]


@given(INT32, INT32)
@settings(max_examples=200)
def test_the_high_product_rounds_halves_up(a: int, b: int) -> None:
    exact = Fraction(a * b, 2**31) + Fraction(1, 2)
    assert int(high_product(a, b)) == min(exact.numerator // exact.denominator, 2**31 - 1)


@given(INT32, st.integers(0, 31))
@settings(max_examples=200)
def test_division_by_a_power_rounds_halves_away_from_zero(x: int, exponent: int) -> None:
    assert int(divide_by_power(x, exponent)) == nearest(Fraction(x, 2**exponent))


@given(st.integers(-(2**24), 2**24), st.floats(1e-6, 4.0))
@settings(max_examples=200)
def test_rounding_twice_is_within_one_of_the_real_number(x: int, real: float) -> None:
    multiplier, shift = quantise_multiplier(real)
    assert abs(int(twice(x, multiplier, shift)[0]) - Fraction(real) * x) <= 1


@given(
    st.floats(1e-7, 2.0) | st.sampled_from([2.0**-k for k in range(1, 24)]),
    st.integers(-(2**30), 2**30),
    st.integers(0, 2**22),
    st.integers(-128, 127),
)
@settings(max_examples=150)
@example(0.009, 0, 1500, 0)
def test_rounding_once_equals_float64_for_every_sum(real: float, start: int, width: int, zero: int) -> None:
    minimum, maximum = start, start + width
    sums = np.unique(np.concatenate([np.linspace(minimum, maximum, 2000).astype(np.int64), [minimum, maximum]]))
    steps = (np.arange(-128 - zero, 128 - zero) + 0.5) / real
    steps = np.floor(np.clip(steps, minimum, maximum)).astype(np.int64)
    sums = np.concatenate([sums, *(np.clip(steps + k, minimum, maximum) for k in (-1, 0, 1, 2))])
    wanted = np.clip(half_away(sums * real), -128 - zero, 127 - zero)
    try:
        multiplier, shift = exact_once(real, minimum, maximum, -128 - zero, 127 - zero)
    except InputError:
        assert not _some_factor_gives(sums, wanted, -128 - zero, 127 - zero)
        return
    clipped = np.clip(once(sums, multiplier, shift), -128 - zero, 127 - zero)
    np.testing.assert_array_equal(clipped, wanted)


def _some_factor_gives(sums: NDArray[np.int64], wanted: NDArray[np.int64], low: int, high: int) -> bool:
    """Return whether one real number times every sum rounds as float64 does: 0.009 * 500 is rounded up to 4.5 there."""
    pairs = [(abs(int(x)), abs(int(y)), low < y < high) for x, y in zip(sums, wanted, strict=True) if x]
    at_least = max((Fraction(2 * y - 1, 2 * x) for x, y, _ in pairs), default=Fraction(0))
    return all(at_least < Fraction(2 * y + 1, 2 * x) for x, y, inside in pairs if inside)


def test_a_factor_that_no_multiplier_holds_is_refused() -> None:
    with pytest.raises(Int8Error):
        exact_once(1e12, -100, 100, -128, 127)


def test_halves_go_away_from_zero_in_every_precision() -> None:
    x = np.array([-2.5, -0.5, -0.49999997, 0.49999997, 0.5, 1.5, 8388609.0], np.float32)
    rounded = half_away(x)
    assert rounded.tolist() == [-3, -1, 0, 0, 1, 2, 8388609] and rounded.dtype == np.float32


def test_exp_and_logistic_are_close_to_the_real_functions() -> None:
    x = -np.linspace(0, 15.99, 4001)
    for bits in (4, 5):
        raw = np.floor(x * 2.0 ** (31 - bits)).astype(np.int64)
        exact = np.exp(raw / 2.0 ** (31 - bits))
        assert np.abs(exp_of_negative(raw, bits) / 2.0**31 - exact).max() < 3e-7
    raw = np.linspace(-(2**31) + 1, 2**31 - 1, 4001).astype(np.int64)
    exact = 1.0 / (1.0 + np.exp(-raw / 2.0**27))
    assert np.abs(logistic(raw, 4) / 2.0**31 - exact).max() < 3e-7
    raw = np.linspace(0, UNIT31, 4001).astype(np.int64)
    assert np.abs(one_over_one_plus(raw) / 2.0**31 - 1 / (1 + raw / 2.0**31)).max() < 1e-7
    assert int(exp_of_negative(0, 5)) == UNIT31 and int(logistic(0, 4)) == 2**30
