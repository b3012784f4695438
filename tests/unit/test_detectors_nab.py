"""The scorer of NAB against published results, and the detectors on NAB and SKAB."""

from __future__ import annotations

import csv
import ctypes
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from benchmarks.anomalies import nab, skab

import own_past_choice as families
from alarm_scores import STANDARD, Series, benchmark_score, normalised, score, windowed_gaussian, worth
from c99_examples import WARNINGS, call
from c99_stages import need_compiler
from edgewright.export.c99_detectors._source import write_detector_c99
from edgewright.export.c99_host.host import compiler_command
from edgewright.monitor.detector_stream import state_bytes
from edgewright.monitor.detectors import kind
from edgewright.monitor.detectors.own_past import OwnPastConfig
from own_start import judge
from support import shared_data


@cache
def streams() -> tuple[Series, ...]:
    """Return the 258,545 rows of the benchmark, read once; nobody writes into them."""
    streams = tuple(nab.streams(shared_data("nab")))
    for series in streams:
        series.time.flags.writeable = series.values.flags.writeable = False
    return streams


def test_no_alarm_is_0_and_every_window_at_its_first_row_is_100() -> None:
    value = worth(4000, ((1000, 1399), (2500, 2899)), STANDARD)
    silent = score(np.zeros(4000, np.bool_), value, STANDARD)
    assert normalised(silent, value.windows, STANDARD) == 0
    first = np.zeros(4000, np.bool_)
    first[[1000, 2500]] = True
    assert normalised(score(first, value, STANDARD), value.windows, STANDARD) == pytest.approx(100)


def test_probation_late_alarms_and_false_ones() -> None:
    value = worth(10_000, ((2000, 2999),), STANDARD)
    # 15 % of at most 5,000 rows are not scored.
    assert (value.window[:750] == -2).all()
    assert value.window[750] == -1
    assert value.gain[1500] == pytest.approx(-0.11)
    # Just after a window an alarm costs next to nothing, three widths later all.
    assert -0.001 < value.gain[3000] < 0
    assert value.gain[9000] == pytest.approx(-0.11)
    # The later in a window, the less; the best alarm of a window counts alone.
    assert value.gain[2000] == pytest.approx(1.0)
    assert value.gain[2000] > value.gain[2500] > value.gain[2999] > 0
    every = np.zeros(10_000, np.bool_)
    every[2000:3000] = True
    assert score(every, value, STANDARD) == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.needs_data
def test_the_published_scores_of_every_row_are_reproduced() -> None:
    folder = shared_data("nab")
    series = {s.name: s for s in streams()}
    assert (len(series), sum(len(s.time) for s in series.values())) == (40, 258_545)
    assert sum(len(s.windows) for s in series.values()) == 70
    weights = nab.profiles(folder)
    seen = 0
    for path in sorted((folder / "results_windowedGaussian").rglob("*.csv.gz")):
        name = f"{path.parent.name}/{path.name.removeprefix('windowedGaussian_').removesuffix('.gz')}"
        rows = nab.table(path)
        published = np.array([float(row["anomaly_score"]) for row in rows])
        np.testing.assert_allclose(windowed_gaussian(series[name].values), published, atol=2e-12)
        for profile, own in weights.items():
            value = worth(len(published), series[name].windows, own)
            reported = float(_published(folder, profile)[name]["Score"])
            assert score(published >= 1, value, own) == pytest.approx(reported, abs=5e-12)
            seen += 1
    assert seen == 9


def _published(folder: Path, profile: str) -> dict[str, dict[str, str]]:
    with (folder / f"windowedGaussian_{profile}_scores.csv").open(newline="") as file:
        return {row["File"]: row for row in csv.DictReader(file)}


@pytest.mark.slow
@pytest.mark.needs_data
def test_the_published_scores_of_all_streams_are_reproduced_to_the_last_digit() -> None:
    folder = shared_data("nab")
    given, compared = list(streams()), 0
    alarms = {s.name: windowed_gaussian(s.values) >= 1 for s in given}
    printed = {"standard": 36.72, "reward_low_FP_rate": 14.44, "reward_low_FN_rate": 45.91}
    for profile, weights in nab.profiles(folder).items():
        whole, each = benchmark_score(alarms, given, weights)
        assert round(whole, 2) == printed[profile]
        for name, row in _published(folder, profile).items():
            assert each[name] == pytest.approx(float(row["Score"]), abs=5e-12)
            own = next(s for s in given if s.name == name)
            window = worth(len(own.time), own.windows, weights).window
            counts = [int((alarms[name] == odd).__and__(side).sum())
                      for odd, side in ((True, window >= 0), (False, window == -1), (True, window == -1),
                                        (False, window >= 0))]  # fmt: skip
            assert counts == [int(row[key]) for key in ("TP", "TN", "FP", "FN")]
            compared += 1
    assert compared == 120


@pytest.mark.slow
@pytest.mark.needs_data
def test_one_setting_keeps_above_the_windowed_gaussian_in_every_family_of_nab() -> None:
    folder = shared_data("nab")
    weights = nab.profiles(folder)["standard"]
    given = list(streams())
    alarms = {s.name: families.alarms(families.scores(s, OwnPastConfig())) for s in given}
    whole, each = benchmark_score(alarms, given, weights)
    assert whole == pytest.approx(73.65, abs=0.05)
    published = _published(folder, "standard")
    own, other = (dict.fromkeys(map(families.family, each), 0.0) for _ in range(2))
    for name, count in each.items():
        own[families.family(name)] += count
        other[families.family(name)] += float(published[name]["Score"])
    assert len(own) == 6
    assert all(own[name] > other[name] for name in own)
    part = kind("own_past")
    running = part.start(part.fit(OwnPastConfig(), np.zeros((1, 1), np.float32), np.zeros(1)))
    running.update(given[0].values[:200, None].astype(np.float32), given[0].time[:200])
    assert state_bytes(running.state()) <= 700


def test_a_family_is_judged_by_a_setting_that_never_saw_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two families whose best settings differ: what is chosen for one is what is best on the other.
    table = np.zeros((2 * len(families.LIMITS), 2))
    table[5, 0], table[30, 1] = 3.0, 3.0
    table[4:7, 0] += 1
    table[29:32, 1] += 1
    given = [Series(f"{name}/x.csv", np.zeros(1), np.zeros(1), ()) for name in ("realTweets", "realTraffic")]
    monkeypatch.setattr(families, "_columns", lambda *_: (table, np.full(2, 4.0)))
    scores = families.left_out(given, STANDARD)
    assert scores.each == {"realTweets": 50.0, "realTraffic": 50.0}
    assert scores.score == 50.0
    assert scores.windows == {"realTweets": 4, "realTraffic": 4}
    assert scores.settings == len(table)


@pytest.mark.slow
@pytest.mark.needs_data
def test_the_vector_autoregression_reaches_84_on_skab() -> None:
    given = skab.experiments(shared_data("skab"))
    assert (len(given), sum(len(one.values) for one in given) + 9405) == (23, 34_846)
    always = judge([np.ones(len(one.values), np.bool_) for one in given], given, skab.FITTED)
    assert round(always.f1, 2) == 0.70
    scores = judge([skab.flags(one, "var", {}, 1.0, 2.0) for one in given], given, skab.FITTED)
    assert scores.f1 >= 0.84
    assert scores.low < scores.f1 < scores.high
    assert scores.false < 0.2


@pytest.mark.slow
@pytest.mark.needs_data
@pytest.mark.parametrize(("bins", "reached"), [(0, 71.22), (24, 73.65)])
def test_own_past_in_c_raises_the_same_alarms_as_python_on_nab(bins: int, reached: float, tmp_path: Path) -> None:
    folder = shared_data("nab")
    need_compiler()
    part, config = kind("own_past"), OwnPastConfig(bins=bins)
    learnt = part.fit(config, np.zeros((1, 1), np.float32), np.zeros(1))
    files = write_detector_c99(
        "own_past", learnt, name="u", columns=("value",), threshold=1.0, refractory=families.REST
    )
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    call(tmp_path, *compiler_command(), *WARNINGS, "-O2", "-shared", "-fPIC", "u_detect.c", "-o", "u.so", "-lm")
    library = ctypes.CDLL(str(tmp_path / "u.so"))
    answer, context = ctypes.create_string_buffer(16), ctypes.create_string_buffer(1 << 20)
    alarms = {}
    for series in streams():
        library.u_detect_init(context)
        rows = series.values.astype(np.float32)
        flags = []
        for index, time in enumerate(series.time):
            if bins:
                library.u_detect_time(context, ctypes.c_int64(round(time * 1e6)))
            flags.append(bool(library.u_detect(context, ctypes.c_void_p(rows.ctypes.data + 4 * index), answer)))
        alarms[series.name] = np.array(flags)
        np.testing.assert_array_equal(alarms[series.name], families.alarms(families.scores(series, config)))
    weights = nab.profiles(folder)["standard"]
    assert benchmark_score(alarms, list(streams()), weights)[0] == pytest.approx(reached, abs=0.05 if bins else 0.01)
