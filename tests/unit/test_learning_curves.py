"""Learning curves: what is drawn, what a draw's noise says, what is predicted, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgewright.race.contract import PLAIN
from edgewright.race.metrics import METRICS
from edgewright.race.problem import Problem
from edgewright.race.stage_outputs import StageOutputs
from edgewright.race.stages import config_of
from edgewright.schema.advice import CurvePoint, Curves
from edgewright.schema.config import WindowConfig
from edgewright.schema.errors import InputError
from edgewright.schema.language import Utterance
from edgewright.schema.trace_flow import encode_record
from edgewright.search.curves.language_learners import IntentLearner
from edgewright.search.curves.measure import (
    CurveRequest,
    compare_with_prediction,
    law_words,
    measure,
    read_curves,
    record_of,
    single_words,
)
from edgewright.search.curves.noise import noise_of
from edgewright.search.curves.page import curves_page
from edgewright.search.curves.rung_learner import RungLearner, draw_subset, pieces_of
from edgewright.search.ladder.setup import problem_and_config
from ladder_problems import table
from small_pipeline import write_rows


class Known:
    """A learner whose curve is known: .2 at 1,000 samples, falling as their square root to a floor."""

    name, model, error, share, unit = "known", "a formula", "error rate", True, "row"
    samples, pieces, draws, scalable, judges, fingerprint = 1000.0, 1000, 1.0, True, 10_000, "abc"

    def __init__(self, exponent: float = 0.5, noise: float = 0.02) -> None:
        self.exponent, self.noise, self.asked = exponent, noise, 0

    def judge(self, share: float, repeat: int, *, pool: float = 1.0, width: float = 1.0) -> float:
        self.asked += 1
        rng = np.random.default_rng((self.asked, repeat))
        clean = 0.02 + 0.18 * share**-self.exponent
        return float(clean * np.exp(rng.normal() * self.noise / np.sqrt(share)) / (1 + 0.02 * np.log(width)))

    def parameters(self, width: float) -> int:
        return round(1000 * width)


@contextmanager
def _silent(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    yield lambda amount: None


def _measured(learner: Known, **request: object) -> Curves:
    return measure(learner, CurveRequest(**request), _silent)  # type: ignore[arg-type]


def _people(path: Path, people: int, rows: int = 40) -> Problem:
    rng = np.random.default_rng(0)
    cells = []
    for person in range(people):
        for _ in range(rows):
            a, b = rng.normal(size=2)
            cells.append([f"{a:.3f}", f"{b:.3f}", f"p{person}", "on" if a + rng.normal() * 0.5 > 0 else "off"])
    file = write_rows(path, cells, header="a,b,person,y")
    return problem_and_config(str(file), {"target": "y", "group": "person"})[0]


def test_a_known_curve_is_predicted_and_comes_true() -> None:
    record = _measured(Known(), pool=0.5, check=True)
    assert record.data.at == 1000
    assert record.data.inside
    interval = record.data.predicted
    assert (interval.high - interval.low) / interval.value < 1 / 3
    assert "inside the interval" in record.verdict
    assert record.data.exponent.low <= 0.5 < record.data.exponent.high


def test_labels_and_size_are_weighed_against_each_other() -> None:
    record = _measured(Known(exponent=0.6))
    assert record.parameters is not None
    assert record.data.gain.low > 0
    assert "labels are worth more than a bigger model" in record.verdict
    flat = _measured(Known(exponent=0.0))
    assert "an interval that includes zero" in flat.verdict


def test_few_wrong_answers_are_said_to_answer_nothing_before_anything_is_measured() -> None:
    few = Known()
    few.judges = 300
    record = _measured(few, pool=0.5)
    assert "is unknown" in record.verdict
    assert "98 are needed" in record.data.unanswerable
    assert "worth +" not in record.verdict
    checked = _measured(few, pool=0.5, check=True)
    assert not checked.data.broken
    assert "no interval was predicted" in checked.verdict
    assert not _measured(Known(), pool=0.5).data.unanswerable


def test_an_interval_wider_than_a_third_answers_nothing() -> None:
    record = _measured(Known(noise=0.6), pool=0.5, parameters=False)
    assert "% of the error; at most 33 %" in record.data.unanswerable
    assert "No prediction" in curves_page(record)


def test_a_floor_above_what_was_measured_is_never_said() -> None:
    points = [CurvePoint(size=float(n), errors=(e, e * 1.001)) for n, e in ((100, 0.3), (200, 0.18), (400, 0.2))]
    curve_record = record_of(points, 800.0, None)
    assert curve_record.floor <= curve_record.lowest
    assert "floor" in law_words(curve_record, "size", share=True)
    later = msgspec.structs.replace(curve_record, measured=curve_record.floor / 2)
    assert "floor" not in law_words(later, "size", share=True)


def test_the_noise_of_a_single_training_is_told_apart_from_the_mean() -> None:
    record = _measured(Known(noise=0.05), parameters=False)
    spread = np.std(record.data.points[-1].errors, ddof=1)
    assert record.data.single == pytest.approx(1.645 * spread)
    assert "9 of 10 training runs lie within" in single_words(record.data, share=True)
    assert _measured(Known(noise=0.0), parameters=False).data.single == pytest.approx(0.0, abs=1e-12)


def test_one_draw_is_enough_where_nothing_is_random() -> None:
    record = _measured(Known(noise=0.0), parameters=False)
    assert len(record.data.points[-1].errors) == 2


def test_a_prediction_is_held_against_a_later_record(tmp_path: Path) -> None:
    early, late = Known(), Known()
    early.samples = 500.0
    before = _measured(early, parameters=False)
    (tmp_path / "curve.json").write_bytes(encode_record(before))
    assert read_curves(tmp_path / "curve.json") == before
    later = compare_with_prediction(before, _measured(late, parameters=False))
    assert later.data.measured is not None
    assert later.data.at == 1000
    assert "Earlier prediction" in curves_page(before, later)
    late.fingerprint = "other"
    with pytest.raises(InputError, match="the same data, model and metric"):
        compare_with_prediction(before, _measured(late, parameters=False))
    with pytest.raises(InputError, match="more than the 500 samples"):
        compare_with_prediction(before, before)
    newer = msgspec.json.encode(msgspec.structs.replace(before, version=99))
    (tmp_path / "newer.json").write_bytes(newer)
    with pytest.raises(InputError, match="newer"):
        read_curves(tmp_path / "newer.json")


def test_draws_of_a_pool_tell_the_noise_of_fresh_draws() -> None:
    """Means of random parts of a pool: the variance that is left is known."""
    rng = np.random.default_rng(1)
    spreads = []
    for _ in range(40):
        pool = 1 + 0.3 * rng.normal(size=256)
        points = [
            CurvePoint(
                size=float(n),
                errors=tuple(float(rng.permutation(pool)[:n].mean()) for _ in range(12 if n < 256 else 1)),
            )
            for n in (16, 32, 64, 128, 256)
        ]
        spreads.append(noise_of(points).next)
    assert np.mean(spreads) == pytest.approx(0.3 / np.sqrt(256) * np.sqrt(0.5), rel=0.3)


def test_noise_that_does_not_fall_with_size_is_not_taken_to_fall() -> None:
    """Few wrong answers: as a share of the error, draws of more data may differ as much as draws of less."""
    rng = np.random.default_rng(2)
    spreads = []
    for _ in range(40):
        points = [
            CurvePoint(size=n, errors=tuple(1 + 0.1 * np.sqrt(1 - n / 256) * rng.normal(size=12 if n < 256 else 1)))
            for n in (16.0, 32.0, 64.0, 128.0, 256.0)
        ]
        spreads.append(noise_of(points).next)
    assert 0.75 < np.mean(spreads) / (0.1 * np.sqrt(0.5)) < 1.1


def test_pieces_stay_whole_and_draws_are_equal_and_nested(tmp_path: Path) -> None:
    problem = _people(tmp_path / "many.csv", 12)
    train = np.arange(len(problem.y), dtype=np.int64)
    pieces = pieces_of(problem, train)
    assert len(pieces) == 12
    small, large = (draw_subset(problem, pieces, count, 240, 3, 0) for count in (90, 180))
    assert (len(small), len(large)) == (90, 180)
    assert set(small) <= set(large)
    pool = draw_subset(problem, pieces, 240, 240, 0, 0)
    assert set(large) <= set(pool)
    counts = np.unique(problem.units[small], return_counts=True)[1]
    assert sorted(counts)[-2:] == [40, 40]  # two people whole, of a third what still lacked
    assert set(pool) == set(draw_subset(problem, pieces, 240, 240, 7, 0))


def test_few_people_are_cut_into_stretches(tmp_path: Path) -> None:
    problem = _people(tmp_path / "few.csv", 3)
    pieces = pieces_of(problem, np.arange(len(problem.y), dtype=np.int64))
    assert len(pieces) > 90
    assert all(len(np.unique(problem.units[piece])) == 1 for piece in pieces)


def test_a_rung_learns_from_more_rows(tmp_path: Path) -> None:
    problem, config, _ = problem_and_config(
        str(table(tmp_path / "rows.csv", 600, "product")), {"target": "y"}, by="row"
    )
    learner = RungLearner(problem, config, "tree", METRICS["accuracy"], 3)
    few, all_of_them = learner.judge(0.15, 0), learner.judge(1.0, 0)
    assert all_of_them < few
    assert (learner.unit, learner.samples, learner.scalable) == ("row", 400.0, False)
    assert learner.judge(0.15, 0) == few
    assert len({learner.judge(0.15, repeat) for repeat in range(4)}) > 1


@pytest.mark.slow
def test_a_network_is_measured_by_its_parameters(tmp_path: Path) -> None:
    problem, config, _ = problem_and_config(str(table(tmp_path / "rows.csv", 120)), {"target": "y"}, by="row")
    learner = RungLearner(problem, config, "small_network", METRICS["accuracy"], 2)
    assert learner.scalable
    assert learner.parameters(0.5) == 3 * 16 + 17 * 8 + 9


def test_features_of_windows_are_worked_out_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for person in range(8):
        for label, height in (("still", 0.1), ("moving", 1.0)):
            values = rng.normal(size=(64, 2)) * height
            rows += [[f"{a:.3f}", f"{b:.3f}", f"p{person}", label] for a, b in values]
    file = write_rows(tmp_path / "windows.csv", rows, header="a,b,person,y")
    problem, config, _ = problem_and_config(
        str(file), {"target": "y", "group": "person"}, window=WindowConfig(samples=16, step=16)
    )
    outputs, stages = StageOutputs(problem), config_of(config, problem, PLAIN)
    half = np.arange(len(problem.y) // 2, dtype=np.int64)
    first, second = outputs.part(stages, half), outputs.part(stages, half[::2])
    assert first.X.ndim == 2
    assert np.shares_memory(first.X, second.X)  # plain statistics learn nothing from samples
    scaled = msgspec.structs.replace(stages, stages=(*stages.stages, {"kind": "scale"}))
    first, second = outputs.part(scaled, half[:4]), outputs.part(scaled, half[-4:])
    assert not np.array_equal(first.X, second.X)
    assert np.array_equal(first.X, outputs.part(scaled, half[:4]).X)
    assert RungLearner(problem, config, "tree", METRICS["accuracy"], 2).judge(1.0, 0) < 0.1


@pytest.mark.slow
def test_utterances_judge_students_and_made_up_ones_do_not() -> None:
    words = {"light": ("lamp", "bright", "dark"), "heat": ("warm", "cold", "radiator")}
    utterances = [
        Utterance(text=f"make it {word} {n}", intent=intent, synthetic=n >= 12)
        for intent, some in words.items()
        for word in some
        for n in range(14)
    ]
    learner = IntentLearner("house", utterances, size=4_000)
    assert learner.samples >= 66
    assert not any(text.endswith((" 12", " 13")) for text in learner._judges)
    assert learner.judge(1.0, 0) < 0.2
    with pytest.raises(InputError, match="at least two intents"):
        IntentLearner("one", utterances[:10])


@pytest.mark.parametrize(("samples", "pieces"), [(40.0, 40), (4000.0, 2)])
def test_too_little_for_three_sizes_is_refused(samples: float, pieces: int) -> None:
    learner = Known()
    learner.samples, learner.pieces = samples, pieces
    with pytest.raises(InputError, match="enough data for three training sizes"):
        _measured(learner)
