"""What the detectors compute, against formulas and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

import detector_example
from edgewright.core.errors import InputError
from edgewright.monitor.detectors import kind
from edgewright.monitor.detectors._row import SlidingMean
from edgewright.monitor.detectors.own_past import OwnPast, OwnPastConfig
from edgewright.monitor.detectors.robust import RobustConfig


def _correlated(count: int = 500) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((count, 2))
    return (hidden @ rng.standard_normal((2, 5)) + 0.1 * rng.standard_normal((count, 5))).astype(np.float32)


def test_t2_and_q_are_those_of_scikit_learn() -> None:
    values = _correlated()
    part = kind("pca")
    learnt = part.fit(part.config(variance=0.9), values, np.zeros(500))
    wide = values.astype(np.float64)
    z = (wide - wide.mean(0)) / wide.std(0)
    oracle = PCA(n_components=len(learnt["axes"])).fit(z)
    along = oracle.transform(z)
    # scikit-learn divides by n - 1.
    t2 = (along**2 / (oracle.explained_variance_ * 499 / 500)).sum(1)
    q = ((z - oracle.inverse_transform(along)) ** 2).sum(1)
    expected = np.maximum(t2 / np.quantile(t2, 0.99), q / np.quantile(q, 0.99))
    np.testing.assert_allclose(part.start(learnt).update(values, np.zeros(500)), expected, rtol=1e-6)


def test_centres_are_as_good_as_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    places = np.array([[0, 0], [8, 0], [0, 8], [8, 8]])
    values = (places[rng.integers(4, size=400)] + 0.3 * rng.standard_normal((400, 2))).astype(np.float32)
    part = kind("k_means")
    learnt = part.fit(part.config(centres=4), values, np.zeros(400))
    z = (values - values.astype(np.float64).mean(0)) / values.astype(np.float64).std(0)
    own = (((z[:, None] - learnt["centres"]) ** 2).sum(2)).min(1).sum()
    assert own == pytest.approx(KMeans(4, n_init=10, random_state=0).fit(z).inertia_, rel=1e-3)


def test_robust_scores_count_deviations_and_follow_the_time_of_day() -> None:
    part = kind("robust")
    time = np.arange(0, 10 * 86400, 600.0)
    level = np.where(time % 86400 < 43200, 10.0, 20.0)
    values = (level + np.random.default_rng(0).standard_normal(len(time)))[:, None].astype(np.float32)
    daily = part.start(part.fit(RobustConfig(season=86400.0), values, time))
    flat = part.start(part.fit(RobustConfig(), values, time))
    night = np.array([[20.0]], np.float32), np.array([20 * 86400.0])
    assert daily.update(*night)[0] > 6
    assert flat.update(*night)[0] < 2
    plain = part.start(part.fit(RobustConfig(), np.array([[0], [1], [2], [3], [4]] * 3, np.float32), np.zeros(15)))
    assert plain.update(np.array([[5.0]], np.float32), np.zeros(1))[0] == pytest.approx(3 / 1.4826)


def test_a_stream_is_judged_by_its_own_past_whatever_its_unit() -> None:
    part = kind("own_past")
    rng = np.random.default_rng(0)
    time = np.arange(0, 20 * 86400, 900.0)
    wave = 10 * np.sin(2 * np.pi * time / 86400)
    values = (wave + 0.3 * rng.standard_normal(len(time)))[:, None].astype(np.float32)
    learnt = part.fit(OwnPastConfig(), values, time)
    calm = part.start(learnt).update(values, time)
    assert np.isnan(calm[:50]).all()
    # The first day has no other to compare with.
    assert np.nanmax(calm[200:]) < 1
    for change, rows in ((25.0, slice(1000, 1001)), (12.0, slice(1000, 1030)), (-10.0, slice(1000, 1010))):
        odd = values.copy()
        odd[rows] += np.float32(change)
        scores = part.start(learnt).update(odd, time)
        assert scores[rows].max() > 1
        # Another unit changes nothing; a power of two changes no digit either.
        np.testing.assert_array_equal(part.start(learnt).update(odd * np.float32(1024), time), scores)


def test_a_fitted_stream_goes_on_from_its_past() -> None:
    part = kind("own_past")
    assert part.remember is not None
    values, time = detector_example.rows(900)
    learnt = part.fit(OwnPastConfig(), values[:600], time[:600])
    whole = part.start(learnt).update(values, time)
    past = part.remember(learnt, values[:600], time[:600])
    np.testing.assert_array_equal(part.start(past).update(values[600:], time[600:]), whole[600:])
    # Beyond a thousand rows they count for no more, so that another level is soon the usual one.
    values, time = detector_example.rows(4000)
    long = part.start(part.remember(learnt, values, time))
    assert isinstance(long, OwnPast) and [channel.rows for channel in long.remembered] == [1000] * 3
    scores = long.update(values[:2000] + np.float32(50), time[:2000])
    assert scores[0] > 1 and np.mean(scores[1500:] > 1) < 0.03
    for wrong in (past["past"][:, 1:], np.full_like(past["past"], np.nan), -past["past"], past["past"][:2]):
        with pytest.raises(ValueError):
            part.start({**past, "past": wrong})


def test_a_broken_reading_of_the_past_is_not_remembered() -> None:
    part = kind("own_past")
    assert part.remember is not None
    values, time = detector_example.rows(600)
    values[:, 2] = np.nan
    learnt = part.fit(OwnPastConfig(), values, time)
    missing, broken = values.copy(), values.copy()
    missing[300, 0] = np.nan
    for reading in (3.4e38, -1e25, np.inf):
        broken[300, 0] = reading
        expected = part.remember(learnt, missing, time)["past"]
        np.testing.assert_array_equal(part.remember(learnt, broken, time)["past"], expected)


def test_an_odd_hour_is_seen_where_neither_level_nor_range_say_it() -> None:
    part = kind("own_past")
    time = np.arange(0, 20 * 86400, 3600.0)
    values = np.where((time // 3600) % 24 < 12, 0.0, 10.0) + 0.5 * np.random.default_rng(1).standard_normal(len(time))
    values[400:412] = 10.0 - values[400:412]
    rows = values[:, None].astype(np.float32)
    with_day, without = (
        part.start(part.fit(OwnPastConfig(bins=bins), rows, time)).update(rows, time) for bins in (24, 0)
    )
    assert with_day[400:412].max() > 1 > np.nanmax(without[200:])
    # Nobody knows the time: as if there were no parts of a day.
    unknown = part.start(part.fit(OwnPastConfig(), rows, time)).update(rows, np.full(len(time), np.nan))
    np.testing.assert_array_equal(unknown, without)


def test_the_distances_are_judged_by_the_formula() -> None:
    part = kind("own_past")
    values = np.random.default_rng(2).standard_normal(300).astype(np.float32)
    config = OwnPastConfig(bins=0, warm_up=0, beyond=1e9, near=0.5)
    scores = part.start(part.fit(config, values[:, None], np.zeros(300))).update(values[:, None], np.zeros(300))
    near = fast = slow = float(values[0])
    level, shift = [], []
    for index, x in enumerate(values.astype(np.float64)):
        level.append(abs(x - near))
        near += max(0.5, 1 / (index + 1)) * (x - near)
        fast += max(1 / 50, 1 / (index + 1)) * (x - fast)
        shift.append(abs(fast - slow))
        slow += max(1 / 2000, 1 / (index + 1)) * (x - slow)

    def unusual(distances: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        short = 0.0
        means: list[float] = []
        out: list[float] = []
        for index, distance in enumerate(distances):
            short += max(0.1, 1 / (index + 1)) * (distance - short)
            # Within the past all count alike: mean and deviation of all short means before.
            deviation = float(np.std(means)) if means else 0.0
            out.append(max(0.0, (short - float(np.mean(means))) / deviation) if deviation > 0 else 0.0)
            means.append(short)
        return np.array(out)

    expected = np.sqrt((unusual(level) ** 2 + unusual(shift) ** 2) / 2) / 3
    # The range has its limit at a thousand million widths, and is then 1e-9 at most.
    np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=2e-9)


def test_the_autoregression_blames_the_channel_that_shifts() -> None:
    part = kind("var")
    rng = np.random.default_rng(0)
    values = np.zeros((600, 3))
    for row in range(1, 600):
        values[row] = 0.8 * values[row - 1] + rng.standard_normal(3)
    learnt = part.fit(part.config(), values[:400].astype(np.float32), np.zeros(400))
    weights = learnt["weights"].reshape(3, -1)[:, :3]
    np.testing.assert_allclose(weights, 0.8 * np.eye(3), atol=0.15)
    running = part.start(learnt)
    usual = running.update(values[:500].astype(np.float32), np.zeros(500))
    shifted = values[500:].copy()
    shifted[:, 1] += np.linspace(2, 40, 100)
    odd = running.update(shifted.astype(np.float32), np.zeros(100))
    assert np.nanmax(usual) < 6
    assert odd.max() > 10
    assert int(running.blame().argmax()) == 1


def test_a_spike_stands_out_of_the_spectrum() -> None:
    part = kind("spectral_residual")
    wave = np.sin(2 * np.pi * np.arange(200) / 16)[:, None].astype(np.float32)
    wave[150] += 3
    scores = part.start(part.fit(part.config(), wave, np.zeros(200))).update(wave, np.zeros(200))
    assert np.isnan(scores[:63]).all()
    assert int(np.nanargmax(scores)) == 150


def test_sliding_means_have_no_drift_and_settings_are_checked() -> None:
    sliding = SlidingMean(3, 1)
    assert [float(sliding.push(np.array([x]))[0]) for x in (3.0, 6.0, 9.0, 0.0)] == [3.0, 4.5, 6.0, 5.0]
    for name, wrong in (("own_past", {"leak": 2.0}), ("pca", {"variance": 2.0}), ("var", {"order": 0}),
                        ("spectral_residual", {"samples": 4})):  # fmt: skip
        part = kind(name)
        with pytest.raises(InputError):
            part.fit(part.config(**wrong), np.zeros((100, 1), np.float32), np.arange(100.0))
    assert math.isnan(kind("var").start(_little()).update(np.zeros((1, 1), np.float32), np.zeros(1))[0])


def _little() -> dict[str, object]:
    part = kind("var")
    values = np.random.default_rng(0).standard_normal((100, 1)).astype(np.float32)
    return part.fit(part.config(), values, np.zeros(100))


@pytest.mark.slow
def test_the_first_second_of_a_part_of_the_day_belongs_to_it() -> None:
    minutes = np.arange(0, 86400, 60, dtype=np.float64)
    values = (np.arange(2880) % 1440)[:, None].astype(np.float32)
    part = kind("robust")
    config = RobustConfig(season=86400.0, bins=1440)
    learnt = part.fit(config, np.repeat(values, 20, axis=0), np.repeat(np.concatenate([minutes, minutes + 86400]), 20))
    np.testing.assert_array_equal(learnt["centre"][:, 0], np.arange(1440))
    assert part.start(learnt).update(values[:1440], minutes + 10 * 86400).max() == 0
    past = kind("own_past")
    running = past.start(past.fit(OwnPastConfig(bins=1440, warm_up=1), values, minutes))
    running.update(values[:1440], minutes)
    assert running.state()["channels"][0][0] == [1] * 1440
