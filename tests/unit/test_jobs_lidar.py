"""A simulated lidar: what beams hit, what hides behind it, and what networks are asked about a lane."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np
import pytest

from edgewright.jobs.catalogue import examples
from edgewright.jobs.simulation.lidar import BEAMS, LANES, REACH, of_lane, scan
from edgewright.jobs.steps.scans import ScanTask, look
from support import left_out

OWN = [1.0, 500, 4, 25, 0]
AHEAD = [1.0, 25, 0, -5, 0]  # its rear is 20 m ahead of the own front


def turn(*others: Sequence[float], scale: float = 1.0, seed: int = 0) -> np.ndarray:
    return scan(np.array([OWN, *others], float), np.random.default_rng(seed), scale)


def marched(others: np.ndarray, direction: np.ndarray) -> float:
    """Walk along a beam in steps of a centimetre until a point lies in a box."""
    for metres in np.arange(0, REACH, 0.01):
        point = direction * metres
        for _, x, y, vx, vy in others:
            angle = np.arctan2(vy, vx + OWN[3])
            away = point - (x - 2.5, y)
            along = away @ (np.cos(angle), np.sin(angle))
            across = away @ (-np.sin(angle), np.cos(angle))
            if abs(along) <= 2.5 and abs(across) <= 1.0:
                return float(metres)
    return REACH


def test_nobody_is_told_by_beams_that_end_at_the_reach_and_move_nowhere() -> None:
    ahead, aside, rate = turn()
    assert np.allclose(np.hypot(ahead, aside), REACH)
    assert not rate.any()
    # A lane that is asked about has nobody aside of it.
    assert (of_lane(turn(), 0.0)[1] == 8).all()


def test_a_car_ahead_has_its_gap_and_its_speed() -> None:
    ahead, aside, rate = turn(AHEAD)
    hit = np.hypot(ahead, aside) < REACH - 1
    assert 5 < hit.sum() < BEAMS / 2
    assert np.abs(aside[hit]).max() < 1.3
    assert ahead[hit].mean() == pytest.approx(20, abs=0.2)
    assert rate[hit].mean() == pytest.approx(-5, abs=0.2)
    # Ranges of a wrong calibration are longer, and the speed is not.
    longer, _, speed = turn(AHEAD, scale=1.1)
    assert longer[hit].mean() == pytest.approx(22, abs=0.2)
    assert speed[hit].mean() == pytest.approx(-5, abs=0.2)


def test_who_is_hidden_is_not_seen() -> None:
    hidden, alone = (np.hypot(*turn(*others)[:2]) for others in ([AHEAD, [1, 60, 0, 3, 0]], [[1, 60, 0, 3, 0]]))
    assert not ((hidden > 45) & (hidden < 70)).any()
    assert ((alone > 54) & (alone < 56)).sum() > 1


@pytest.mark.parametrize("seed", range(3))
def test_beams_end_where_walking_along_them_meets_a_car(seed: int) -> None:
    draw = np.random.default_rng(seed)
    others = np.array([[1, draw.uniform(8, 60), lane, draw.uniform(-5, 5), draw.uniform(-6, 6)] for lane in LANES])
    ahead, aside, _ = turn(*others.tolist(), seed=seed)
    ranges = np.hypot(ahead, aside)
    for beam in range(5, BEAMS, 9):
        direction = np.array([ahead[beam], aside[beam]]) / ranges[beam]
        if ranges[beam] < REACH - 1:  # others lost their return
            assert ranges[beam] == pytest.approx(marched(others, direction), abs=1.0)


def test_a_lane_is_asked_about_from_its_middle() -> None:
    left = turn([1, 25, -4, 0, 0])
    aside = of_lane(left, -4.0)[1]
    assert np.abs(aside[np.hypot(*left[:2]) < 30]).max() < 1.3
    assert of_lane(left, 4.0)[1].min() >= -8


@pytest.mark.slow
def test_an_episode_is_looked_at_the_same_way_twice() -> None:
    if importlib.util.find_spec("highway_env") is None:
        left_out("highway_env (pip install 'edgewright[driving]')")
    task = ScanTask(examples() / "vehicle" / "environment.toml", "aggressive at 1.2", 3)
    one, again = look(task), look(task)
    for name in one._fields:
        assert np.array_equal(getattr(one, name), getattr(again, name))
    assert one.turns.shape == (len(one.gaps), 3, BEAMS)
    assert ((one.gaps >= 0) & (one.gaps <= REACH)).all()
    assert not one.closings[one.gaps == REACH].any()
    other = look(task._replace(condition="idm at 2"))
    assert len(other.gaps) != len(one.gaps) or not np.array_equal(other.gaps, one.gaps)
